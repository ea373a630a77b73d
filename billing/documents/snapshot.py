"""What is stored of a document when it is issued, so that it reads the same for ever. Pure."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from billing.documents import words
from billing.documents.errors import RateMissingError
from billing.documents.models import DocumentLine, IssuerProfile, PartyColumns, TaxArea
from billing.documents.port import Line, Part, in_language
from billing.documents.taxes import Rate, TaxTreatment, allocate, rate_on, split_gross

FORMAT = 1
"""Of ``Document.content``; readers of old ones go by it."""
PARTY = ("legal_name", "tax_id", "address", "postal_code", "city", "region", "country")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line with its tax worked out; amounts in minor units, ``rate_bp`` in hundredths of a percent.

    ``position``: its place on the document; a correction's line has that of the line it corrects (None: as it comes).
    """

    description: str
    quantity: int
    treatment: TaxTreatment
    rate_bp: int
    base_minor: int
    tax_minor: int
    gross_minor: int
    operation_on: date
    mention: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class TaxContext:
    """What decides a line's tax and words: area, the practice's own rates, the mention for health care elsewhere."""

    area: TaxArea
    own_rates: Sequence[Rate]
    exempt_note: str
    language: str

    @classmethod
    def of(cls, issuer: IssuerProfile, own_rates: Sequence[Rate], language: str) -> "TaxContext":
        """As the issuer is now."""
        return cls(TaxArea(issuer.tax_area), own_rates, issuer.exempt_note, language)


def price_lines(lines: Sequence[Line], total_minor: int, paid_on: date, context: TaxContext) -> list[PricedLine]:
    """The lines brought to the money that arrived, taxed by the rates of their day.

    What is paid before the day of the service is taxed on the day of the payment (Ley 37/1992, art. 75.Dos) and
    says that it is paid in advance. Raises :class:`RateMissingError`.
    """
    shares = allocate(total_minor, [line.gross_minor for line in lines])
    return [_price(line, share, paid_on, context) for line, share in zip(lines, shares, strict=True)]


def _price(line: Line, gross_minor: int, paid_on: date, context: TaxContext) -> PricedLine:
    taxed_on = min(line.operation_on or paid_on, paid_on)
    rate_bp = rate_on(line.treatment, taxed_on, context.area, context.own_rates)
    if rate_bp is None:
        raise RateMissingError
    base, tax = split_gross(gross_minor, rate_bp)
    is_early = line.operation_on is not None and line.operation_on > paid_on
    part = Part.ADVANCE if is_early and line.part is Part.WHOLE else line.part
    said = in_language(line.description, context.language)
    shown = words.say(words.PARTS[part], context.language).format("{}")
    room = _LONGEST - len(shown)
    return PricedLine(
        shown.replace("{}", said[:room]),
        line.quantity,
        line.treatment,
        rate_bp,
        base,
        tax,
        gross_minor,
        taxed_on,
        in_language(line.mention, context.language) if line.mention is not None else None,
    )


def mentions_of(lines: Sequence[PricedLine], context: TaxContext) -> list[str]:
    """The sentences that explain why no tax is charged, each once."""
    found: dict[str, None] = {}
    for line in lines:
        if line.mention:
            found[line.mention] = None
        elif line.treatment is TaxTreatment.EXEMPT_HEALTH:
            legal = words.say(words.EXEMPT_HEALTH[context.area], context.language)
            found[(context.exempt_note if context.area is TaxArea.OTHER else "") or legal] = None
        elif line.treatment is TaxTreatment.NONE:
            found[words.say(words.NOT_SUBJECT[context.area], context.language)] = None
    return list(found)


def taxes_of(lines: Sequence[PricedLine]) -> list[dict[str, Any]]:
    """Base, tax and gross of each treatment and rate."""
    groups: dict[tuple[str, int], list[int]] = {}
    for line in lines:
        group = groups.setdefault((line.treatment, line.rate_bp), [0, 0, 0])
        for index, amount in enumerate((line.base_minor, line.tax_minor, line.gross_minor)):
            group[index] += amount
    return [
        {"treatment": treatment, "rate_bp": rate_bp, "base": base, "tax": tax, "gross": gross}
        for (treatment, rate_bp), (base, tax, gross) in sorted(groups.items())
    ]


def party(row: PartyColumns) -> dict[str, Any]:
    """Name, tax id and address as JSON."""
    return {name: getattr(row, name) for name in PARTY}


def salted(recipient: Mapping[str, Any]) -> dict[str, Any]:
    """The recipient as it is stored: its digest, which stays after an erasure, must not give it away."""
    return {**recipient, "salt": secrets.token_hex(16)}


def canonical(value: object) -> str:
    """JSON with one way to be written."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def digest(value: object) -> str:
    """SHA-256 of the canonical form, in hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


LINE_FIELDS = (
    "position",
    "description",
    "quantity",
    "treatment",
    "rate_bp",
    "base_minor",
    "tax_minor",
    "gross_minor",
    "operation_on",
)
DOCUMENT_FIELDS = (
    "id",
    "kind",
    "invoice_type",
    "number",
    "issued_on",
    "locale",
    "currency",
    "base_minor",
    "tax_minor",
    "total_minor",
    "client_id",
    "payment_id",
    "refund_id",
    "corrects_id",
    "supersedes_id",
    "method",
    "content",
    "recipient_digest",
)


def content_digest(document: object, lines: Sequence[DocumentLine]) -> str:
    """Of everything that a document says, the recipient by its own digest."""
    return digest(
        {
            "document": {name: getattr(document, name) for name in DOCUMENT_FIELDS},
            "lines": [{name: getattr(line, name) for name in LINE_FIELDS} for line in lines],
        }
    )
