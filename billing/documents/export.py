"""A quarter's invoices for the accountant, as the book of issued invoices has them (RIVA, art. 63): CSV and XLSX.

One row for each document and rate. A document that stands in another's place has the same amounts, which were
declared with that one; ``counts`` is 0 in its rows and it is in no total.
"""

import asyncio
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

import xlsxwriter  # type: ignore[import-untyped]  # ships no types

from billing.documents import words
from billing.documents.models import INVOICES, Document
from billing.documents.repository import DocumentFilter, DocumentRepository
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import currency_exponent

_DANGEROUS = re.compile(r"""(^|[,;\n])(?=["\s]*[=+\-@]|[\t\r])""")
_HEADINGS: dict[str, tuple[str, ...]] = {
    "es": (
        "Número", "Fecha de expedición", "Fecha de operación", "Tipo", "Cliente", "NIF", "País", "Tratamiento",
        "Base", "Tipo impositivo %", "Cuota", "Total", "Moneda", "Forma de pago", "Rectifica a", "Sustituye a",
        "Computa",
    ),
    "en": (
        "Number", "Date of issue", "Date of supply", "Type", "Client", "Tax id", "Country", "Treatment",
        "Net", "Rate %", "Tax", "Total", "Currency", "Payment method", "Corrects", "Replaces",
        "Counts",
    ),
}  # fmt: skip
_TOTALS = {"es": "Totales por tipo", "en": "Totals by rate"}
_SHEETS = {"es": ("Facturas", "Totales"), "en": ("Invoices", "Totals")}
Cell = str | Decimal | date | int


class ExportFormat(StrEnum):
    """What the accountant's program reads."""

    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings, and the sums by currency, treatment and rate of those that count."""

    language: str
    headings: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    totals: list[tuple[Cell, ...]]


def quarter_bounds(year: int, quarter: int) -> tuple[date, date]:
    """First and last day."""
    first = date(year, 3 * quarter - 2, 1)
    following = date(year + 1, 1, 1) if quarter == 4 else date(year, 3 * quarter + 1, 1)
    return first, date.fromordinal(following.toordinal() - 1)


async def read_table(session: TenantSession, year: int, quarter: int, language: str) -> Table:
    """The quarter's invoices in the order of their numbers; receipts are none."""
    since, until = quarter_bounds(year, quarter)
    documents = DocumentRepository(session)
    found = [one for one in await documents.list_all(DocumentFilter(since=since, until=until)) if one.kind in INVOICES]
    return table_of(found, language)


def table_of(documents: Sequence[Document], language: str) -> Table:
    """The rows of these documents, and their sums."""
    rows: list[tuple[Cell, ...]] = []
    sums: dict[tuple[str, str, int], list[int]] = {}
    for document in documents:
        for tax in document.content["taxes"]:
            rows.append(_row(document, tax, language))
            if document.supersedes_id is None:
                group = sums.setdefault((document.currency, tax["treatment"], tax["rate_bp"]), [0, 0, 0])
                for index, name in enumerate(("base", "tax", "gross")):
                    group[index] += tax[name]
    totals: list[tuple[Cell, ...]] = [
        (
            words.say(words.TREATMENTS[treatment], language),
            _rate(rate_bp),
            *(_amount(amount, currency) for amount in amounts),
            currency,
        )
        for (currency, treatment, rate_bp), amounts in sorted(sums.items())
    ]
    return Table(language, _HEADINGS[language], rows, totals)


def _row(document: Document, tax: dict[str, int], language: str) -> tuple[Cell, ...]:
    content, recipient = document.content, document.recipient or {}
    return (
        document.number,
        document.issued_on,
        date.fromisoformat(content["operation_on"]) if content["operation_on"] else "",
        document.invoice_type or "",
        recipient.get("legal_name", ""),
        recipient.get("tax_id", ""),
        recipient.get("country", ""),
        words.say(words.TREATMENTS[str(tax["treatment"])], language),
        _amount(tax["base"], document.currency),
        _rate(tax["rate_bp"]),
        _amount(tax["tax"], document.currency),
        _amount(tax["gross"], document.currency),
        document.currency,
        words.say(words.PAYMENT_METHODS[content["payment"]["method"]], language),
        content["corrects"]["number"] if content["corrects"] else "",
        content["replaces"]["number"] if content["replaces"] else "",
        0 if document.supersedes_id is not None else 1,
    )


def _amount(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-currency_exponent(currency))


def _rate(rate_bp: int) -> Decimal:
    return Decimal(rate_bp).scaleb(-2)


def to_csv(table: Table) -> bytes:
    """UTF-8 with a mark, so that spreadsheets know; in Spanish with semicolons and decimal commas."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";" if table.language == "es" else ",", lineterminator="\r\n")
    writer.writerow(table.headings)
    writer.writerows([_plain(cell, table.language) for cell in row] for row in table.rows)
    writer.writerow([])
    writer.writerow([_TOTALS[table.language]])
    writer.writerows([_plain(cell, table.language) for cell in row] for row in table.totals)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _plain(cell: Cell, language: str) -> str:
    if isinstance(cell, Decimal):
        figure = f"{cell:f}"
        return figure.replace(".", ",") if language == "es" else figure
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell) if isinstance(cell, int) else harmless(cell)


def harmless(text: str) -> str:
    """A spreadsheet takes what begins with these characters for a formula; with an apostrophe before it, for text.

    After a comma or a semicolon too: one that is set to another language splits cells where we don't, and quotes
    don't keep it from that.
    """
    return _DANGEROUS.sub(r"\1'", text)


def to_xlsx(table: Table) -> bytes:
    """Two sheets: the rows and the totals. Nothing in it is a formula or a link."""
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        bold = book.add_format({"bold": True})
        formats = {"date": book.add_format({"num_format": "yyyy-mm-dd"}), "figure": book.add_format({"num_format": 4})}
        names = _SHEETS[table.language]
        invoices, totals = book.add_worksheet(names[0]), book.add_worksheet(names[1])
        _fill(invoices, table.headings, table.rows, bold, formats)
        invoices.freeze_panes(1, 1)
        headings = [table.headings[index] for index in (7, 9, 8, 10, 11, 12)]
        _fill(totals, headings, table.totals, bold, formats)
    return buffer.getvalue()


def _fill(
    sheet: xlsxwriter.worksheet.Worksheet,
    headings: Sequence[str],
    rows: Sequence[tuple[Cell, ...]],
    bold: xlsxwriter.format.Format,
    formats: dict[str, xlsxwriter.format.Format],
) -> None:
    for column, heading in enumerate(headings):
        sheet.write_string(0, column, heading, bold)
    for number, row in enumerate(rows, start=1):
        for column, cell in enumerate(row):
            if isinstance(cell, Decimal):
                sheet.write_number(number, column, float(cell), formats["figure"])
            elif isinstance(cell, date):
                sheet.write_datetime(number, column, cell, formats["date"])
            elif isinstance(cell, int):
                sheet.write_number(number, column, cell)
            else:
                sheet.write_string(number, column, cell)
    sheet.set_column(0, len(headings) - 1, 16)


async def export_quarter(
    session: TenantSession, year: int, quarter: int, export_format: ExportFormat, language: str
) -> tuple[str, bytes]:
    """The file's name and content."""
    table = await read_table(session, year, quarter, language)
    write = to_csv if export_format is ExportFormat.CSV else to_xlsx
    name = f"{_SHEETS[language][0].lower()}-{year}-{'T' if language == 'es' else 'Q'}{quarter}.{export_format}"
    return name, await asyncio.to_thread(write, table)


MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
