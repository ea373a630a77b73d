"""Handing a message over, whatever carries it: record that it is being sent, call, record what came of it."""

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from notifications.retrying import wait_after
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.tasks import RetryLaterError

GIVE_UP_AFTER = timedelta(hours=24)
"""A message that nobody took for so long is late news; it is marked as failed."""
SUSPENDED_DELAY_SECONDS = 3600.0
"""After so long it is asked again whether a suspended practice is back."""
SENDING, FAILED = "sending", "failed"
"""The states of a line of either log that matter here."""
MAY_HAVE_ARRIVED = "may have arrived"
"""Begins the reason where a message was handed over, nobody said what came of it, and it is not handed over again."""
GIVEN_UP = "sending it broke off too often"
"""Ends the reason where the queue gave the message's row up; an operator who puts it back has it sent after all."""


class RejectedError(Exception):
    """Whoever carries messages will never take this one. Final.

    The reason is stored and shown to staff: it must quote neither message nor address.
    """


class UnavailableError(Exception):
    """No answer, or 'later'. The same message may be handed over again.

    ``delay_seconds``: after how long, if that was said.
    """

    def __init__(self, reason: str, delay_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.delay_seconds = delay_seconds


class LogLine(Protocol):
    """What the logs of mails and of texts have in common."""

    status: str
    attempts: int
    failure: str | None
    created_at: datetime


M = TypeVar("M")
S = TypeVar("S", bound=AsyncSession)


class Sending(ABC, Generic[M, S]):
    """One row of the queue that is to become one message, once. Each method but :meth:`send` has a short transaction
    of its own, of a practice or of the platform."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[S]:
        """One over the log; committed at its end."""

    @abstractmethod
    async def prepare(self, session: S) -> M | None:
        """The message, recorded as being sent; None if there is nothing to send (any more). May raise
        :class:`RetryLaterError`."""

    @abstractmethod
    async def send(self, message: M) -> str:
        """Hand it over, outside any transaction, and answer the carrier's reference.

        Raises :class:`RejectedError` or :class:`UnavailableError`.
        """

    @abstractmethod
    async def record_sent(self, session: S, message: M, reference: str) -> None:
        """It was taken."""

    @abstractmethod
    async def record_failure(self, session: S, message: M, reason: str, *, is_final: bool) -> float | None:
        """Note why it was not; answers after how many seconds to try again, or None if that was the last attempt."""


async def hand_over(sending: Sending[M, S]) -> None:
    """Compose and record, hand over, record the outcome: two short transactions and a call between.

    A delivery that crashed between the call and the second transaction is tried again with the same message id. A
    carrier that can recognise a repeat drops it. One that can't (SendGrid, SMTP) sends the message a second time in
    that window (crash, or an answer that was lost); that is the price of never losing one.
    Raises :class:`RetryLaterError` while the carrier is unavailable, for a day at most, and less often each time: one
    that takes messages and is too slow to say so would send each of them again and again.
    """
    async with sending.transaction() as session:
        message = await sending.prepare(session)
    if message is None:
        return
    try:
        reference = await sending.send(message)
    except RejectedError as rejected:
        async with sending.transaction() as session:
            await sending.record_failure(session, message, str(rejected), is_final=True)
    except UnavailableError as unavailable:
        async with sending.transaction() as session:
            wait = await sending.record_failure(session, message, str(unavailable), is_final=False)
        if wait is not None:
            delay = wait if unavailable.delay_seconds is None else unavailable.delay_seconds
            raise RetryLaterError("whoever carries messages is unavailable", delay) from unavailable
    else:
        async with sending.transaction() as session:
            await sending.record_sent(session, message, reference)


def note_failure_on(log: LogLine, reason: str, *, is_final: bool) -> float | None:
    """Write down why a message was not taken. Answers after how many seconds to try again; None: it has failed."""
    log.failure = reason
    if is_final or clock.now() - log.created_at > GIVE_UP_AFTER:
        log.status = FAILED
        return None
    return wait_after(log.attempts)


def leave_out(log: LogLine, reason: str, skipped: str) -> None:
    """Not to be sent. If it was handed over before and nobody said what came of it, nobody can say it was left out."""
    log.status = FAILED if log.attempts else skipped
    log.failure = f"{MAY_HAVE_ARRIVED}; {reason}" if log.attempts else reason


def give_up(log: LogLine) -> None:
    """The queue parked the message's row: nobody tries any more, as long as no operator puts it back."""
    leave_out(log, GIVEN_UP, FAILED)


def is_given_up(log: LogLine) -> bool:
    """Whether :func:`give_up` was the last that became of it."""
    return log.status == FAILED and log.failure is not None and log.failure.endswith(GIVEN_UP)


def may_have_arrived(log: LogLine) -> bool:
    """Whether nobody can say if it arrived."""
    return log.status == FAILED and log.failure is not None and log.failure.startswith(MAY_HAVE_ARRIVED)


def is_open(log: LogLine) -> bool:
    """Whether an outcome still is to be recorded. A worker that was thought dead may yet report one."""
    return log.status == SENDING or is_given_up(log)


def take_up_again(log: LogLine) -> None:
    """Its row is in the queue again: it is sent as if nobody had given it up, and has all its time anew."""
    if is_given_up(log):
        log.status, log.failure, log.created_at = SENDING, None, clock.now()
