"""What is printed: the same in PDF and HTML, the same each time, in the client's language, with a readable code."""

import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from markupsafe import escape
from sqlalchemy import update

from billing.documents.errors import RenderingTimeoutError
from billing.documents.models import Document, DocumentLine, TransmissionStatus
from billing.documents.rendering.pdf import render_pdf, set_pdf
from billing.documents.rendering.view import money, rate_text, view_of
from billing.documents.rendering.web_page import render_html, security_policy
from billing.documents.verifactu.port import (
    NoTransmission,
    Receipt,
    Submission,
    TransmissionUnavailableError,
    register_transmitter,
)
from tenants.accounts.models import Client
from tests.support.checkout import Desk
from tests.support.documents import (
    codes_in,
    issued_at,
    lines_of,
    pay,
    price,
    print_html,
    print_pdf,
    records,
    refund,
    set_client,
    set_issuer,
    text_of,
)
from todoenbalance.kit import clock
from todoenbalance.kit.settings import DocumentSettings

MARKUP = '#panic("x") *b* <b>i</b> $x$ @ref //'


@pytest.fixture
async def issuing(desk: Desk) -> Desk:
    """The same desk of a practice that issues invoices by itself."""
    await set_issuer(desk.runtime, desk.practice)
    return desk


def visible(page: str) -> str:
    """The text of a page, with single spaces."""
    without = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", without)).split())


class TestWhatIsPrinted:
    async def test_a_simplified_invoice_in_spanish(self, issuing: Desk) -> None:
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        for text in (text_of(await print_pdf(issuing, invoice)), visible(await print_html(issuing, invoice))):
            for expected in (
                "Factura simplificada",
                invoice.number,
                "Nutrición Ñandú, S.L.",
                "NIF: B58378431",
                "28013 Madrid",
                "Primera consulta",
                "45,00 €",
                "Exenta",
                "art. 20.Uno.3.º de la Ley 37/1992",
                "QR tributario:",
                "Gracias por tu confianza.",
            ):
                assert expected in text, expected
            assert "Carla" not in text
            assert "VERI*FACTU" not in text
            assert "verificable" not in text

    async def test_a_full_one_in_english(self, issuing: Desk) -> None:
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            await session.execute(update(Client).values(locale="en"))
        await price(issuing, 6050, tax_treatment="general")
        await set_client(issuing, country="DE", tax_id="DE136695976", city="Köln")
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        for text in (text_of(await print_pdf(issuing, invoice)), visible(await print_html(issuing, invoice))):
            for expected in ("Invoice", "Bill to", "Carla Cliente Núñez", "DE136695976", "Köln", "21%", "€50.00",
                             "€10.50", "€60.50", "(advance payment)"):  # fmt: skip
                assert expected in text, expected

    async def test_a_correction_says_what_it_corrects_and_why(self, issuing: Desk) -> None:
        payment = await pay(issuing)
        await refund(issuing, payment.id, 1000)
        invoice, correction = await issued_at(issuing)
        text = text_of(await print_pdf(issuing, correction))
        for expected in ("Factura rectificativa", invoice.number, "-10,00 €", "Devolución", "por diferencias"):
            assert expected in text, expected

    async def test_what_people_write_is_text_and_never_markup(self, issuing: Desk) -> None:
        await set_issuer(issuing.runtime, issuing.practice, footer=MARKUP, regime_note=MARKUP)
        await set_client(issuing, legal_name=MARKUP, city="Αθήνα Москва łódź")
        await price(issuing, 4500, name=MARKUP)
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        text, page = text_of(await print_pdf(issuing, invoice)), await print_html(issuing, invoice)
        assert text.count(MARKUP) == 4
        assert "Αθήνα Москва łódź" in text
        assert page.count(str(escape(MARKUP))) == 4
        assert "<b>i</b>" not in page
        assert "<script" not in page

    async def test_it_is_the_same_to_the_byte_each_time(self, issuing: Desk) -> None:
        await set_client(issuing)
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        first = await print_pdf(issuing, invoice)
        await set_issuer(issuing.runtime, issuing.practice, legal_name="Otra", footer="Otro")
        await set_client(issuing, legal_name="Otro nombre")
        async with issuing.runtime.database.tenant(issuing.practice) as session:
            await session.execute(update(Client).values(locale="en", first_name="Otra"))
        assert await print_pdf(issuing, invoice) == first

    async def test_many_lines_and_long_names_have_pages_of_their_own(self, issuing: Desk) -> None:
        await set_client(issuing, legal_name="Muylarguísimo " * 14, address="x" * 300)
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        (line,) = await lines_of(issuing, invoice)
        many = [
            DocumentLine(**{c.key: getattr(line, c.key) for c in DocumentLine.__table__.columns} | {"position": n})
            for n in range(1, 61)
        ]
        text = text_of(set_pdf(view_of(invoice, many), invoice.created_at))
        assert text.count("Primera consulta") == 60
        assert "Página 3 / 3" in text

    async def test_the_page_may_load_nothing(self, issuing: Desk) -> None:
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        page = await print_html(issuing, invoice)
        assert not re.search(r"""\s(src|style|on\w+)=""", page)
        assert "url(" not in page
        assert "default-src 'none'" in security_policy()

    async def test_a_pdf_that_takes_too_long_is_given_up(self, issuing: Desk) -> None:
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        view = view_of(invoice, await lines_of(issuing, invoice))
        with pytest.raises(RenderingTimeoutError):
            await render_pdf(view, invoice.created_at, 0.0001)


