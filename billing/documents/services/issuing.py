"""Issuing the invoice of a payment: by itself when money arrives, or by hand."""

from datetime import date
from uuid import UUID

from billing.documents import words
from billing.documents.errors import (
    ClientDataNeededError,
    CurrencyNotSupportedError,
    DocumentWaitsError,
    IssuerMissingError,
    NotDescribedError,
    NothingToDocumentError,
)
from billing.documents.events import DOCUMENT_ISSUE
from billing.documents.models import (
    BillingProfile,
    Document,
    DocumentKind,
    InvoiceType,
    IssuerProfile,
    PendingDocument,
    SimplifiedLimit,
    TaxArea,
)
from billing.documents.port import describe_payable
from billing.documents.repository import DocumentRepository
from billing.documents.services.writing import SYSTEM, Author, Draft, local_day, write_document
from billing.documents.snapshot import TaxContext, mentions_of, party, price_lines
from billing.documents.taxes import Rate, TaxTreatment
from billing.payments.models import Payment
from billing.payments.receipts import RECEIPT_UNDONE
from billing.payments.repository import PaymentRepository
from billing.payments.service import get_payment
from notifications.formats import language_of
from tenants.accounts.services.client_accounts import get_client
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.settings import Settings

SIMPLIFIED_LIMITS = {SimplifiedLimit.STANDARD: 40_000, SimplifiedLimit.LISTED: 300_000}
"""RD 1619/2012, art. 4.1 and 4.2, in euro cents, tax included."""


async def lock_issuer(session: TenantSession) -> IssuerProfile:
    """The practice as issuer; from here on it issues one document after another. Raises :class:`IssuerMissingError`."""
    issuer = await DocumentRepository(session).find_issuer(for_update=True)
    if issuer is None:
        raise IssuerMissingError
    return issuer


def find_head(issued: list[Document]) -> Document | None:
    """Of a payment's documents, the invoice that stands: not corrected away, not replaced."""
    replaced = {one.supersedes_id for one in issued}
    standing = [
        one
        for one in issued
        if one.kind in (DocumentKind.SIMPLIFIED, DocumentKind.FULL) or one.supersedes_id is not None
    ]
    return next((one for one in reversed(standing) if one.id not in replaced), None)


def invoiced_minor(issued: list[Document]) -> int:
    """What a payment's invoices come to; one that stands in another's place counts once, with it."""
    return sum(one.total_minor for one in issued if one.kind != DocumentKind.RECEIPT and one.supersedes_id is None)


def money_kept(payment: Payment) -> int:
    """What is here of it. A refund that is only promised yet is corrected when it is done, unless it takes all.

    Raises :class:`NothingToDocumentError`.
    """
    if payment.unpromised_minor <= 0:
        raise NothingToDocumentError
    return payment.captured_minor - payment.refunded_minor


async def issue_invoice(
    session: TenantSession,
    settings: Settings,
    payment_id: UUID,
    *,
    author: Author = SYSTEM,
    wants_full: bool = False,
) -> Document:
    """The invoice of a payment's money, or the one that there is.

    Full if the client's billing details are known, else simplified up to the law's limit; ``wants_full``: full or
    none. Raises ``NotFoundError``, :class:`IssuerMissingError`, :class:`NothingToDocumentError`, and one of
    :class:`DocumentWaitsError` for what somebody has to do first.
    """
    payment = await get_payment(session, payment_id, for_update=True)
    documents = DocumentRepository(session)
    head = find_head(await documents.list_of_payment(payment.id))
    if head is not None:
        return head
    issuer = await lock_issuer(session)
    amount = money_kept(payment)
    _check_currency(issuer, payment)
    profile = await documents.find_billing_profile(payment.client_id)
    kind = _kind_of(issuer, profile, amount, wants_full=wants_full)
    draft = await _draft(session, issuer, payment, amount, kind, profile)
    return await write_document(session, settings, issuer, draft, author)


async def issue_receipt(
    session: TenantSession, settings: Settings, payment_id: UUID, *, author: Author = SYSTEM
) -> Document:
    """Proof of the money that is here, which is no invoice; the last one if the amount is still the same.

    Older ones stay as they are. Raises the same.
    """
    payment = await get_payment(session, payment_id, for_update=True)
    documents = DocumentRepository(session)
    amount = money_kept(payment)
    receipts = [one for one in await documents.list_of_payment(payment.id) if one.kind == DocumentKind.RECEIPT]
    if receipts and receipts[-1].total_minor == amount:
        return receipts[-1]
    issuer = await lock_issuer(session)
    draft = await _draft(session, issuer, payment, amount, DocumentKind.RECEIPT, None)
    return await write_document(session, settings, issuer, draft, author)


