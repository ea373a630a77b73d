"""Money at the desk: receipts, counter-entries, refunds by hand."""

import pytest

from billing.checkout.schemas import PaymentRead
from billing.payments.errors import (
    AlreadyPaidError,
    MoreThanOwedError,
    NoReceiptToUndoError,
    NotAnOfflinePaymentError,
    PaymentNotOpenError,
)
from billing.payments.models import Payment, PaymentStatus
from billing.payments.receipts import ReceiptKind, record_offline_receipt, undo_offline_receipt
from billing.refunds.by_hand import HandoverKind, list_to_hand_over, record_handover
from billing.refunds.service import request_refund
from tests.support.checkout import PRICE, Desk
from todoenbalance.kit.ids import new_id


@pytest.fixture
async def owed(desk: Desk) -> PaymentRead:
    """A payment that is due at the visit."""
    return await desk.start(await desk.book(), "offline")


async def record(desk: Desk, payment: PaymentRead, amount_minor: int | None = None) -> Payment:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await record_offline_receipt(session, payment.id, ReceiptKind.CASH, amount_minor)


async def undo(desk: Desk, payment: PaymentRead) -> Payment:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return (await undo_offline_receipt(session, payment.id))[0]


class TestRecord:
    async def test_all_that_is_missing_by_default(self, desk: Desk, owed: PaymentRead) -> None:
        assert (await record(desk, owed)).status == PaymentStatus.SUCCEEDED
        assert await desk.ledger(owed.id) == [("receipt_cash", PRICE)]
        with pytest.raises(AlreadyPaidError):
            await record(desk, owed)

    async def test_part_by_part(self, desk: Desk, owed: PaymentRead) -> None:
        assert (await record(desk, owed, 2000)).status == PaymentStatus.REQUIRES_ACTION
        assert (await record(desk, owed)).status == PaymentStatus.SUCCEEDED
        assert await desk.ledger(owed.id) == [("receipt_cash", 2000), ("receipt_cash", 2500)]

    @pytest.mark.parametrize("amount_minor", [PRICE + 1, 99_999_999_999, 0, -1])
    async def test_more_than_was_asked_is_refused(self, desk: Desk, owed: PaymentRead, amount_minor: int) -> None:
        with pytest.raises(MoreThanOwedError):
            await record(desk, owed, amount_minor)
        assert await desk.ledger(owed.id) == []

    async def test_the_last_part_is_no_more_than_what_is_missing(self, desk: Desk, owed: PaymentRead) -> None:
        await record(desk, owed, 2000)
        with pytest.raises(MoreThanOwedError) as caught:
            await record(desk, owed, 2501)
        [error] = caught.value.errors
        assert "25" in caught.value.sentence_for(error, "es")
        assert (await record(desk, owed, 2500)).captured_minor == PRICE

    async def test_of_an_online_payment_is_refused(self, desk: Desk) -> None:
        payment = await desk.start(await desk.book())
        with pytest.raises(NotAnOfflinePaymentError):
            await record(desk, payment)

    async def test_of_a_payment_that_was_called_off_is_refused(self, desk: Desk) -> None:
        appointment = await desk.book()
        owed = await desk.start(appointment, "offline")
        await desk.cancel(appointment)
        await desk.run()
        with pytest.raises(PaymentNotOpenError):
            await record(desk, owed)

    async def test_of_what_was_paid_online_meanwhile_is_refused(self, desk: Desk) -> None:
        appointment = await desk.book()
        owed = await desk.start(appointment, "offline")
        await desk.confirm(await desk.pay(appointment))
        with pytest.raises(AlreadyPaidError):
            await record(desk, owed)

    async def test_of_a_confirmed_visit_changes_nothing_about_the_visit(self, desk: Desk, owed: PaymentRead) -> None:
        await record(desk, owed)
        await desk.run()
        assert (await desk.appointment(owed.appointment_id)).status == "confirmed"
        assert await desk.refunds(owed.id) == []


class TestUndo:
    async def test_is_a_counter_entry(self, desk: Desk, owed: PaymentRead) -> None:
        await record(desk, owed)
        assert (await undo(desk, owed)).status == PaymentStatus.REQUIRES_ACTION
        assert await desk.ledger(owed.id) == [("receipt_cash", PRICE), ("receipt_undone", -PRICE)]
        assert (await record(desk, owed)).status == PaymentStatus.SUCCEEDED

    async def test_takes_the_last_one_first_and_each_once(self, desk: Desk, owed: PaymentRead) -> None:
        await record(desk, owed, 2000)
        await record(desk, owed, 1000)
        assert (await undo(desk, owed)).captured_minor == 2000
        assert (await undo(desk, owed)).captured_minor == 0
        with pytest.raises(NoReceiptToUndoError):
            await undo(desk, owed)

    async def test_of_money_that_was_given_back_is_refused(self, desk: Desk, owed: PaymentRead) -> None:
        await record(desk, owed)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await request_refund(session, owed.id, 100)
        with pytest.raises(NoReceiptToUndoError):
            await undo(desk, owed)


class TestRefund:
    async def test_by_hand_waits_until_staff_have_handed_it_over(self, desk: Desk, owed: PaymentRead) -> None:
        await record(desk, owed)
        await desk.cancel(await desk.appointment(owed.appointment_id))
        await desk.run()
        [refund] = await desk.refunds(owed.id)
        assert (refund.status, await desk.ledger(owed.id)) == ("pending", [("receipt_cash", PRICE)])
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert [one.id for one in (await list_to_hand_over(session))[0]] == [refund.id]
            for _ in range(2):  # the second time it answers the same
                await record_handover(session, refund.id, HandoverKind.CASH, staff_id=new_id(), note="en mano")
            assert (await list_to_hand_over(session))[0] == []
        assert (await desk.payment(owed.id)).status == PaymentStatus.REFUNDED
        assert await desk.ledger(owed.id) == [("receipt_cash", PRICE), ("refund", -PRICE)]
