"""Receipts and invoices, for staff: ``/admin/documents``, and clients' billing details."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response

from billing.documents.endpoints import HTML, PDF, html_response, pdf_response
from billing.documents.errors import (
    ClientDataNeededError,
    CorrectionExceedsDocumentError,
    CurrencyNotSupportedError,
    DocumentCorrectedError,
    InvalidTaxIdError,
    IssuerMissingError,
    NotCorrectableError,
    NotDescribedError,
    NothingChangedError,
    NothingToDocumentError,
    RateMissingError,
    RenderingTimeoutError,
)
from billing.documents.export import MEDIA_TYPES, ExportFormat, export_quarter
from billing.documents.models import CorrectionMethod, Document, DocumentKind
from billing.documents.repository import DocumentFilter
from billing.documents.schemas import (
    BillingProfileIn,
    BillingProfileRead,
    DocumentCreate,
    IssuerIn,
    IssuerRead,
    PendingList,
    RatesSchema,
    RecipientRead,
    RectifyRequest,
    StaffDocumentRead,
)
from billing.documents.services import correcting, issuing, profiles, reading
from billing.documents.services.writing import Author
from notifications.formats import language_of
from scheduling.idempotent import Once
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.web.dependencies import ContextDep, IdempotencyKeyHeader, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/documents", tags=["staff: documents"], responses=responses(ForbiddenError))
profiles_router = APIRouter(
    prefix="/clients/{client_id}/billing-profile", tags=["staff: documents"], responses=responses(ForbiddenError)
)

Viewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_DOCUMENTS))]
Issuing = Annotated[Staff, Depends(staff_who_may(Permission.ISSUE_DOCUMENTS))]
Rectifying = Annotated[Staff, Depends(staff_who_may(Permission.RECTIFY_DOCUMENTS, fresh=True))]
Exporting = Annotated[Staff, Depends(staff_who_may(Permission.EXPORT_DOCUMENTS, fresh=True))]
Owner = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS))]
FreshOwner = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS, fresh=True))]

_WAITS = (ClientDataNeededError, RateMissingError, NotDescribedError, CurrencyNotSupportedError)


@router.get("", responses=responses(InvalidInputError))
async def list_documents(
    _staff: Viewer,
    session: TenantSessionDep,
    since: Annotated[date | None, Query(description="Issued on this day or later.")] = None,
    until: Annotated[date | None, Query(description="Issued on this day or earlier.")] = None,
    series: Annotated[str | None, Query(max_length=10)] = None,
    kind: Annotated[DocumentKind | None, Query()] = None,
    client_id: Annotated[UUID | None, Query()] = None,
    payment_id: Annotated[UUID | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StaffDocumentRead]:
    """Documents, newest first."""
    wanted = DocumentFilter(since, until, series, kind, client_id, payment_id)
    rows, following = await reading.list_documents(session, wanted, limit=limit, cursor=cursor)
    return Page(items=await _describe(session, rows), next_cursor=following)


@router.post(
    "",
    status_code=201,
    responses=responses(NotFoundError, IssuerMissingError, NothingToDocumentError, *_WAITS),
)
async def issue_document(
    body: DocumentCreate, staff: Issuing, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> StaffDocumentRead:
    """Issue a payment's invoice or receipt; the one that there is, is answered again.

    A receipt is issued anew once the money that is here is another amount.
    """
    document = await issue_for_staff(session, runtime.settings, staff, body, context.request_id)
    return (await _describe(session, [document]))[0]


async def issue_for_staff(
    session: TenantSession, settings: Settings, staff: Staff, wanted: DocumentCreate, request_id: str
) -> Document:
    """The same for the portal's page."""
    author = Author("staff", staff.id)
    if wanted.kind == "receipt":
        document = await issuing.issue_receipt(session, settings, wanted.payment_id, author=author)
    else:
        full = wanted.kind == "full"
        document = await issuing.issue_invoice(session, settings, wanted.payment_id, author=author, wants_full=full)
    record_staff_action(
        session, staff.id, "document.issued", document.id, request_id=request_id, number=document.number
    )
    return document


