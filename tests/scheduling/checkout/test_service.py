"""Money meets the calendar: in time, late, twice, too late, broken off."""

import asyncio
from uuid import UUID

import pytest

from billing.checkout import service as checkout
from billing.checkout.errors import AppointmentNotPayableError, HoldExpiredError
from billing.checkout.schemas import PaymentCreate
from billing.payments import asking
from billing.payments import service as payments
from billing.payments.errors import AlreadyPaidError, MethodNotOfferedError
from billing.payments.models import AttemptStatus, PaymentStatus
from billing.payments.payables import PaymentOutcome
from billing.providers.sandbox import SandboxOutcome
from billing.refunds.service import RefundCause
from scheduling.appointments.models import AppointmentStatus
from tests.support.checkout import PRICE, Desk
from tests.support.events import queued
from tests.support.practices import make_client
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError


async def apply(desk: Desk, payment_id: UUID) -> PaymentOutcome:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await checkout.on_payment_settled(session, payment_id)


class TestStart:
    async def test_answers_the_page_of_the_provider(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.start(appointment, return_url="/thanks", cancel_url="/sorry")
        order = await desk.order_of(payment)
        assert payment.status is PaymentStatus.REQUIRES_ACTION
        assert payment.amount.amount == PRICE
        assert payment.next_action is not None
        assert payment.next_action.model_dump() == {
            "type": "redirect",
            "url": f"http://{desk.practice.slug}.localhost:8000/sandbox/pay/{order.id}",
        }
        assert order.return_url == f"http://{desk.practice.slug}.localhost:8000/thanks"
        assert order.description.startswith("Primera consulta, ")

    async def test_a_double_click_makes_one_order(self, desk: Desk) -> None:
        appointment = await desk.book()
        first, second = await asyncio.gather(desk.start(appointment), desk.start(appointment))
        assert first.id == second.id
        assert first.next_action == second.next_action

    async def test_after_a_decline_there_is_a_new_payment(self, desk: Desk) -> None:
        appointment = await desk.book()
        declined = await desk.start(appointment)
        await desk.decide(declined, SandboxOutcome.DECLINE)
        assert (await desk.confirm(declined)).status is PaymentStatus.FAILED
        again = await desk.start(appointment)
        assert again.id != declined.id
        assert again.next_action is not None

    async def test_what_is_paid_is_not_paid_again(self, desk: Desk) -> None:
        appointment = await desk.book()
        await desk.confirm(await desk.pay(appointment))
        with pytest.raises(AlreadyPaidError):
            await desk.start(appointment)

    async def test_a_hold_that_ran_out_can_not_be_paid(self, desk: Desk) -> None:
        appointment = await desk.book()
        await desk.let_hold_lapse(appointment)
        with pytest.raises(HoldExpiredError):
            await desk.start(appointment)
        await desk.expire(appointment)
        with pytest.raises(HoldExpiredError):
            await desk.start(appointment)

    async def test_a_cancelled_appointment_can_not_be_paid(self, desk: Desk) -> None:
        appointment = await desk.book()
        await desk.cancel(appointment)
        with pytest.raises(AppointmentNotPayableError):
            await desk.start(appointment)

    async def test_another_clients_appointment_does_not_exist(self, desk: Desk) -> None:
        appointment = await desk.book()
        stranger = await make_client(desk.runtime, desk.practice)
        wanted = PaymentCreate(appointment_id=appointment.id, method="sandbox")
        with pytest.raises(NotFoundError):
            await checkout.start_checkout(desk.runtime, desk.practice, stranger.id, wanted)

    async def test_a_method_that_the_practice_does_not_take_is_refused(self, desk: Desk) -> None:
        appointment = await desk.book()
        for method in ("stripe", "paypal"):
            with pytest.raises(MethodNotOfferedError):
                await desk.start(appointment, method)


class TestStartWithKey:
    async def test_the_same_key_answers_the_same(self, desk: Desk) -> None:
        appointment = await desk.book()
        first = await desk.start(appointment, key="k")
        await desk.decide(first)
        await desk.confirm(first)
        assert await desk.start(appointment, key="k") == first

    async def test_the_same_key_with_another_body_is_refused(self, desk: Desk) -> None:
        appointment = await desk.book()
        await desk.start(appointment, key="k")
        with pytest.raises(IdempotencyKeyReusedError):
            await desk.start(appointment, "offline", key="k")

    async def test_a_request_that_broke_off_between_its_transactions_is_carried_on(self, desk: Desk) -> None:
        appointment = await desk.book()
        wanted = PaymentCreate(appointment_id=appointment.id, method="sandbox")
        async with desk.runtime.database.tenant(desk.practice) as session:
            begun = await checkout._begin(session, desk.runtime, appointment.client_id, wanted, "k")
        # The provider heard of it, and the process died before writing that down.
        answer = await asking.ask_provider(desk.runtime, desk.practice, begun.payment_id)
        assert answer is not None
        assert answer.started is not None
        resumed = await desk.start(appointment, key="k")
        assert resumed.id == begun.payment_id
        assert (await desk.order_of(resumed)).id == answer.started.provider_ref
        assert resumed.next_action is not None

    async def test_two_requests_with_one_key_at_once_make_one_payment(self, desk: Desk) -> None:
        appointment = await desk.book()
        answers = await asyncio.gather(*(desk.start(appointment, key="k") for _ in range(4)))
        assert len({answer.id for answer in answers}) == 1
        await desk.order_of(answers[0])  # raises if there were several


class TestOffline:
    async def test_confirms_the_appointment_at_once(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.start(appointment, "offline")
        assert payment.status is PaymentStatus.REQUIRES_ACTION
        assert payment.next_action is None
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_the_client_may_still_pay_online(self, desk: Desk) -> None:
        appointment = await desk.book()
        at_the_desk = await desk.start(appointment, "offline")
        online = await desk.pay(appointment)
        await desk.confirm(online)
        await desk.run()
        assert (await desk.payment(online.id)).status == PaymentStatus.SUCCEEDED
        assert await desk.refunds(online.id) == []
        assert (await desk.payment(at_the_desk.id)).status == PaymentStatus.CANCELLED


class TestMoneyInTime:
    async def test_confirms_the_appointment(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        assert (await desk.confirm(payment)).status is PaymentStatus.SUCCEEDED
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED
        assert await desk.ledger(payment.id) == [("capture", PRICE)]

    async def test_is_counted_once_however_often_it_is_told(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        for _ in range(2):
            await desk.confirm(payment)
            await desk.run()
        assert await apply(desk, payment.id) is PaymentOutcome.NOTHING
        assert await desk.ledger(payment.id) == [("capture", PRICE)]

    async def test_is_not_given_back_when_it_is_heard_of_again_after_a_late_cancellation(self, desk: Desk) -> None:
        """Else a client who cancels too late would get the money back by asking to confirm once more."""
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        await desk.confirm(payment)
        async with desk.runtime.database.tenant(desk.practice) as session:
            row = await session.get_one(type(appointment), appointment.id)
            assert row.terms is not None
            row.terms = row.terms | {"tiers": [{"hours_before": 720, "percent": 100}]}
        await desk.cancel(appointment)
        await desk.confirm(payment)
        await desk.run()
        assert await desk.refunds(payment.id) == []
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED

    async def test_of_a_confirmed_appointment_goes_back_when_it_is_cancelled_in_time(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        await desk.confirm(payment)
        await desk.cancel(appointment)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.REFUNDED
        assert await desk.ledger(payment.id) == [("capture", PRICE), ("refund", -PRICE)]
        assert (await desk.order_of(payment)).refunded_minor == PRICE


class TestLateMoney:
    async def test_takes_the_time_again_if_it_is_free(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        await desk.expire(appointment)
        await desk.confirm(payment)
        await desk.run()
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED

    async def test_goes_back_if_the_time_is_taken(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        await desk.expire(appointment)
        other = await make_client(desk.runtime, desk.practice)
        winner = await desk.book(other, appointment.starts_at)
        await desk.confirm(payment)
        await desk.run()
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.EXPIRED
        assert (await desk.appointment(winner.id)).status == AppointmentStatus.HELD
        assert (await desk.payment(payment.id)).status == PaymentStatus.REFUNDED
        assert [refund.cause for refund in await desk.refunds(payment.id)] == [RefundCause.LATE_SLOT_TAKEN]

    async def test_goes_back_if_the_appointment_was_cancelled(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.start(appointment)
        await desk.cancel(appointment)
        await desk.decide(payment)  # before the provider heard that it is not wanted any more
        await desk.run()
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CANCELLED
        assert (await desk.payment(payment.id)).status == PaymentStatus.REFUNDED
        assert [refund.cause for refund in await desk.refunds(payment.id)] == [RefundCause.APPOINTMENT_CANCELLED]

    async def test_of_an_order_that_was_called_off_is_still_money(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.start(appointment)
        await desk.expire(appointment)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.CANCELLED
        assert await desk.decide(payment) == "cancelled"
        assert await desk.decide(payment, forced=True) is None
        assert (await desk.confirm(payment)).status is PaymentStatus.SUCCEEDED
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_that_came_twice_is_kept_once(self, desk: Desk) -> None:
        appointment = await desk.book()
        declined = await desk.start(appointment)
        await desk.decide(declined, SandboxOutcome.DECLINE)
        await desk.confirm(declined)
        paid = await desk.pay(appointment)
        await desk.decide(declined, forced=True)  # the slow provider changed its mind
        await desk.confirm(paid)
        await desk.confirm(declined)
        await desk.run()
        assert (await desk.payment(paid.id)).status == PaymentStatus.SUCCEEDED
        assert (await desk.payment(declined.id)).status == PaymentStatus.REFUNDED
        assert [refund.cause for refund in await desk.refunds(declined.id)] == [RefundCause.PAID_TWICE]

    async def test_that_came_twice_at_once_is_kept_once(self, desk: Desk) -> None:
        appointment = await desk.book()
        declined = await desk.start(appointment)
        await desk.decide(declined, SandboxOutcome.DECLINE)
        await desk.confirm(declined)
        paid = await desk.pay(appointment)
        await desk.decide(declined, forced=True)
        await asyncio.gather(desk.confirm(paid), desk.confirm(declined))
        await desk.run()
        kept = [(await desk.payment(one.id)).status for one in (paid, declined)]
        assert sorted(kept) == [PaymentStatus.REFUNDED, PaymentStatus.SUCCEEDED]


class TestAbandon:
    async def test_an_expired_hold_makes_its_order_unpayable(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.start(appointment)
        await desk.expire(appointment)
        await desk.run()
        assert (await desk.order_of(payment)).status == "cancelled"
        assert (await desk.payment(payment.id)).status == PaymentStatus.CANCELLED
        assert await desk.decide(payment) == "cancelled"

    async def test_an_order_whose_making_was_never_answered_is_made_unpayable_too(self, desk: Desk) -> None:
        appointment = await desk.book()
        wanted = PaymentCreate(appointment_id=appointment.id, method="sandbox")
        async with desk.runtime.database.tenant(desk.practice) as session:
            begun = await checkout._begin(session, desk.runtime, appointment.client_id, wanted, "k")
        slow_answer = await asking.ask_provider(desk.runtime, desk.practice, begun.payment_id)
        await desk.expire(appointment)
        await desk.run()
        assert slow_answer is not None
        async with desk.runtime.database.tenant(desk.practice) as session:
            payment = await asking.record_answer(session, slow_answer)
            attempt = await payments.latest_attempt(session, payment.id)
        assert payment.status == PaymentStatus.CANCELLED
        assert attempt.status == AttemptStatus.CANCELLED
        resumed = await desk.start(appointment, key="k")
        assert resumed.status is PaymentStatus.CANCELLED
        assert resumed.next_action is None
        assert (await desk.order_of(resumed)).status == "cancelled"

    async def test_an_order_that_was_paid_first_is_settled_instead(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        await desk.expire(appointment)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED


class TestMismatch:
    async def test_an_order_of_another_amount_settles_nothing(self, desk: Desk) -> None:
        appointment = await desk.book()
        payment = await desk.start(appointment)
        async with desk.runtime.database.tenant(desk.practice) as session:
            order = await session.get_one(type(await desk.order_of(payment)), (await desk.order_of(payment)).id)
            order.amount_minor = 1
        await desk.decide(payment)
        await desk.confirm(payment)
        row = await desk.payment(payment.id)
        assert row.review_reason == "amount_mismatch"
        assert row.captured_minor == 0
        assert row.status == PaymentStatus.REQUIRES_ACTION
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.HELD
        assert not [event for event in await queued(desk.runtime, desk.practice) if event.topic == "payment.settled"]
