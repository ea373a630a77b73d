"""The books of a practice under everybody's moves: what is common to the providers.

What must hold at the end, whatever happened: what came in is what is kept plus what went back, for each payment and in
all, here and there; nobody's time is confirmed without its money, and no money is kept for a time that is not.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from billing.payments import asking, settling
from billing.payments.models import LedgerEntry, Payment, PaymentAttempt, Refund, RefundStatus
from billing.payments.payables import APPOINTMENT
from billing.providers.port import ProviderError
from billing.reconciliation.service import read_state, reconcile
from billing.refunds.service import request_refund
from scheduling.appointments.models import Appointment, AppointmentStatus
from tests.support.checkout import Desk, make_desk
from tests.support.events import run_due_events
from tests.support.practices import make_client
from todoenbalance.kit import clock
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """What the provider says of one payment's money, in minor units: what came, and what of it went back."""

    captured: int
    back: int


class Books(RuleBasedStateMachine):
    """Everybody's moves. One that is refused with a problem, or that the provider does not answer, is a move, too.

    A subclass is a provider's side: how the client pays there, what happens there, and what it says at the end.
    """

    provider = ""

    def __init__(self, runner: asyncio.Runner, runtime: Runtime, practice: TenantContext) -> None:
        super().__init__()
        self._runner = runner
        self._rival = runner.run(make_client(runtime, practice))
        self._desk: Desk = runner.run(make_desk(runtime, practice))
        self._booked: list[Appointment] = []

    @abstractmethod
    def pay_there(self) -> None:
        """The client does what there is to do on the provider's page, and all goes well."""

    @abstractmethod
    def lose(self, what: str) -> None:
        """Every answer to ``begin`` or ``refund`` is lost until :meth:`calm`, whatever it does there."""

    @abstractmethod
    def calm(self) -> None:
        """The network is well again, and what was set up for the next call is forgotten."""

    @abstractmethod
    def next_refund_is_slow(self) -> None:
        """The provider takes the next refund and has not made it yet."""

    @abstractmethod
    def end_there(self) -> None:
        """Whatever is open at the provider comes to its end."""

    @abstractmethod
    def taken(self) -> Mapping[str, Taken]:
        """All money that came at the provider, by the name that it has there."""

    def _try(self, move: Coroutine[Any, Any, T]) -> T | None:
        try:
            return self._runner.run(move)
        except (ProblemError, ProviderError):
            return None

    def _rows(self, model: type[T]) -> Sequence[T]:
        async def read() -> Sequence[T]:
            async with self._desk.runtime.database.tenant(self._desk.practice) as session:
                return (await session.scalars(select(model).order_by(model.id))).all()  # type: ignore[attr-defined]  # every table has one

        return self._runner.run(read())

    @initialize(has_paid=st.booleans())
    def begin(self, has_paid: bool) -> None:
        """A client holds a time and is about to pay, or has: what comes after that would be met too seldom."""
        self.book(loses_answer=False)
        if has_paid:
            self.pay_there()
            self.come_back(0)

    @precondition(lambda self: len(self._booked) < 2)
    @rule(loses_answer=st.booleans())
    def book(self, loses_answer: bool) -> None:
        """A client books and begins to pay; the answer to that may be lost."""
        appointment = self._runner.run(self._desk.book())
        self._booked.append(appointment)
        if loses_answer:
            self.lose("begin")
        self._try(self._desk.start(appointment, self.provider))
        self.calm()

    @rule(n=st.integers(0, 1))
    def pay_again(self, n: int) -> None:
        """The client begins once more."""
        self._try(self._desk.start(self._booked[n % len(self._booked)], self.provider))

    @rule(n=st.integers(0, 3))
    def come_back(self, n: int) -> None:
        """The browser comes to the return page, in two tabs at once."""
        payments = self._rows(Payment)
        if not payments:
            return
        chosen = payments[n % len(payments)]

        async def load() -> None:
            await asyncio.gather(*(settling.settle(self._desk.runtime, self._desk.practice, chosen.id) for _ in "ab"))

        self._try(load())

    @rule(n=st.integers(0, 3), asks=st.booleans())
    def crash(self, n: int, asks: bool) -> None:
        """Stripe was asked, and the process died before writing down what it said."""
        payments = self._rows(Payment)
        if payments:
            act = asking.ask_provider if asks else settling.read_provider
            self._try(act(self._desk.runtime, self._desk.practice, payments[n % len(payments)].id))

    @rule(n=st.integers(0, 1), is_noticed=st.booleans())
    def lapse(self, n: int, is_noticed: bool) -> None:
        """The hold runs out."""
        act = self._desk.expire if is_noticed else self._desk.let_hold_lapse
        self._runner.run(act(self._booked[n % len(self._booked)]))

    @rule(n=st.integers(0, 1))
    def rival(self, n: int) -> None:
        """Somebody else wants the time."""
        self._try(self._desk.book(self._rival, self._booked[n % len(self._booked)].starts_at))

    @rule(n=st.integers(0, 1))
    def cancel(self, n: int) -> None:
        """The client cancels, in time."""
        self._try(self._desk.cancel(self._booked[n % len(self._booked)]))

    @rule(n=st.integers(0, 3), amount=st.sampled_from([None, 1000]), how=st.sampled_from(["", "lost", "slow", "later"]))
    def give_back(self, n: int, amount: int | None, how: str) -> None:
        """Staff refunds; the answer may be lost, or slow, and the queue may come to it only after other things."""
        payments = self._rows(Payment)
        if not payments:
            return

        async def refund() -> None:
            async with self._desk.runtime.database.tenant(self._desk.practice) as session:
                await request_refund(session, payments[n % len(payments)].id, amount)

        if how == "lost":
            self.lose("refund")
        elif how == "slow":
            self.next_refund_is_slow()
        self._try(refund())
        if how == "later":
            return
        self.work()
        self.calm()  # nothing was left to give back, and the next one is at once

    @rule()
    def work(self) -> None:
        """The worker runs what is due."""
        self._runner.run(self._desk.run())

    def teardown(self) -> None:
        """Everything comes to its end, is read once more, and compared."""
        self.calm()
        self.end_there()
        self._runner.run(self._end())
        self._check()

    async def _end(self) -> None:
        desk = self._desk
        later = clock.now() + timedelta(hours=3)
        for _ in range(2):  # what the first finds may ask for refunds, which the second compares
            await run_due_events(desk.runtime, desk.practice, until=later)
            await reconcile(desk.runtime, desk.practice)
        await run_due_events(desk.runtime, desk.practice, until=later)
        await reconcile(desk.runtime, desk.practice)
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert (await read_state(session)).disagreeing == 0

    def _check(self) -> None:
        taken = self.taken()
        lines, refunds = self._rows(LedgerEntry), self._rows(Refund)
        ours = {one.charge_ref: one.payment_id for one in self._rows(PaymentAttempt) if one.charge_ref}
        assert set(taken) <= set(ours), "money that only the provider knows of"
        payments = {one.id: one for one in self._rows(Payment)}
        for payment in payments.values():
            there = [taken[ref] for ref, payment_id in ours.items() if payment_id == payment.id and ref in taken]
            assert payment.captured_minor == sum(one.captured for one in there)
            assert payment.refunded_minor == min(sum(one.back for one in there), payment.captured_minor)
            assert (payment.refund_pending_minor, payment.review_reason) == (0, None)
            kept = sum(line.amount_minor for line in lines if line.payment_id == payment.id)
            assert kept == payment.captured_minor - payment.refunded_minor >= 0
        assert sum(line.amount_minor for line in lines) == sum(
            one.captured_minor - one.refunded_minor for one in payments.values()
        )
        for booked in self._booked:
            self._check_appointment(booked, list(payments.values()), refunds)

    def _check_appointment(self, booked: Appointment, payments: list[Payment], refunds: Sequence[Refund]) -> None:
        row = self._runner.run(self._desk.appointment(booked.id))
        of_it = [one for one in payments if (one.payable_kind, one.payable_id) == (APPOINTMENT, booked.id)]
        kept = [one for one in of_it if one.captured_minor > one.refunded_minor]
        if row.status == AppointmentStatus.CONFIRMED:
            assert any(one.captured_minor and one.applied_at for one in of_it), "confirmed without its money"
        failed = {one.payment_id for one in refunds if one.status == RefundStatus.FAILED}
        unwanted = kept if row.status != AppointmentStatus.CONFIRMED else kept[1:]
        # Kept without a time to show for it: only where giving it back was refused, which staff have been told of.
        assert {one.id for one in unwanted} <= failed, (row.status, [one.status for one in unwanted])


def run_books(
    settings: Settings,
    outfit: Callable[[Runtime], Runtime],
    make: Callable[[asyncio.Runner, Runtime], Books],
    *,
    examples: int,
) -> None:
    """Have ``make``'s machine played so often, on a process like all others but for the providers of ``outfit``."""
    with asyncio.Runner() as runner:
        runtime = outfit(Runtime.from_settings(settings))
        try:
            run_state_machine_as_test(
                lambda: make(runner, runtime),  # type: ignore[arg-type]  # calls any factory
                settings=profile(
                    max_examples=examples,
                    stateful_step_count=16,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(runtime.database.close())
