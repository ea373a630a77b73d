"""Lockout: wrong passwords and codes in a row make the next try wait, longer each time (ASVS 5, 6.3.1).

Counted by what was tried, known or not, so that an unknown address locks exactly like a known one. The count is
kept in the database, in the transaction of the failed try: the caller's failure must therefore commit
(``keeps_changes``), and no restart forgets it.

The order of use: :meth:`Lockout.check`, then the slow comparison without a connection in hand, then
:meth:`Lockout.failed` or :meth:`Lockout.succeeded`. These two look once more, under the row's lock: of guesses that
race, those that come after the lock began learn nothing, not even the one that was right.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, delete, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from todoenbalance.kit import clock
from todoenbalance.kit.errors import TooManyRequestsError
from todoenbalance.kit.security.attempts import SignInAttemptColumns
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.kit.settings import LockoutSettings

_SWEEP = 20
"""How many rows that are long past one failure throws away at most."""


class AccountLockedError(TooManyRequestsError):
    """Too many wrong passwords or codes for one account; also the right one is refused until the wait is over."""

    code = "too_many_attempts"
    title = "Too many attempts"


@dataclass(frozen=True, slots=True)
class _State:
    subject: str
    failures: int
    locked_until: datetime | None


class Lockout:
    """The rule over one table of failures. ``subject``: the kind of account and what was tried, as plain text."""

    def __init__(
        self,
        session: AsyncSession,
        model: type[SignInAttemptColumns],
        settings: LockoutSettings,
        signer: TokenSigner,
    ) -> None:
        self._session = session
        self._model = model
        self._settings = settings
        self._signer = signer

    async def check(self, subject: str) -> None:
        """Raises :class:`AccountLockedError` while a wait lasts."""
        self._refuse_locked(await self._find(subject))

    async def failed(self, subject: str) -> bool:
        """Count one failure; whether it began a lock (later ones make the same lock longer).

        Raises :class:`AccountLockedError`, and counts nothing, if another try has begun a lock meanwhile.
        """
        known = await self._find(subject)
        key = known.subject if known else self._signer.digest(subject)
        failures = await self._count(key)
        if failures is None:
            self._refuse_locked(await self._find(subject))
            raise AccountLockedError(self._settings.base_seconds)  # the lock ended between the two statements
        if failures == 1:
            await self._sweep()
        return failures == self._settings.free_failures

    async def succeeded(self, subject: str) -> None:
        """Forget the failures, of which there are none in a row any more.

        Raises :class:`AccountLockedError` if another try has begun a lock meanwhile.
        """
        model, now = self._model, clock.now()
        open_ = or_(model.locked_until.is_(None), model.locked_until <= now)
        deleted = await self._session.execute(
            delete(model).where(self._is(subject), open_).returning(model.subject),
            execution_options={"synchronize_session": False},
        )
        if deleted.first() is None:
            self._refuse_locked(await self._find(subject))

    async def clear(self, subject: str) -> None:
        """Lift a lock: whoever answers the account's mail has shown more than a password would."""
        await self._session.execute(
            delete(self._model).where(self._is(subject)), execution_options={"synchronize_session": False}
        )

    async def _find(self, subject: str) -> _State | None:
        """The worst of what is counted under any of the keys that digests may have been made with."""
        model = self._model
        columns = (model.subject, model.failures, model.locked_until)
        statement = (
            select(*columns)
            .where(self._is(subject))
            .order_by(model.locked_until.desc().nulls_last(), model.failures.desc())
            .limit(1)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return _State(row[0], row[1], row[2]) if row else None

    def _is(self, subject: str) -> ColumnElement[bool]:
        return self._model.subject.in_(self._signer.digests(subject))

    @staticmethod
    def _refuse_locked(state: _State | None) -> None:
        now = clock.now()
        if state is not None and state.locked_until is not None and state.locked_until > now:
            raise AccountLockedError((state.locked_until - now).total_seconds())

    async def _count(self, key: str) -> int | None:
        """One more failure and the wait that follows from it, in one statement; None while a lock stands."""
        model, now = self._model, clock.now()
        is_stale = model.last_failed_at < now - self._forget
        failures = case((is_stale, literal(1)), else_=model.failures + 1)
        values: dict[str, Any] = {"failures": failures, "last_failed_at": now, "locked_until": self._locks(failures)}
        statement = (
            insert(model)
            .values(subject=key, failures=1, last_failed_at=now, locked_until=self._wait_after(1))
            .on_conflict_do_update(
                index_elements=[model.subject],
                set_=values,
                where=or_(model.locked_until.is_(None), model.locked_until <= now),
            )
            .returning(model.failures)
        )
        return (await self._session.execute(statement)).scalar_one_or_none()

    def _locks(self, failures: ColumnElement[int]) -> ColumnElement[Any]:
        """The end of the wait after so many failures, as SQL: the few steps until the longest wait, one by one."""
        steps: list[tuple[ColumnElement[bool], Any]] = []
        count = self._settings.free_failures
        while (seconds := self._seconds(count)) < self._settings.limit_seconds:
            steps.append((failures == count, clock.now() + timedelta(seconds=seconds)))
            count += 1
        longest = clock.now() + timedelta(seconds=self._settings.limit_seconds)
        return case((failures < self._settings.free_failures, None), *steps, else_=longest)

    def _wait_after(self, failures: int) -> datetime | None:
        if failures < self._settings.free_failures:
            return None
        return clock.now() + timedelta(seconds=self._seconds(failures))

    def _seconds(self, failures: int) -> int:
        doublings = min(failures - self._settings.free_failures, 30)
        return min(self._settings.base_seconds << doublings, self._settings.limit_seconds)

    @property
    def _forget(self) -> timedelta:
        return timedelta(hours=self._settings.forget_hours)

    async def _sweep(self) -> None:
        """Throw away some of what is long past, so that the table holds a day and not a history."""
        model, now = self._model, clock.now()
        is_over = or_(model.locked_until.is_(None), model.locked_until <= now)
        past = (
            select(model.subject)
            .where(model.last_failed_at < now - self._forget, is_over)
            .limit(_SWEEP)
            .with_for_update(skip_locked=True)
        )
        await self._session.execute(
            delete(model).where(model.subject.in_(past)), execution_options={"synchronize_session": False}
        )
