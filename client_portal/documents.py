"""A client's receipts and invoices, and to whom they are made out."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from billing.documents import words
from billing.documents.endpoints import html_response, pdf_response
from billing.documents.models import DocumentKind
from billing.documents.rendering.view import money
from billing.documents.repository import DocumentFilter
from billing.documents.schemas import BillingProfileIn
from billing.documents.services import correcting, profiles, reading
from billing.documents.services.writing import Author
from client_portal.page import ClientPage, SignedIn
from notifications.formats import language_of
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/account/documents", include_in_schema=False)

_HERE = "/account/documents"
_MOST = 50
_PARTY = ("legal_name", "tax_id", "address", "postal_code", "city", "region", "country")


@router.get("")
async def list_documents(page: SignedIn, cursor: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """Documents, newest first, and the billing details."""
    return await _render(page, cursor=cursor)


async def _render(
    page: ClientPage, form: Form | None = None, problem: ProblemError | None = None, *, cursor: str | None = None
) -> Response:
    wanted = DocumentFilter(client_id=page.client.id)
    rows, following = await reading.list_documents(page.session, wanted, limit=_MOST, cursor=cursor)
    replaced = await reading.replaced_by(page.session, rows)
    known = await profiles.find_billing_profile(page.session, page.client.id)
    language = language_of(page.locale)
    details = {name: getattr(known, name) for name in _PARTY} if known else {"country": page.tenant.country}
    values: dict[str, Any] = {
        "documents": [
            {
                "id": row.id,
                "number": row.number,
                "title": words.say(words.TITLES[row.kind], language),
                "day": row.issued_on.isoformat(),
                "total": money(row.total_minor, row.currency, language),
                "can_be_full": known is not None and row.kind == DocumentKind.SIMPLIFIED and row.id not in replaced,
            }
            for row in rows
        ],
        "following": following,
        "has_details": known is not None,
    }
    shown = form or page.blank_form(**details)
    if problem is not None:
        return page.render_refused("documents.html", shown, problem, **values)
    return page.render("documents.html", form=shown, **values)


@router.post("")
async def change_details(page: SignedIn) -> Response:
    """Say or change to whom invoices are made out; those that waited for it are issued."""
    form = await page.read_form()
    given: dict[str, str | None] = {name: form.get(name) for name in _PARTY}
    given["region"] = form.get("region") or None
    try:
        body = form.parse(BillingProfileIn, given)
        async with page.session.begin_nested():
            await profiles.set_billing_profile(page.session, page.client.id, body.model_dump())
    except ProblemError as problem:
        return await _render(page, form, problem)
    return see_other(_HERE)


@router.get("/{document_id}.pdf")
async def download(page: SignedIn, document_id: UUID) -> Response:
    """One of their own."""
    printed = await reading.print_pdf(page.session, page.runtime.settings, document_id, client_id=page.client.id)
    return pdf_response(*printed)


@router.get("/{document_id}.html")
async def show_printed(page: SignedIn, document_id: UUID) -> Response:
    """The same as a page of its own, for who can't read a PDF."""
    return html_response(*await reading.print_html(page.session, document_id, client_id=page.client.id))


@router.post("/{document_id}/full-invoice")
async def ask_for_full_invoice(page: SignedIn, document_id: UUID) -> Response:
    """A full invoice in place of a simplified one, made out to the billing details."""
    form = await page.read_form()
    author = Author("client", page.client.id)
    await correcting.get_document(page.session, document_id, client_id=page.client.id)
    try:
        async with page.session.begin_nested():
            await correcting.replace_with_full(
                page.session, page.runtime.settings, document_id, author, client_id=page.client.id
            )
    except ProblemError as problem:
        return await _render(page, form, problem)
    return see_other(_HERE)
