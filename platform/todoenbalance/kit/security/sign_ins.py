"""Sign-ins: who is in, since when, from where, until when; with refresh tokens that rotate.

One row is one sign-in, of whichever kind of account the table belongs to. It ends when its owner (or someone in
charge) ends it, when nobody has used it for a while, when its absolute limit is reached (ASVS 5, 7.3), or when
one of its refresh tokens is used twice.

Refresh tokens are opaque, stored hashed and spent by use; each use makes the next of the same sign-in. A spent
one that comes back means that two parties hold it, so the sign-in dies (RFC 9700, 4.14.2).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import String, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import ColumnElement

from todoenbalance.kit import clock
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.security.devices import Device
from todoenbalance.kit.security.tokens import hash_opaque_token, new_opaque_token

TOUCH_EVERY = timedelta(minutes=1)
"""How often at most ``last_seen_at`` is written: more would cost a write for each request."""


class SignInMethod(StrEnum):
    """How someone proved who they are when the sign-in began."""

    PASSWORD = "password"  # noqa: S105 - the name of a way, not a secret
    MAGIC_LINK = "magic_link"
    GOOGLE = "google"
    FACEBOOK = "facebook"
    INVITATION = "invitation"
    PASSKEY = "passkey"


class EndReason(StrEnum):
    """Why a sign-in ended, where somebody or something ended it."""

    SIGNED_OUT = "signed_out"
    REVOKED = "revoked"
    REPLACED = "replaced"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a reason
    TOKEN_REUSED = "token_reused"  # noqa: S105 - the name of a reason
    DEACTIVATED = "deactivated"
    ERASED = "erased"


class SignInColumns:
    """Columns of every table of sign-ins; ``account_id`` is the table's own.

    ``authenticated_at``: when its owner last proved who they are (sensitive acts want that to be recent).
    ``second_factor_at``: when they last gave a second factor, None if never in this sign-in.
    ``expires_at``: the absolute limit, which no use moves.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    authenticated_at: Mapped[datetime]
    second_factor_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(20))
    user_agent: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(45))