async def issue_by_itself(session: TenantSession, settings: Settings, payment_id: UUID) -> Document | None:
    """What happens when money arrives: an invoice, or a note of why it waits, or nothing.

    Nothing: the practice issues by hand or not at all, the money is on its way back, or what it is for has yet to
    draw its consequences (it may be given back then).
    """
    documents = DocumentRepository(session)
    issuer = await documents.find_issuer()
    payment = await get_payment(session, payment_id, for_update=True)
    if issuer is None or not issuer.issues_automatically or payment.applied_at is None:
        return None
    try:
        return await issue_invoice(session, settings, payment_id)
    except NothingToDocumentError:
        await documents.clear_pending(payment_id)
        return None
    except DocumentWaitsError as waits:
        row = PendingDocument(client_id=payment.client_id, reason=waits.reason, created_at=clock.now())
        await documents.note_pending(payment, row)
        return None


async def retry_pending(session: TenantSession, client_id: UUID | None = None) -> int:
    """Try again what waits (of one client): something that it waited for may have come. Answers how many."""
    rows = await DocumentRepository(session).list_pending(client_id=client_id, limit=1000)
    for row in rows:
        await publish(session, DOCUMENT_ISSUE, {"payment_id": str(row.payment_id)})
    return len(rows)


def _check_currency(issuer: IssuerProfile, payment: Payment) -> None:
    if issuer.country == "ES" and payment.currency != "EUR":
        raise CurrencyNotSupportedError(currency=payment.currency)


def _kind_of(issuer: IssuerProfile, profile: BillingProfile | None, amount: int, *, wants_full: bool) -> DocumentKind:
    if profile is not None:
        return DocumentKind.FULL
    is_within = (
        issuer.tax_area == TaxArea.OTHER or amount <= SIMPLIFIED_LIMITS[SimplifiedLimit(issuer.simplified_limit)]
    )
    if wants_full or not is_within:
        raise ClientDataNeededError
    return DocumentKind.SIMPLIFIED


async def _draft(
    session: TenantSession,
    issuer: IssuerProfile,
    payment: Payment,
    amount: int,
    kind: DocumentKind,
    profile: BillingProfile | None,
) -> Draft:
    described = await describe_payable(session, payment.payable_kind, payment.payable_id)
    if not described:
        raise NotDescribedError
    language = await language_of_client(session, payment.client_id)
    context = await tax_context(session, issuer, language)
    paid_on, method = await _how_paid(session, payment)
    lines = price_lines(described, amount, paid_on, context)
    series = {
        DocumentKind.SIMPLIFIED: issuer.simplified_series,
        DocumentKind.FULL: issuer.full_series,
        DocumentKind.RECEIPT: issuer.receipt_series,
    }[kind]
    types = {DocumentKind.SIMPLIFIED: InvoiceType.F2, DocumentKind.FULL: InvoiceType.F1}
    return Draft(
        kind=kind,
        invoice_type=types.get(kind),
        series=series,
        client_id=payment.client_id,
        payment_id=payment.id,
        currency=payment.currency,
        language=language,
        lines=lines,
        mentions=mentions_of(lines, context),
        recipient=party(profile) if profile is not None else None,
        printed={"payment": {"method": method, "paid_on": paid_on.isoformat()}},
    )


async def language_of_client(session: TenantSession, client_id: UUID) -> str:
    """The client's, or the practice's if they are gone."""
    try:
        return language_of((await get_client(session, client_id)).locale)
    except NotFoundError:
        return language_of(session.tenant.locale)


async def tax_context(session: TenantSession, issuer: IssuerProfile, language: str) -> TaxContext:
    """The rules of tax as they are for the practice now."""
    rows = await DocumentRepository(session).rates()
    own = [Rate(TaxTreatment(row.treatment), row.valid_from, row.rate_bp) for row in rows]
    return TaxContext.of(issuer, own, language)


async def _how_paid(session: TenantSession, payment: Payment) -> tuple[date, str]:
    """The day that the last of the money came, and the way: the desk's own kind where staff recorded it."""
    ledger = await PaymentRepository(session).list_ledger(payment.id)
    came = [one for one in ledger if one.amount_minor > 0 and one.kind != RECEIPT_UNDONE]
    last = came[-1] if came else None
    day = local_day(session, last.created_at if last is not None else payment.updated_at)
    return day, last.kind if last is not None and last.kind in words.PAYMENT_METHODS else payment.method
