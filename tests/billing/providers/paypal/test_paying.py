"""The whole way through the product, with the real package against the local PayPal: booked, approved, given back."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from billing.accounts.models import PaymentAccount
from billing.checkout.schemas import RedirectAction
from billing.payments.abandoning import abandon
from billing.payments.checking import check_payment
from billing.payments.errors import AmountNotAcceptedError, MethodNotOfferedError, ProviderUnavailableError
from billing.payments.models import AttemptStatus, PaymentAttempt, PaymentStatus, RefundStatus
from billing.payments.settling import settle
from billing.providers.paypal.snapshots import APPROVAL_WINDOW
from billing.providers.port import ObjectNotFoundError, OutcomeUnknownError
from billing.reconciliation.service import read_state, reconcile
from billing.refunds.errors import PaymentNotRefundableError
from billing.refunds.service import request_refund
from scheduling.appointments.models import AppointmentStatus
from scheduling.catalogue.models import Service
from tests.billing.providers.paypal.test_verification import with_checksum_of
from tests.billing.providers.paypal.till import CLIENT_ID, Till
from tests.support.checkout import PRICE
from tests.support.events import run_due_events
from todoenbalance.kit import clock
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError

ORDERS = "/v2/checkout/orders"


async def run_later(till: Till, after: timedelta) -> None:
    """What the queue has due in so long."""
    await run_due_events(till.desk.runtime, till.desk.practice, until=clock.now() + after)


async def give_back(till: Till, payment_id: UUID, amount: int | None = None) -> UUID:
    async with till.desk.runtime.database.tenant(till.desk.practice) as session:
        return (await request_refund(session, payment_id, amount)).id


async def books_agree(till: Till) -> bool:
    """Whether the daily comparison has nothing to say."""
    await reconcile(till.desk.runtime, till.desk.practice)
    async with till.desk.runtime.database.tenant(till.desk.practice) as session:
        return (await read_state(session)).disagreeing == 0


class TestPaying:
    async def test_return_page_and_webhook_at_once_capture_and_count_once(self, till: Till) -> None:
        appointment, payment, order = await till.start()
        assert isinstance(payment.next_action, RedirectAction)
        till.server.approve(order)
        assert await till.tell("ORDER.APPROVED")
        await asyncio.gather(*(till.desk.confirm(payment) for _ in range(3)), till.desk.run())
        await till.tell("CAPTURE.COMPLETED")
        await run_later(till, timedelta(minutes=2))
        assert len(till.captures(order)) == 1
        assert await till.desk.ledger(payment.id) == [("capture", PRICE)]
        assert (await till.desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED
        row = await till.desk.payment(payment.id)
        assert (row.status, row.review_reason) == (PaymentStatus.SUCCEEDED, None)
        assert await books_agree(till)

    async def test_coming_back_without_approving_takes_nothing(self, till: Till) -> None:
        appointment, payment, order = await till.start()
        till.server.leave(order)
        assert (await till.desk.confirm(payment)).status is PaymentStatus.REQUIRES_ACTION
        assert till.captures(order) == []
        assert (await till.desk.appointment(appointment.id)).status == AppointmentStatus.HELD

    async def test_a_tab_closed_after_approving_is_captured_by_the_webhook(self, till: Till) -> None:
        appointment, payment, order = await till.start()
        till.server.approve(order)
        await till.tell("ORDER.APPROVED")
        await till.desk.run()
        assert len(till.captures(order)) == 1
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        assert (await till.desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_a_tab_closed_and_a_webhook_lost_is_found_by_looking(self, till: Till) -> None:
        appointment, payment, order = await till.start()
        till.server.approve(order)
        await run_later(till, timedelta(minutes=6))
        assert len(till.captures(order)) == 1
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        assert (await till.desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_what_was_given_up_is_not_captured_when_it_is_approved_late(self, till: Till) -> None:
        appointment, payment, order = await till.start()
        await till.desk.expire(appointment)
        await till.desk.run()
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.CANCELLED
        till.server.approve(order)
        await till.tell("ORDER.APPROVED")
        await till.desk.confirm(payment)
        await run_later(till, timedelta(hours=2))
        assert till.captures(order) == []
        assert (await till.desk.payment(payment.id)).captured_minor == 0

    async def test_what_was_approved_just_before_it_is_given_up_is_not_captured_either(self, till: Till) -> None:
        appointment, payment, order = await till.start()
        till.server.approve(order)
        await till.desk.expire(appointment)
        await till.desk.run()
        await run_later(till, timedelta(hours=2))
        assert till.captures(order) == []
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.CANCELLED

    async def test_an_approval_that_lapsed_ends_the_payment(self, till: Till) -> None:
        _, payment, order = await till.start()
        till.server.lapse(order)
        await till.tell("PAYMENT-APPROVAL.REVERSED")
        await till.desk.run()
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.CANCELLED

    async def test_what_nobody_approved_in_three_hours_is_over_and_a_later_approval_takes_nothing(
        self, till: Till
    ) -> None:
        _, payment, order = await till.start()
        with clock.at(clock.now() + APPROVAL_WINDOW + timedelta(minutes=1)):
            await check_payment(till.desk.runtime, till.desk.practice, payment.id)
            assert (await till.attempt(payment)).status == AttemptStatus.EXPIRED
            till.server.approve(order)
            await till.desk.confirm(payment)
        assert till.captures(order) == []
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.CANCELLED

    async def test_an_order_that_paypal_has_forgotten_is_over(self, till: Till) -> None:
        _, payment, _ = await till.start()
        till.server.faults.answer(404, f"{ORDERS}/*", method="GET")
        with clock.at(clock.now() + timedelta(hours=1)):
            age = await check_payment(till.desk.runtime, till.desk.practice, payment.id)
        attempt = await till.attempt(payment)
        assert (age, attempt.status, attempt.failure_code) == (None, AttemptStatus.EXPIRED, "order_gone")
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.CANCELLED

    async def test_a_forgotten_one_can_be_given_up(self, till: Till) -> None:
        appointment, payment, _ = await till.start()
        till.server.faults.answer(404, f"{ORDERS}/*", method="GET")
        with clock.at(clock.now() + timedelta(hours=1)):
            await abandon(till.desk.runtime, till.desk.practice, "appointment", appointment.id)
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.CANCELLED

    async def test_one_that_paypal_does_not_know_yet_is_asked_about_again(self, till: Till) -> None:
        appointment, payment, order = await till.start()
        till.server.approve(order)
        till.server.faults.answer(404, f"{ORDERS}/*", method="GET")
        with pytest.raises(OutcomeUnknownError):
            await check_payment(till.desk.runtime, till.desk.practice, payment.id)
        await till.desk.confirm(payment)
        assert (await till.desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_paid_money_does_not_vanish_with_its_order(self, till: Till) -> None:
        _, payment, _ = await till.paid()
        till.server.faults.answer(404, f"{ORDERS}/*", method="GET")
        with clock.at(clock.now() + timedelta(hours=1)), pytest.raises(ObjectNotFoundError):
            await settle(till.desk.runtime, till.desk.practice, payment.id, with_captured=True)
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED

    @pytest.mark.parametrize(
        ("succeeds", "kind", "status"),
        [(True, "CAPTURE.COMPLETED", PaymentStatus.SUCCEEDED), (False, "CAPTURE.DENIED", PaymentStatus.FAILED)],
    )
    async def test_an_echeck_is_on_its_way_until_it_is_decided(
        self, till: Till, succeeds: bool, kind: str, status: PaymentStatus
    ) -> None:
        appointment, payment, order = await till.start()
        till.server.approve(order)
        till.server.next_capture(CLIENT_ID, "PENDING", reason="ECHECK")
        assert (await till.desk.confirm(payment)).status is PaymentStatus.PROCESSING
        assert (await till.desk.appointment(appointment.id)).status == AppointmentStatus.HELD
        assert await till.desk.ledger(payment.id) == []
        till.server.settle_capture(str(till.captures(order)[0]["id"]), succeeds=succeeds)
        await till.tell(kind)
        await till.desk.run()
        assert (await till.desk.payment(payment.id)).status == status
        after = (await till.desk.appointment(appointment.id)).status
        assert (after == AppointmentStatus.CONFIRMED) is succeeds

    async def test_a_declined_card_is_replaced_on_paypals_page(self, till: Till) -> None:
        _, payment, order = await till.start()
        till.server.approve(order)
        till.server.refuse_capture(CLIENT_ID)
        refused = await till.desk.confirm(payment)
        assert refused.status is PaymentStatus.REQUIRES_ACTION
        assert isinstance(refused.next_action, RedirectAction)
        now = clock.now() + timedelta(seconds=40)  # choosing takes a while
        till.server.world.now = lambda: now
        till.server.approve(order)
        assert (await till.desk.confirm(payment)).status is PaymentStatus.SUCCEEDED

    async def test_a_lost_answer_is_asked_for_again_under_the_same_key(self, till: Till) -> None:
        appointment = await till.desk.book()
        till.server.faults.lose_answer(ORDERS, method="POST")
        with pytest.raises(ProviderUnavailableError):
            await till.desk.start(appointment, "paypal", key="k")
        payment = await till.desk.start(appointment, "paypal", key="k")
        assert len(till.server.things("order")) == 1
        assert payment.next_action is not None

    async def test_a_lost_answer_to_a_capture_captures_once(self, till: Till) -> None:
        _, payment, order = await till.start()
        till.server.approve(order)
        till.server.faults.lose_answer(f"{ORDERS}/*/capture", method="POST")
        with pytest.raises(ProviderUnavailableError):
            await till.desk.confirm(payment)
        assert (await till.desk.confirm(payment)).status is PaymentStatus.SUCCEEDED
        assert len(till.captures(order)) == 1
        assert await till.desk.ledger(payment.id) == [("capture", PRICE)]

    async def test_no_fee_of_the_platform_is_asked_of_paypal(self, till: Till) -> None:
        await till.paid()
        assert not [one for one in till.server.requests() if b"platform_fee" in one.raw]

    async def test_money_of_the_other_mode_settles_nothing(self, till: Till) -> None:
        _, payment, order = await till.start()
        till.server.approve(order)
        async with till.desk.runtime.database.tenant(till.desk.practice) as session:
            await session.execute(update(PaymentAttempt).values(mode="live"))
        row = await settle(till.desk.runtime, till.desk.practice, payment.id)
        assert (row.review_reason, row.captured_minor) == ("mode_mismatch", 0)

    async def test_a_currency_that_paypal_lacks_is_refused_before_anything_is_opened(self, till: Till) -> None:
        async with till.desk.runtime.database.tenant(till.desk.practice) as session:
            await session.execute(update(Service).values(currency="KWD"))
        appointment = await till.desk.book()
        with pytest.raises(AmountNotAcceptedError):
            await till.desk.start(appointment, "paypal")
        assert till.server.requests() == []

    async def test_without_an_account_it_is_not_offered(self, till: Till) -> None:
        appointment = await till.desk.book()
        async with till.desk.runtime.database.tenant(till.desk.practice) as session:
            await session.execute(update(PaymentAccount).values(charges_enabled=False))
        with pytest.raises(MethodNotOfferedError):
            await till.desk.start(appointment, "paypal")

    async def test_withdrawn_credentials_end_in_one_clear_answer(self, till: Till) -> None:
        _, payment, _ = await till.start()
        till.server.withdraw(CLIENT_ID, keeps_tokens=True)
        before = len(till.server.requests())
        with pytest.raises(ProviderUnavailableError):
            await till.desk.confirm(payment)
        assert len(till.server.requests()) - before <= 4
        assert (await till.attempt(payment)).status == AttemptStatus.AWAITING_CUSTOMER


class TestEvents:
    async def test_the_same_one_twice_is_once(self, till: Till) -> None:
        _, _, order = await till.start()
        till.server.approve(order)
        assert [await till.tell("ORDER.APPROVED") for _ in range(2)] == [True, False]

    async def test_a_forged_body_with_the_checksum_of_a_genuine_one_settles_nothing(self, till: Till) -> None:
        _, payment, order = await till.start()
        till.server.approve(order)
        event = till.server.events(CLIENT_ID, "ORDER.APPROVED")[-1]
        genuine, headers = till.server.event(event["id"], till.webhook_ref)
        # Under another id, with money that never came.
        forged = genuine.replace(b"CHECKOUT.ORDER.APPROVED", b"PAYMENT.CAPTURE.COMPLETED")
        forged = forged.replace(event["id"].encode(), b"WH-FORGED").replace(b"APPROVED", b"COMPLETED")
        till.server.next_capture(CLIENT_ID, "PENDING")
        await till.deliver(with_checksum_of(genuine, forged), headers)
        await till.desk.run()
        row = await till.desk.payment(payment.id)
        assert (row.status, row.captured_minor) == (PaymentStatus.PROCESSING, 0)
        assert await till.desk.ledger(payment.id) == []

    async def test_other_bytes_under_a_known_id_are_refused(self, till: Till) -> None:
        _, _, order = await till.start()
        till.server.approve(order)
        event = till.server.events(CLIENT_ID, "ORDER.APPROVED")[-1]
        genuine, headers = till.server.event(event["id"], till.webhook_ref)
        assert await till.deliver(genuine, headers)
        forged = with_checksum_of(genuine, genuine.replace(b"APPROVED", b"COMPLETED"))
        with pytest.raises(InvalidWebhookSignatureError):
            await till.deliver(forged, headers)

    async def test_while_the_certificate_cannot_be_had_paypal_is_asked_to_come_again(self, till: Till) -> None:
        _, _, order = await till.start()
        till.server.approve(order)
        till.server.certificate_answer = (503, b"", {})
        with pytest.raises(ProviderUnavailableError):
            await till.tell("ORDER.APPROVED")


class TestGivingBack:
    async def test_part_by_part_until_all_is_back(self, till: Till) -> None:
        _, payment, capture = await till.paid()
        await give_back(till, payment.id, 1500)
        await till.desk.run()
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.PARTIALLY_REFUNDED
        await give_back(till, payment.id)
        await till.desk.run()
        for _ in range(2):
            await till.tell("CAPTURE.REFUNDED")
        await till.desk.run()
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.REFUNDED
        assert till.server.find(capture)["status"] == "REFUNDED"
        assert [one.amount_minor for one in await till.desk.refunds(payment.id)] == [1500, PRICE - 1500]
        assert await books_agree(till)

    async def test_a_lost_answer_gives_back_once(self, till: Till) -> None:
        _, payment, _ = await till.paid()
        await give_back(till, payment.id, 1500)
        till.server.faults.lose_answer("/v2/payments/captures/*/refund", method="POST")
        await till.desk.run()
        await run_later(till, timedelta(minutes=5))
        assert [one.status for one in await till.desk.refunds(payment.id)] == [RefundStatus.SUCCEEDED]
        assert len(till.server.things("refund")) == 1

    async def test_on_paypals_own_site_it_is_entered_here(self, till: Till) -> None:
        _, payment, capture = await till.paid()
        made = till.server.refund_at_paypal(capture, {"currency_code": "EUR", "value": "7.00"})
        await till.tell("CAPTURE.REFUNDED")
        await till.desk.run()
        (refund,) = await till.desk.refunds(payment.id)
        assert (refund.cause, refund.amount_minor, refund.provider_ref) == ("provider", 700, made)
        assert await books_agree(till)

    async def test_lost_in_a_dispute_the_money_is_gone(self, till: Till) -> None:
        _, payment, capture = await till.paid()
        dispute = till.server.open_dispute(capture)
        await till.tell("DISPUTE.CREATED")
        await till.desk.run()
        assert (await till.desk.payment(payment.id)).status == PaymentStatus.DISPUTED
        with pytest.raises(PaymentNotRefundableError):
            await give_back(till, payment.id, 100)
        till.server.close_dispute(dispute, won=False)
        await till.tell("DISPUTE.RESOLVED")
        await till.desk.run()
        row = await till.desk.payment(payment.id)
        assert (row.status, row.refunded_minor, row.disputed_minor) == (PaymentStatus.REFUNDED, PRICE, 0)
        assert sum(amount for _, amount in await till.desk.ledger(payment.id)) == 0
        assert await books_agree(till)
