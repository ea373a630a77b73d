"""Refresh tokens: opaque, stored hashed, rotated; a spent one that comes back kills its family.

A family is one sign-in. Each use spends a token and makes the next of its family; a spent token that is
used again means that two parties hold the family, so all of it is revoked (RFC 9700, 4.14.2).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import String, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotAuthenticatedError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.security.tokens import hash_opaque_token, new_opaque_token


class RefreshTokenColumns:
    """Columns that every table of refresh tokens has; ``account_id`` is the table's own."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    family_id: Mapped[UUID] = mapped_column(index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


Row = TypeVar("Row", bound=RefreshTokenColumns)


class InvalidRefreshTokenError(NotAuthenticatedError):
    """The refresh token is unknown here, expired or revoked."""

    code = "invalid_refresh_token"
    messages: ClassVar[dict[str, str]] = {
        "en": "The session has ended. Sign in again.",
        "es": "La sesión ha terminado. Inicia sesión de nuevo.",
    }


class TokenReusedError(NotAuthenticatedError):
    """A spent refresh token was used again; its whole family is revoked now."""

    code = "token_reused"
    keeps_changes = True
    messages: ClassVar[dict[str, str]] = {
        "en": "This session was ended for safety: its token was used twice. Sign in again.",
        "es": "La sesión se ha cerrado por seguridad: su token se usó dos veces. Inicia sesión de nuevo.",
    }


@dataclass(frozen=True, slots=True)
class Rotated(Generic[Row]):
    """The row of the token just made, and the token itself, which is stored nowhere."""

    row: Row
    token: str


class RefreshTokens(Generic[Row]):
    """The rules over one table of refresh tokens; ``owner`` are the columns that say whose a new one is."""

    def __init__(self, session: AsyncSession, model: type[Row]) -> None:
        self._session = session
        self._model = model

    def start(self, lifetime: timedelta, *, family_id: UUID | None = None, **owner: Any) -> Rotated[Row]:
        """A token of a new sign-in (or of an existing family). Inserted with the next flush."""
        token, now = new_opaque_token(), clock.now()
        values: dict[str, Any] = {
            "id": new_id(),
            "family_id": family_id or new_id(),
            "token_hash": hash_opaque_token(token),
            "created_at": now,
            "expires_at": now + lifetime,
        }
        row = self._model(**owner, **values)
        self._session.add(row)
        return Rotated(row, token)

    async def find(self, token: str) -> Row | None:
        """The token's row as it is now, also if the session has seen it before.

        Look once to learn whose it is, lock that account's row, look again: everything that makes, spends or
        revokes tokens of an account does so under its lock, or a token made by one request could escape
        the revocation of another.
        """
        statement = select(self._model).where(self._model.token_hash == hash_opaque_token(token))
        return (await self._session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def spend(self, row: Row) -> None:
        """Use up a token, under its account's lock.

        Raises :class:`TokenReusedError` (the family dies) if it was used before,
        :class:`InvalidRefreshTokenError` if it is expired or revoked.
        """
        now = clock.now()
        if row.revoked_at is not None:
            raise InvalidRefreshTokenError
        if row.used_at is not None:
            await self.revoke_family(row.family_id)
            raise TokenReusedError
        if row.expires_at <= now:
            raise InvalidRefreshTokenError
        row.used_at = now

    async def revoke_family(self, family_id: UUID) -> None:
        """End one sign-in."""
        await self._session.execute(
            update(self._model)
            .where(self._model.family_id == family_id, self._model.revoked_at.is_(None))
            .values(revoked_at=clock.now())
        )

    async def family_is_live(self, family_id: UUID) -> bool:
        """Whether the sign-in still stands: it has a token that is neither revoked nor expired."""
        statement = (
            select(self._model.id)
            .where(
                self._model.family_id == family_id,
                self._model.revoked_at.is_(None),
                self._model.expires_at > clock.now(),
            )
            .limit(1)
        )
        return (await self._session.scalar(statement)) is not None
