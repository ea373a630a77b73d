"""How a practice stands, as its owner and operators see it; and the owner's choice of another plan."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.platform_fees.adapters import is_charging_set_up
from billing.platform_fees.checkout import start_checkout
from billing.platform_fees.models import FeeStatement, UsageMonth
from billing.platform_fees.usage import month_of
from billing.platform_fees.usage_repository import UsageRepository
from tenants.plans.capabilities import Capability, is_restricted, may_use
from tenants.plans.models import LIVE, Plan, SubscriptionStatus
from tenants.plans.repository import PlanRepository
from tenants.plans.service import assign_plan, list_plans
from tenants.registry.service import get_tenant, load_context
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.money import Money
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_STATEMENTS = 24


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """When the next one comes and what is on it as far as is known: the price, and fees that have accrued so far."""

    at: datetime
    price: Money
    accrued: Money


@dataclass(frozen=True, slots=True)
class Standing:
    """A practice's plan, subscription, use of this month and statements. ``plan`` is None for a code of no plan."""

    plan_code: str
    plan: Plan | None
    choices: list[Plan]
    is_charging_set_up: bool
    status: str
    charged_plan: str | None
    has_customer: bool
    current_period_end: datetime | None
    cancel_at: datetime | None
    past_due_since: datetime | None
    restricted_from: datetime | None
    is_restricted: bool
    withheld_now: list[Capability]
    usage: list[UsageMonth]
    next_invoice: NextInvoice | None
    statements: list[FeeStatement]

    @property
    def is_subscribed(self) -> bool:
        """Whether there is a subscription that goes on."""
        return self.status in LIVE


async def read_standing(session: PlatformSession, runtime: Runtime, tenant_id: UUID) -> Standing:
    """As of now, from our own tables. Raises :class:`NotFoundError`."""
    tenant = await get_tenant(session, tenant_id)
    context = await load_context(session, tenant)
    plan, row = await PlanRepository(session).find_terms(tenant_id)
    usage = UsageRepository(session)
    now = clock.now()
    statements, _ = await usage.page_of_statements(
        tenant_id=tenant_id, status=None, month=None, limit=_STATEMENTS, cursor=None
    )
    choices = [one for one in await list_plans(session, public_only=True) if one.code != tenant.plan]
    return Standing(
        plan_code=tenant.plan,
        plan=plan,
        choices=choices,
        is_charging_set_up=is_charging_set_up(runtime.settings),
        status=row.status if row is not None else SubscriptionStatus.NONE,
        charged_plan=row.plan_code if row is not None else None,
        has_customer=row is not None and row.customer_ref is not None,
        current_period_end=row.current_period_end if row is not None else None,
        cancel_at=row.cancel_at if row is not None else None,
        past_due_since=context.past_due_since,
        restricted_from=context.restricted_from,
        is_restricted=is_restricted(context),
        withheld_now=[one for one in Capability if not may_use(context, one)],
        usage=await usage.months_of(tenant_id, month_of(now, tenant.timezone)),
        next_invoice=await _next_invoice(session, usage, tenant_id),
        statements=statements,
    )


async def _next_invoice(session: PlatformSession, usage: UsageRepository, tenant_id: UUID) -> NextInvoice | None:
    plans = PlanRepository(session)
    row = await plans.find_subscription(tenant_id)
    if row is None or row.status not in LIVE or row.cancel_at is not None or row.current_period_end is None:
        return None
    plan = await plans.find(row.plan_code or "")
    if plan is None or plan.price_minor is None or plan.price_currency is None:
        return None
    accrued = await usage.uninvoiced_minor(tenant_id, plan.price_currency)
    return NextInvoice(
        row.current_period_end, Money(plan.price_minor, plan.price_currency), Money(accrued, plan.price_currency)
    )


async def choose_plan(runtime: Runtime, tenant: TenantContext, code: str, staff_id: UUID) -> str | None:
    """The owner's wish for a plan, or to subscribe to the one they are on: done at once, or an address to go to.

    A plan with a price needs a subscription: without one the answer is where to subscribe, and the plan changes once
    that is done. Owners choose among the public plans; operators put a practice on any. Opens its own transactions.
    Raises :class:`InvalidInputError`, and as ``start_checkout`` does.
    """
    async with runtime.database.platform() as session:
        row = await get_tenant(session, tenant.id, for_update=True)
        plans = PlanRepository(session)
        plan = await plans.find(code)
        subscription = await plans.find_subscription(tenant.id)
        is_offered = plan is not None and not plan.archived and (plan.is_public or plan.code == row.plan)
        if plan is None or not is_offered:
            raise InvalidInputError(["body", "plan"], "there is no such plan", "plan_unknown")
        is_subscribed = subscription is not None and subscription.status in LIVE
        if plan.price_minor is None or is_subscribed:
            await assign_plan(session, row, code, by_kind="staff", by_id=staff_id)
            return None
    return await start_checkout(runtime, tenant, code, by_kind="staff", by_id=staff_id)
