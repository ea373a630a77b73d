"""The mails about ways into an account: locks, passwords, sign-in links, changes of address."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from notifications.recipients import Recipient
from notifications.service import ComposedMail, Notice, announce, register_composer
from tenants.accounts.models import AccountKind, EmailChange
from tenants.accounts.services import email_changes
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.links import (
    EMAIL_CHANGE_CANCEL,
    EMAIL_CHANGE_LIFETIME,
    EMAIL_CHANGE_NEW,
    EMAIL_CHANGE_OLD,
    MAGIC_LINK_LIFETIME,
    PASSWORD_RESET,
    RESET_LIFETIME,
    renew_one_time_token,
)
from tenants.accounts.services.magic_links import renew_magic_link
from tenants.accounts.services.staff_accounts import get_staff, list_owners
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

CLIENT_LOCKED_OUT = "client_locked_out"
STAFF_LOCKED_OUT = "staff_locked_out"
STAFF_LOCKED_OUT_OWNER = "staff_locked_out_owner"
CLIENT_PASSWORD_CHANGED = "client_password_changed"  # noqa: S105 - the name of a mail
STAFF_PASSWORD_CHANGED = "staff_password_changed"  # noqa: S105 - the name of a mail
STAFF_PASSWORD_RESET = "staff_password_reset"  # noqa: S105 - the name of a mail
CLIENT_MAGIC_LINK = "client_magic_link"
CHANGE_OLD = "email_change_old"
CHANGE_NEW = "email_change_new"
CHANGED = "email_changed"

RESET_PATH, STAFF_RESET_PATH = "/reset-password", "/admin/reset-password"
FORGOTTEN_PATH, STAFF_FORGOTTEN_PATH = "/forgot-password", "/admin/forgot-password"
SIGN_IN_PATHS = {AccountKind.CLIENT: "/sign-in", AccountKind.STAFF: "/admin/sign-in"}
MAGIC_LINK_PATH = "/magic-link"
CONFIRM_PATHS = {AccountKind.CLIENT: "/confirm-email", AccountKind.STAFF: "/admin/confirm-email"}
CANCEL_PATHS = {AccountKind.CLIENT: "/cancel-email", AccountKind.STAFF: "/admin/cancel-email"}


def _url(session: TenantSession, runtime: Runtime, path: str, token: str = "", return_to: str = "") -> str:
    query = f"?token={quote(token)}" if token else ""
    onward = f"&next={quote(return_to, safe='')}" if return_to else ""
    return runtime.settings.practice_url(session.tenant.slug, path + query + onward)


def _hours(lifetime: timedelta) -> int:
    return int(lifetime.total_seconds() // 3600)


async def _reset_values(
    session: TenantSession, runtime: Runtime, kind: AccountKind, account_id: UUID, path: str
) -> dict[str, Any]:
    token = await renew_one_time_token(session, PASSWORD_RESET, kind, account_id, RESET_LIFETIME)
    return {"reset_url": _url(session, runtime, path, token), "valid_hours": _hours(RESET_LIFETIME)}


async def compose_client_locked_out(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """To a client at whose account somebody guesses: what to do, with a link that sets a new password."""
    client = await get_client(session, notice.subject_id)
    return ComposedMail(await _reset_values(session, runtime, AccountKind.CLIENT, client.id, RESET_PATH))


async def compose_staff_locked_out(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """The same to a member of staff."""
    staff = await get_staff(session, notice.subject_id)
    return ComposedMail(await _reset_values(session, runtime, AccountKind.STAFF, staff.id, STAFF_RESET_PATH))


async def compose_locked_out_owner(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """To the owners: at whose account somebody guesses. Nothing in it lets anybody in."""
    staff = await get_staff(session, notice.subject_id)
    who = f"{staff.first_name} {staff.last_name}".strip()
    return ComposedMail(
        {"who": who, "email": staff.email, "staff_url": _url(session, runtime, f"/admin/staff/{staff.id}")}
    )


async def compose_client_password_changed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """That the password is another one now, and where to turn if that was somebody else."""
    del notice
    return ComposedMail({"forgotten_url": _url(session, runtime, FORGOTTEN_PATH)})


async def compose_staff_password_changed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """The same to a member of staff."""
    del notice
    return ComposedMail({"forgotten_url": _url(session, runtime, STAFF_FORGOTTEN_PATH)})


async def compose_staff_password_reset(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """The link that sets a member of staff's new password."""
    return ComposedMail(await _reset_values(session, runtime, AccountKind.STAFF, notice.subject_id, STAFF_RESET_PATH))


