"""Holding what was issued against its chain: every hash, every seal, every sum, every number."""

from dataclasses import dataclass, field

from billing.documents.models import Document, DocumentLine, DocumentRecord
from billing.documents.repository import DocumentRepository
from billing.documents.snapshot import content_digest, digest
from billing.documents.verifactu.huella import Alta, amount_text, date_text, seal_of
from todoenbalance.kit.database import TenantSession

_PAGE = 500


@dataclass(slots=True)
class ChainReport:
    """What was held against what: ``checked`` invoices; ``faults`` name a document and what is wrong with it."""

    checked: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


async def verify_documents(session: TenantSession) -> ChainReport:
    """Go through a practice's chains from their beginning. Changes nothing."""
    report = ChainReport()
    documents = DocumentRepository(session)
    before: DocumentRecord | None = None
    while True:
        after = (before.issuer_tax_id, before.position) if before is not None else None
        page = await documents.list_chain(after, _PAGE)
        lines = await documents.list_lines([document.id for _record, document in page])
        for record, document in page:
            continued = before if before is not None and before.issuer_tax_id == record.issuer_tax_id else None
            for fault in _faults(record, document, lines[document.id], continued):
                report.faults.append(f"{document.number}: {fault}")
            report.checked += 1
            before = record
        if len(page) < _PAGE:
            break
    missing = await documents.count_invoices_without_record()
    if missing:
        report.faults.append(f"{missing} invoices are not in the chain")
    for series, number, last in await documents.list_series():
        if not number == last == series.last_number:
            name = f"{series.code}-{series.year}"
            report.faults.append(f"{name}: {number} documents, highest number {last}, counter {series.last_number}")
    return report


def _faults(
    record: DocumentRecord, document: Document, lines: list[DocumentLine], before: DocumentRecord | None
) -> list[str]:
    alta = Alta(
        record.issuer_tax_id,
        record.number,
        record.issued_on,
        record.invoice_type,
        record.tax_total,
        record.total,
        record.previous_hash,
        record.generated_at,
    )
    recipient = document.recipient
    checks = {
        "position in the chain": record.position == (before.position + 1 if before else 1),
        "hash of the record before": record.previous_hash == (before.hash if before else ""),
        "hash": record.hash == alta.hash(),
        "seal": record.seal == seal_of(before.seal if before else "", record.hash, document.content_digest),
        "content": document.content_digest == content_digest(document, lines),
        "recipient": recipient is None or digest(recipient) == document.recipient_digest,
        "number": record.number == document.number,
        "date": record.issued_on == date_text(document.issued_on),
        "type": record.invoice_type == document.invoice_type,
        "tax": record.tax_total == amount_text(document.tax_minor, document.currency),
        "total": record.total == amount_text(document.total_minor, document.currency),
        "lines": (sum(line.base_minor for line in lines), sum(line.tax_minor for line in lines))
        == (document.base_minor, document.tax_minor),
    }
    return [f"{name} does not agree" for name, agrees in checks.items() if not agrees]
