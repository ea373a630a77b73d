"""Second factors as they are stored: authenticator app, recovery codes, passkeys. ``account_id`` is the table's own."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column


class TotpColumns:
    """An authenticator app (RFC 6238). ``secret`` is sealed by the vault.

    Without ``activated_at`` it has only been shown and counts for nothing yet. ``last_step`` is the time step of
    the last code that was accepted: a code works once (RFC 6238, 5.2).
    """

    id: Mapped[UUID] = mapped_column(primary_key=True)
    secret: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    if TYPE_CHECKING:
        account_id: Mapped[UUID]


def totp_index(table: str) -> Index:
    """One authenticator that counts and one that is being set up, for each account."""
    return Index(f"uq_{table}_account_id", "account_id", text("(activated_at IS NULL)"), unique=True)


class RecoveryCodeColumns:
    """A code for the day the telephone is lost; works once. ``code_hash``: see ``recovery_codes``."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    if TYPE_CHECKING:
        account_id: Mapped[UUID]


class PasskeyColumns:
    """A WebAuthn credential. ``sign_count`` is 0 for ever where the authenticator does not count."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(100))
    transports: Mapped[str] = mapped_column(Text)
    is_backed_up: Mapped[bool]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    if TYPE_CHECKING:
        account_id: Mapped[UUID]
