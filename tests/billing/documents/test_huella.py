"""Hash and QR address, held against the tax agency's own examples."""

from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from billing.documents.verifactu.huella import Alta, amount_text, date_text, instant_text
from billing.documents.verifactu.qr import HOSTS, qr_url

# AEAT, "Detalle de las especificaciones técnicas para generación de la huella o hash", 0.1.2, section 6.
FIRST = Alta("89890001K", "12345678/G33", "01-01-2024", "F1", "12.35", "123.45", "", "2024-01-01T19:20:30+01:00")
FIRST_HASH = "3C464DAF61ACB827C65FDA19F352A4E3BDC2C640E9E9FC4CC058073F38F12F60"
SECOND = Alta(
    "89890001K", "12345679/G34", "01-01-2024", "F1", "12.35", "123.45", FIRST_HASH, "2024-01-01T19:20:35+01:00"
)
SECOND_HASH = "F7B94CFD8924EDFF273501B01EE5153E4CE8F259766F88CF6ACB8935802A2B97"


def test_the_agencys_first_example() -> None:
    assert FIRST.text() == (
        "IDEmisorFactura=89890001K&NumSerieFactura=12345678/G33&FechaExpedicionFactura=01-01-2024&TipoFactura=F1"
        "&CuotaTotal=12.35&ImporteTotal=123.45&Huella=&FechaHoraHusoGenRegistro=2024-01-01T19:20:30+01:00"
    )
    assert FIRST.hash() == FIRST_HASH


def test_the_agencys_chained_example() -> None:
    assert SECOND.hash() == SECOND_HASH


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(12345, "EUR", "123.45"), (0, "EUR", "0.00"), (5, "EUR", "0.05"), (-2250, "EUR", "-22.50"), (-5, "EUR", "-0.05"),
     (4500, "JPY", "4500"), (-1, "KWD", "-0.001"), (99_999_999_999, "EUR", "999999999.99")],
)  # fmt: skip
def test_amounts_have_their_currencys_places(minor: int, currency: str, text: str) -> None:
    assert amount_text(minor, currency) == text


def test_dates_and_instants_are_those_of_the_practices_clock() -> None:
    moment = datetime(2024, 6, 30, 22, 30, 15, 999, tzinfo=UTC)
    assert date_text(date(2024, 1, 2)) == "02-01-2024"
    assert instant_text(moment, "Europe/Madrid") == "2024-07-01T00:30:15+02:00"
    assert instant_text(moment, "Atlantic/Canary") == "2024-06-30T23:30:15+01:00"


def test_the_agencys_address_with_what_must_be_escaped_in_it() -> None:
    url = qr_url(
        "test",
        is_verifiable=True,
        issuer_tax_id="89890001K",
        number="12345678&G33",
        issued_on="01-01-2024",
        total="241.4",
    )
    assert url == (
        "https://prewww2.aeat.es/wlpl/TIKE-CONT/ValidarQR"
        "?nif=89890001K&numserie=12345678%26G33&fecha=01-01-2024&importe=241.4"
    )


def test_what_is_not_transmitted_is_checked_at_another_address() -> None:
    url = qr_url("production", is_verifiable=False, issuer_tax_id="x", number="y", issued_on="z", total="1")
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}" == HOSTS["production"]
    assert parts.path == "/wlpl/TIKE-CONT/ValidarQRNoVerifactu"
    assert list(parse_qs(parts.query)) == ["nif", "numserie", "fecha", "importe"]