class RefreshTokenColumns:
    """Columns of every table of refresh tokens. ``family_id`` is the id of the sign-in that they belong to.

    ``revoked_at`` was how releases before the table of sign-ins ended a family; it is honoured, and no
    longer written.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True)
    family_id: Mapped[UUID] = mapped_column(index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


SignInRow = TypeVar("SignInRow", bound=SignInColumns)
TokenRow = TypeVar("TokenRow", bound=RefreshTokenColumns)


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


class FreshSignInRequiredError(ForbiddenError):
    """The act is sensitive and the sign-in is too old for it: prove once more who you are, then repeat it."""

    code = "fresh_sign_in_required"
    title = "Confirm that it is you"
    messages: ClassVar[dict[str, str]] = {
        "en": "Confirm that it is you, then try again.",
        "es": "Confirma que eres tú e inténtalo de nuevo.",
    }


class SecondFactorRequiredError(ForbiddenError):
    """A second factor is compulsory here and this sign-in was made without one."""

    code = "second_factor_required"
    title = "Second factor required"
    messages: ClassVar[dict[str, str]] = {
        "en": "A second factor is compulsory here: set one up first.",
        "es": "Aquí el segundo factor es obligatorio: configúralo primero.",
    }


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a sign-in lasts: unused (``idle``), and at most (``absolute``)."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True)
class Started(Generic[SignInRow]):
    """A sign-in and the refresh token just made for it, which is stored nowhere."""

    sign_in: SignInRow
    refresh_token: str


def is_live(model: type[SignInColumns], idle: timedelta) -> ColumnElement[bool]:
    """The condition that a sign-in still stands."""
    now = clock.now()
    return model.ended_at.is_(None) & (model.expires_at > now) & (model.last_seen_at > now - idle)


class SignIns(Generic[SignInRow, TokenRow]):
    """The rules over one pair of tables; ``owner`` are the columns that say whose a sign-in is.

    Everything that makes, spends or ends sign-ins of an account happens under that account's row lock
    (the caller takes it), or what one request makes could escape what another one ends.
    """

    def __init__(
        self,
        session: AsyncSession,
        sign_ins: type[SignInRow],
        tokens: type[TokenRow],
        limits: SessionLimits,
    ) -> None:
        self._session = session
        self._sign_ins = sign_ins
        self._tokens = tokens
        self._limits = limits

    async def start(
        self, method: SignInMethod, device: Device, *, has_second_factor: bool = False, **owner: Any
    ) -> Started[SignInRow]:
        """A new sign-in, with its first refresh token."""
        now = clock.now()
        values: dict[str, Any] = {
            "id": new_id(),
            "method": method,
            "created_at": now,
            "authenticated_at": now,
            "second_factor_at": now if has_second_factor else None,
            "last_seen_at": now,
            "expires_at": now + self._limits.absolute,
            "user_agent": device.user_agent,
            "address": device.address,
        }
        row = self._sign_ins(**owner, **values)
        self._session.add(row)
        return Started(row, self._new_token(row, **owner))

    def _new_token(self, sign_in: SignInRow, **owner: Any) -> str:
        token, now = new_opaque_token(), clock.now()
        values: dict[str, Any] = {
            "id": new_id(),
            "family_id": sign_in.id,
            "token_hash": hash_opaque_token(token),
            "created_at": now,
            "expires_at": min(now + self._limits.idle, sign_in.expires_at),
        }
        self._session.add(self._tokens(**owner, **values))
        return token

    async def find_token(self, token: str) -> TokenRow | None:
        """The token's row as it is now, also if the session has seen it before.

        Look once to learn whose it is, lock that account's row, look again.
        """
        statement = select(self._tokens).where(self._tokens.token_hash == hash_opaque_token(token))
        return (await self._session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def rotate(self, row: TokenRow, device: Device, **owner: Any) -> Started[SignInRow]:
        """Spend a token and make the next one of its sign-in.

        Raises :class:`TokenReusedError` (the sign-in dies) if it was used before,
        :class:`InvalidRefreshTokenError` if it is expired or its sign-in has ended.
        """
        now = clock.now()
        sign_in = await self._session.get(self._sign_ins, row.family_id, populate_existing=True)
        if sign_in is None or sign_in.ended_at is not None or row.revoked_at is not None:
            raise InvalidRefreshTokenError
        if row.used_at is not None:
            await self.end(sign_in.id, EndReason.TOKEN_REUSED)
            raise TokenReusedError
        if row.expires_at <= now or sign_in.expires_at <= now:
            raise InvalidRefreshTokenError
        row.used_at = now
        sign_in.last_seen_at = now
        sign_in.user_agent, sign_in.address = device.user_agent, device.address
        return Started(sign_in, self._new_token(sign_in, **owner))

    async def end(self, sign_in_id: UUID, reason: EndReason) -> None:
        """End one sign-in; nothing happens to one that has ended already."""
        await self._end(reason, self._sign_ins.id == sign_in_id)

    async def end_all(self, reason: EndReason, *owner: ColumnElement[bool], besides: UUID | None = None) -> None:
        """End every sign-in of an account, ``besides`` one."""
        others = (self._sign_ins.id != besides,) if besides is not None else ()
        await self._end(reason, *owner, *others)

    async def _end(self, reason: EndReason, *which: ColumnElement[bool]) -> None:
        await self._session.execute(
            update(self._sign_ins)
            .where(self._sign_ins.ended_at.is_(None), *which)
            .values(ended_at=clock.now(), end_reason=reason),
            execution_options={"synchronize_session": "fetch"},
        )

    async def find_live(self, sign_in_id: UUID) -> SignInRow | None:
        """The sign-in if it still stands, or None."""
        statement = select(self._sign_ins).where(self._sign_ins.id == sign_in_id, is_live(self._sign_ins, self.idle))
        return (await self._session.scalars(statement)).one_or_none()

    async def list_live(self, *owner: ColumnElement[bool]) -> list[SignInRow]:
        """An account's sign-ins that still stand, the one last used first."""
        statement = (
            select(self._sign_ins)
            .where(*owner, is_live(self._sign_ins, self.idle))
            .order_by(self._sign_ins.last_seen_at.desc(), self._sign_ins.id)
        )
        return list((await self._session.scalars(statement)).all())

    async def touch(self, sign_in: SignInRow) -> None:
        """Note that a sign-in is being used, once a minute at most, in a transaction of its own.

        Called before the request has written anything. Its row must not stay locked while the request waits for
        the account's: who ends an account's sign-ins takes the locks the other way round.
        """
        now = clock.now()
        if now - sign_in.last_seen_at < TOUCH_EVERY:
            return
        await self._session.execute(
            update(self._sign_ins)
            .where(self._sign_ins.id == sign_in.id, self._sign_ins.last_seen_at < now)
            .values(last_seen_at=now),
            execution_options={"synchronize_session": False},
        )
        await give_connection_back(self._session)

    async def confirm(self, sign_in_id: UUID, *, with_second_factor: bool = False) -> None:
        """Note that the owner of a sign-in has just proved once more who they are."""
        now = clock.now()
        values: dict[str, Any] = {"authenticated_at": now}
        if with_second_factor:
            values["second_factor_at"] = now
        await self._session.execute(update(self._sign_ins).where(self._sign_ins.id == sign_in_id).values(**values))

    @property
    def idle(self) -> timedelta:
        """After how long unused a sign-in ends."""
        return self._limits.idle


def check_fresh(sign_in: SignInColumns, within: timedelta) -> None:
    """Raises :class:`FreshSignInRequiredError` if the owner proved who they are longer than ``within`` ago."""
    if sign_in.authenticated_at < clock.now() - within:
        raise FreshSignInRequiredError
