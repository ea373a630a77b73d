"""Correcting what was issued, which is never changed: by differences, by substitution, in exchange (RD 1619/2012, 15).

A payment's invoices always come to the money that is here: refunds and receipts taken back are corrected by the
difference, line by line, so that base and tax of what is left are what they would have been from the start.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from billing.documents.errors import (
    ClientDataNeededError,
    CorrectionExceedsDocumentError,
    DocumentCorrectedError,
    NotCorrectableError,
    NothingChangedError,
)
from billing.documents.models import CorrectionMethod, Document, DocumentKind, DocumentLine, InvoiceType
from billing.documents.repository import DocumentRepository
from billing.documents.services.issuing import find_head, invoiced_minor, lock_issuer, money_kept
from billing.documents.services.writing import SYSTEM, Author, Draft, write_document
from billing.documents.snapshot import PARTY, PricedLine, party
from billing.documents.taxes import TaxTreatment, allocate, split_gross
from billing.payments.models import Payment, RefundStatus
from billing.payments.service import get_payment
from billing.refunds.service import get_refund
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.money import Money
from todoenbalance.kit.settings import Settings


async def correct_for_refund(session: TenantSession, settings: Settings, refund_id: UUID) -> Document | None:
    """The rectifying invoice of money that went back; None where nothing was invoiced that is not here.

    Harmless to repeat: a refund has one each time that it goes through, which may be again after it had failed.
    Raises ``NotFoundError``.
    """
    refund = await get_refund(session, refund_id)
    payment = await get_payment(session, refund.payment_id, for_update=True)
    documents = DocumentRepository(session)
    if refund.status != RefundStatus.SUCCEEDED:
        return None
    known = await documents.find_of_refund(refund.id)
    if known is not None and (refund.settled_at is None or refund.settled_at <= known.created_at):
        # Heard of again: what is too much belongs to another refund, which has its own.
        return None
    issued = await documents.list_of_payment(payment.id)
    too_much = invoiced_minor(issued) - (payment.captured_minor - payment.refunded_minor)
    if find_head(issued) is None or too_much <= 0:
        return None
    off = min(too_much, refund.amount_minor)
    # A refund can be named by one document only: the first.
    named = refund.id if known is None else None
    return await _differ(session, settings, payment, -off, {"code": "refund"}, refund_id=named)


async def bring_in_line(session: TenantSession, settings: Settings, payment_id: UUID) -> Document | None:
    """Correct a payment's invoices by what they differ from the money that is here; None if they don't, or are none."""
    payment = await get_payment(session, payment_id, for_update=True)
    issued = await DocumentRepository(session).list_of_payment(payment.id)
    difference = payment.captured_minor - payment.refunded_minor - invoiced_minor(issued)
    if find_head(issued) is None or difference == 0:
        return None
    return await _differ(session, settings, payment, difference, {"code": "amount"})


async def correct_amount(
    session: TenantSession, settings: Settings, document_id: UUID, off_minor: int, reason: str, author: Author
) -> Document:
    """Take ``off_minor`` off an invoice by hand.

    Raises ``NotFoundError``, :class:`NotCorrectableError`, :class:`CorrectionExceedsDocumentError`.
    """
    document = await get_document(session, document_id)
    payment = await get_payment(session, document.payment_id, for_update=True)
    issued = await DocumentRepository(session).list_of_payment(payment.id)
    _check_standing(document, issued)
    available = invoiced_minor(issued)
    if off_minor > available:
        text = Money(available, document.currency).format(session.tenant.locale)
        raise CorrectionExceedsDocumentError(available=text)
    printed = {"code": "amount", "text": reason}
    return await _differ(session, settings, payment, -off_minor, printed, author=author)


async def correct_recipient(
    session: TenantSession, settings: Settings, document_id: UUID, reason: str | None, author: Author
) -> Document:
    """A full invoice once more, made out as the client's details are now, in place of the one with the wrong ones.

    Raises ``NotFoundError``, :class:`NotCorrectableError`, :class:`ClientDataNeededError`,
    :class:`NothingChangedError`.
    """
    document = await get_document(session, document_id)
    await get_payment(session, document.payment_id, for_update=True)
    documents = DocumentRepository(session)
    _check_standing(document, await documents.list_of_payment(document.payment_id))
    if document.kind == DocumentKind.SIMPLIFIED:
        raise NotCorrectableError
    profile = await documents.find_billing_profile(document.client_id)
    if profile is None:
        raise ClientDataNeededError
    before = document.recipient or {}
    if party(profile) == {name: before.get(name) for name in PARTY}:
        raise NothingChangedError
    issuer = await lock_issuer(session)
    draft = Draft(
        kind=DocumentKind.RECTIFYING,
        invoice_type=InvoiceType.R4,
        series=issuer.rectifying_series,
        client_id=document.client_id,
        payment_id=document.payment_id,
        currency=document.currency,
        language=document.locale,
        lines=await _same_lines(session, document),
        mentions=document.content["mentions"],
        recipient=party(profile),
        corrects=document,
        supersedes=document,
        method=CorrectionMethod.SUBSTITUTION,
        printed={"payment": document.content["payment"], "reason": {"code": "recipient", "text": reason}},
    )
    return await write_document(session, settings, issuer, draft, author)


async def replace_with_full(
    session: TenantSession, settings: Settings, document_id: UUID, author: Author, *, client_id: UUID | None = None
) -> Document:
    """A full invoice in exchange for a simplified one (*factura de canje*); the one that there is if it was done.

    ``client_id``: only one of this client's. Raises ``NotFoundError``, :class:`NotCorrectableError`,
    :class:`NothingToDocumentError` once the money went back, :class:`DocumentCorrectedError`,
    :class:`ClientDataNeededError`.
    """
    document = await get_document(session, document_id, client_id=client_id)
    payment = await get_payment(session, document.payment_id, for_update=True)
    documents = DocumentRepository(session)
    if document.kind != DocumentKind.SIMPLIFIED:
        raise NotCorrectableError
    known = (await documents.superseded_by([document.id])).get(document.id)
    if known is not None:
        return known
    money_kept(payment)
    # The new one has the other's amounts, so what was corrected would be invoiced again.
    if invoiced_minor(await documents.list_of_payment(payment.id)) != document.total_minor:
        raise DocumentCorrectedError
    profile = await documents.find_billing_profile(document.client_id)
    if profile is None:
        raise ClientDataNeededError
    issuer = await lock_issuer(session)
    draft = Draft(
        kind=DocumentKind.FULL,
        invoice_type=InvoiceType.F3,
        series=issuer.full_series,
        client_id=document.client_id,
        payment_id=document.payment_id,
        currency=document.currency,
        language=document.locale,
        lines=await _same_lines(session, document),
        mentions=document.content["mentions"],
        recipient=party(profile),
        supersedes=document,
        printed={"payment": document.content["payment"]},
    )
    return await write_document(session, settings, issuer, draft, author)


async def get_document(session: TenantSession, document_id: UUID, *, client_id: UUID | None = None) -> Document:
    """By id, of one client if one is given. Raises ``NotFoundError``."""
    found = await DocumentRepository(session).find(document_id, client_id=client_id)
    if found is None:
        raise NotFoundError
    return found


def _check_standing(document: Document, issued: list[Document]) -> None:
    head = find_head(issued)
    if head is None or head.id != document.id:
        raise NotCorrectableError


async def _same_lines(session: TenantSession, document: Document) -> list[PricedLine]:
    rows = (await DocumentRepository(session).list_lines([document.id]))[document.id]
    return [_line(row, base_minor=row.base_minor, tax_minor=row.tax_minor, gross_minor=row.gross_minor) for row in rows]


def _line(row: DocumentLine, *, base_minor: int, tax_minor: int, gross_minor: int) -> PricedLine:
    return PricedLine(
        description=row.description,
        quantity=row.quantity,
        treatment=TaxTreatment(row.treatment),
        rate_bp=row.rate_bp,
        base_minor=base_minor,
        tax_minor=tax_minor,
        gross_minor=gross_minor,
        operation_on=row.operation_on,
        position=row.position,
    )


async def _differ(
    session: TenantSession,
    settings: Settings,
    payment: Payment,
    difference_minor: int,
    reason: Mapping[str, str | None],
    *,
    refund_id: UUID | None = None,
    author: Author = SYSTEM,
) -> Document:
    documents = DocumentRepository(session)
    issued = await documents.list_of_payment(payment.id)
    head = find_head(issued)
    if head is None or difference_minor == 0:
        raise InvalidInputError(["body", "amount"], "must be more than nothing", "greater_than")
    counted = [one.id for one in issued if one.kind != DocumentKind.RECEIPT and one.supersedes_id is None]
    lines = await documents.list_lines([*counted, head.id])
    issuer = await lock_issuer(session)
    draft = Draft(
        kind=DocumentKind.RECTIFYING,
        invoice_type=_type_of(head, reason),
        series=issuer.rectifying_series,
        client_id=head.client_id,
        payment_id=head.payment_id,
        currency=head.currency,
        language=head.locale,
        lines=differences(lines[head.id], [line for one in counted for line in lines[one]], difference_minor),
        mentions=head.content["mentions"],
        recipient={name: head.recipient.get(name) for name in PARTY} if head.recipient is not None else None,
        refund_id=refund_id,
        corrects=head,
        method=CorrectionMethod.DIFFERENCES,
        printed={"payment": head.content["payment"], "reason": reason},
    )
    return await write_document(session, settings, issuer, draft, author)


def _type_of(head: Document, reason: Mapping[str, str | None]) -> InvoiceType:
    """R5 of simplified ones; of full ones R1 where the price was given back (LIVA, art. 80), R4 for the rest."""
    if head.kind == DocumentKind.SIMPLIFIED:
        return InvoiceType.R5
    return InvoiceType.R1 if reason["code"] == "refund" else InvoiceType.R4


def differences(
    original: Sequence[DocumentLine], counted: Sequence[DocumentLine], difference_minor: int
) -> list[PricedLine]:
    """The lines that change what was invoiced (``counted``) by ``difference_minor``, in proportion.

    Each leaves its line with base and tax as :func:`split_gross` has them for what is left, so the last correction
    leaves nothing over in either.
    """
    left = {line.position: [0, 0, 0] for line in original}
    for line in counted:
        for index, amount in enumerate((line.base_minor, line.tax_minor, line.gross_minor)):
            left[line.position][index] += amount
    weights = [left[line.position][2] if difference_minor < 0 else line.gross_minor for line in original]
    changed = []
    for line, share in zip(original, allocate(difference_minor, weights), strict=True):
        if share == 0:
            continue
        base, tax, gross = left[line.position]
        new_base, new_tax = split_gross(gross + share, line.rate_bp)
        changed.append(_line(line, base_minor=new_base - base, tax_minor=new_tax - tax, gross_minor=share))
    return changed
