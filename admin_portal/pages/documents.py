"""Receipts and invoices: the list, one of them, what waits, the accountant's export, as who the practice issues."""

import secrets
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.documents import exchange_for_staff, export_for_staff, issue_for_staff, rectify_for_staff
from admin_portal.pages.page import SignedIn, StaffPage
from billing.documents import words
from billing.documents.endpoints import html_response, pdf_response
from billing.documents.export import ExportFormat
from billing.documents.models import (
    CorrectionMethod,
    Document,
    DocumentKind,
    PendingReason,
    SimplifiedLimit,
    TaxArea,
)
from billing.documents.rendering.view import money
from billing.documents.repository import DocumentFilter
from billing.documents.schemas import BillingProfileIn, DocumentCreate, IssuerIn, RectifyRequest
from billing.documents.services import correcting, profiles, reading
from notifications.formats import language_of
from scheduling.idempotent import Once
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission
from tenants.accounts.services.client_accounts import find_clients, get_client
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/documents", include_in_schema=False)

_HERE = "/admin/documents"
_MOST = 50
_PARTY = ("legal_name", "tax_id", "address", "postal_code", "city", "region", "country")
_ISSUER = (
    *_PARTY,
    "tax_area",
    "regime_note",
    "exempt_note",
    "footer",
    "simplified_series",
    "full_series",
    "rectifying_series",
    "receipt_series",
    "simplified_limit",
)


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


AREA_WORDS = {
    TaxArea.ES_COMMON: _("Spain: IVA (peninsula and Balearics)"),
    TaxArea.ES_CANARY: _("Spain: IGIC (Canary Islands)"),
    TaxArea.ES_FORAL: _("Spain: IVA (Basque Country, Navarre)"),
    TaxArea.OTHER: _("Another country"),
}
LIMIT_WORDS = {
    SimplifiedLimit.STANDARD: _("400 € (most practices)"),
    SimplifiedLimit.LISTED: _("3,000 € (services at the client's home)"),
}
REASON_WORDS = {
    PendingReason.CLIENT_DATA_NEEDED: _("The client's tax details are needed"),
    PendingReason.RATE_MISSING: _("There is no tax rate for it"),
    PendingReason.NOT_DESCRIBED: _("What was paid for can't be described"),
    PendingReason.CURRENCY_NOT_SUPPORTED: _("It is not in euros"),
}


def _title(page: StaffPage, kind: str) -> str:
    return words.say(words.TITLES[kind], language_of(page.locale))