@pytest.mark.parametrize(
    ("minor", "currency", "es", "en"),
    [
        (123456, "EUR", "1.234,56 €", "€1,234.56"),
        (-1000, "EUR", "-10,00 €", "-€10.00"),
        (4500, "JPY", "4.500 JPY", "JP¥4,500"),
        (1500, "KWD", "1,500 KWD", "KWD1.500"),
        (99_999_999_999, "EUR", "999.999.999,99 €", "€999,999,999.99"),
    ],
)
def test_amounts_have_the_currencys_own_places(minor: int, currency: str, es: str, en: str) -> None:
    assert " ".join(money(minor, currency, "es").split()) == es
    assert " ".join(money(minor, currency, "en").split()) == en


def test_rates_are_written_as_they_are() -> None:
    assert (rate_text(2100, "es"), rate_text(650, "en")) == ("21\u00a0%", "6.5%")


class RecordingTransmitter:
    """Keeps what was sent; answers as it was told to."""

    transmits = True

    def __init__(self) -> None:
        self.sent: list[Submission] = []
        self.is_away = False
        self.refuses = False

    async def submit(self, submission: Submission) -> Receipt:
        if self.is_away:
            raise TransmissionUnavailableError
        self.sent.append(submission)
        return Receipt(not self.refuses, "CSV-1", "NIF no identificado" if self.refuses else None)


@pytest.fixture
def transmitter(issuing: Desk) -> RecordingTransmitter:
    """The desk's deployment sends its records to it."""
    made = RecordingTransmitter()
    register_transmitter("recording", made)
    settings = issuing.runtime.settings.model_copy(update={"documents": DocumentSettings(transmission="recording")})
    issuing.runtime = replace(issuing.runtime, settings=settings)
    return made


