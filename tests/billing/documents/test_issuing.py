"""When a payment's invoice is issued, of which kind, and what it says."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.documents.errors import ClientDataNeededError, IssuerMissingError, NothingToDocumentError
from billing.documents.models import Document, DocumentKind
from billing.documents.services.issuing import invoiced_minor, issue_invoice, issue_receipt
from billing.documents.services.profiles import set_rates
from billing.payments.receipts import ReceiptKind, record_offline_receipt
from tests.support.checkout import PRICE, Desk
from tests.support.documents import (
    CLIENT,
    issued_at,
    lines_of,
    pay,
    pay_at_desk,
    pending,
    price,
    records,
    refund,
    set_client,
    set_issuer,
)
from tests.support.mails import mails_of
from todoenbalance.kit import clock


@pytest.fixture
async def issuing(desk: Desk) -> Desk:
    """The same desk of a practice that issues invoices by itself."""
    await set_issuer(desk.runtime, desk.practice)
    return desk


class TestByItself:
    async def test_a_practice_that_has_not_said_who_it_is_issues_nothing(self, desk: Desk) -> None:
        await pay(desk)
        assert await issued_at(desk) == []
        assert await pending(desk) == []

    async def test_money_that_came_is_a_simplified_invoice_without_the_clients_name(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        (invoice,) = await issued_at(issuing, payment.id)
        year = clock.now().year
        assert (invoice.kind, invoice.invoice_type, invoice.number) == ("simplified", "F2", f"S-{year}-0001")
        assert (invoice.base_minor, invoice.tax_minor, invoice.total_minor) == (PRICE, 0, PRICE)
        assert invoice.recipient is None
        assert "Carla" not in str(invoice.content)
        assert invoice.content["mentions"] == [
            "Operación exenta de IVA: asistencia sanitaria (art. 20.Uno.3.º de la Ley 37/1992)."
        ]
        assert invoice.content["payment"]["method"] == "sandbox"

    async def test_with_the_clients_details_it_is_a_full_one(self, issuing: Desk) -> None:
        await set_client(issuing)
        payment = await pay(issuing)
        (invoice,) = await issued_at(issuing, payment.id)
        assert (invoice.kind, invoice.invoice_type, invoice.series) == ("full", "F1", "F")
        assert invoice.recipient is not None
        assert CLIENT.items() <= invoice.recipient.items()

    async def test_hearing_of_the_money_again_issues_nothing_more(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        for _ in range(3):
            await issuing.confirm(payment)
            await issuing.run()
        assert len(await issued_at(issuing)) == 1

    async def test_a_practice_may_issue_by_hand_instead(self, desk: Desk) -> None:
        await set_issuer(desk.runtime, desk.practice, issues_automatically=False)
        payment = await pay(desk)
        assert await issued_at(desk) == []
        async with desk.runtime.database.tenant(desk.practice) as session:
            invoice = await issue_invoice(session, desk.runtime.settings, payment.id)
            again = await issue_invoice(session, desk.runtime.settings, payment.id)
        assert again.id == invoice.id

    async def test_money_that_goes_back_at_once_has_no_invoice(self, issuing: Desk) -> None:
        appointment = await issuing.book()
        payment = await issuing.pay(appointment)
        await issuing.cancel(appointment)
        await issuing.confirm(payment)
        await issuing.run()
        assert (await issuing.payment(payment.id)).refunded_minor == PRICE
        assert await issued_at(issuing) == []

    async def test_at_the_desk_it_says_how_the_money_came(self, issuing: Desk) -> None:
        payment = await pay_at_desk(issuing, ReceiptKind.CARD)
        (invoice,) = await issued_at(issuing, payment.id)
        assert invoice.content["payment"]["method"] == "receipt_card"

    async def test_part_of_the_money_waits_for_the_rest(self, issuing: Desk) -> None:
        await pay_at_desk(issuing, amount_minor=PRICE - 500)
        assert await issued_at(issuing) == []

    async def test_the_client_is_told_in_their_language_and_of_nothing_else(self, issuing: Desk) -> None:
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        mails = [one for one in await mails_of(issuing.runtime, issuing.practice) if invoice.number in one.subject]
        (mail,) = mails
        assert mail.recipient == issuing.client.email
        assert mail.subject == f"Factura simplificada {invoice.number}"
        assert "Primera consulta" not in mail.text + mail.html
        assert "/account/documents" in mail.text


class TestTheLimitOfSimplifiedInvoices:
    async def test_more_waits_for_the_clients_details_and_is_issued_when_they_come(self, issuing: Desk) -> None:
        await price(issuing, 40_001)
        payment = await pay(issuing)
        assert await issued_at(issuing) == []
        assert await pending(issuing) == [(payment.id, "client_data_needed")]
        await set_client(issuing)
        await issuing.run()
        (invoice,) = await issued_at(issuing)
        assert (invoice.kind, invoice.total_minor) == ("full", 40_001)
        assert await pending(issuing) == []

    async def test_the_limit_itself_is_within(self, issuing: Desk) -> None:
        await price(issuing, 40_000)
        await pay(issuing)
        assert [one.kind for one in await issued_at(issuing)] == ["simplified"]

    async def test_the_listed_businesses_have_a_higher_one(self, desk: Desk) -> None:
        await set_issuer(desk.runtime, desk.practice, simplified_limit="listed")
        await price(desk, 300_000)
        await pay(desk)
        await price(desk, 300_001)
        await pay(desk)
        assert [one.total_minor for one in await issued_at(desk)] == [300_000]

    async def test_by_hand_it_is_refused_with_the_reason(self, issuing: Desk) -> None:
        await price(issuing, 40_001)
        payment = await pay(issuing)
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            with pytest.raises(ClientDataNeededError):
                await issue_invoice(session, issuing.runtime.settings, payment.id)

    async def test_elsewhere_spains_limit_does_not_hold(self, desk: Desk) -> None:
        await set_issuer(desk.runtime, desk.practice, country="PT", tax_area="other", tax_id="PT501964843")
        await price(desk, 40_001)
        await pay(desk)
        assert [one.kind for one in await issued_at(desk)] == ["simplified"]


class TestTaxes:
    @pytest.mark.parametrize(
        ("area", "treatment", "expected"),
        [
            ("es_common", "general", (5000, 1050)),
            ("es_common", "reduced", (5500, 550)),
            ("es_canary", "general", (5654, 396)),
            ("es_foral", "general", (5000, 1050)),
            ("es_common", "none", (6050, 0)),
        ],
    )
    async def test_prices_have_the_tax_in_them(
        self, desk: Desk, area: str, treatment: str, expected: tuple[int, int]
    ) -> None:
        await set_issuer(desk.runtime, desk.practice, tax_area=area)
        await price(desk, 6050, tax_treatment=treatment)
        await pay(desk)
        (invoice,) = await issued_at(desk)
        assert (invoice.base_minor, invoice.tax_minor) == expected
        (record,) = await records(desk)
        assert record.tax_total == f"{expected[1] / 100:.2f}"

    async def test_without_a_rate_it_waits_for_one(self, desk: Desk) -> None:
        await set_issuer(desk.runtime, desk.practice, country="PT", tax_area="other", tax_id="PT501964843")
        await price(desk, 1230, tax_treatment="general")
        payment = await pay(desk)
        assert await pending(desk) == [(payment.id, "rate_missing")]
        first = clock.now().date() - timedelta(days=400)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await set_rates(session, [{"treatment": "general", "valid_from": first, "rate_bp": 2300}])
        await desk.run()
        (invoice,) = await issued_at(desk)
        assert (invoice.base_minor, invoice.tax_minor) == (1000, 230)

    async def test_in_the_canaries_and_elsewhere_the_mention_is_another(self, desk: Desk) -> None:
        await set_issuer(desk.runtime, desk.practice, tax_area="es_canary")
        await pay(desk)
        note = "Isento, artigo 9.º do CIVA."
        await set_issuer(
            desk.runtime, desk.practice, country="PT", tax_area="other", tax_id="PT501964843", exempt_note=note
        )
        await pay(desk)
        canary, elsewhere = await issued_at(desk)
        assert "IGIC" in canary.content["mentions"][0]
        assert elsewhere.content["mentions"] == [note]


class TestWhatItSays:
    async def test_a_deposit_is_paid_in_advance(self, issuing: Desk) -> None:
        await price(issuing, PRICE, deposit_minor=2000)
        payment = await pay(issuing)
        (invoice,) = await issued_at(issuing, payment.id)
        (line,) = await lines_of(issuing, invoice)
        assert (line.description, line.gross_minor) == ("Primera consulta (pago anticipado)", 2000)
        assert line.operation_on == invoice.issued_on

    async def test_a_service_may_have_another_name_on_invoices(self, issuing: Desk) -> None:
        await price(issuing, PRICE, invoice_description="Consulta de nutrición")
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        (line,) = await lines_of(issuing, invoice)
        assert line.description.startswith("Consulta de nutrición")

    async def test_after_the_visit_it_has_the_visits_day(self, issuing: Desk) -> None:
        payment = await issuing.start(await issuing.book(), "offline")
        later = issuing.opens_at + timedelta(days=3)

        with clock.at(later):
            async with issuing.runtime.database.tenant(issuing.practice) as session:
                await record_offline_receipt(session, payment.id, ReceiptKind.CASH)
            await issuing.run()
        (invoice,) = await issued_at(issuing)
        (line,) = await lines_of(issuing, invoice)
        assert line.description == "Primera consulta"
        assert line.operation_on == issuing.opens_at.date()
        assert invoice.issued_on == later.date()

    async def test_later_changes_of_the_practice_change_nothing_of_it(self, issuing: Desk) -> None:
        await pay(issuing)
        (before,) = await issued_at(issuing)
        await set_issuer(issuing.runtime, issuing.practice, legal_name="Otra, S.A.", tax_id="A39200019", footer="x")
        (after,) = await issued_at(issuing)
        assert after.content == before.content
        assert after.content["issuer"]["tax_id"] == "B58378431"


class TestByHand:
    async def test_without_an_issuer_or_money_it_is_refused(self, desk: Desk) -> None:
        paid, unpaid = await pay(desk), await desk.start(await desk.book(), "offline")
        settings = desk.runtime.settings
        async with desk.runtime.database.tenant(desk.practice) as session:
            with pytest.raises(IssuerMissingError):
                await issue_invoice(session, settings, paid.id)
        await set_issuer(desk.runtime, desk.practice)
        async with desk.runtime.database.tenant(desk.practice) as session:
            with pytest.raises(NothingToDocumentError):
                await issue_invoice(session, settings, unpaid.id)

    async def test_a_receipt_is_no_invoice(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            receipt = await issue_receipt(session, issuing.runtime.settings, payment.id)
            again = await issue_receipt(session, issuing.runtime.settings, payment.id)
        assert receipt.id == again.id
        assert (receipt.kind, receipt.series, receipt.invoice_type) == (DocumentKind.RECEIPT, "J", None)
        assert receipt.content["qr"] is None
        assert [record.number for record in await records(issuing)] == [f"S-{clock.now().year}-0001"]

    async def test_a_receipt_is_a_new_one_when_the_amount_is_another(self, issuing: Desk) -> None:
        payment = await pay_at_desk(issuing, amount_minor=2000)

        async def receive() -> Document:
            async with issuing.runtime.database.tenant(issuing.practice) as session:
                return await issue_receipt(session, issuing.runtime.settings, payment.id)

        first = await receive()
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            await record_offline_receipt(session, payment.id, ReceiptKind.CASH)
        await issuing.run()
        made = await asyncio.gather(*(receive() for _ in range(3)))
        [second] = {one.id: one for one in made}.values()
        assert [(one.total_minor, one.series, one.sequence) for one in (first, second)] == [
            (2000, "J", 1),
            (PRICE, "J", 2),
        ]
        documents = await issued_at(issuing)
        assert [one.total_minor for one in documents if one.kind == DocumentKind.RECEIPT] == [2000, PRICE]
        assert invoiced_minor(documents) == PRICE

    async def test_a_receipt_of_money_that_went_back_is_refused(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            await issue_receipt(session, issuing.runtime.settings, payment.id)
        await refund(issuing, payment.id)
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            with pytest.raises(NothingToDocumentError):
                await issue_receipt(session, issuing.runtime.settings, payment.id)


class TestTheYear:
    async def test_turns_at_midnight_of_the_practices_zone(self, issuing: Desk) -> None:
        numbers: list[Any] = []
        for moment in (
            datetime(2027, 12, 31, 22, 59, tzinfo=UTC),  # 23:59 in Madrid
            datetime(2027, 12, 31, 23, 0, tzinfo=UTC),  # 0:00 in Madrid, still the old year in London
        ):
            payment = await issuing.start(await issuing.book(), "offline")

            with clock.at(moment):
                async with issuing.runtime.database.tenant(issuing.practice) as session:
                    await record_offline_receipt(session, payment.id, ReceiptKind.CASH)
                await issuing.run()
            (invoice,) = await issued_at(issuing, payment.id)
            numbers.append((invoice.number, invoice.issued_on.isoformat()))
        assert numbers == [("S-2027-0001", "2027-12-31"), ("S-2028-0001", "2028-01-01")]

    async def test_a_clock_that_goes_back_does_not_take_the_dates_back(self, issuing: Desk) -> None:
        days = []
        for moment in (datetime(2027, 3, 5, 12, tzinfo=UTC), datetime(2027, 3, 4, 12, tzinfo=UTC)):
            payment = await issuing.start(await issuing.book(), "offline")

            with clock.at(moment):
                async with issuing.runtime.database.tenant(issuing.practice) as session:
                    await record_offline_receipt(session, payment.id, ReceiptKind.CASH)
                await issuing.run()
            (invoice,) = await issued_at(issuing, payment.id)
            days.append(invoice.issued_on.isoformat())
        assert days == ["2027-03-05", "2027-03-05"]
