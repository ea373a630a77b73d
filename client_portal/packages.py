"""Packages of sessions: what is on sale, buying one, and what is left of one's own."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from billing.discounts.errors import DiscountNotUsableError
from billing.discounts.service import MAX_CODE
from billing.packages.errors import PackageNotPayableError
from billing.packages.models import PackageProduct, PackagePurchase, PurchaseStatus
from billing.packages.schemas import PurchaseRead, PurchaseRequest
from billing.packages.services import products, purchases
from billing.payments.errors import AlreadyPaidError, MethodNotOfferedError, ProviderUnavailableError
from client_portal.page import ClientPage, SignedIn, Visitor, VisitorPage
from client_portal.paying import settle_payments, start_paying_for
from client_portal.views import method_choices
from notifications.formats import describe
from scheduling.catalogue.service import list_services
from scheduling.quotes.service import quote_purchase
from tenants.settings.service import get_practice_settings, usable_methods
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import Money
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.ratelimit import DISCOUNT
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account

router = APIRouter(prefix="/packages", include_in_schema=False)

_MOST_ON_A_PAGE = 100
_PROBLEMS: dict[str, type[ProblemError]] = {
    problem.code: problem for problem in (AlreadyPaidError, PackageNotPayableError, ProviderUnavailableError)
}


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
    "granted": _("Sessions added"),
    "reserved": _("Booked"),
    "used": _("Used"),
    "restored": _("Given back to you"),
    "expired": _("Run out"),
    "revoked": _("Taken away"),
}


async def _good_for(page: VisitorPage, one: PackageProduct | PackagePurchase) -> str:
    if one.service_ids is None:
        return page.t("All services")
    services, _cursor = await list_services(page.session, limit=_MOST_ON_A_PAGE)
    names = [service.name for service in services if service.id in one.service_ids]
    return ", ".join(names) or page.t("Services that are not offered any more")


@router.get("")
async def show_packages(page: Visitor) -> Response:
    """What is on sale, and what a client has."""
    rows, _cursor = await products.list_products(page.session, limit=_MOST_ON_A_PAGE)
    mine: list[PackagePurchase] = []
    if page.client is not None:
        mine, _cursor = await purchases.list_purchases(page.session, client_id=page.client.id, limit=_MOST_ON_A_PAGE)
    balances = await purchases.balances_of(page.session, [row.id for row in mine])
    return page.render(
        "packages.html",
        products=[(row, await _good_for(page, row)) for row in rows],
        mine=[PurchaseRead.of(row, balances.get(row.id)) for row in mine if row.status != PurchaseStatus.LAPSED],
        words=STATUS_WORDS,
    )


@router.get("/{package_id}")
async def show_package(page: SignedIn, package_id: UUID) -> Response:
    """One package, and what it costs with a code; anonymous visitors are asked to sign in."""
    code = page.request.query_params.get("discount_code", "").strip()[:MAX_CODE]
    if code:
        await give_connection_back(page.session)
        await limit_account(page.runtime, context_of(page.request), DISCOUNT, str(page.client.id))
    return await _render_package(page, package_id, page.blank_form(discount_code=code))


async def _render_package(
    page: ClientPage, package_id: UUID, form: Form, problem: ProblemError | None = None
) -> Response:
    product = await products.get_product(page.session, package_id, on_sale=True)
    code = form.get("discount_code")
    cost, discount, refusal = await quote_purchase(page.session, page.client.id, package_id, code or None)
    methods = usable_methods(page.runtime.settings, await get_practice_settings(page.session))
    values: dict[str, Any] = {
        "product": product,
        "good_for": await _good_for(page, product),
        "cost": cost.format(page.locale),
        "is_free": cost.amount == 0,
        "discount": discount.format(page.locale) if discount.amount else None,
        "code": code if refusal is None else "",
        "code_problem": refusal.detail(page.locale) if refusal else None,
        "methods": method_choices(page, methods),
    }
    if problem is not None:
        return page.render_refused("package.html", form, problem, **values)
    shown = page.blank_form(discount_code=code, method=methods[0] if methods else None)
    return page.render("package.html", form=shown, **values)


@router.post("/{package_id}")
async def buy(page: SignedIn, package_id: UUID) -> Response:
    """Begin to buy it and go on to pay."""
    form = await page.read_form()
    if form.get("discount_code"):
        await give_connection_back(page.session)
        await limit_account(page.runtime, context_of(page.request), DISCOUNT, str(page.client.id))
    try:
        wish = form.parse(PurchaseRequest, form.optional("discount_code"))
        async with page.session.begin_nested():
            purchase = await purchases.buy_package(page.session, page.client.id, package_id, code=wish.discount_code)
    except DiscountNotUsableError as problem:
        return await _render_package(page, package_id, form, problem)
    here = f"/packages/mine/{purchase.id}"
    if purchase.status != PurchaseStatus.PENDING:
        return see_other(here)
    return await start_paying_for(page, here, form.get("method"), {"package_purchase_id": purchase.id})


@router.get("/mine/{purchase_id}")
async def show_purchase(
    page: SignedIn, purchase_id: UUID, problem: Annotated[str, Query(max_length=60)] = ""
) -> Response:
    """What is left of one of their packages, and what became of the rest."""
    purchase = await purchases.get_purchase(page.session, purchase_id, client_id=page.client.id)
    balances = await purchases.balances_of(page.session, [purchase.id])
    read = PurchaseRead.of(purchase, balances.get(purchase.id))
    methods = usable_methods(page.runtime.settings, await get_practice_settings(page.session))
    known = _PROBLEMS.get(problem)
    sentence = known().detail(page.locale) if known is not None else None
    if problem == MethodNotOfferedError.code:
        sentence = page.t("Choose one of the ways to pay.")
    entries = await purchases.list_entries(page.session, purchase.id)
    return page.render(
        "package_mine.html",
        read=read,
        good_for=await _good_for(page, purchase),
        price=Money(purchase.price_minor, purchase.currency).format(page.locale),
        until=describe(purchase.expires_at, page.timezone, page.locale).day if purchase.expires_at else None,
        entries=[(entry, describe(entry.created_at, page.timezone, page.locale)) for entry in reversed(entries)],
        entry_words=ENTRY_WORDS,
        words=STATUS_WORDS,
        methods=method_choices(page, methods),
        form=page.blank_form(method=methods[0] if methods else None),
        problem=sentence,
    )


@router.post("/mine/{purchase_id}/pay")
async def pay(page: SignedIn, purchase_id: UUID) -> Response:
    """Pay for a package that was begun to be bought."""
    form = await page.read_form()
    await purchases.get_purchase(page.session, purchase_id, client_id=page.client.id)
    here = f"/packages/mine/{purchase_id}"
    return await start_paying_for(page, here, form.get("method"), {"package_purchase_id": purchase_id})


@router.get("/mine/{purchase_id}/return")
async def come_back(page: SignedIn, purchase_id: UUID) -> Response:
    """Back from the provider: what it says is settled now, then how things stand."""
    purchase = await purchases.get_purchase(page.session, purchase_id, client_id=page.client.id)
    await settle_payments(page, purchase.id)
    return see_other(f"/packages/mine/{purchase_id}")
