"""Packages: what is on sale, and what clients have of theirs."""

import secrets
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.packages import AdjustRequest, GiftRequest, GiveBackRequest, SaleRequest, describe_purchase
from admin_portal.pages.page import SignedIn, StaffPage
from billing.packages.ledger import By
from billing.packages.models import PackageProduct, PackagePurchase, PurchaseStatus, RefundRule
from billing.packages.schemas import PackageCreate, PackagePatch, PurchaseRead
from billing.packages.services import giving_back, products, purchases, selling
from billing.payments.receipts import ReceiptKind
from billing.payments.service import list_payments
from notifications.formats import describe
from scheduling.catalogue.service import list_all_services
from scheduling.idempotent import Once
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission
from tenants.accounts.services.client_accounts import find_clients, list_clients
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import currency_exponent
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/packages", include_in_schema=False)

_MOST = 100


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATUS_WORDS = {
    PurchaseStatus.PENDING: _("Not paid yet"),
    PurchaseStatus.ACTIVE: _("Valid"),
    PurchaseStatus.EXPIRED: _("Run out"),
    PurchaseStatus.REVOKED: _("Given back"),
    PurchaseStatus.LAPSED: _("Not paid in time"),
}
ENTRY_WORDS = {
    "granted": _("Added"),
    "reserved": _("Booked"),
    "used": _("Used"),
    "restored": _("Given back"),
    "expired": _("Run out"),
    "revoked": _("Taken away"),
}
RULE_WORDS = {
    RefundRule.PROPORTIONAL: _("The worth of the unused sessions"),
    RefundRule.NONE: _("Nothing"),
}
RECEIPT_WORDS = {
    "": _("It is still to come"),
    ReceiptKind.CASH: _("Cash"),
    ReceiptKind.CARD: _("Card at the desk"),
    ReceiptKind.TRANSFER: _("Bank transfer"),
}


