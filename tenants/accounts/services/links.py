"""Mailed links: one-time tokens, stored hashed, made only when the mail is."""

from datetime import timedelta
from uuid import UUID

from tenants.accounts.errors import InvalidOneTimeTokenError
from tenants.accounts.models import AccountKind, Client, OneTimeToken, Staff
from tenants.accounts.repository import AccountRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.security.tokens import hash_opaque_token, new_opaque_token

INVITATION = "invitation"
VERIFICATION = "verification"
PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a purpose
VERIFICATION_LIFETIME = timedelta(days=3)
MAGIC_LINK = "magic_link"
EMAIL_CHANGE = "email_change"
"""What requests for the links of a change are counted as; the links themselves are of three sorts."""
EMAIL_CHANGE_OLD = "email_change_old"
EMAIL_CHANGE_NEW = "email_change_new"
EMAIL_CHANGE_CANCEL = "email_change_cancel"
RESET_LIFETIME = timedelta(hours=2)
MAGIC_LINK_LIFETIME = timedelta(minutes=15)
EMAIL_CHANGE_LIFETIME = timedelta(hours=24)


def make_one_time_token(
    purpose: str, kind: AccountKind, account_id: UUID, lifetime: timedelta
) -> tuple[OneTimeToken, str]:
    """The row to store (hashed) and the token to mail."""
    token, now = new_opaque_token(), clock.now()
    row = OneTimeToken(
        id=new_id(),
        purpose=purpose,
        account_kind=kind,
        account_id=account_id,
        token_hash=hash_opaque_token(token),
        created_at=now,
        expires_at=now + lifetime,
    )
    return row, token


async def renew_one_time_token(
    session: TenantSession, purpose: str, kind: AccountKind, account_id: UUID, lifetime: timedelta
) -> str:
    """A fresh token for a mail that is about to be sent.

    Tokens are stored hashed and never travel through the queue, so each mail makes its own.
    """
    row, token = make_one_time_token(purpose, kind, account_id, lifetime)
    AccountRepository(session).add(row)
    return token


async def read_link(session: TenantSession, kind: AccountKind, token: str, *purposes: str) -> Client | Staff:
    """Whose link it is, without spending it: before slow work that only a live link is worth.

    Raises :class:`InvalidOneTimeTokenError`.
    """
    return (await _look(session, kind, token, purposes))[1]


async def spend_link(
    session: TenantSession, kind: AccountKind, token: str, *purposes: str
) -> tuple[OneTimeToken, Client | Staff]:
    """The link, spent by this, and its account, locked. Of two requests with one link the second gets nothing.

    Looks once to learn whose it is, locks the account, looks again: always in that order, or two links of one
    account could wait for each other. Raises :class:`InvalidOneTimeTokenError`.
    """
    row, account = await _look(session, kind, token, purposes)
    accounts = AccountRepository(session)
    locked = await accounts.lock_account(kind, account.id)
    live = await accounts.find_one_time_token(token, row.purpose)
    if live is None or locked is None or not locked.is_active:
        raise InvalidOneTimeTokenError
    live.used_at = clock.now()
    return live, locked


async def _look(
    session: TenantSession, kind: AccountKind, token: str, purposes: tuple[str, ...]
) -> tuple[OneTimeToken, Client | Staff]:
    accounts = AccountRepository(session)
    row = await accounts.peek_one_time_token(token, purposes)
    if row is None or row.account_kind != kind:
        raise InvalidOneTimeTokenError
    account: Client | Staff | None = (
        await accounts.find_client(row.account_id)
        if kind is AccountKind.CLIENT
        else await accounts.find_staff(row.account_id)
    )
    if account is None or not account.is_active:
        raise InvalidOneTimeTokenError
    return row, account
