"""Clients, a provider, a forgetful network and staff play against each other; the books must still agree.

What must hold at the end, whatever happened: money in is money kept plus money given back; an appointment
stands on money that is kept (or was promised for the visit); and no money is kept without an appointment.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from billing.payments.service import settle
from billing.providers import sandbox
from billing.providers.sandbox import SandboxOutcome
from billing.refunds.service import RefundCause, request_refund
from billing.webhooks.service import receive_webhook
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.checkout.schemas import PaymentRead
from tests.support.checkout import PRICE, Desk, make_desk
from tests.support.practices import SignedIn, make_client, make_practice
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

T = TypeVar("T")


class Checkout(RuleBasedStateMachine):
    """Everybody's moves. A move that is refused with a problem is a move, too."""

    appointments = Bundle("appointments")
    payments = Bundle("payments")

    def __init__(
        self,
        runner: asyncio.Runner,
        runtime: Runtime,
        practice: TenantContext,
        client: SignedIn,
        rival: SignedIn,
    ) -> None:
        super().__init__()
        self._runner = runner
        self._rival = rival
        self._desk: Desk = runner.run(make_desk(runtime, practice, client))
        self._booked: list[Appointment] = []
        self._paid: dict[Any, PaymentRead] = {}
        self._events = 0

    def _try(self, move: Coroutine[Any, Any, T]) -> T | None:
        try:
            return self._runner.run(move)
        except ProblemError:
            return None

    @initialize(target=appointments)
    def book_first(self) -> Appointment:
        """A client holds a time."""
        appointment = self._runner.run(self._desk.book())
        self._booked.append(appointment)
        return appointment

    @precondition(lambda self: len(self._booked) < 2)
    @rule(target=appointments)
    def book(self) -> Appointment:
        """And perhaps another one."""
        return self.book_first()

    @rule(target=payments, appointment=appointments, method=st.sampled_from(["sandbox", "sandbox", "offline"]))
    def start(self, appointment: Appointment, method: str) -> PaymentRead | None:
        """The client chooses how to pay."""
        payment = self._try(self._desk.start(appointment, method))
        if payment is not None:
            self._paid[payment.id] = payment
        return payment

    @rule(target=payments, appointment=appointments, hears=st.booleans())
    def pay(self, appointment: Appointment, hears: bool) -> PaymentRead | None:
        """The client pays, and the practice hears of it or does not."""
        payment = self.start(appointment, "sandbox")
        self.decide(payment, SandboxOutcome.APPROVE, forced=True)
        if hears:
            self.come_back(payment, 1)
        return payment

    @rule(payment=payments, outcome=st.sampled_from(SandboxOutcome), forced=st.booleans())
    def decide(self, payment: PaymentRead | None, outcome: SandboxOutcome, forced: bool) -> None:
        """The client clicks at the provider; a forced approval is a provider that was slow."""
        if payment is not None and payment.method == "sandbox":
            self._runner.run(self._desk.decide(payment, outcome, forced=forced))

    @rule(payment=payments, event_type=st.sampled_from(sorted(sandbox.KNOWN_EVENTS)), repeats=st.integers(1, 2))
    def webhook(self, payment: PaymentRead | None, event_type: str, repeats: int) -> None:
        """An event arrives, true or not, once or twice. That none arrives is the rule not chosen."""
        if payment is None or payment.method != "sandbox":
            return
        self._events += 1
        body, headers = self._runner.run(self._desk.signed_event(payment, f"{payment.id}-{self._events}", event_type))
        for _ in range(repeats):
            desk = self._desk
            self._runner.run(receive_webhook(desk.runtime, desk.practice, sandbox.NAME, headers, body))

    @rule(payment=payments, times=st.integers(1, 2))
    def come_back(self, payment: PaymentRead | None, times: int) -> None:
        """The client's browser comes to the return page, perhaps in two tabs at once."""
        if payment is not None:
            wanted = payment

            async def load() -> None:
                await asyncio.gather(*(self._desk.confirm(wanted) for _ in range(times)))

            self._try(load())

    @rule(appointment=appointments, is_noticed=st.booleans())
    def lapse(self, appointment: Appointment, is_noticed: bool) -> None:
        """The hold runs out."""
        self._runner.run((self._desk.expire if is_noticed else self._desk.let_hold_lapse)(appointment))

    @rule(appointment=appointments)
    def snatch(self, appointment: Appointment) -> None:
        """The hold runs out, and somebody else books the same time."""
        self.lapse(appointment, is_noticed=False)
        self._try(self._desk.book(self._rival, appointment.starts_at))

    @rule(appointment=appointments)
    def cancel(self, appointment: Appointment) -> None:
        """The client cancels, in time."""
        self._try(self._desk.cancel(appointment))

    @rule(payment=payments, amount_minor=st.sampled_from([None, 1000]))
    def give_back(self, payment: PaymentRead | None, amount_minor: int | None) -> None:
        """Staff refunds."""
        if payment is None:
            return
        payment_id = payment.id

        async def refund() -> None:
            async with self._desk.runtime.database.tenant(self._desk.practice) as session:
                await request_refund(session, payment_id, amount_minor)

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
        client, rival = (runner.run(make_client(runtime, practice)) for _ in range(2))
        try:
            run_state_machine_as_test(
                lambda: Checkout(runner, runtime, practice, client, rival),
                settings=profile(
                    max_examples=15,
                    stateful_step_count=20,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(runtime.database.close())