@router.get("")
async def show_packages(page: SignedIn, cursor: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """What is on sale, and, for those who see payments, what was sold lately."""
    page.need(Permission.VIEW_CALENDAR)
    rows, _cursor = await products.list_products(page.session, archived=None, limit=_MOST)
    sold: list[PackagePurchase] = []
    following: str | None = None
    if page.may(Permission.VIEW_PAYMENTS):
        sold, following = await purchases.list_purchases(page.session, limit=50, cursor=cursor)
    balances = await purchases.balances_of(page.session, [row.id for row in sold])
    clients = await find_clients(page.session, {row.client_id for row in sold})
    return page.render(
        "packages.html",
        products=rows,
        sold=[
            (PurchaseRead.of(row, balances.get(row.id)), name_of(clients[row.client_id], page.locale))
            for row in sold
            if row.client_id in clients
        ],
        words=STATUS_WORDS,
        following=following,
    )


@router.get("/new")
async def show_new(page: SignedIn) -> Response:
    """The form of a new package."""
    page.need(Permission.MANAGE_CATALOGUE)
    return await _form(page, page.blank_form(refund_rule=RefundRule.PROPORTIONAL, tax_treatment="exempt_health"), None)


@router.post("/new")
async def create(page: SignedIn) -> Response:
    """Make it."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    try:
        body = form.parse(PackageCreate, _values(page, form))
        async with page.session.begin_nested():
            product = await products.create_product(page.session, body)
    except ProblemError as problem:
        return await _form(page, form, None, problem)
    page.record("package.created", product.id)
    return see_other("/admin/packages")


@router.get("/on-sale/{package_id}")
async def show(page: SignedIn, package_id: UUID) -> Response:
    """The form of an existing one."""
    page.need(Permission.MANAGE_CATALOGUE)
    known = await products.get_product(page.session, package_id)
    exponent = currency_exponent(known.currency)
    form = page.blank_form(
        name=known.name,
        description=known.description,
        sessions=known.sessions,
        price=f"{known.price_minor / 10**exponent:.{exponent}f}",
        validity_days=known.validity_days,
        refund_rule=known.refund_rule,
        service_ids=[str(one) for one in known.service_ids or ()],
        archived="yes" if known.archived else None,
        tax_treatment=known.tax_treatment,
    )
    return await _form(page, form, known)


@router.post("/on-sale/{package_id}")
async def change(page: SignedIn, package_id: UUID) -> Response:
    """Change it; who bought it keeps what they bought."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    known = await products.get_product(page.session, package_id)
    try:
        body = form.parse(PackagePatch, _values(page, form) | {"archived": form.get("archived") == "yes"})
        async with page.session.begin_nested():
            await products.change_product(page.session, package_id, body)
    except ProblemError as problem:
        return await _form(page, form, known, problem)
    page.record("package.changed", package_id, fields=",".join(sorted(body.model_fields_set)))
    return see_other("/admin/packages")


def _values(page: StaffPage, form: Form) -> dict[str, Any]:
    currency = page.tenant.currency
    amount = form.money("price", currency)
    if amount is None:
        form.add_error("price", "missing")
    return {
        "name": form.get("name"),
        "description": form.get("description"),
        "sessions": form.whole("sessions"),
        "price": {"amount": amount or 0, "currency": currency},
        "validity_days": form.whole("validity_days"),
        "refund_rule": form.get("refund_rule"),
        "tax_treatment": form.get("tax_treatment") or "exempt_health",
        "service_ids": form.all("service_ids") or None,
    }


async def _form(
    page: StaffPage, form: Form, known: PackageProduct | None, problem: ProblemError | None = None
) -> Response:
    services, _cursor = await list_all_services(page.session, limit=_MOST)
    values: dict[str, Any] = {
        "known": known,
        "currency": page.tenant.currency,
        "services": [(str(one.id), one.name) for one in services],
        "rules": [(rule.value, page.t(words)) for rule, words in RULE_WORDS.items()],
    }
    if problem is not None:
        return page.render_refused("package.html", form, problem, **values)
    return page.render("package.html", form=form, **values)


# ---- sold


@router.get("/sell")
async def show_sale(
    page: SignedIn, search: Annotated[str, Query(max_length=100)] = "", package_id: str = ""
) -> Response:
    """Find the client, then say how the money came."""
    page.need(Permission.RECORD_PAYMENTS)
    form = page.blank_form(key=secrets.token_urlsafe(16), receipt=ReceiptKind.CASH, package_id=package_id)
    return await _sale(page, form, search)


async def _sale(page: StaffPage, form: Form, search: str, problem: ProblemError | None = None) -> Response:
    found, _cursor = await list_clients(page.session, search=search, limit=20) if search else ([], None)
    rows, _cursor = await products.list_products(page.session, limit=_MOST)
    values: dict[str, Any] = {
        "search": search,
        "clients": [(str(one.id), f"{name_of(one, page.locale)} · {one.email}") for one in found],
        "products": [(str(one.id), one.name) for one in rows],
        "receipts": [(str(kind), page.t(words)) for kind, words in RECEIPT_WORDS.items()],
        "may_give": page.may(Permission.REFUND_PAYMENTS),
    }
    if problem is not None:
        return page.render_refused("package_sale.html", form, problem, **values)
    return page.render("package_sale.html", form=form, **values)


@router.post("/sell")
async def sell(page: SignedIn) -> Response:
    """Sell or give it, once however often the button is pressed."""
    form = await page.read_form()
    is_gift = form.get("gift") == "yes"
    page.need(Permission.REFUND_PAYMENTS if is_gift else Permission.RECORD_PAYMENTS)
    if is_gift:
        page.need_fresh("/admin/packages/sell")
    sent = form.optional("client_id", "package_id")
    try:
        async with page.session.begin_nested():
            if is_gift:
                gift = form.parse(GiftRequest, sent | form.optional("reason"))
                purchase_id = await _give(page, form.get("key"), gift)
            else:
                sale = form.parse(SaleRequest, sent | form.optional("receipt"))
                purchase_id = await _sell(page, form.get("key"), sale)
    except ProblemError as problem:
        return await _sale(page, form, form.get("search"), problem)
    return see_other(f"/admin/packages/sold/{purchase_id}" if purchase_id else "/admin/packages")


async def _sell(page: StaffPage, key: str, sale: SaleRequest) -> UUID | None:
    once = await Once.claim(page.session, page.staff.id, f"page:{key}", "pages.packages.sell", sale)
    if once.replay is not None:
        return None
    settings = page.runtime.settings
    purchase = await selling.sell_at_desk(page.session, settings, sale.client_id, sale.package_id, sale.receipt)
    page.record(
        "package.sold",
        purchase.id,
        client_id=str(sale.client_id),
        price_minor=purchase.price_minor,
        receipt=sale.receipt,
    )
    await once.remember(page.session, 201, sale)
    return purchase.id


async def _give(page: StaffPage, key: str, gift: GiftRequest) -> UUID | None:
    once = await Once.claim(page.session, page.staff.id, f"page:{key}", "pages.packages.give", gift)
    if once.replay is not None:
        return None
    by = By("staff", page.staff.id)
    purchase = await purchases.give_package(page.session, gift.client_id, gift.package_id, by, reason=gift.reason)
    page.record(
        "package.given",
        purchase.id,
        client_id=str(gift.client_id),
        sessions=purchase.sessions,
        reason=gift.reason,
    )
    await once.remember(page.session, 201, gift)
    return purchase.id


@router.get("/sold/{purchase_id}")
async def show_purchase(page: SignedIn, purchase_id: UUID) -> Response:
    """One client's package with its ledger, and what can be decided about it."""
    page.need(Permission.VIEW_PAYMENTS)
    return await _purchase(page, purchase_id, page.blank_form(key=secrets.token_urlsafe(16)))


async def _purchase(page: StaffPage, purchase_id: UUID, form: Form, problem: ProblemError | None = None) -> Response:
    read = await describe_purchase(page.session, purchase_id)
    clients = await find_clients(page.session, {read.client_id})
    payments, _cursor = await list_payments(page.session, payable_id=purchase_id, limit=_MOST)
    zone = page.tenant.timezone
    client = clients.get(read.client_id)
    values: dict[str, Any] = {
        "read": read,
        "client": name_of(client, page.locale) if client else "–",
        "words": STATUS_WORDS,
        "until": describe(read.expires_at, zone, page.locale).day if read.expires_at else None,
        "entries": [(one, describe(one.created_at, zone, page.locale)) for one in reversed(read.entries)],
        "entry_words": ENTRY_WORDS,
        "payments": payments,
        "may_decide": page.may(Permission.REFUND_PAYMENTS) and read.granted_at is not None,
    }
    if problem is not None:
        return page.render_refused("package_sold.html", form, problem, **values)
    return page.render("package_sold.html", form=form, **values)


@router.post("/sold/{purchase_id}/{action}")
async def decide(page: SignedIn, purchase_id: UUID, action: str) -> Response:
    """Give sessions or take them away, or give the package back; the staff's reason is audited."""
    form = await page.read_form()
    page.need(Permission.REFUND_PAYMENTS)
    here = f"/admin/packages/sold/{purchase_id}"
    page.need_fresh(here)
    by = By("staff", page.staff.id)
    try:
        async with page.session.begin_nested():
            if action == "adjust":
                wish = form.parse(AdjustRequest, {"change": form.whole("change"), **form.optional("reason")})
                once = await Once.claim(
                    page.session, page.staff.id, f"page:{form.get('key')}", "pages.packages.adjust", wish, purchase_id
                )
                if once.replay is None:
                    await purchases.adjust_credits(page.session, purchase_id, wish.change, by, reason=wish.reason)
                    page.record("package.adjusted", purchase_id, change=wish.change, reason=wish.reason)
                    await once.remember(page.session, 200, wish)
            else:
                why = form.parse(GiveBackRequest, form.optional("reason")).reason
                _bought, money = await giving_back.give_back_package(page.session, purchase_id, by, reason=why)
                page.record("package.refunded", purchase_id, amount_minor=money.amount, currency=money.currency)
    except ProblemError as problem:
        return await _purchase(page, purchase_id, form, problem)
    return see_other(here)
