"""Books that are compared with the provider's: what is mended, what is only said, and what a crash leaves."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, update

from billing.checkout.schemas import PaymentRead
from billing.payments.models import PaymentStatus, RefundStatus, SandboxOrder
from billing.reconciliation.events import BILLING_RECONCILE, DISAGREEMENT_FOUND
from billing.reconciliation.models import Reconciliation
from billing.reconciliation.service import State, read_state, reconcile
from billing.refunds.service import request_refund
from scheduling.appointments.models import AppointmentStatus
from tests.conftest import HttpFactory
from tests.support.checkout import PRICE, Desk
from tests.support.events import queued
from tests.support.practices import make_client, make_staff_member
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.models import OutboxEvent


async def compare(desk: Desk) -> tuple[Reconciliation, State]:
    run = await reconcile(desk.runtime, desk.practice)
    async with desk.runtime.database.tenant(desk.practice) as session:
        return run, await read_state(session)


async def change_order(desk: Desk, payment: PaymentRead, **values: object) -> None:
    """Something happens at the provider behind our back."""
    order = await desk.order_of(payment)
    async with desk.runtime.database.tenant(desk.practice) as session:
        await session.execute(update(SandboxOrder).where(SandboxOrder.id == order.id).values(**values))


async def lose_queue(desk: Desk) -> None:
    """Every queued row is lost, as with a parked one that nobody looks at."""
    async with desk.runtime.database.platform() as session:
        await session.execute(delete(OutboxEvent).where(OutboxEvent.tenant == desk.practice.key))


class TestMending:
    async def test_money_that_nobody_told_us_of_is_found(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)  # a closed tab, and a webhook that never came
        run, state = await compare(desk)
        assert (run.checked, run.mended, run.disagreeing, run.unreadable) == (1, 1, 0, 0)
        assert state.disagreeing == 0
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        await desk.run()
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_an_agreeing_payment_is_left_alone(self, desk: Desk) -> None:
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        run, state = await compare(desk)
        assert (run.checked, run.mended, run.disagreeing) == (1, 0, 0)
        assert state.last is not None
        assert await desk.ledger(payment.id) == [("capture", PRICE)]

    async def test_a_refund_whose_queue_row_is_lost_is_made_after_all(self, desk: Desk) -> None:
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await request_refund(session, payment.id, 1000)
        await lose_queue(desk)
        with clock.at(clock.now() + timedelta(hours=1)):
            run, _ = await compare(desk)
        assert (run.mended, run.disagreeing) == (1, 0)
        assert (await desk.payment(payment.id)).refunded_minor == 1000
        assert (await desk.order_of(payment)).refunded_minor == 1000

    async def test_a_refund_whose_answer_was_lost_is_entered_once(self, desk: Desk) -> None:
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        async with desk.runtime.database.tenant(desk.practice) as session:
            refund = await request_refund(session, payment.id, 1000)
        await lose_queue(desk)
        await change_order(desk, payment, refunded_minor=1000, refunds={str(refund.id): 1000})
        await compare(desk)
        assert [one.status for one in await desk.refunds(payment.id)] == [RefundStatus.SUCCEEDED]
        assert await desk.ledger(payment.id) == [("capture", PRICE), ("refund", -1000)]

    async def test_money_without_consequences_gets_them(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        await compare(desk)
        await lose_queue(desk)  # 'payment.settled' with it
        with clock.at(clock.now() + timedelta(minutes=20)):
            await compare(desk)
            await desk.run()
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED
        assert (await desk.payment(payment.id)).applied_at is not None


class TestSaying:
    async def test_what_was_given_back_elsewhere_is_entered_and_agrees(self, desk: Desk) -> None:
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        other = UUID(int=7)
        await change_order(desk, payment, refunded_minor=700, refunds={str(other): 700})
        run, state = await compare(desk)
        assert (run.mended, state.disagreeing) == (1, 0)
        (refund,) = await desk.refunds(payment.id)
        assert (refund.cause, refund.amount_minor, refund.status) == ("provider", 700, RefundStatus.SUCCEEDED)
        assert (await desk.payment(payment.id)).status == PaymentStatus.PARTIALLY_REFUNDED

    async def test_more_given_back_than_was_received_is_for_somebody_to_look_at(self, desk: Desk) -> None:
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        await change_order(desk, payment, refunds={str(UUID(int=7)): PRICE + 1})
        run, state = await compare(desk)
        assert (run.mended, run.disagreeing, state.disagreeing) == (0, 1, 1)
        assert [one.kind for one in state.open] == ["refund_exceeds_captured"]
        assert await desk.refunds(payment.id) == []
        assert [row.topic for row in await queued(desk.runtime, desk.practice)].count(DISAGREEMENT_FOUND) == 1

    async def test_a_difference_is_said_until_it_is_gone(self, desk: Desk) -> None:
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        await change_order(desk, payment, captured_minor=PRICE - 1)
        _, state = await compare(desk)
        assert state.disagreeing == 1
        await change_order(desk, payment, captured_minor=PRICE)
        _, state = await compare(desk)
        assert state.disagreeing == 0

    async def test_a_refund_at_the_providers_site_while_ours_is_on_its_way_agrees_in_the_end(self, desk: Desk) -> None:
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        async with desk.runtime.database.tenant(desk.practice) as session:
            ours = await request_refund(session, payment.id, PRICE)
        await change_order(desk, payment, refunded_minor=PRICE, refunds={str(UUID(int=7)): PRICE})
        _, state = await compare(desk)
        assert [one.kind for one in state.open] == ["refund_exceeds_captured"]
        with clock.at(clock.now() + timedelta(hours=1)):
            await desk.run()  # the provider declines ours: there is nothing left to give back
            await compare(desk)
            _, state = await compare(desk)
        assert state.disagreeing == 0
        row = await desk.payment(payment.id)
        assert (row.status, row.refunded_minor, row.refund_pending_minor) == (PaymentStatus.REFUNDED, PRICE, 0)
        causes = {one.cause: one.status for one in await desk.refunds(payment.id)}
        assert causes == {ours.cause: RefundStatus.FAILED, "provider": RefundStatus.SUCCEEDED}

    async def test_a_provider_that_says_nothing_hides_nothing(self, desk: Desk) -> None:
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        other = await desk.pay(await desk.book())
        async with desk.runtime.database.tenant(desk.practice) as session:
            await session.execute(delete(SandboxOrder).where(SandboxOrder.id == (await desk.order_of(payment)).id))
        run, _ = await compare(desk)
        assert (run.checked, run.unreadable, run.mended) == (2, 1, 1)
        assert (await desk.payment(other.id)).status == PaymentStatus.SUCCEEDED


class TestRuns:
    async def test_a_run_that_is_broken_off_is_carried_on(self, desk: Desk) -> None:
        for _ in range(3):
            await desk.pay(await desk.book())
        first = await reconcile(desk.runtime, desk.practice, budget=timedelta(0))
        assert (first.checked, first.finished_at) == (1, None)
        second = await reconcile(desk.runtime, desk.practice)
        assert (second.id, second.checked, second.mended) == (first.id, 3, 3)
        assert second.finished_at is not None

    async def test_a_practice_has_one_row_for_it_that_comes_again_tomorrow(self, desk: Desk) -> None:
        async def row() -> OutboxEvent:
            (found,) = [row for row in await queued(desk.runtime, desk.practice) if row.topic == BILLING_RECONCILE]
            return found

        before = await row()
        await desk.pay(await desk.book())
        with clock.at(before.run_at + timedelta(seconds=1)):
            await desk.run()
        after = await row()
        assert after.id == before.id
        assert after.run_at > before.run_at + timedelta(hours=23)
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert (await read_state(session)).last is not None

    async def test_old_settled_payments_are_not_asked_about_for_ever(self, desk: Desk) -> None:
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        with clock.at(clock.now() + timedelta(days=36)):
            run, _ = await compare(desk)
        assert run.checked == 0


class TestReading:
    async def test_staff_see_how_the_books_stand(self, desk: Desk, http: HttpFactory) -> None:
        owner = await make_staff_member(desk.runtime, desk.practice)
        client = http(desk.practice, headers=owner.headers)
        assert (await client.get("/api/v1/admin/reconciliation")).json() == {
            "last_run": None,
            "disagreeing": 0,
            "items": [],
        }
        payment = await desk.pay(await desk.book())
        await desk.confirm(payment)
        await change_order(desk, payment, refunds={str(UUID(int=7)): PRICE + 1})
        await compare(desk)
        answer = (await client.get("/api/v1/admin/reconciliation")).json()
        assert answer["disagreeing"] == 1
        assert answer["last_run"]["checked"] == 1
        assert answer["items"][0]["payment_id"] == str(payment.id)
        assert answer["items"][0]["kind"] == "refund_exceeds_captured"

    @pytest.mark.parametrize("who", ["client", "nobody"])
    async def test_others_do_not(self, desk: Desk, http: HttpFactory, who: str) -> None:
        headers = (await make_client(desk.runtime, desk.practice)).headers if who == "client" else {}
        browser: httpx.AsyncClient = http(desk.practice, headers=headers)
        assert (await browser.get("/api/v1/admin/reconciliation")).status_code == 401
