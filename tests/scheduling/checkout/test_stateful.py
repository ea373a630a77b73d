"""Clients, a provider, a forgetful network and staff play against each other; the books must still agree.

What must hold at the end, whatever happened: money in is money kept plus money given back; an appointment
stands on money that is kept (or was promised for the visit); and no money is kept without an appointment.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing.checkout.schemas import PaymentRead
from billing.payments.settling import settle
from billing.providers import sandbox
from billing.providers.sandbox import SandboxOutcome
from billing.refunds.service import RefundCause, request_refund
from billing.webhooks.receiving import receive_webhook
from scheduling.appointments.models import Appointment, AppointmentStatus
from tests.support.checkout import PRICE, Desk, make_desk
from tests.support.practices import make_client, make_practice
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

T = TypeVar("T")


class Checkout(RuleBasedStateMachine):
    """Everybody's moves. A move that is refused with a problem is a move, too."""

    payments = Bundle("payments")

    def __init__(
        self,
        runner: asyncio.Runner,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        super().__init__()
        self._runner = runner
        # New people each time: what others left unpaid would count against them.
        client, self._rival = (runner.run(make_client(runtime, practice)) for _ in range(2))
        self._desk: Desk = runner.run(make_desk(runtime, practice, client))
        self._booked: list[Appointment] = []
        self._paid: dict[UUID, PaymentRead] = {}
        self._events = 0

    def _try(self, move: Coroutine[Any, Any, T]) -> T | None:
        try:
            return self._runner.run(move)
        except ProblemError:
            return None

    def _start(self, appointment: Appointment, method: str = "sandbox") -> PaymentRead | None:
        payment = self._try(self._desk.start(appointment, method))
        if payment is not None:
            self._paid[payment.id] = payment
        return payment

    def _appointment_of(self, payment: PaymentRead) -> Appointment:
        return next(one for one in self._booked if one.id == payment.appointment_id)

    @initialize(target=payments)
    def begin(self) -> PaymentRead | MultipleResults[PaymentRead]:
        """A client holds a time and is about to pay."""
        self._booked.append(self._runner.run(self._desk.book()))
        return self._start(self._booked[-1]) or multiple()

    @precondition(lambda self: len(self._booked) < 2)
    @rule(target=payments)
    def begin_another(self) -> PaymentRead | MultipleResults[PaymentRead]:
        """And perhaps another one."""
        return self.begin()

    @rule(target=payments, payment=payments, method=st.sampled_from(["sandbox", "offline"]))
    def pay_again(self, payment: PaymentRead, method: str) -> PaymentRead | MultipleResults[PaymentRead]:
        """The client begins again, perhaps in another way."""
        return self._start(self._appointment_of(payment), method) or multiple()

    @rule(target=payments, payment=payments)
    def change_of_mind(self, payment: PaymentRead) -> PaymentRead | MultipleResults[PaymentRead]:
        """The client declines and pays by a new order; the old one may still come back from the dead."""
        self.decide(payment, SandboxOutcome.DECLINE, forced=False)
        self.come_back(payment, 1)
        again = self._start(self._appointment_of(payment))
        if again is None:
            return multiple()
        self.decide(again, SandboxOutcome.APPROVE, forced=True)
        return again

    @rule(
        payment=payments,
        outcome=st.sampled_from([SandboxOutcome.APPROVE, SandboxOutcome.APPROVE, SandboxOutcome.DECLINE]),
        forced=st.booleans(),
    )
    def decide(self, payment: PaymentRead, outcome: SandboxOutcome, forced: bool) -> None:
        """The client clicks at the provider; a forced approval is a provider that was slow."""
        if payment.method == "sandbox":
            self._runner.run(self._desk.decide(payment, outcome, forced=forced))

    @rule(payment=payments, event_type=st.sampled_from(sorted(sandbox.KNOWN_EVENTS)), repeats=st.integers(1, 2))
    def webhook(self, payment: PaymentRead, event_type: str, repeats: int) -> None:
        """An event arrives, true or not, once or twice. That none arrives is the rule not chosen."""
        if payment.method != "sandbox":
            return
        self._events += 1
        desk = self._desk
        body, headers = self._runner.run(desk.signed_event(payment, f"{payment.id}-{self._events}", event_type))
        for _ in range(repeats):
            self._runner.run(receive_webhook(desk.runtime, desk.practice, sandbox.NAME, headers, body))

    @rule(payment=payments, times=st.integers(1, 2))
    def come_back(self, payment: PaymentRead, times: int) -> None:
        """The client's browser comes to the return page, perhaps in two tabs at once."""

        async def load() -> None:
            await asyncio.gather(*(self._desk.confirm(payment) for _ in range(times)))

        self._try(load())

    @rule(payment=payments, is_noticed=st.booleans())
    def lapse(self, payment: PaymentRead, is_noticed: bool) -> None:
        """The hold runs out."""
        lapse = self._desk.expire if is_noticed else self._desk.let_hold_lapse
        self._runner.run(lapse(self._appointment_of(payment)))

    @rule(payment=payments)
    def snatch(self, payment: PaymentRead) -> None:
        """The hold runs out, and somebody else books the same time."""
        self.lapse(payment, is_noticed=False)
        self._try(self._desk.book(self._rival, self._appointment_of(payment).starts_at))

    @rule(payment=payments)
    def cancel(self, payment: PaymentRead) -> None:
        """The client cancels, in time."""
        self._try(self._desk.cancel(self._appointment_of(payment)))

    @rule(payment=payments, amount_minor=st.sampled_from([None, 1000]))
    def give_back(self, payment: PaymentRead, amount_minor: int | None) -> None:
        """Staff refunds."""

        async def refund() -> None:
            async with self._desk.runtime.database.tenant(self._desk.practice) as session:
                await request_refund(session, payment.id, amount_minor)

        self._try(refund())

    @rule()
    def work(self) -> None:
        """The worker runs what is due."""
        self._runner.run(self._desk.run())

    def teardown(self) -> None:
        """All is read once more, all that is queued is done, and the books are compared."""
        self._runner.run(self._reconcile())

    async def _reconcile(self) -> None:
        desk = self._desk
        for payment_id in self._paid:
            await settle(desk.runtime, desk.practice, payment_id)
        await desk.run()
        for appointment in self._booked:
            await self._check(appointment)

    async def _check(self, appointment: Appointment) -> None:
        desk = self._desk
        ours = [payment for payment in self._paid.values() if payment.appointment_id == appointment.id]
        kept, staff_refunded = [], False
        for read in ours:
            row = await desk.payment(read.id)
            assert row.review_reason is None
            assert row.refund_pending_minor == 0
            assert sum(amount for _, amount in await desk.ledger(row.id)) == row.captured_minor - row.refunded_minor
            if row.method == "sandbox":
                order = await desk.order_of(read)
                assert row.captured_minor in (0, PRICE)
                assert (order.captured_minor, order.refunded_minor) == (row.captured_minor, row.refunded_minor)
            if row.captured_minor > row.refunded_minor:
                kept.append(row)
            staff_refunded |= any(refund.cause == RefundCause.STAFF for refund in await desk.refunds(row.id))
        status = (await desk.appointment(appointment.id)).status
        assert len(kept) <= 1
        if status == AppointmentStatus.CONFIRMED:
            assert kept or staff_refunded or any(read.method == "offline" for read in ours)
        else:
            assert status in (AppointmentStatus.HELD, AppointmentStatus.EXPIRED, AppointmentStatus.CANCELLED)
            assert not kept


def test_the_books_agree_whatever_happens(settings: Settings) -> None:
    runtime = Runtime.from_settings(settings)
    with asyncio.Runner() as runner:
        practice = runner.run(make_practice(runtime))
        try:
            run_state_machine_as_test(
                lambda: Checkout(runner, runtime, practice),  # type: ignore[arg-type]  # calls any factory
                settings=profile(
                    max_examples=20,
                    stateful_step_count=15,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(runtime.database.close())
