"""Writing a document: its number, its row, its lines and its link in the chain, in the caller's transaction.

Numbers have no gap because they are taken under the lock of the series' row in the very transaction that inserts
the document: what is rolled back gives its number back. The issuer's row is locked before it, so that one invoice of
a practice comes after another in the chain too, whatever their series.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.documents.events import DOCUMENT_ISSUED, DOCUMENT_TRANSMIT
from billing.documents.models import (
    Document,
    DocumentKind,
    DocumentLine,
    DocumentRecord,
    InvoiceType,
    IssuerProfile,
    TaxArea,
    TransmissionStatus,
)
from billing.documents.repository import DocumentRepository
from billing.documents.snapshot import FORMAT, PricedLine, content_digest, digest, party, salted, taxes_of
from billing.documents.verifactu.huella import Alta, amount_text, date_text, instant_text, seal_of
from billing.documents.verifactu.port import transmitter_for
from billing.documents.verifactu.qr import qr_url
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.settings import Settings


@dataclass(frozen=True, slots=True)
class Author:
    """Who has it issued: ``system``, ``staff`` or ``client``."""

    kind: str
    id: UUID | None = None


SYSTEM = Author("system")


@dataclass(frozen=True, slots=True)
class Draft:
    """A document before it has a number. ``printed``: what else goes into its content."""

    kind: DocumentKind
    invoice_type: InvoiceType | None
    series: str
    client_id: UUID
    payment_id: UUID
    currency: str
    language: str
    lines: Sequence[PricedLine]
    mentions: Sequence[str]
    recipient: dict[str, Any] | None = None
    refund_id: UUID | None = None
    corrects: Document | None = None
    supersedes: Document | None = None
    method: str | None = None
    printed: dict[str, Any] = field(default_factory=dict)


def is_under_verifactu(issuer: IssuerProfile) -> bool:
    """Whether Spain's rules for invoicing software hold for the practice (RD 1007/2023, art. 3 and 4)."""
    return issuer.country == "ES" and issuer.tax_area in (TaxArea.ES_COMMON, TaxArea.ES_CANARY)


async def write_document(
    session: TenantSession, settings: Settings, issuer: IssuerProfile, draft: Draft, author: Author
) -> Document:
    """Issue ``draft``; the caller has locked ``issuer``.

    The day is today's on the practice's clock, and never before the last one of the series.
    """
    documents = DocumentRepository(session)
    now = clock.now()
    today = local_day(session, now)
    series = await documents.lock_series(draft.series, today.year, today)
    series.last_number += 1
    series.last_issued_on = max(series.last_issued_on, today)
    sequence, day = series.last_number, series.last_issued_on
    total, tax = sum(line.gross_minor for line in draft.lines), sum(line.tax_minor for line in draft.lines)
    recipient = salted(draft.recipient) if draft.recipient is not None else None
    document = Document(
        id=new_id(),
        kind=draft.kind,
        invoice_type=draft.invoice_type,
        series=draft.series,
        year=today.year,
        sequence=sequence,
        number=f"{draft.series}-{today.year}-{sequence:04d}",
        issued_on=day,
        locale=draft.language,
        currency=draft.currency,
        base_minor=total - tax,
        tax_minor=tax,
        total_minor=total,
        client_id=draft.client_id,
        payment_id=draft.payment_id,
        refund_id=draft.refund_id,
        corrects_id=draft.corrects.id if draft.corrects is not None else None,
        supersedes_id=draft.supersedes.id if draft.supersedes is not None else None,
        method=draft.method,
        recipient=recipient,
        recipient_digest=digest(recipient) if recipient is not None else None,
        issued_by_kind=author.kind,
        issued_by_id=author.id,
        created_at=now,
    )
    document.content = _content(session, settings, issuer, draft, document)
    lines = [_line(document.id, position, line) for position, line in enumerate(draft.lines, start=1)]
    document.content_digest = content_digest(document, lines)
    await documents.add(document)
    await documents.add(*lines)
    if document.kind != DocumentKind.RECEIPT:
        await _record(session, settings, issuer, document)
        await documents.clear_pending(document.payment_id)
    await publish(session, DOCUMENT_ISSUED, {"document_id": str(document.id)})
    return document


