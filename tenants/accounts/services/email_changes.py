"""Changing the address of an account: asked for while signed in, confirmed from both addresses."""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from tenants.accounts.errors import EmailTakenError, InvalidOneTimeTokenError
from tenants.accounts.events import EMAIL_CHANGE_REQUESTED, EMAIL_CHANGED
from tenants.accounts.models import AccountKind, Client, EmailChange, OneTimeToken, Staff
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services import sign_ins
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.links import (
    EMAIL_CHANGE_CANCEL,
    EMAIL_CHANGE_LIFETIME,
    EMAIL_CHANGE_NEW,
    EMAIL_CHANGE_OLD,
    MAGIC_LINK,
    PASSWORD_RESET,
    VERIFICATION,
    make_one_time_token,
    spend_link,
)
from tenants.accounts.services.sign_ins import ClientSignIn, StaffSignIn
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.sign_ins import EndReason

_ALL_LINKS = (EMAIL_CHANGE_OLD, EMAIL_CHANGE_NEW, EMAIL_CHANGE_CANCEL)


class ChangeState(StrEnum):
    """How far a change of address is."""

    WAITING = "waiting"
    CHANGED = "changed"


async def request_email_change(
    session: TenantSession, runtime: Runtime, found: ClientSignIn | StaffSignIn, new_email: str
) -> EmailChange:
    """Begin a change; both addresses are mailed. An earlier one that still waits is given up.

    Whether the new address has an account already is told to nobody but itself. An old address that was never
    verified has no say: it may be a typing error, or somebody else's. Raises ``InvalidInputError`` for one's own.
    """
    account, kind = found.account, _kind_of(found.account)
    accounts = AccountRepository(session)
    await accounts.lock_account(kind, account.id)
    await sign_ins.check_still_signed_in(session, runtime.settings.auth, kind, found.sign_in.id)
    if account.email.lower() == new_email.lower():
        raise InvalidInputError(["body", "new_email"], "that is the address of the account already", "same_email")
    await give_up_changes(session, account)
    now = clock.now()
    has_say = isinstance(account, Staff) or account.is_verified
    change = EmailChange(
        id=new_id(),
        account_kind=kind,
        account_id=account.id,
        old_email=account.email,
        new_email=new_email,
        sign_in_id=found.sign_in.id,
        old_confirmed_at=None if has_say else now,
        created_at=now,
        expires_at=now + EMAIL_CHANGE_LIFETIME,
    )
    accounts.add(change)
    if isinstance(account, Staff):
        record_staff_action(session, account.id, "staff.email_change_requested", account.id)
    await publish(session, EMAIL_CHANGE_REQUESTED, {"change_id": str(change.id)})
    return change


async def give_up_changes(session: TenantSession, account: Client | Staff) -> None:
    """Close whatever change an account waits for, with its links. The caller holds the account's lock."""
    accounts = AccountRepository(session)
    await accounts.close_email_changes(_kind_of(account), account.id)
    await accounts.void_one_time_tokens(account.id, *_ALL_LINKS)


async def find_open_change(session: TenantSession, account: Client | Staff) -> EmailChange | None:
    """The change that an account waits for, or None."""
    return await AccountRepository(session).find_open_email_change(_kind_of(account), account.id)


async def find_change(session: TenantSession, change_id: UUID) -> EmailChange | None:
    """A change by id, also one that is over."""
    return await AccountRepository(session).find_email_change(change_id)


async def is_address_taken(session: TenantSession, change: EmailChange) -> bool:
    """Whether an account of the same kind has the new address."""
    accounts = AccountRepository(session)
    if change.account_kind == AccountKind.CLIENT:
        return await accounts.find_client_by_email(change.new_email) is not None
    return await accounts.find_staff_by_email(change.new_email) is not None


def make_change_link(session: TenantSession, change: EmailChange, purpose: str) -> str:
    """The token of a link of a change, for a mail that is about to be sent; ends when the change does."""
    lifetime = max(change.expires_at - clock.now(), timedelta())
    row, token = make_one_time_token(purpose, AccountKind(change.account_kind), change.account_id, lifetime)
    row.subject_id = change.id
    AccountRepository(session).add(row)
    return token


async def confirm_email_change(session: TenantSession, kind: AccountKind, token: str) -> ChangeState:
    """Note that one of the two addresses agrees; the second one makes the change.

    The other sign-ins end then and every mailed link is void. Raises :class:`InvalidOneTimeTokenError`,
    :class:`EmailTakenError` if the new address has got an account meanwhile.
    """
    async with session.begin_nested():  # a refusal leaves the link as it was, also where a page says so
        row, account = await spend_link(session, kind, token, EMAIL_CHANGE_OLD, EMAIL_CHANGE_NEW)
        change = await _open_change(session, row)
        if row.purpose == EMAIL_CHANGE_OLD:
            change.old_confirmed_at = clock.now()
        else:
            change.new_confirmed_at = clock.now()
        if change.old_confirmed_at is None or change.new_confirmed_at is None:
            return ChangeState.WAITING
        await _apply(session, account, change)
        return ChangeState.CHANGED


async def _open_change(session: TenantSession, row: OneTimeToken) -> EmailChange:
    change = await AccountRepository(session).find_email_change(row.subject_id) if row.subject_id else None
    if change is None or change.closed_at is not None or change.expires_at <= clock.now():
        raise InvalidOneTimeTokenError
    return change


async def _apply(session: TenantSession, account: Client | Staff, change: EmailChange) -> None:
    if await is_address_taken(session, change):
        raise EmailTakenError
    try:
        async with session.begin_nested():
            account.email = change.new_email
    except IntegrityError as taken:
        await session.refresh(account)  # the savepoint emptied it, and a page may show it still
        raise EmailTakenError from taken
    if isinstance(account, Client):
        account.is_verified = True
    else:
        record_staff_action(session, account.id, "staff.email_changed", account.id)
    accounts, kind = AccountRepository(session), _kind_of(account)
    change.closed_at = clock.now()
    await accounts.void_one_time_tokens(account.id, VERIFICATION, PASSWORD_RESET, MAGIC_LINK, *_ALL_LINKS)
    await sign_ins.end_all(session, kind, account.id, EndReason.REVOKED, besides=change.sign_in_id)
    await publish(session, EMAIL_CHANGED, {"change_id": str(change.id)})


async def cancel_email_change(session: TenantSession, kind: AccountKind, token: str) -> None:
    """The old address says that it was not its owner who asked: the change is off and every sign-in ends.

    Raises :class:`InvalidOneTimeTokenError`.
    """
    row, account = await spend_link(session, kind, token, EMAIL_CHANGE_CANCEL)
    await _open_change(session, row)
    await give_up_changes(session, account)
    await sign_ins.end_all(session, kind, account.id, EndReason.REVOKED)
    if isinstance(account, Staff):
        record_staff_action(session, account.id, "staff.email_change_cancelled", account.id)


def _kind_of(account: Client | Staff) -> AccountKind:
    return AccountKind.CLIENT if isinstance(account, Client) else AccountKind.STAFF
