"""A quarter for the accountant: read back as a spreadsheet reads it, with nothing in it that runs."""

import csv
import io
from datetime import date
from decimal import Decimal

import openpyxl
import pytest

from billing.documents.export import (
    ExportFormat,
    Table,
    export_quarter,
    harmless,
    quarter_bounds,
    read_table,
    to_csv,
)
from billing.documents.services.correcting import replace_with_full
from billing.documents.services.issuing import issue_receipt
from billing.documents.services.writing import Author
from tests.support.checkout import PRICE, Desk
from tests.support.documents import issued_at, pay, price, refund, set_client, set_issuer
from todoenbalance.kit import clock

EVIL = '=HYPERLINK("http://x";"y")'


@pytest.fixture
async def quarter(desk: Desk) -> Desk:
    """A simplified invoice, a full one at 21 % with a refund, an exchange, and a receipt."""
    await set_issuer(desk.runtime, desk.practice)
    first = await pay(desk)
    await set_client(desk, legal_name=EVIL)
    await price(desk, 12_100, tax_treatment="general")
    await refund(desk, (await pay(desk)).id, 1210)
    async with desk.runtime.database.tenant(desk.practice) as session:
        simplified = (await issued_at(desk, first.id))[0]
        await replace_with_full(session, desk.runtime.settings, simplified.id, Author("staff"))
        await issue_receipt(session, desk.runtime.settings, first.id)
    return desk


def this_quarter(desk: Desk) -> tuple[int, int]:
    today = clock.now().date()
    return today.year, (today.month + 2) // 3


async def export(desk: Desk, export_format: ExportFormat, language: str) -> tuple[str, bytes]:
    year, number = this_quarter(desk)
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await export_quarter(session, year, number, export_format, language)


class TestXlsx:
    async def test_has_each_invoice_and_the_totals_by_rate(self, quarter: Desk) -> None:
        name, data = await export(quarter, ExportFormat.XLSX, "es")
        year, number = this_quarter(quarter)
        assert name == f"facturas-{year}-T{number}.xlsx"
        book = openpyxl.load_workbook(io.BytesIO(data))
        assert book.sheetnames == ["Facturas", "Totales"]
        headings, *rows = list(book["Facturas"].iter_rows(values_only=True))
        found = {row[0]: dict(zip(headings, row, strict=True)) for row in rows}
        assert set(found) == {f"S-{year}-0001", f"F-{year}-0001", f"F-{year}-0002", f"R-{year}-0001"}
        full = found[f"F-{year}-0001"]
        assert (full["Base"], full["Tipo impositivo %"], full["Cuota"], full["Total"]) == (100, 21, 21, 121)
        assert (full["Cliente"], full["NIF"], full["Tipo"]) == (EVIL, "12345678Z", "F1")
        correction = found[f"R-{year}-0001"]
        assert (correction["Total"], correction["Rectifica a"]) == (-12.1, f"F-{year}-0001")
        exchanged = found[f"F-{year}-0002"]
        assert (exchanged["Sustituye a"], exchanged["Computa"]) == (f"S-{year}-0001", 0)
        _headings, *totals = list(book["Totales"].iter_rows(values_only=True))
        assert totals == [("Exenta", 0, 45, 0, 45, "EUR"), ("General", 21, 90, 18.9, 108.9, "EUR")]

    async def test_nothing_in_it_is_a_formula(self, quarter: Desk) -> None:
        _name, data = await export(quarter, ExportFormat.XLSX, "en")
        book = openpyxl.load_workbook(io.BytesIO(data))
        assert all(cell.data_type != "f" and cell.hyperlink is None for row in book["Invoices"] for cell in row)


class TestCsv:
    async def test_in_spanish_has_semicolons_and_decimal_commas(self, quarter: Desk) -> None:
        name, data = await export(quarter, ExportFormat.CSV, "es")
        assert name.endswith(".csv")
        assert data.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig")), delimiter=";"))
        correction = next(row for row in rows if row and row[0].startswith("R-"))
        assert correction[8:12] == ["-10,00", "21,00", "-2,10", "-12,10"]
        assert correction[4] == f"'{EVIL}"
        assert ["General", "21,00", "90,00", "18,90", "108,90", "EUR"] in rows

    async def test_in_english_it_has_commas_and_points(self, quarter: Desk) -> None:
        _name, data = await export(quarter, ExportFormat.CSV, "en")
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
        assert ["Standard", "21.00", "90.00", "18.90", "108.90", "EUR"] in rows

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
    def test_what_a_spreadsheet_would_run_is_text(self, text: str) -> None:
        assert harmless(text) == f"'{text}"

    @pytest.mark.parametrize("text", ["Núñez = Cía", "Pérez-Gil, S.L.", "Ruiz; Hijos", "a, b", "a@b.es", ""])
    def test_other_texts_stay_as_they_are(self, text: str) -> None:
        assert harmless(text) == text

    @pytest.mark.parametrize("delimiter", [",", ";"])
    @pytest.mark.parametrize("language", ["es", "en"])
    @pytest.mark.parametrize(
        "name",
        ["Juan,=2+5+cmd|' /C calc'!A0,x", "Juan;=1+1;x", "Juan, =1+1", 'Juan,"=1+1', 'Juan;" @SUM(A1)', ",=1", ";\t=1"],
    )
    def test_nor_does_it_run_where_cells_are_split_at_other_characters(
        self, name: str, language: str, delimiter: str
    ) -> None:
        data = to_csv(Table(language, ("Número", "Cliente", "NIF"), [("F-1", name, "12345678Z")], []))
        rows = csv.reader(io.StringIO(data.decode("utf-8-sig")), delimiter=delimiter)
        assert not [cell for row in rows for cell in row if cell.strip('" \t').startswith(("=", "+", "-", "@"))]


class TestTheQuarter:
    @pytest.mark.parametrize(
        ("number", "first", "last"),
        [(1, "2028-01-01", "2028-03-31"), (2, "2028-04-01", "2028-06-30"), (3, "2028-07-01", "2028-09-30"),
         (4, "2028-10-01", "2028-12-31")],
    )  # fmt: skip
    def test_has_its_days(self, number: int, first: str, last: str) -> None:
        assert quarter_bounds(2028, number) == (date.fromisoformat(first), date.fromisoformat(last))

    async def test_of_another_time_has_nothing(self, quarter: Desk) -> None:
        async with quarter.runtime.database.tenant(quarter.practice) as session:
            table = await read_table(session, 2001, 1, "es")
        assert (table.rows, table.totals) == ([], [])

    async def test_its_totals_are_the_money_that_is_here(self, quarter: Desk) -> None:
        async with quarter.runtime.database.tenant(quarter.practice) as session:
            table = await read_table(session, *this_quarter(quarter), "es")
        assert (
            sum(row[4] for row in table.totals if isinstance(row[4], Decimal)) == Decimal(PRICE + 12_100 - 1210) / 100
        )
