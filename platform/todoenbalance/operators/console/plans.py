"""The console's pages of plans, usage, and how a practice stands with the platform."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from billing.platform_fees.adapters import is_charging_set_up, told_to_people
from billing.platform_fees.models import StatementStatus
from billing.platform_fees.overview import Standing, read_standing
from billing.platform_fees.schemas import PlanCode, PlanCreate, PlanPatch
from billing.platform_fees.statements import list_statements
from billing.platform_fees.subscriptions import refresh_subscription
from billing.platform_fees.usage_repository import UsageRepository
from billing.platform_fees.words import fee_words, month_words, price_words
from notifications.formats import describe
from tenants.plans import service as known_plans
from tenants.plans.capabilities import Capability
from tenants.plans.models import Plan, SubscriptionStatus
from tenants.registry import service as registry
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import MAX_MINOR, currency_exponent, is_currency
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.operators import plans, service
from todoenbalance.operators.console.page import OperatorPage, SignedIn
from todoenbalance.operators.plan_schemas import CheckoutWish, Settlement
from todoenbalance.operators.schemas import TenantPatch

router = APIRouter(include_in_schema=False)


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


SUBSCRIPTION_WORDS = {
    SubscriptionStatus.NONE: _("No subscription"),
    SubscriptionStatus.TRIALING: _("On trial"),
    SubscriptionStatus.ACTIVE: _("Paid"),
    SubscriptionStatus.PAST_DUE: _("Payment missing"),
    SubscriptionStatus.UNPAID: _("Payment missing for long"),
    SubscriptionStatus.CANCELED: _("Ended"),
}
STATEMENT_WORDS = {
    StatementStatus.OPEN: _("Open"),
    StatementStatus.TO_INVOICE: _("To be invoiced"),
    StatementStatus.INVOICING: _("Being invoiced"),
    StatementStatus.INVOICED: _("Invoiced"),
    StatementStatus.SETTLED: _("Settled"),
    StatementStatus.NOTHING_DUE: _("Nothing due"),
}
CAPABILITY_WORDS = {
    Capability.INVITE_STAFF: _("Inviting colleagues"),
    Capability.ADD_PRACTITIONERS: _("Adding practitioners"),
    Capability.CHANGE_BRANDING: _("Changing how the pages look"),
    Capability.ADD_PACKAGES: _("Adding packages"),
    Capability.OWN_SIGN_IN_PROVIDERS: _("Own registrations at Google and Facebook"),
}


# ---- plans


@router.get("/plans")
async def list_plans(page: SignedIn) -> Response:
    """Every plan, archived ones too."""
    rows = await known_plans.list_plans(page.session, with_archived=True)
    return page.render("plans.html", plans=[(row, _words(page, row)) for row in rows])


def _words(page: OperatorPage, plan: Plan) -> dict[str, str]:
    return {
        "price": price_words(plan, page.locale) or page.t(_("No monthly price")),
        "fee": fee_words(plan, page.locale) or page.t(_("No fee")),
    }


@router.get("/plans/new")
async def show_new_plan(page: SignedIn) -> Response:
    """The form of a new plan."""
    page.need_fresh("/plans/new")
    return _form(page, page.blank_form(fee_basis_points=0, position=0, is_public="yes"), None)


def _form(page: OperatorPage, form: Form, plan: Plan | None, problem: ProblemError | None = None) -> Response:
    values: dict[str, Any] = {
        "plan": plan,
        "capabilities": [(one.value, page.t(words)) for one, words in CAPABILITY_WORDS.items()],
    }
    if problem is not None:
        return page.render_refused("plan.html", form, problem, **values)
    return page.render("plan.html", form=form, **values)


def _sent(form: Form) -> dict[str, Any]:
    """The fields as the API takes them; an emptied one is None. Raises ``FormRefusedError`` for what is no amount."""
    values: dict[str, Any] = {
        "name": form.get("name"),
        "fee_basis_points": form.whole("fee_basis_points") or 0,
        "practitioner_limit": form.whole("practitioner_limit"),
        "position": form.whole("position") or 0,
        "withheld": form.all("withheld"),
        "is_public": form.get("is_public") == "yes",
        "stripe_price_id": form.get("stripe_price_id") or None,
    }
    for name in ("price", "fee_fixed"):
        currency = form.get(f"{name}_currency").upper()
        if form.get(name) and not is_currency(currency):
            form.add_error(f"{name}_currency", "currency_unknown")
            continue
        minor = form.money(name, currency) if form.get(name) else None
        values[name] = {"amount": minor, "currency": currency} if minor else None
    form.raise_errors()
    return values


@router.post("/plans/new")
async def create_plan(page: SignedIn) -> Response:
    """Make it."""
    form = await page.read_form()
    page.need_fresh("/plans/new")
    try:
        body = form.parse(PlanCreate, {"code": form.get("code"), **_sent(form)})
        async with page.session.begin_nested():
            await plans.create_plan(page.session, page.operator.id, body.columns(), page.request_id)
    except ProblemError as problem:
        return _form(page, form, None, problem)
    return see_other("/plans")


@router.get("/plans/{code}")
async def show_plan(page: SignedIn, code: PlanCode) -> Response:
    """The form with what a plan says."""
    plan = await known_plans.get_plan(page.session, code)
    page.need_fresh(f"/plans/{code}")
    form = page.blank_form(
        name=plan.name,
        fee_basis_points=plan.fee_basis_points,
        fee_fixed=_typed(plan.fee_fixed_minor or None, plan.fee_fixed_currency),
        fee_fixed_currency=plan.fee_fixed_currency,
        price=_typed(plan.price_minor, plan.price_currency),
        price_currency=plan.price_currency,
        stripe_price_id=plan.stripe_price_id,
        practitioner_limit=plan.practitioner_limit,
        position=plan.position,
        withheld=plan.withheld,
        is_public="yes" if plan.is_public else None,
        archived="yes" if plan.archived else None,
    )
    return _form(page, form, plan)


def _typed(minor: int | None, currency: str | None) -> str | None:
    """An amount as one types it."""
    if minor is None or currency is None or minor > MAX_MINOR:
        return None
    exponent = currency_exponent(currency)
    whole, rest = divmod(minor, 10**exponent)
    return f"{whole}.{rest:0{exponent}d}" if exponent else str(whole)


@router.post("/plans/{code}")
async def change_plan(page: SignedIn, code: PlanCode) -> Response:
    """Change it, for everybody on it."""
    form = await page.read_form()
    page.need_fresh(f"/plans/{code}")
    plan = await known_plans.get_plan(page.session, code)
    try:
        sent = _sent(form) | {"archived": form.get("archived") == "yes"}
        if sent["stripe_price_id"] == plan.stripe_price_id:
            del sent["stripe_price_id"]  # what was not touched goes with the price that it was for
        body = form.parse(PlanPatch, sent)
        async with page.session.begin_nested():
            await plans.change_plan(page.session, page.operator.id, code, body.columns(), page.request_id)
    except ProblemError as problem:
        return _form(page, form, await known_plans.get_plan(page.session, code), problem)
    return see_other("/plans")


# ---- usage and statements


@router.get("/usage")
async def show_usage(page: SignedIn, cursor: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """What practices used, newest month first; and the accrued fees that wait to be invoiced."""
    rows, following = await UsageRepository(page.session).list_months(
        tenant_id=None, month=None, limit=50, cursor=cursor
    )
    waiting, _more = await list_statements(page.session, status=StatementStatus.TO_INVOICE, limit=50)
    ids = {row.tenant_id for row in rows} | {row.tenant_id for row in waiting}
    return page.render(
        "usage.html",
        rows=[(row, month_words(row.month, page.locale)) for row in rows],
        waiting=[(row, month_words(row.month, page.locale)) for row in waiting],
        names=await registry.names_of(page.session, ids),
        following=following,
    )


# ---- one practice


@router.get("/practices/{tenant_id}/subscription")
async def show_subscription(page: SignedIn, tenant_id: UUID) -> Response:
    """How a practice stands, with what operators may do about it."""
    return await _subscription(page, tenant_id, page.blank_form())


async def _subscription(
    page: OperatorPage, tenant_id: UUID, form: Form, problem: ProblemError | None = None, *, link: str | None = None
) -> Response:
    tenant = await registry.get_tenant(page.session, tenant_id)
    standing = await read_standing(page.session, page.runtime, tenant_id)
    offered = [plan for plan in await known_plans.list_plans(page.session) if plan.code != tenant.plan]
    values: dict[str, Any] = {
        "practice": tenant,
        "standing": standing,
        "words": _words(page, standing.plan) if standing.plan is not None else None,
        "status_words": page.t(SUBSCRIPTION_WORDS[SubscriptionStatus(standing.status)]),
        "day": lambda instant: describe(instant, tenant.timezone, page.locale).day,
        "months": [(row, month_words(row.month, page.locale)) for row in standing.usage],
        "statements": [
            (row, month_words(row.month, page.locale), page.t(STATEMENT_WORDS[StatementStatus(row.status)]))
            for row in standing.statements
        ],
        "plans": [(plan.code, plan.name) for plan in offered],
        "sold": [(plan.code, plan.name) for plan in _sold(standing, offered)],
        "link": link,
        "can_charge": is_charging_set_up(page.runtime.settings),
    }
    if problem is not None:
        return page.render_refused("subscription.html", form, problem, **values)
    return page.render("subscription.html", form=form, **values)


def _sold(standing: Standing, offered: list[Plan]) -> list[Plan]:
    """The plans with a price that one can subscribe to."""
    own = [standing.plan] if standing.plan is not None else []
    return [plan for plan in (*own, *offered) if plan.price_minor is not None and not plan.archived]


@router.post("/practices/{tenant_id}/plan")
async def assign_plan(page: SignedIn, tenant_id: UUID) -> Response:
    """Put the practice on another plan."""
    form = await page.read_form()
    page.need_fresh(f"/practices/{tenant_id}/subscription")
    try:
        body = form.parse(TenantPatch, {"plan": form.get("plan")})
        async with page.session.begin_nested():
            changes = {"plan": body.plan}
            await service.rename_tenant(page.session, page.operator.id, tenant_id, changes, page.request_id)
    except ProblemError as problem:
        return await _subscription(page, tenant_id, form, problem)
    return see_other(f"/practices/{tenant_id}/subscription")


@router.post("/practices/{tenant_id}/subscription/refresh")
async def refresh(page: SignedIn, tenant_id: UUID) -> Response:
    """Read it from the provider."""
    form = await page.read_form()
    await registry.get_tenant(page.session, tenant_id)
    await give_connection_back(page.session)
    try:
        with told_to_people():
            await refresh_subscription(page.runtime, tenant_id)
    except ProblemError as problem:
        return await _subscription(page, tenant_id, form, problem)
    return see_other(f"/practices/{tenant_id}/subscription")


@router.post("/practices/{tenant_id}/subscription/checkout")
async def begin_checkout(page: SignedIn, tenant_id: UUID) -> Response:
    """Show the address to send to the owner."""
    form = await page.read_form()
    page.need_fresh(f"/practices/{tenant_id}/subscription")
    try:
        body = form.parse(CheckoutWish, {"plan": form.get("plan")})
        link = await plans.begin_checkout(
            page.session, page.runtime, page.operator.id, tenant_id, body.plan, page.request_id
        )
    except ProblemError as problem:
        return await _subscription(page, tenant_id, form, problem)
    return await _subscription(page, tenant_id, page.blank_form(), link=link)


@router.post("/practices/{tenant_id}/statements/{statement_id}/settle")
async def settle(page: SignedIn, tenant_id: UUID, statement_id: UUID) -> Response:
    """It was invoiced elsewhere, or is waived."""
    form = await page.read_form()
    page.need_fresh(f"/practices/{tenant_id}/subscription")
    try:
        body = form.parse(Settlement, {"note": form.get("note")})
        async with page.session.begin_nested():
            await plans.settle_statement(page.session, page.operator.id, statement_id, body.note, page.request_id)
    except ProblemError as problem:
        return await _subscription(page, tenant_id, form, problem)
    return see_other(f"/practices/{tenant_id}/subscription")


@router.post("/practices/{tenant_id}/statements/{statement_id}/invoice")
async def invoice(page: SignedIn, tenant_id: UUID, statement_id: UUID) -> Response:
    """Have it put on the next invoice."""
    form = await page.read_form()
    page.need_fresh(f"/practices/{tenant_id}/subscription")
    try:
        async with page.session.begin_nested():
            await plans.invoice_statement(page.session, page.operator.id, statement_id, page.request_id)
    except ProblemError as problem:
        return await _subscription(page, tenant_id, form, problem)
    return see_other(f"/practices/{tenant_id}/subscription")