@router.get("/export", response_class=Response, responses=responses(InvalidInputError))
async def export_documents(
    staff: Exporting,
    session: TenantSessionDep,
    context: ContextDep,
    year: Annotated[int, Query(ge=2000, le=2199)],
    quarter: Annotated[int, Query(ge=1, le=4)],
    export_format: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.XLSX,
) -> Response:
    """A quarter's invoices for the accountant: a row for each rate of each invoice, and totals by rate."""
    return await export_for_staff(session, staff, context.request_id, year, quarter, export_format)


async def export_for_staff(
    session: TenantSession, staff: Staff, request_id: str, year: int, quarter: int, export_format: ExportFormat
) -> Response:
    """The same for the portal's page; the audit trail says who took it."""
    name, data = await export_quarter(session, year, quarter, export_format, language_of(staff.locale))
    record_staff_action(
        session, staff.id, "documents.exported", None, request_id=request_id, year=year, quarter=quarter
    )
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(data, media_type=MEDIA_TYPES[export_format], headers=headers)


@router.get("/waiting")
async def list_waiting(_staff: Viewer, session: TenantSessionDep) -> PendingList:
    """The invoices that wait for somebody to do something, oldest first."""
    return PendingList.of(await reading.list_pending(session))


@router.get("/issuer", responses=responses(IssuerMissingError))
async def read_issuer(_staff: Owner, session: TenantSessionDep) -> IssuerRead:
    """The practice as who issues; 409 while it has not said."""
    return IssuerRead.of_issuer(await profiles.get_issuer(session))


@router.put("/issuer", responses=responses(InvalidTaxIdError))
async def set_issuer(body: IssuerIn, staff: FreshOwner, session: TenantSessionDep, context: ContextDep) -> IssuerRead:
    """Say or change it; what was issued keeps what it says. With it, invoices begin to be issued."""
    issuer = await profiles.set_issuer(session, body.model_dump())
    record_staff_action(session, staff.id, "documents.issuer_changed", None, request_id=context.request_id)
    return IssuerRead.of_issuer(issuer)


@router.get("/tax-rates")
async def read_rates(_staff: Owner, session: TenantSessionDep) -> RatesSchema:
    """The practice's own rates; without any, the law's hold."""
    return RatesSchema.of(await profiles.list_rates(session))


@router.put("/tax-rates", responses=responses(InvalidInputError))
async def set_rates(
    body: RatesSchema, staff: FreshOwner, session: TenantSessionDep, context: ContextDep
) -> RatesSchema:
    """Put these in their place."""
    rates = await profiles.set_rates(session, [one.model_dump() for one in body.rates])
    record_staff_action(session, staff.id, "documents.rates_changed", None, request_id=context.request_id)
    return RatesSchema.of(rates)


@router.get(
    "/{document_id}.pdf", response_class=Response, responses={**responses(NotFoundError, RenderingTimeoutError), **PDF}
)
async def download_document(
    document_id: UUID, _staff: Viewer, session: TenantSessionDep, runtime: RuntimeDep
) -> Response:
    """A document as PDF."""
    return pdf_response(*await reading.print_pdf(session, runtime.settings, document_id))


@router.get("/{document_id}.html", response_class=Response, responses={**responses(NotFoundError), **HTML})
async def show_document(document_id: UUID, _staff: Viewer, session: TenantSessionDep) -> Response:
    """A document as a page."""
    return html_response(*await reading.print_html(session, document_id))


@router.get("/{document_id}", responses=responses(NotFoundError))
async def read_document(document_id: UUID, _staff: Viewer, session: TenantSessionDep) -> StaffDocumentRead:
    """One document."""
    return (await _describe(session, [await correcting.get_document(session, document_id)]))[0]


