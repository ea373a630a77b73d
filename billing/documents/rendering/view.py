"""A stored document in words and figures of its language, the same for PDF and HTML. Pure: reads nothing else."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

from billing.documents import words
from billing.documents.models import Document, DocumentKind, DocumentLine
from billing.documents.verifactu.qr import qr_svg
from todoenbalance.kit.money import currency_exponent

View = dict[str, Any]

_COUNTRY_OF = {"es": "es_ES", "en": "en_GB"}
"""How figures and dates are written: the product's English is read in Europe."""


def money(amount_minor: int, currency: str, language: str) -> str:
    """With the currency's own places: ``45,00 €``, ``€45.00``, ``¥4,500``."""
    # A decimal of exact digits, not a float: sums of the practice's books are shown by it too.
    exact = Decimal(amount_minor).scaleb(-currency_exponent(currency))
    text: str = format_currency(exact, currency, locale=_COUNTRY_OF.get(language, "es_ES"))
    return text


def rate_text(rate_bp: int, language: str) -> str:
    """``21 %`` in Spanish, ``21%`` in English."""
    figure = format_decimal(Decimal(rate_bp) / 100, locale=_COUNTRY_OF.get(language, "es_ES"))
    return f"{figure}\u00a0%" if language == "es" else f"{figure}%"


def day_text(day: date, language: str) -> str:
    """``29 de noviembre de 2026``."""
    text: str = format_date(day, "long", locale=_COUNTRY_OF.get(language, "es_ES"))
    return text


def view_of(document: Document, lines: Sequence[DocumentLine]) -> View:
    """Everything that is printed, as texts."""
    language, currency, content = document.locale, document.currency, document.content

    def label(name: str) -> str:
        return words.say(words.LABELS[name], language)

    def amount(minor: int) -> str:
        return money(minor, currency, language)

    tax_name = words.say(words.TAX_NAMES[content["tax_area"]], language)
    title = words.say(words.TITLES[document.kind], language)
    qr = content["qr"]
    return {
        "language": language,
        "title": title,
        "number": document.number,
        "heading": f"{title} {document.number}",
        "practice": content["practice"],
        "issuer": _party(content["issuer"], label("tax_id")),
        "recipient_label": label("recipient"),
        "recipient": _recipient(document, label),
        "facts": _facts(document, lines, label),
        "columns": {
            "description": label("description"),
            "quantity": label("quantity"),
            "rate": tax_name,
            "base": label("base"),
            "tax": label("tax"),
            "gross": label("gross"),
        },
        "lines": [
            {
                "description": line.description,
                "quantity": str(line.quantity),
                "rate": _rate(line.treatment, line.rate_bp, language),
                "base": amount(line.base_minor),
                "gross": amount(line.gross_minor),
            }
            for line in lines
        ],
        "totals_label": label("totals"),
        "taxes": [
            {
                "rate": f"{tax_name} {_rate(one['treatment'], one['rate_bp'], language)}".strip(),
                "base": amount(one["base"]),
                "tax": amount(one["tax"]),
                "gross": amount(one["gross"]),
            }
            for one in content["taxes"]
        ],
        "total_label": label("total"),
        "total": amount(document.total_minor),
        "mentions": [*content["mentions"], *filter(None, [content["regime_note"]])],
        "footer": content["footer"],
        "page_label": label("page"),
        "qr": None
        if qr is None
        else {
            "title": words.QR_TITLE,
            "svg": qr_svg(qr["url"]),
            "url": qr["url"],
            "note": words.QR_VERIFIABLE if qr["is_verifiable"] else "",
        },
    }


def _rate(treatment: str, rate_bp: int, language: str) -> str:
    if treatment in words.RATED:
        return rate_text(rate_bp, language)
    return words.say(words.TREATMENTS[treatment], language)


def _party(known: dict[str, Any], tax_id_label: str) -> dict[str, Any]:
    place = " ".join(filter(None, [known["postal_code"], known["city"]]))
    where = [known["address"], ", ".join(filter(None, [place, known["region"], known["country"]]))]
    return {"name": known["legal_name"], "tax_id": f"{tax_id_label}: {known['tax_id']}", "address": where}


def _recipient(document: Document, label: Callable[[str], str]) -> dict[str, Any] | None:
    if document.recipient is not None:
        return _party(document.recipient, label("tax_id"))
    if document.recipient_digest is not None:
        return {"name": label("blocked"), "tax_id": "", "address": []}
    return None


def _facts(document: Document, lines: Sequence[DocumentLine], label: Callable[[str], str]) -> list[tuple[str, str]]:
    language, content = document.locale, document.content
    facts = [(label("number"), document.number), (label("issued_on"), day_text(document.issued_on, language))]
    days = sorted({line.operation_on for line in lines} - {document.issued_on})
    if days:
        facts.append((label("operation_on"), ", ".join(day_text(day, language) for day in days)))
    for name in ("corrects", "replaces"):
        known = content[name]
        if known is not None:
            day = day_text(date.fromisoformat(known["issued_on"]), language)
            facts.append((label(name), f"{known['number']} {label('dated')} {day}"))
    if document.kind == DocumentKind.RECTIFYING and document.method is not None:
        said = content["reason"].get("text") or words.say(words.REASONS[content["reason"]["code"]], language)
        facts.append((label("reason"), f"{said}. {words.say(words.METHODS[document.method], language)}."))
    else:
        paid = content["payment"]
        day = day_text(date.fromisoformat(paid["paid_on"]), language)
        facts.append((label("paid"), f"{day}, {words.say(words.PAYMENT_METHODS[paid['method']], language)}"))
    return facts
