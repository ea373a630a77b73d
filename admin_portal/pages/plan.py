"""Plan and invoices: what the practice is on, what it used, what it owes, and going to another plan."""

from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, StaffPage
from admin_portal.subscription import csv_response
from billing.platform_fees import checkout
from billing.platform_fees.models import StatementStatus
from billing.platform_fees.overview import Standing, choose_plan, read_standing
from billing.platform_fees.schemas import PlanChoice
from billing.platform_fees.statements import statement_csv
from billing.platform_fees.subscriptions import refresh_subscription
from billing.platform_fees.words import fee_words, month_words, price_words
from billing.providers.port import ProviderError
from notifications.formats import describe
from tenants.accounts.permissions import Permission
from tenants.plans.capabilities import Capability
from tenants.plans.models import Plan, SubscriptionStatus
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/plan", include_in_schema=False)

_PATH = "/admin/plan"
_log = get_logger("admin_portal.plan")


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATUS_WORDS = {
    SubscriptionStatus.NONE: _("No subscription"),
    SubscriptionStatus.TRIALING: _("On trial"),
    SubscriptionStatus.ACTIVE: _("Paid"),
    SubscriptionStatus.PAST_DUE: _("Payment missing"),
    SubscriptionStatus.UNPAID: _("Payment missing"),
    SubscriptionStatus.CANCELED: _("Ended"),
}
STATUS_TAGS = {
    SubscriptionStatus.TRIALING: "good",
    SubscriptionStatus.ACTIVE: "good",
    SubscriptionStatus.PAST_DUE: "bad",
    SubscriptionStatus.UNPAID: "bad",
}
STATEMENT_WORDS = {
    StatementStatus.OPEN: _("Still growing"),
    StatementStatus.TO_INVOICE: _("To be invoiced"),
    StatementStatus.INVOICING: _("To be invoiced"),
    StatementStatus.INVOICED: _("On your invoice"),
    StatementStatus.SETTLED: _("Settled"),
    StatementStatus.NOTHING_DUE: _("Nothing due"),
}
CAPABILITY_WORDS = {
    Capability.INVITE_STAFF: _("inviting colleagues"),
    Capability.ADD_PRACTITIONERS: _("adding practitioners"),
    Capability.CHANGE_BRANDING: _("changing how your pages look"),
    Capability.ADD_PACKAGES: _("adding packages"),
    Capability.OWN_SIGN_IN_PROVIDERS: _("registrations of your own at Google and Facebook"),
}


@router.get("")
async def show_plan(page: SignedIn, origin: Annotated[str, Query(alias="from", max_length=20)] = "") -> Response:
    """How the practice stands; who comes back from subscribing sees what the provider says by now."""
    page.need(Permission.MANAGE_PLAN)
    await page.runtime.database.commit(page.session)
    if origin == "checkout":
        try:
            await refresh_subscription(page.runtime, page.tenant.id)
        except (ProviderError, ProblemError) as silent:  # the event will tell
            _log.warning("not_read_on_return", error=type(silent).__name__)
    return await _render(page, page.blank_form())


async def _render(page: StaffPage, form: Form, problem: ProblemError | None = None) -> Response:
    async with page.runtime.database.platform() as platform:
        standing = await read_standing(platform, page.runtime, page.tenant.id)
    values: dict[str, Any] = {
        "standing": standing,
        "status_words": page.t(STATUS_WORDS[SubscriptionStatus(standing.status)]),
        "status_tag": STATUS_TAGS.get(SubscriptionStatus(standing.status), ""),
        "current": _words(page, standing.plan) if standing.plan is not None else None,
        "choices": [(plan, _words(page, plan)) for plan in standing.choices],
        "can_subscribe": _can_subscribe(standing),
        "months": [(row, month_words(row.month, page.locale)) for row in standing.usage],
        "statements": [
            (row, month_words(row.month, page.locale), page.t(STATEMENT_WORDS[StatementStatus(row.status)]))
            for row in standing.statements
            if row.status != StatementStatus.NOTHING_DUE
        ],
        "withheld": [page.t(CAPABILITY_WORDS[one]) for one in standing.withheld_now],
        "day": lambda instant: describe(instant, page.tenant.timezone, page.locale).day,
    }
    if problem is not None:
        return page.render_refused("plan.html", form, problem, **values)
    return page.render("plan.html", form=form, **values)


def _can_subscribe(standing: Standing) -> bool:
    """Whether the present plan has a price that nobody pays yet."""
    has_price = standing.plan is not None and standing.plan.price_minor is not None and not standing.plan.archived
    return has_price and not standing.is_subscribed and standing.is_charging_set_up


def _words(page: StaffPage, plan: Plan) -> dict[str, str | None]:
    """A plan in words."""
    limit = plan.practitioner_limit
    return {
        "price": price_words(plan, page.locale) or page.t(_("No monthly price")),
        "fee": fee_words(plan, page.locale) or page.t(_("No fee on payments")),
        "limit": page.t(_("At most %(number)s practitioners"), number=limit) if limit is not None else None,
    }


@router.post("/change")
async def change_plan(page: SignedIn) -> Response:
    """Go to another plan, or subscribe to the present one."""
    form = await page.read_form()
    page.need(Permission.MANAGE_PLAN)
    page.need_fresh(_PATH)
    await page.runtime.database.commit(page.session)
    try:
        body = form.parse(PlanChoice, {"plan": form.get("plan")})
        url = await choose_plan(page.runtime, page.tenant, body.plan, page.staff.id)
    except ProblemError as problem:
        return await _render(page, form, problem)
    return see_other(_PATH) if url is None else _leave(page, url)


@router.post("/portal")
async def open_portal(page: SignedIn) -> Response:
    """On to the provider's page with invoices and means of payment."""
    form = await page.read_form()
    page.need(Permission.MANAGE_PLAN)
    page.need_fresh(_PATH)
    await page.runtime.database.commit(page.session)
    try:
        url = await checkout.open_portal(page.runtime, page.tenant, page.locale)
    except ProblemError as problem:
        return await _render(page, form, problem)
    return _leave(page, url)


def _leave(page: StaffPage, url: str) -> Response:
    """Over a page of ours: browsers hold the redirect that answers a form to ``form-action`` (CSP 3, 6.4.1)."""
    return page.render("plan_leaving.html", url=url, host=urlsplit(url).hostname)


@router.get("/statements/{statement_id}/lines.csv")
async def download_lines(page: SignedIn, statement_id: UUID) -> Response:
    """The lines of a statement as a file."""
    page.need(Permission.MANAGE_PLAN)
    await page.runtime.database.commit(page.session)
    async with page.runtime.database.platform() as platform:
        content = await statement_csv(platform, statement_id, tenant_id=page.tenant.id)
    return csv_response(content, f"fees-{statement_id}.csv")