@router.post(
    "/{document_id}/rectify",
    status_code=201,
    response_model=StaffDocumentRead,
    responses=responses(
        NotFoundError,
        NotCorrectableError,
        CorrectionExceedsDocumentError,
        NothingChangedError,
        ClientDataNeededError,
        InvalidInputError,
        IdempotencyKeyReusedError,
    ),
)
async def rectify_document(
    document_id: UUID,
    body: RectifyRequest,
    staff: Rectifying,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> StaffDocumentRead | JSONResponse:
    """Correct an invoice by another one. Refunds are corrected by themselves."""
    once = await Once.claim(session, staff.id, idempotency_key, "documents.rectify", body, document_id)
    if once.replay is not None:
        return once.replay
    made = await rectify_for_staff(session, runtime.settings, staff, document_id, body, context.request_id)
    answer = (await _describe(session, [made]))[0]
    await once.remember(session, 201, answer)
    return answer


async def rectify_for_staff(
    session: TenantSession, settings: Settings, staff: Staff, document_id: UUID, wanted: RectifyRequest, request_id: str
) -> Document:
    """The same for the portal's page."""
    author = Author("staff", staff.id)
    if wanted.method is CorrectionMethod.SUBSTITUTION:
        made = await correcting.correct_recipient(session, settings, document_id, wanted.reason, author)
    else:
        document = await correcting.get_document(session, document_id)
        off = _amount(wanted, document)
        if not wanted.reason:
            raise InvalidInputError(["body", "reason"], "say why", "reason_needed")
        made = await correcting.correct_amount(session, settings, document_id, off, wanted.reason, author)
    record_staff_action(
        session,
        staff.id,
        "document.rectified",
        document_id,
        request_id=request_id,
        number=made.number,
        total_minor=made.total_minor,
    )
    return made


def _amount(wanted: RectifyRequest, document: Document) -> int:
    if wanted.amount is None or wanted.amount.amount == 0:
        raise InvalidInputError(["body", "amount"], "must be more than nothing", "greater_than")
    if wanted.amount.currency != document.currency:
        raise InvalidInputError(["body", "amount"], f"the document is in {document.currency}", "currency_mismatch")
    return wanted.amount.amount


@router.post(
    "/{document_id}/full-invoice",
    status_code=201,
    responses=responses(
        NotFoundError,
        NotCorrectableError,
        NothingToDocumentError,
        DocumentCorrectedError,
        ClientDataNeededError,
    ),
)
async def replace_with_full(
    document_id: UUID, staff: Issuing, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> StaffDocumentRead:
    """A full invoice in exchange for a simplified one, made out to the client's billing details."""
    made = await exchange_for_staff(session, runtime.settings, staff, document_id, context.request_id)
    return (await _describe(session, [made]))[0]


async def exchange_for_staff(
    session: TenantSession, settings: Settings, staff: Staff, document_id: UUID, request_id: str
) -> Document:
    """The same for the portal's page."""
    made = await correcting.replace_with_full(session, settings, document_id, Author("staff", staff.id))
    record_staff_action(session, staff.id, "document.exchanged", document_id, request_id=request_id, number=made.number)
    return made


async def _describe(session: TenantSession, rows: Sequence[Document]) -> list[StaffDocumentRead]:
    lines = await reading.lines_of(session, rows)
    related, successors = await reading.related_to(session, rows), await reading.replaced_by(session, rows)
    records = await reading.records_of(session, rows)
    return [
        StaffDocumentRead(
            **StaffDocumentRead.values(row, lines[row.id], related, successors.get(row.id)),
            client_id=row.client_id,
            refund_id=row.refund_id,
            recipient=RecipientRead.of(row),
            issued_by=row.issued_by_kind,
            created_at=row.created_at,
            hash=record.hash if (record := records.get(row.id)) is not None else None,
            transmission=record.transmission_status if record is not None else None,
        )
        for row in rows
    ]


@profiles_router.get("", responses=responses(NotFoundError))
async def read_billing_profile(client_id: UUID, _staff: Viewer, session: TenantSessionDep) -> BillingProfileRead:
    """To whom a client's full invoices are made out; 404 while nobody has said."""
    return BillingProfileRead.of(await profiles.get_billing_profile(session, client_id))


@profiles_router.put("", responses=responses(NotFoundError, InvalidTaxIdError))
async def set_billing_profile(
    client_id: UUID, body: BillingProfileIn, staff: Issuing, session: TenantSessionDep, context: ContextDep
) -> BillingProfileRead:
    """Say or change it for a client; their invoices that waited for it are issued."""
    profile = await profiles.set_billing_profile(session, client_id, body.model_dump())
    record_staff_action(session, staff.id, "client.billing_profile_changed", client_id, request_id=context.request_id)
    return BillingProfileRead.of(profile)
