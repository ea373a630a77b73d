"""Passwords of clients and staff: changed, forgotten, set anew."""

from uuid import UUID

from tenants.accounts.errors import InvalidCredentialsError, InvalidOneTimeTokenError
from tenants.accounts.events import CLIENT_PASSWORD_CHANGED, STAFF_PASSWORD_CHANGED, STAFF_PASSWORD_FORGOTTEN
from tenants.accounts.models import AccountKind, Client, Staff
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services import email_changes, sign_ins
from tenants.accounts.services.address_proof import disconnect_providers, prove_address
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.links import MAGIC_LINK, PASSWORD_RESET, read_link, spend_link
from tenants.accounts.services.lockouts import lift_lock
from tenants.accounts.services.sign_ins import ClientSignIn, StaffSignIn
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.passwords import hash_password
from todoenbalance.kit.security.sign_ins import EndReason
from todoenbalance.kit.security.strength import check_strength


async def change_password(
    session: TenantSession,
    runtime: Runtime,
    found: ClientSignIn | StaffSignIn,
    current: str | None,
    new: str,
    *,
    field: str = "new_password",
    request_id: str | None = None,
) -> None:
    """Set a new password; the sign-in that asks stays, every other one ends, and the owner is told by mail.

    The current password is asked for where there is one; without, the sign-in must be fresh. Raises
    ``InvalidCredentialsError``, ``AccountLockedError``, ``FreshSignInRequiredError``, ``WeakPasswordError``.
    """
    account, kind = found.account, _kind_of(found.account)
    has_password = account.hashed_password is not None
    if not has_password:
        sign_ins.check_freshly_signed_in(found, runtime.settings.auth)
    await give_connection_back(session)
    await check_strength(new, runtime.settings.auth.passwords, _about(account), field=field)
    hashed = await hash_password(new)
    if has_password:
        await sign_ins.check_password(session, runtime, account, current or "")
    else:
        await AccountRepository(session).lock_account(kind, account.id)
        if account.hashed_password is not None:  # another request was faster
            raise InvalidCredentialsError
    await sign_ins.check_still_signed_in(session, runtime.settings.auth, kind, found.sign_in.id)
    account.hashed_password = hashed
    await _after_change(session, account, besides=found.sign_in.id)
    if has_password and kind is AccountKind.CLIENT:  # of staff a second factor may be asked too: they confirm apart
        await sign_ins.confirm_session(session, runtime.settings.auth, kind, found.sign_in.id)
    _record(session, account, "staff.password_changed", request_id)


async def reset_client_password(session: TenantSession, runtime: Runtime, token: str, password: str) -> Client:
    """Set a new password by a mailed link: every sign-in ends, identities at providers go, a lock is lifted.

    Raises :class:`InvalidOneTimeTokenError`, ``WeakPasswordError`` (the link stays good).
    """
    client = await _reset(session, runtime, AccountKind.CLIENT, token, password)
    assert isinstance(client, Client)  # noqa: S101 - of that kind
    return client


async def request_staff_password_reset(session: TenantSession, email: str) -> None:
    """Mail a reset link if the address is that of staff who have accepted their invitation; says nothing either way."""
    staff = await AccountRepository(session).find_staff_by_email(email)
    if staff is not None and staff.is_active and staff.accepted_at is not None:
        await publish(session, STAFF_PASSWORD_FORGOTTEN, {"staff_id": str(staff.id)})


async def reset_staff_password(
    session: TenantSession, runtime: Runtime, token: str, password: str, *, request_id: str | None = None
) -> Staff:
    """The same for staff. Signs nobody in, so the second factor is asked for as ever."""
    staff = await _reset(session, runtime, AccountKind.STAFF, token, password)
    assert isinstance(staff, Staff)  # noqa: S101 - of that kind
    _record(session, staff, "staff.password_reset", request_id)
    return staff


async def _reset(
    session: TenantSession, runtime: Runtime, kind: AccountKind, token: str, password: str
) -> Client | Staff:
    about = _about(await read_link(session, kind, token, PASSWORD_RESET))
    await give_connection_back(session)
    await check_strength(password, runtime.settings.auth.passwords, about)
    hashed = await hash_password(password)
    _row, account = await spend_link(session, kind, token, PASSWORD_RESET)
    if isinstance(account, Client):
        await prove_address(session, account)
        await disconnect_providers(session, account)
    elif account.accepted_at is None:
        raise InvalidOneTimeTokenError
    account.hashed_password = hashed
    await _after_change(session, account)
    await lift_lock(session, runtime, account)
    return account


async def _after_change(session: TenantSession, account: Client | Staff, *, besides: UUID | None = None) -> None:
    """What was got or asked for with the old password goes."""
    accounts, kind = AccountRepository(session), _kind_of(account)
    await accounts.void_one_time_tokens(account.id, PASSWORD_RESET, MAGIC_LINK)
    waiting = await email_changes.find_open_change(session, account)
    if waiting is not None and waiting.sign_in_id != besides:
        await email_changes.give_up_changes(session, account)
    await sign_ins.end_all(session, kind, account.id, EndReason.PASSWORD_CHANGED, besides=besides)
    if kind is AccountKind.CLIENT:
        await publish(session, CLIENT_PASSWORD_CHANGED, {"client_id": str(account.id)})
    else:
        await publish(session, STAFF_PASSWORD_CHANGED, {"staff_id": str(account.id)})


def _record(session: TenantSession, account: Client | Staff, action: str, request_id: str | None) -> None:
    if isinstance(account, Staff):
        record_staff_action(session, account.id, action, account.id, request_id=request_id)


def _kind_of(account: Client | Staff) -> AccountKind:
    return AccountKind.CLIENT if isinstance(account, Client) else AccountKind.STAFF


def _about(account: Client | Staff) -> tuple[str, str, str]:
    return account.email, account.first_name, account.last_name
