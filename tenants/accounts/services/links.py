"""Mailed links: one-time tokens, stored hashed, made only when the mail is."""

from datetime import timedelta
from uuid import UUID

from tenants.accounts.models import AccountKind, OneTimeToken
from tenants.accounts.repository import AccountRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.security.tokens import hash_opaque_token, new_opaque_token

INVITATION = "invitation"
VERIFICATION = "verification"
PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a purpose
VERIFICATION_LIFETIME = timedelta(days=3)
RESET_LIFETIME = timedelta(hours=2)


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