class TestTheCode:
    async def test_leads_to_where_what_is_not_transmitted_is_checked(self, issuing: Desk) -> None:
        await price(issuing, 12_105)
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        (code,) = codes_in(await print_pdf(issuing, invoice))
        address = urlsplit(code.text)
        assert address.path == "/wlpl/TIKE-CONT/ValidarQRNoVerifactu"
        assert address.hostname == "prewww2.aeat.es"  # the tests are no production
        assert parse_qs(address.query) == {
            "nif": ["B58378431"],
            "numserie": [invoice.number],
            "fecha": [invoice.issued_on.strftime("%d-%m-%Y")],
            "importe": ["121.05"],
        }
        assert 30 <= code.millimetres <= 40

    async def test_with_transmission_the_invoice_says_that_it_can_be_checked(
        self, issuing: Desk, transmitter: RecordingTransmitter
    ) -> None:
        del transmitter
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        pdf = await print_pdf(issuing, invoice)
        assert urlsplit(codes_in(pdf)[0].text).path == "/wlpl/TIKE-CONT/ValidarQR"
        for text in (text_of(pdf), visible(await print_html(issuing, invoice))):
            assert "Factura verificable en la sede electrónica de la AEAT" in text
            assert "VERI*FACTU" in text

    @pytest.mark.parametrize(
        "changes",
        [{"tax_area": "es_foral"}, {"country": "PT", "tax_area": "other", "tax_id": "PT501964843"}],
        ids=["the Basque Country", "Portugal"],
    )
    async def test_where_the_rules_do_not_hold_there_is_none(self, desk: Desk, changes: dict[str, Any]) -> None:
        await set_issuer(desk.runtime, desk.practice, **changes)
        await pay(desk)
        (invoice,) = await issued_at(desk)
        pdf = await print_pdf(desk, invoice)
        assert codes_in(pdf) == []
        assert "QR tributario" not in text_of(pdf)
        assert len(await records(desk)) == 1  # its own chain is kept all the same


class TestTransmission:
    async def test_off_sends_nothing_and_says_so(self, issuing: Desk) -> None:
        await pay(issuing)
        (record,) = await records(issuing)
        assert record.transmission_status == TransmissionStatus.OFF
        assert NoTransmission.transmits is False

    async def test_each_record_is_sent_once_with_what_was_hashed(
        self, issuing: Desk, transmitter: RecordingTransmitter
    ) -> None:
        await set_client(issuing)
        await pay(issuing)
        await issuing.run()
        (record,) = await records(issuing)
        (sent,) = transmitter.sent
        assert (record.transmission_status, record.transmission_ref) == (TransmissionStatus.ACCEPTED, "CSV-1")
        assert (sent.hash, sent.alta.hash()) == (record.hash, record.hash)
        assert (sent.recipient_tax_id, sent.issuer_name) == ("12345678Z", "Nutrición Ñandú, S.L.")
        assert [(one.treatment, one.rate, one.base, one.tax) for one in sent.breakdown] == [
            ("exempt_health", "0.00", "45.00", "0.00")
        ]

    async def test_what_is_refused_is_noted_and_changes_nothing_of_the_invoice(
        self, issuing: Desk, transmitter: RecordingTransmitter
    ) -> None:
        transmitter.refuses = True
        await pay(issuing)
        (record,) = await records(issuing)
        assert (record.transmission_status, record.transmission_note) == ("rejected", "NIF no identificado")

    async def test_while_the_agency_is_away_it_waits(self, issuing: Desk, transmitter: RecordingTransmitter) -> None:
        transmitter.is_away = True
        await pay(issuing)
        assert [one.transmission_status for one in await records(issuing)] == ["pending"]
        transmitter.is_away = False
        with clock.at(clock.now() + timedelta(minutes=30)):
            await issuing.run()
        assert [one.transmission_status for one in await records(issuing)] == ["accepted"]


def test_a_recipient_who_was_erased_is_said_to_be_blocked() -> None:
    content: dict[str, Any] = {
        "practice": "x", "issuer": dict.fromkeys(("legal_name", "tax_id", "address", "postal_code", "city", "region",
        "country"), "x"), "tax_area": "es_common", "regime_note": "", "footer": "", "taxes": [], "mentions": [],
        "corrects": None, "replaces": None, "payment": {"method": "stripe", "paid_on": "2026-01-01"}, "qr": None,
    }  # fmt: skip
    document = Document(
        kind="full", number="F-2026-0001", issued_on=date(2026, 1, 1), locale="es", currency="EUR", base_minor=0,
        tax_minor=0, total_minor=0, recipient=None, recipient_digest="x", content=content,
    )  # fmt: skip
    view = view_of(document, [])
    assert "bloqueados" in view["recipient"]["name"]
    assert "bloqueados" in render_html(view)
