"""Rectifying invoices, by differences and by substitution, and full invoices in exchange for simplified ones."""

import asyncio
from typing import Any

import pytest

from billing.documents.errors import (
    ClientDataNeededError,
    CorrectionExceedsDocumentError,
    DocumentCorrectedError,
    NotCorrectableError,
    NothingChangedError,
    NothingToDocumentError,
)
from billing.documents.models import CorrectionMethod, Document
from billing.documents.services import correcting
from billing.documents.services.issuing import invoiced_minor, issue_invoice
from billing.documents.services.writing import Author
from billing.documents.verifactu.chain import verify_documents
from billing.payments.models import Payment, Refund
from billing.payments.receipts import ReceiptKind, record_offline_receipt, undo_offline_receipt
from billing.providers.port import RefundResult, RefundState
from billing.refunds.service import request_refund, settle_row
from tests.support.checkout import PRICE, Desk
from tests.support.documents import (
    issued_at,
    lines_of,
    pay,
    pay_at_desk,
    price,
    refund,
    set_client,
    set_issuer,
)
from todoenbalance.kit.errors import NotFoundError

STAFF = Author("staff")


@pytest.fixture
async def issuing(desk: Desk) -> Desk:
    """The same desk of a practice that issues invoices by itself."""
    await set_issuer(desk.runtime, desk.practice)
    return desk


async def act(desk: Desk, work: Any, *arguments: Any, **named: Any) -> Document:
    async with desk.runtime.database.tenant(desk.practice) as session:
        made: Document = await work(session, desk.runtime.settings, *arguments, **named)
        return made


async def assert_sound(desk: Desk) -> None:
    async with desk.runtime.database.tenant(desk.practice) as session:
        report = await verify_documents(session)
    assert report.ok, report.faults


