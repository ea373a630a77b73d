"""The mails about accounts: welcome, address to verify, forgotten password, invitation."""

from datetime import timedelta
from urllib.parse import quote

from notifications.formats import describe
from notifications.service import ComposedMail, Notice, register_composer
from tenants.accounts.models import AccountKind
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.links import (
    INVITATION,
    PASSWORD_RESET,
    RESET_LIFETIME,
    VERIFICATION,
    VERIFICATION_LIFETIME,
    renew_one_time_token,
)
from tenants.accounts.services.staff_accounts import get_staff
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime

CLIENT_WELCOME = "client_welcome"
CLIENT_REGISTRATION_REPEATED = "client_registration_repeated"
CLIENT_VERIFICATION = "client_verification"
CLIENT_PASSWORD_RESET = "client_password_reset"  # noqa: S105 - the name of a mail
STAFF_INVITATION = "staff_invitation"

SIGN_IN_PATH = "/sign-in"
VERIFY_PATH = "/verify-email"
RESET_PATH = "/reset-password"
INVITATION_PATH = "/admin/accept-invitation"


async def _verification_url(session: TenantSession, runtime: Runtime, notice: Notice) -> str:
    token = await renew_one_time_token(
        session, VERIFICATION, AccountKind.CLIENT, notice.subject_id, VERIFICATION_LIFETIME
    )
    return runtime.settings.practice_url(session.tenant.slug, f"{VERIFY_PATH}?token={quote(token)}")


async def _reset_url(session: TenantSession, runtime: Runtime, notice: Notice) -> str:
    token = await renew_one_time_token(session, PASSWORD_RESET, AccountKind.CLIENT, notice.subject_id, RESET_LIFETIME)
    return runtime.settings.practice_url(session.tenant.slug, f"{RESET_PATH}?token={quote(token)}")


async def compose_welcome(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """To someone who has just registered, with the link that verifies their address if that is still due."""
    client = await get_client(session, notice.subject_id)
    due = not client.is_verified
    return ComposedMail(
        {
            "verification_url": await _verification_url(session, runtime, notice) if due else None,
            "valid_days": VERIFICATION_LIFETIME.days,
            "booking_url": runtime.settings.practice_url(session.tenant.slug),
        }
    )


async def compose_registration_repeated(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """To someone whose address was registered once more: they have an account, this is how to get in."""
    return ComposedMail(
        {
            "sign_in_url": runtime.settings.practice_url(session.tenant.slug, SIGN_IN_PATH),
            "reset_url": await _reset_url(session, runtime, notice),
            "valid_hours": int(RESET_LIFETIME.total_seconds() // 3600),
        }
    )


async def compose_verification(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """The link that verifies an address; nothing if that has happened meanwhile."""
    client = await get_client(session, notice.subject_id)
    if client.is_verified:
        return None
    return ComposedMail(
        {
            "verification_url": await _verification_url(session, runtime, notice),
            "valid_days": VERIFICATION_LIFETIME.days,
        }
    )


async def compose_password_reset(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """The link that sets a new password."""
    return ComposedMail(
        {
            "reset_url": await _reset_url(session, runtime, notice),
            "valid_hours": int(RESET_LIFETIME.total_seconds() // 3600),
        }
    )


async def compose_invitation(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """The invitation of a member of staff; nothing if they have accepted meanwhile."""
    staff = await get_staff(session, notice.subject_id)
    if staff.accepted_at is not None:
        return None
    lifetime = timedelta(days=runtime.settings.auth.invitation_days)
    token = await renew_one_time_token(session, INVITATION, AccountKind.STAFF, staff.id, lifetime)
    url = runtime.settings.practice_url(session.tenant.slug, f"{INVITATION_PATH}?token={quote(token)}")
    until = describe(clock.now() + lifetime, notice.reader.timezone, notice.reader.locale)
    return ComposedMail({"invitation_url": url, "valid_until": until, "email": staff.email})


def register_account_mails() -> None:
    """Register the composers of this module; called at start-up."""
    register_composer(CLIENT_WELCOME, compose_welcome)
    register_composer(CLIENT_REGISTRATION_REPEATED, compose_registration_repeated)
    register_composer(CLIENT_VERIFICATION, compose_verification)
    register_composer(CLIENT_PASSWORD_RESET, compose_password_reset)
    register_composer(STAFF_INVITATION, compose_invitation)