async def compose_magic_link(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """The link that signs in."""
    token = await renew_magic_link(session, await get_client(session, notice.subject_id))
    return ComposedMail(
        {
            "magic_url": _url(session, runtime, MAGIC_LINK_PATH, token, notice.return_to),
            "valid_minutes": int(MAGIC_LINK_LIFETIME.total_seconds() // 60),
        }
    )


async def _open_change(session: TenantSession, notice: Notice) -> EmailChange | None:
    change = await email_changes.find_change(session, notice.subject_id)
    is_over = change is None or change.closed_at is not None or change.expires_at <= clock.now()
    return None if is_over else change


async def compose_change_old(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the address so far: agree, or say that it was somebody else; nothing where it has no say."""
    change = await _open_change(session, notice)
    if change is None or change.old_confirmed_at is not None:
        return None
    kind = AccountKind(change.account_kind)
    confirm = email_changes.make_change_link(session, change, EMAIL_CHANGE_OLD)
    cancel = email_changes.make_change_link(session, change, EMAIL_CHANGE_CANCEL)
    return ComposedMail(
        {
            "new_email": change.new_email,
            "confirm_url": _url(session, runtime, CONFIRM_PATHS[kind], confirm),
            "cancel_url": _url(session, runtime, CANCEL_PATHS[kind], cancel),
            "valid_hours": _hours(EMAIL_CHANGE_LIFETIME),
        }
    )


async def compose_change_new(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the address to be: confirm it; or, if it has an account already, just that."""
    change = await _open_change(session, notice)
    if change is None:
        return None
    kind = AccountKind(change.account_kind)
    if await email_changes.is_address_taken(session, change):
        return ComposedMail({"is_taken": True, "sign_in_url": _url(session, runtime, SIGN_IN_PATHS[kind])})
    token = email_changes.make_change_link(session, change, EMAIL_CHANGE_NEW)
    confirm_url = _url(session, runtime, CONFIRM_PATHS[kind], token)
    return ComposedMail({"is_taken": False, "confirm_url": confirm_url, "valid_hours": _hours(EMAIL_CHANGE_LIFETIME)})


async def compose_changed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To both addresses: which one the account has from now on."""
    change = await email_changes.find_change(session, notice.subject_id)
    if change is None:
        return None
    sign_in_url = _url(session, runtime, SIGN_IN_PATHS[AccountKind(change.account_kind)])
    return ComposedMail({"new_email": change.new_email, "sign_in_url": sign_in_url})


def register_credential_mails() -> None:
    """Register the composers of this module; called at start-up."""
    register_composer(CLIENT_LOCKED_OUT, compose_client_locked_out)
    register_composer(STAFF_LOCKED_OUT, compose_staff_locked_out)
    register_composer(STAFF_LOCKED_OUT_OWNER, compose_locked_out_owner)
    register_composer(CLIENT_PASSWORD_CHANGED, compose_client_password_changed)
    register_composer(STAFF_PASSWORD_CHANGED, compose_staff_password_changed)
    register_composer(STAFF_PASSWORD_RESET, compose_staff_password_reset)
    register_composer(CLIENT_MAGIC_LINK, compose_magic_link)
    register_composer(CHANGE_OLD, compose_change_old)
    register_composer(CHANGE_NEW, compose_change_new)
    register_composer(CHANGED, compose_changed)


async def _tell(
    context: TenantEventContext, mails: dict[str, list[Recipient]], subject_id: UUID, *, return_to: str = ""
) -> None:
    async with context.runtime.database.tenant(context.tenant) as session:
        for kind, recipients in mails.items():
            await announce(
                session,
                kind,
                subject_id=subject_id,
                version=str(context.event_id),
                recipients=recipients,
                return_to=return_to,
            )


async def on_client_locked_out(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell a client that somebody guesses at their password."""
    client_id = UUID(payload["client_id"])
    await _tell(context, {CLIENT_LOCKED_OUT: [Recipient.client(client_id)]}, client_id)


async def on_staff_locked_out(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell a member of staff, and the owners, each once."""
    staff_id = UUID(payload["staff_id"])
    async with context.runtime.database.tenant(context.tenant) as session:
        owners = [Recipient.staff(owner.id) for owner in await list_owners(session) if owner.id != staff_id]
    await _tell(context, {STAFF_LOCKED_OUT: [Recipient.staff(staff_id)], STAFF_LOCKED_OUT_OWNER: owners}, staff_id)


async def on_client_password_changed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell a client that their password is another one now."""
    client_id = UUID(payload["client_id"])
    await _tell(context, {CLIENT_PASSWORD_CHANGED: [Recipient.client(client_id)]}, client_id)


async def on_staff_password_changed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell a member of staff the same."""
    staff_id = UUID(payload["staff_id"])
    await _tell(context, {STAFF_PASSWORD_CHANGED: [Recipient.staff(staff_id)]}, staff_id)


async def on_staff_password_forgotten(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Send a member of staff a link to set a new password."""
    staff_id = UUID(payload["staff_id"])
    await _tell(context, {STAFF_PASSWORD_RESET: [Recipient.staff(staff_id)]}, staff_id)


async def on_magic_link_requested(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Send a client a link that signs in."""
    client_id = UUID(payload["client_id"])
    mails = {CLIENT_MAGIC_LINK: [Recipient.client(client_id)]}
    await _tell(context, mails, client_id, return_to=payload["return_to"])


async def on_email_change_requested(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Ask both addresses of a change."""
    change_id = UUID(payload["change_id"])
    old, new = (Recipient.changing_address(change_id, is_new=is_new) for is_new in (False, True))
    await _tell(context, {CHANGE_OLD: [old], CHANGE_NEW: [new]}, change_id)


async def on_email_changed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell both addresses that the change is made."""
    change_id = UUID(payload["change_id"])
    both = [Recipient.changing_address(change_id, is_new=is_new) for is_new in (False, True)]
    await _tell(context, {CHANGED: both}, change_id)