def _row(page: StaffPage, document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "number": document.number,
        "title": _title(page, document.kind),
        "day": document.issued_on.isoformat(),
        "total": money(document.total_minor, document.currency, language_of(page.locale)),
    }


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@router.get("")
async def list_documents(
    page: SignedIn,
    since: Annotated[str, Query(max_length=20)] = "",
    until: Annotated[str, Query(max_length=20)] = "",
    kind: Annotated[str, Query(max_length=20)] = "",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Documents, newest first, with what waits above them and the export below."""
    page.need(Permission.VIEW_DOCUMENTS)
    known_kind = kind if kind in list(DocumentKind) else ""
    wanted = DocumentFilter(since=_day(since), until=_day(until), kind=known_kind or None)
    rows, following = await reading.list_documents(page.session, wanted, limit=_MOST, cursor=cursor)
    waiting = await reading.list_pending(page.session)
    clients = await find_clients(page.session, {row.client_id for row in rows} | {row.client_id for row in waiting})
    names = {client_id: name_of(client, page.locale) for client_id, client in clients.items()}
    today = clock.now().astimezone(page.zone).date()
    return page.render(
        "documents.html",
        form=page.blank_form(since=since, until=until, kind=known_kind),
        kinds=[("", page.t(_("All"))), *((one.value, _title(page, one)) for one in DocumentKind)],
        documents=[(_row(page, row), names.get(row.client_id)) for row in rows],
        waiting=[(row, names.get(row.client_id), page.t(REASON_WORDS[PendingReason(row.reason)])) for row in waiting],
        following=following,
        has_issuer=await profiles.find_issuer(page.session) is not None,
        export=page.blank_form(year=today.year, quarter=(today.month + 2) // 3, format=ExportFormat.XLSX),
    )


@router.get("/export")
async def export(
    page: SignedIn,
    year: Annotated[int, Query(ge=2000, le=2199)],
    quarter: Annotated[int, Query(ge=1, le=4)],
    export_format: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.XLSX,
) -> Response:
    """A quarter's invoices for the accountant."""
    page.need(Permission.EXPORT_DOCUMENTS)
    page.need_fresh(_HERE)
    return await export_for_staff(page.session, page.staff, page.request_id, year, quarter, export_format)


@router.get("/issuer")
async def show_issuer(page: SignedIn) -> Response:
    """As who the practice issues."""
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(f"{_HERE}/issuer")
    known = await profiles.find_issuer(page.session)
    if known is None:
        defaults = {name: field.default for name, field in IssuerIn.model_fields.items() if not field.is_required()}
        is_spanish = page.tenant.country == "ES"
        form = page.blank_form(
            **defaults | {"issues_automatically": "yes", "country": page.tenant.country},
            legal_name=page.tenant.name,
            tax_area=TaxArea.ES_COMMON if is_spanish else TaxArea.OTHER,
        )
    else:
        form = page.blank_form(
            **{name: getattr(known, name) for name in _ISSUER},
            issues_automatically="yes" if known.issues_automatically else None,
        )
    return _render_issuer(page, form)


def _render_issuer(page: StaffPage, form: Form, problem: ProblemError | None = None) -> Response:
    choices: dict[str, Any] = {
        "areas": [(area.value, page.t(said)) for area, said in AREA_WORDS.items()],
        "limits": [(limit.value, page.t(said)) for limit, said in LIMIT_WORDS.items()],
    }
    if problem is not None:
        return page.render_refused("documents_issuer.html", form, problem, **choices)
    return page.render("documents_issuer.html", form=form, **choices)


@router.post("/issuer")
async def change_issuer(page: SignedIn) -> Response:
    """Say or change it."""
    form = await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(f"{_HERE}/issuer")
    try:
        values: dict[str, str | None] = {name: form.get(name) for name in _ISSUER}
        values["region"] = form.get("region") or None
        body = form.parse(IssuerIn, {**values, "issues_automatically": form.get("issues_automatically") == "yes"})
        async with page.session.begin_nested():
            await profiles.set_issuer(page.session, body.model_dump())
            page.record("documents.issuer_changed", None)
    except ProblemError as problem:
        return _render_issuer(page, form, problem)
    return see_other(_HERE)


@router.post("/issue")
async def issue(page: SignedIn) -> Response:
    """Issue a payment's invoice or receipt, or lead to what is missing for it."""
    form = await page.read_form()
    page.need(Permission.ISSUE_DOCUMENTS)
    body = form.parse(DocumentCreate, {"payment_id": form.get("payment_id"), "kind": form.get("kind") or "invoice"})
    try:
        async with page.session.begin_nested():
            made = await issue_for_staff(page.session, page.runtime.settings, page.staff, body, page.request_id)
    except ProblemError as problem:
        if isinstance(problem, NotFoundError):
            raise
        return page.render("documents_refused.html", status=problem.status, sentence=problem.detail(page.locale))
    return see_other(f"{_HERE}/{made.id}")


@router.get("/clients/{client_id}")
async def show_client(page: SignedIn, client_id: UUID) -> Response:
    """To whom a client's full invoices are made out."""
    page.need(Permission.ISSUE_DOCUMENTS)
    known = await profiles.find_billing_profile(page.session, client_id)
    values = {name: getattr(known, name) for name in _PARTY} if known is not None else {"country": page.tenant.country}
    return await _render_client(page, client_id, page.blank_form(**values))


async def _render_client(page: StaffPage, client_id: UUID, form: Form, problem: ProblemError | None = None) -> Response:
    client = await get_client(page.session, client_id)
    name = name_of(client, page.locale)
    if problem is not None:
        return page.render_refused("documents_client.html", form, problem, name=name)
    return page.render("documents_client.html", form=form, name=name)


@router.post("/clients/{client_id}")
async def change_client(page: SignedIn, client_id: UUID) -> Response:
    """Say or change it; what waited for it is issued."""
    form = await page.read_form()
    page.need(Permission.ISSUE_DOCUMENTS)
    try:
        values: dict[str, str | None] = {name: form.get(name) for name in _PARTY}
        values["region"] = form.get("region") or None
        body = form.parse(BillingProfileIn, values)
        async with page.session.begin_nested():
            await profiles.set_billing_profile(page.session, client_id, body.model_dump())
            page.record("client.billing_profile_changed", client_id)
    except ProblemError as problem:
        return await _render_client(page, client_id, form, problem)
    return see_other(_HERE)


@router.get("/{document_id}.pdf")
async def download(page: SignedIn, document_id: UUID) -> Response:
    """The PDF."""
    page.need(Permission.VIEW_DOCUMENTS)
    return pdf_response(*await reading.print_pdf(page.session, page.runtime.settings, document_id))


@router.get("/{document_id}.html")
async def show_printed(page: SignedIn, document_id: UUID) -> Response:
    """The document as a page of its own."""
    page.need(Permission.VIEW_DOCUMENTS)
    return html_response(*await reading.print_html(page.session, document_id))


@router.get("/{document_id}")
async def show(page: SignedIn, document_id: UUID) -> Response:
    """One document, and what may be done about it."""
    page.need(Permission.VIEW_DOCUMENTS)
    return await _render(page, await correcting.get_document(page.session, document_id))


async def _render(
    page: StaffPage, document: Document, problem: ProblemError | None = None, form: Form | None = None
) -> Response:
    lines = (await reading.lines_of(page.session, [document]))[document.id]
    related = await reading.related_to(page.session, [document])
    successor = (await reading.replaced_by(page.session, [document])).get(document.id)
    record = (await reading.records_of(page.session, [document])).get(document.id)
    clients = await find_clients(page.session, {document.client_id})
    client = clients.get(document.client_id)
    language = language_of(page.locale)
    stands = successor is None and document.kind != DocumentKind.RECEIPT
    is_invoice = document.kind in (DocumentKind.SIMPLIFIED, DocumentKind.FULL) or document.supersedes_id is not None
    shown = form or page.blank_form(key=secrets.token_urlsafe(16))
    status = shown.refuse(problem, page.locale) if problem is not None else 200
    return page.render(
        "document.html",
        status=status,
        document=document,
        row=_row(page, document),
        lines=[(line, money(line.gross_minor, document.currency, language)) for line in lines],
        figures=[money(one, document.currency, language) for one in (document.base_minor, document.tax_minor)],
        client=name_of(client, page.locale) if client is not None else None,
        related=[_row(page, one) for one in related.values()],
        successor=_row(page, successor) if successor is not None else None,
        record=record,
        can_rectify=page.may(Permission.RECTIFY_DOCUMENTS) and stands and is_invoice,
        can_substitute=document.recipient_digest is not None,
        can_exchange=page.may(Permission.ISSUE_DOCUMENTS) and stands and document.kind == DocumentKind.SIMPLIFIED,
        form=shown,
    )


@router.post("/{document_id}/full-invoice")
async def exchange(page: SignedIn, document_id: UUID) -> Response:
    """A full invoice in place of a simplified one."""
    form = await page.read_form()
    page.need(Permission.ISSUE_DOCUMENTS)
    document = await correcting.get_document(page.session, document_id)
    try:
        async with page.session.begin_nested():
            made = await exchange_for_staff(
                page.session, page.runtime.settings, page.staff, document_id, page.request_id
            )
    except ProblemError as problem:
        return await _render(page, document, problem, form)
    return see_other(f"{_HERE}/{made.id}")


@router.post("/{document_id}/rectify")
async def rectify(page: SignedIn, document_id: UUID) -> Response:
    """Correct an invoice by another one, once however often the button is pressed."""
    form = await page.read_form()
    page.need(Permission.RECTIFY_DOCUMENTS)
    page.need_fresh(f"{_HERE}/{document_id}")
    document = await correcting.get_document(page.session, document_id)
    try:
        amount = form.money("amount", document.currency)
        form.raise_errors()
        values = {
            "method": form.get("method") or CorrectionMethod.DIFFERENCES,
            "amount": MoneySchema.of(amount, document.currency) if amount is not None else None,
            **form.optional("reason"),
        }
        body = form.parse(RectifyRequest, values)
        key = f"page:{form.get('key')}"
        async with page.session.begin_nested():
            once = await Once.claim(page.session, page.staff.id, key, "pages.rectify", body, document_id)
            if once.replay is None:
                await rectify_for_staff(
                    page.session, page.runtime.settings, page.staff, document_id, body, page.request_id
                )
                await once.remember(page.session, 200, body)
    except ProblemError as problem:
        return await _render(page, document, problem, form)
    return see_other(f"/admin/payments/{document.payment_id}")
