"""Sending an invoice's record to the tax agency, outside any transaction, and noting what it said."""

from uuid import UUID

from billing.documents.models import Document, DocumentLine, DocumentRecord, TransmissionStatus
from billing.documents.repository import DocumentRepository
from billing.documents.services.correcting import get_document
from billing.documents.verifactu.huella import Alta, amount_text
from billing.documents.verifactu.port import Submission, TaxBreakdown, TransmissionUnavailableError, transmitter_for
from todoenbalance.kit.outbox.tasks import RetryLaterError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_WAIT_SECONDS = 300.0
_NOTE, _REFERENCE = 500, 100


async def transmit(runtime: Runtime, tenant: TenantContext, document_id: UUID) -> None:
    """Send a record that waits for it; nothing if that was done, or transmission has been turned off since.

    Raises :class:`RetryLaterError` while the agency is unavailable.
    """
    transmitter = transmitter_for(runtime.settings.documents)
    async with runtime.database.tenant(tenant) as session:
        document = await get_document(session, document_id)
        documents = DocumentRepository(session)
        record = await documents.find_record(document_id)
        lines = (await documents.list_lines([document_id]))[document_id]
    if record is None or record.transmission_status != TransmissionStatus.PENDING or not transmitter.transmits:
        return
    try:
        receipt = await transmitter.submit(submission_of(document, lines, record))
    except TransmissionUnavailableError as unavailable:
        raise RetryLaterError("the tax agency is unavailable", _WAIT_SECONDS) from unavailable
    async with runtime.database.tenant(tenant) as session:
        noted = await DocumentRepository(session).find_record(document_id, for_update=True)
        if noted is None or noted.transmission_status != TransmissionStatus.PENDING:
            return
        noted.transmission_status = TransmissionStatus.ACCEPTED if receipt.is_accepted else TransmissionStatus.REJECTED
        noted.transmission_ref = receipt.reference[:_REFERENCE] if receipt.reference else None
        noted.transmission_note = receipt.note[:_NOTE] if receipt.note else None


def submission_of(document: Document, lines: list[DocumentLine], record: DocumentRecord) -> Submission:
    """A record as it is sent, from what was stored when the invoice was issued."""
    content = document.content
    references = {name: (content[name]["number"],) if content[name] else () for name in ("corrects", "replaces")}
    return Submission(
        alta=Alta(
            record.issuer_tax_id,
            record.number,
            record.issued_on,
            record.invoice_type,
            record.tax_total,
            record.total,
            record.previous_hash,
            record.generated_at,
        ),
        hash=record.hash,
        issuer_name=content["issuer"]["legal_name"],
        description="; ".join(line.description for line in lines)[:500],
        breakdown=tuple(
            TaxBreakdown(
                one["treatment"],
                amount_text(one["rate_bp"], "EUR"),
                amount_text(one["base"], document.currency),
                amount_text(one["tax"], document.currency),
            )
            for one in content["taxes"]
        ),
        corrects=references["corrects"],
        replaces=references["replaces"],
        recipient_name=document.recipient["legal_name"] if document.recipient else None,
        recipient_tax_id=document.recipient["tax_id"] if document.recipient else None,
    )