class TestRefunds:
    async def test_all_of_the_money_back_is_a_rectifying_invoice_of_all(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        refund_id = await refund(issuing, payment.id)
        invoice, correction = await issued_at(issuing)
        assert (correction.kind, correction.invoice_type, correction.series) == ("rectifying", "R5", "R")
        assert correction.method == CorrectionMethod.DIFFERENCES
        assert (correction.corrects_id, correction.refund_id) == (invoice.id, refund_id)
        assert correction.total_minor == -PRICE
        assert correction.content["corrects"]["number"] == invoice.number
        await assert_sound(issuing)

    async def test_of_a_full_invoice_it_names_the_recipient(self, issuing: Desk) -> None:
        await set_client(issuing)
        payment = await pay(issuing)
        await refund(issuing, payment.id, 1000)
        invoice, correction = await issued_at(issuing)
        assert correction.invoice_type == "R1"
        assert correction.recipient is not None
        assert invoice.recipient is not None
        assert correction.recipient["legal_name"] == invoice.recipient["legal_name"]
        assert correction.recipient["salt"] != invoice.recipient["salt"]

    async def test_part_by_part_nothing_is_left_over_in_base_or_tax(self, issuing: Desk) -> None:
        await price(issuing, 1001, tax_treatment="general")
        payment = await pay(issuing)
        for part in (333, 333, 334, 1):
            await refund(issuing, payment.id, part)
        documents = await issued_at(issuing)
        assert [one.total_minor for one in documents] == [1001, -333, -333, -334, -1]
        assert sum(one.base_minor for one in documents) == 0
        assert sum(one.tax_minor for one in documents) == 0
        await assert_sound(issuing)

    async def test_two_at_once_have_one_each(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        first, second = await asyncio.gather(refund(issuing, payment.id, 1000), refund(issuing, payment.id, 2000))
        await issuing.run()
        corrections = {one.refund_id: one.total_minor for one in (await issued_at(issuing))[1:]}
        assert corrections == {first: -1000, second: -2000}

    async def test_hearing_of_it_again_corrects_nothing_more(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        refund_id = await refund(issuing, payment.id, 1000)
        for _ in range(2):
            async with issuing.runtime.database.tenant(issuing.practice) as session:
                assert await correcting.correct_for_refund(session, issuing.runtime.settings, refund_id) is None
                assert await correcting.bring_in_line(session, issuing.runtime.settings, payment.id) is None
        assert len(await issued_at(issuing)) == 2

    async def test_one_that_failed_and_went_through_after_all_is_corrected_each_time(self, issuing: Desk) -> None:
        await set_client(issuing)
        payment = await pay(issuing)
        refund_id = await refund(issuing, payment.id)
        for state in (RefundState.FAILED, RefundState.SUCCEEDED, RefundState.FAILED, RefundState.SUCCEEDED):
            async with issuing.runtime.database.tenant(issuing.practice) as session:
                money = await session.get_one(Payment, payment.id, with_for_update=True)
                row = await session.get_one(Refund, refund_id, with_for_update=True)
                await settle_row(session, money, row, RefundResult(state, row.provider_ref, "x"))
            await issuing.run()
            after = await issuing.payment(payment.id)
            assert invoiced_minor(await issued_at(issuing)) == after.captured_minor - after.refunded_minor
        documents = await issued_at(issuing)
        assert [one.total_minor for one in documents] == [PRICE, -PRICE, PRICE, -PRICE, PRICE, -PRICE]
        assert [one.refund_id for one in documents[1:]] == [refund_id, None, None, None, None]
        assert [one.invoice_type for one in documents[1:]] == ["R1", "R4", "R1", "R4", "R1"]
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            assert await correcting.correct_for_refund(session, issuing.runtime.settings, refund_id) is None
        await assert_sound(issuing)

    async def test_without_an_invoice_there_is_nothing_to_correct(self, desk: Desk) -> None:
        payment = await pay(desk)
        await refund(desk, payment.id, 1000)
        assert await issued_at(desk) == []

    async def test_an_invoice_after_a_refund_is_of_what_is_left(self, desk: Desk) -> None:
        payment = await pay(desk)
        await refund(desk, payment.id, 1000)
        await set_issuer(desk.runtime, desk.practice)
        invoice = await act(desk, issue_invoice, payment.id)
        assert invoice.total_minor == PRICE - 1000

    async def test_a_receipt_taken_back_is_corrected_and_recorded_again_is_invoiced_again(self, issuing: Desk) -> None:
        payment = await pay_at_desk(issuing)
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            await undo_offline_receipt(session, payment.id)
        await issuing.run()
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            await record_offline_receipt(session, payment.id, ReceiptKind.CASH)
        await issuing.run()
        documents = await issued_at(issuing)
        assert [one.total_minor for one in documents] == [PRICE, -PRICE, PRICE]
        assert invoiced_minor(documents) == PRICE
        await assert_sound(issuing)


class TestByHand:
    async def test_an_amount_is_taken_off_with_its_reason(self, issuing: Desk) -> None:
        await set_client(issuing)
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        made = await act(issuing, correcting.correct_amount, invoice.id, 500, "Precio mal aplicado", STAFF)
        assert (made.invoice_type, made.total_minor) == ("R4", -500)
        assert made.content["reason"]["text"] == "Precio mal aplicado"

    async def test_no_more_than_was_invoiced(self, issuing: Desk) -> None:
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        await act(issuing, correcting.correct_amount, invoice.id, PRICE - 1, "x", STAFF)
        with pytest.raises(CorrectionExceedsDocumentError):
            await act(issuing, correcting.correct_amount, invoice.id, 2, "x", STAFF)

    async def test_a_correction_is_not_corrected_but_its_invoice(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        await refund(issuing, payment.id, 1000)
        _invoice, correction = await issued_at(issuing)
        with pytest.raises(NotCorrectableError):
            await act(issuing, correcting.correct_amount, correction.id, 100, "x", STAFF)


class TestOtherDetails:
    async def test_the_invoice_is_made_out_anew_in_the_others_place(self, issuing: Desk) -> None:
        await set_client(issuing, legal_name="Carla Mal Escrita")
        payment = await pay(issuing)
        await refund(issuing, payment.id, 1000)
        invoice = (await issued_at(issuing))[0]
        await set_client(issuing)
        made = await act(issuing, correcting.correct_recipient, invoice.id, None, STAFF)
        assert (made.invoice_type, made.method, made.supersedes_id) == ("R4", "substitution", invoice.id)
        assert made.recipient is not None
        assert made.recipient["legal_name"] == "Carla Cliente Núñez"
        assert made.total_minor == PRICE
        documents = await issued_at(issuing)
        assert invoiced_minor(documents) == PRICE - 1000
        assert [one.gross_minor for one in await lines_of(issuing, made)] == [PRICE]
        # What comes back later corrects the one that stands.
        await refund(issuing, payment.id, 500)
        assert (await issued_at(issuing))[-1].corrects_id == made.id
        with pytest.raises(NotCorrectableError):
            await act(issuing, correcting.correct_recipient, invoice.id, None, STAFF)
        await assert_sound(issuing)

    async def test_only_if_they_are_other_ones(self, issuing: Desk) -> None:
        await set_client(issuing)
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        with pytest.raises(NothingChangedError):
            await act(issuing, correcting.correct_recipient, invoice.id, None, STAFF)

    async def test_a_simplified_one_has_none_to_correct(self, issuing: Desk) -> None:
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        with pytest.raises(NotCorrectableError):
            await act(issuing, correcting.correct_recipient, invoice.id, None, STAFF)


class TestAFullInvoiceInExchange:
    async def test_stands_in_the_simplified_ones_place_and_counts_once(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        (simplified,) = await issued_at(issuing)
        await set_client(issuing)
        made = await act(issuing, correcting.replace_with_full, simplified.id, STAFF)
        assert (made.kind, made.invoice_type, made.supersedes_id) == ("full", "F3", simplified.id)
        assert made.content["replaces"]["number"] == simplified.number
        assert (made.base_minor, made.tax_minor, made.total_minor) == (
            simplified.base_minor,
            simplified.tax_minor,
            simplified.total_minor,
        )
        again = await act(issuing, correcting.replace_with_full, simplified.id, STAFF)
        assert again.id == made.id
        await refund(issuing, payment.id)
        documents = await issued_at(issuing)
        assert (documents[-1].invoice_type, documents[-1].corrects_id) == ("R1", made.id)
        assert invoiced_minor(documents) == 0
        await assert_sound(issuing)

    async def test_is_not_given_for_money_that_went_back(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        await refund(issuing, payment.id)
        simplified = (await issued_at(issuing))[0]
        await set_client(issuing)
        with pytest.raises(NothingToDocumentError):
            await act(issuing, correcting.replace_with_full, simplified.id, STAFF)
        assert invoiced_minor(await issued_at(issuing)) == 0

    async def test_is_not_given_while_all_of_the_money_is_on_its_way_back(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        (simplified,) = await issued_at(issuing)
        await set_client(issuing)
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            await request_refund(session, payment.id)
        with pytest.raises(NothingToDocumentError):
            await act(issuing, correcting.replace_with_full, simplified.id, STAFF)

    @pytest.mark.parametrize("off", [1000, PRICE])
    async def test_is_not_given_for_one_that_was_corrected(self, issuing: Desk, off: int) -> None:
        await pay(issuing)
        (simplified,) = await issued_at(issuing)
        await act(issuing, correcting.correct_amount, simplified.id, off, "x", STAFF)
        await set_client(issuing)
        with pytest.raises(DocumentCorrectedError):
            await act(issuing, correcting.replace_with_full, simplified.id, STAFF)

    async def test_is_given_where_the_corrections_come_to_nothing(self, issuing: Desk) -> None:
        payment = await pay_at_desk(issuing)
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            await undo_offline_receipt(session, payment.id)
        await issuing.run()
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            await record_offline_receipt(session, payment.id, ReceiptKind.CASH)
        await issuing.run()
        simplified = (await issued_at(issuing))[0]
        await set_client(issuing)
        made = await act(issuing, correcting.replace_with_full, simplified.id, STAFF)
        assert made.total_minor == PRICE
        await act(issuing, correcting.correct_amount, made.id, PRICE, "x", STAFF)
        assert invoiced_minor(await issued_at(issuing)) == 0
        await assert_sound(issuing)

    async def test_once_given_it_is_answered_again_after_a_refund(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        (simplified,) = await issued_at(issuing)
        await set_client(issuing)
        made = await act(issuing, correcting.replace_with_full, simplified.id, STAFF)
        await refund(issuing, payment.id)
        again = await act(issuing, correcting.replace_with_full, simplified.id, STAFF)
        assert again.id == made.id

    async def test_wants_the_clients_details(self, issuing: Desk) -> None:
        await pay(issuing)
        (simplified,) = await issued_at(issuing)
        with pytest.raises(ClientDataNeededError):
            await act(issuing, correcting.replace_with_full, simplified.id, STAFF)

    async def test_is_not_given_for_somebody_elses(self, issuing: Desk) -> None:
        await set_client(issuing)
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        with pytest.raises(NotFoundError):
            await act(issuing, correcting.replace_with_full, invoice.id, STAFF, client_id=invoice.payment_id)
        with pytest.raises(NotCorrectableError):
            await act(issuing, correcting.replace_with_full, invoice.id, STAFF)

    async def test_asked_for_twice_at_once_there_is_one(self, issuing: Desk) -> None:
        await pay(issuing)
        (simplified,) = await issued_at(issuing)
        await set_client(issuing)
        made = await asyncio.gather(
            *(act(issuing, correcting.replace_with_full, simplified.id, STAFF) for _ in range(5))
        )
        assert len({one.id for one in made}) == 1