def _line(document_id: UUID, position: int, line: PricedLine) -> DocumentLine:
    return DocumentLine(
        document_id=document_id,
        position=line.position or position,
        description=line.description,
        quantity=line.quantity,
        treatment=line.treatment,
        rate_bp=line.rate_bp,
        base_minor=line.base_minor,
        tax_minor=line.tax_minor,
        gross_minor=line.gross_minor,
        operation_on=line.operation_on,
    )


def _reference(document: Document | None) -> dict[str, str] | None:
    if document is None:
        return None
    return {"number": document.number, "issued_on": document.issued_on.isoformat()}


def _content(
    session: TenantSession, settings: Settings, issuer: IssuerProfile, draft: Draft, document: Document
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "practice": session.tenant.name,
        "issuer": party(issuer),
        "tax_area": issuer.tax_area,
        "regime_note": issuer.regime_note,
        "footer": issuer.footer,
        "taxes": taxes_of(draft.lines),
        "mentions": list(draft.mentions),
        "operation_on": _common_day(draft.lines),
        "corrects": _reference(draft.corrects),
        "replaces": _reference(draft.supersedes) if draft.kind is DocumentKind.FULL else None,
        "qr": _qr(settings, issuer, document),
        **draft.printed,
    }


def _common_day(lines: Sequence[PricedLine]) -> str | None:
    days = {line.operation_on for line in lines}
    return days.pop().isoformat() if len(days) == 1 else None


def _qr(settings: Settings, issuer: IssuerProfile, document: Document) -> dict[str, Any] | None:
    if document.kind == DocumentKind.RECEIPT or not is_under_verifactu(issuer):
        return None
    is_verifiable = transmitter_for(settings.documents).transmits
    url = qr_url(
        settings.tax_agency,
        is_verifiable=is_verifiable,
        issuer_tax_id=issuer.tax_id,
        number=document.number,
        issued_on=date_text(document.issued_on),
        total=amount_text(document.total_minor, document.currency),
    )
    return {"url": url, "is_verifiable": is_verifiable}


async def _record(session: TenantSession, settings: Settings, issuer: IssuerProfile, document: Document) -> None:
    documents = DocumentRepository(session)
    last = await documents.last_record(issuer.tax_id)
    alta = Alta(
        issuer_tax_id=issuer.tax_id,
        number=document.number,
        issued_on=date_text(document.issued_on),
        invoice_type=str(document.invoice_type),
        tax_total=amount_text(document.tax_minor, document.currency),
        total=amount_text(document.total_minor, document.currency),
        previous_hash=last.hash if last is not None else "",
        generated_at=instant_text(document.created_at, session.tenant.timezone),
    )
    transmits = is_under_verifactu(issuer) and transmitter_for(settings.documents).transmits
    record_hash = alta.hash()
    await documents.add(
        DocumentRecord(
            document_id=document.id,
            issuer_tax_id=alta.issuer_tax_id,
            position=last.position + 1 if last is not None else 1,
            number=alta.number,
            issued_on=alta.issued_on,
            invoice_type=alta.invoice_type,
            tax_total=alta.tax_total,
            total=alta.total,
            previous_hash=alta.previous_hash,
            generated_at=alta.generated_at,
            hash=record_hash,
            seal=seal_of(last.seal if last is not None else "", record_hash, document.content_digest),
            transmission_status=TransmissionStatus.PENDING if transmits else TransmissionStatus.OFF,
        )
    )
    if transmits:
        await publish(session, DOCUMENT_TRANSMIT, {"document_id": str(document.id)})


def local_day(session: TenantSession, moment: datetime) -> date:
    """The day of an instant on the practice's clock."""
    return moment.astimezone(ZoneInfo(session.tenant.timezone)).date()
