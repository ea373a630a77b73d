"""Clients' own documents, ``/documents``, and to whom they are made out, ``/users/me/billing-profile``."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from billing.documents.errors import (
    ClientDataNeededError,
    DocumentCorrectedError,
    InvalidTaxIdError,
    IssuerMissingError,
    NotCorrectableError,
    NothingToDocumentError,
    RenderingTimeoutError,
)
from billing.documents.models import Document
from billing.documents.rendering.web_page import security_policy
from billing.documents.repository import DocumentFilter
from billing.documents.schemas import BillingProfileIn, BillingProfileRead, DocumentRead
from billing.documents.services import correcting, profiles, reading
from billing.documents.services.writing import Author
from tenants.accounts.auth import CurrentClient
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/documents", tags=["documents"], responses=responses(NotAuthenticatedError))
profile_router = APIRouter(
    prefix="/users/me/billing-profile", tags=["documents"], responses=responses(NotAuthenticatedError)
)

PDF: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}, "description": "The document."}}
HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}, "description": "The document."}}


def pdf_response(document: Document, data: bytes) -> Response:
    """The file, to be shown by the browser under the document's number; kept by no cache."""
    headers = {"Content-Disposition": f'inline; filename="{document.number}.pdf"', "Cache-Control": "no-store"}
    return Response(data, media_type="application/pdf", headers=headers)


def html_response(document: Document, page: str) -> Response:
    """The page, which may load nothing."""
    headers = {
        "Content-Disposition": f'inline; filename="{document.number}.html"',
        "Content-Security-Policy": security_policy(),
        "Cache-Control": "no-store",
    }
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


async def describe(session: TenantSession, rows: Sequence[Document]) -> list[DocumentRead]:
    """Documents as the API shows them to their client."""
    lines = await reading.lines_of(session, rows)
    related, successors = await reading.related_to(session, rows), await reading.replaced_by(session, rows)
    return [DocumentRead(**DocumentRead.values(row, lines[row.id], related, successors.get(row.id))) for row in rows]


@router.get("")
async def list_own(
    client: CurrentClient, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[DocumentRead]:
    """The caller's documents, newest first."""
    wanted = DocumentFilter(client_id=client.id)
    rows, following = await reading.list_documents(session, wanted, limit=limit, cursor=cursor)
    return Page(items=await describe(session, rows), next_cursor=following)


@router.get(
    "/{document_id}.pdf", response_class=Response, responses={**responses(NotFoundError, RenderingTimeoutError), **PDF}
)
async def download_own(
    document_id: UUID, client: CurrentClient, session: TenantSessionDep, runtime: RuntimeDep
) -> Response:
    """One of the caller's documents as PDF, in the language it was issued in."""
    return pdf_response(*await reading.print_pdf(session, runtime.settings, document_id, client_id=client.id))


@router.get("/{document_id}.html", response_class=Response, responses={**responses(NotFoundError), **HTML})
async def show_own(document_id: UUID, client: CurrentClient, session: TenantSessionDep) -> Response:
    """The same as a page."""
    return html_response(*await reading.print_html(session, document_id, client_id=client.id))


@router.get("/{document_id}", responses=responses(NotFoundError))
async def read_own(document_id: UUID, client: CurrentClient, session: TenantSessionDep) -> DocumentRead:
    """One of the caller's documents."""
    document = await correcting.get_document(session, document_id, client_id=client.id)
    return (await describe(session, [document]))[0]


@router.post(
    "/{document_id}/full-invoice",
    status_code=201,
    responses=responses(
        NotFoundError,
        NotCorrectableError,
        NothingToDocumentError,
        DocumentCorrectedError,
        ClientDataNeededError,
        IssuerMissingError,
    ),
)
async def ask_for_full_invoice(
    document_id: UUID, client: CurrentClient, session: TenantSessionDep, runtime: RuntimeDep
) -> DocumentRead:
    """A full invoice in exchange for one of the caller's simplified ones, made out to their billing details.

    Asked again, the same invoice is answered.
    """
    author = Author("client", client.id)
    made = await correcting.replace_with_full(session, runtime.settings, document_id, author, client_id=client.id)
    return (await describe(session, [made]))[0]


@profile_router.get("", responses=responses(NotFoundError))
async def read_billing_profile(client: CurrentClient, session: TenantSessionDep) -> BillingProfileRead:
    """To whom the caller's full invoices are made out; 404 while they have not said."""
    return BillingProfileRead.of(await profiles.get_billing_profile(session, client.id))


@profile_router.put("", responses=responses(InvalidTaxIdError))
async def set_billing_profile(
    body: BillingProfileIn, client: CurrentClient, session: TenantSessionDep
) -> BillingProfileRead:
    """Say or change it. From now on the caller's invoices are full ones; those that waited for it are issued."""
    return BillingProfileRead.of(await profiles.set_billing_profile(session, client.id, body.model_dump()))


@profile_router.delete("", status_code=204)
async def remove_billing_profile(client: CurrentClient, session: TenantSessionDep) -> None:
    """Take it away; what was issued keeps what it says."""
    await profiles.remove_billing_profile(session, client.id)
