"""How a practice stands with the platform: read from the provider, copied to our row, consequences drawn.

An event, the owner's coming back, a daily look and an operator's button all end in :func:`refresh_subscription`, which
may run twice, late, or in any order. Readings are numbered when they begin: one that was overtaken by a later one is
thrown away, so the last change is always seen by the reading that its own event caused, and stays.
"""

from datetime import timedelta
from uuid import UUID

from billing.platform_fees.adapters import platform_billing
from billing.platform_fees.checkout_repository import CheckoutRepository
from billing.platform_fees.dunning import begin_dunning, end_dunning
from billing.platform_fees.events import SUBSCRIPTION_CHECK
from billing.platform_fees.models import CheckoutStatus
from billing.platform_fees.port import PlatformBilling, SubscriptionSnapshot
from billing.platform_fees.prices import ensure_price
from tenants.plans.models import LIVE, Plan, Subscription, SubscriptionStatus
from tenants.plans.repository import PlanRepository
from tenants.plans.service import assign_plan, find_plan
from tenants.registry.service import get_tenant
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime

CHECK_EVERY = timedelta(days=1)
_OWING = frozenset({SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID})
_log = get_logger("billing.platform_fees")


async def refresh_subscription(runtime: Runtime, tenant_id: UUID) -> None:
    """Read a practice's subscription and apply what is true now; nothing for one that never was a customer.

    Between two transactions of its own. Raises ``ChargingNotSetUpError`` and the port's errors.
    """
    billing = platform_billing(runtime.settings)
    async with runtime.database.platform() as session:
        row = await PlanRepository(session).lock_subscription(tenant_id)
        row.reads_begun += 1
        number, customer_ref = row.reads_begun, row.customer_ref
    if customer_ref is None:
        return
    found = choose(await billing.list_subscriptions(customer_ref), tenant_id)
    async with runtime.database.platform() as session:
        await apply_reading(session, runtime, tenant_id, number, found)


def choose(found: list[SubscriptionSnapshot], tenant_id: UUID) -> SubscriptionSnapshot | None:
    """The one that counts, of all newest first: the newest that goes on, else the one that ended last."""
    live = [one for one in found if one.status in LIVE]
    if len(live) > 1:
        _log.error("two_subscriptions", tenant_id=str(tenant_id), refs=[one.ref for one in live])
    return next(iter(live or found), None)


async def apply_reading(
    session: PlatformSession, runtime: Runtime, tenant_id: UUID, number: int, found: SubscriptionSnapshot | None
) -> bool:
    """Copy a reading and draw its consequences; False if a later one was applied before.

    The practice's row is locked before its subscription's, as everywhere.
    """
    tenant = await get_tenant(session, tenant_id, for_update=True)
    row = await PlanRepository(session).lock_subscription(tenant_id)
    if number <= row.read_applied:
        return False
    row.read_applied, row.updated_at = number, clock.now()
    if found is None:
        return True
    charged_before = row.plan_code
    _copy(row, found)
    if row.status in LIVE:
        await _complete_checkout(session, tenant_id)
        if row.plan_code is not None and row.plan_code != charged_before:
            await assign_plan(session, tenant, row.plan_code, by_kind="subscription", by_id=None, is_agreed=True)
    plan = await find_plan(session, tenant.plan)
    if _owes(row, plan):
        await begin_dunning(session, runtime.settings, tenant.key, row)
    else:
        await end_dunning(session, tenant.key, row)
    await _check_again(session, row)
    return True


def _copy(row: Subscription, found: SubscriptionSnapshot) -> None:
    row.status = found.status
    row.subscription_ref, row.item_ref = found.ref, found.item_ref
    # What has ended charges for nothing: subscribing to the same plan once more is a change again.
    row.plan_code = found.plan_code if found.status in LIVE else None
    row.current_period_start, row.current_period_end = found.period_start, found.period_end
    row.cancel_at = found.cancel_at


def _owes(row: Subscription, plan: Plan | None) -> bool:
    """Whether money is owed: by the provider's word, or for a plan with a price whose subscription has ended."""
    has_ended = row.status == SubscriptionStatus.CANCELED and plan is not None and plan.price_minor is not None
    return row.status in _OWING or has_ended


async def _complete_checkout(session: PlatformSession, tenant_id: UUID) -> None:
    wish = await CheckoutRepository(session).find_open(tenant_id)
    if wish is not None:
        wish.status = CheckoutStatus.COMPLETED


async def _check_again(session: PlatformSession, row: Subscription) -> None:
    """An event of the provider's may be lost, so what goes on is looked at daily; one row of the queue counts."""
    if row.status not in LIVE:
        row.next_check_at = None
        return
    row.next_check_at = clock.now() + CHECK_EVERY
    due = row.next_check_at
    await publish(session, SUBSCRIPTION_CHECK, {"tenant_id": str(row.tenant_id), "due": due.isoformat()}, run_at=due)


async def align_subscription(runtime: Runtime, tenant_id: UUID, *, idempotency_key: str) -> None:
    """Have the subscription charge for the plan that the practice is on; it ends with its period if that has no price.

    What is to be done is decided by what the provider says now, so repeating it changes nothing more. Raises
    ``ChargingNotSetUpError`` and the port's errors.
    """
    billing = platform_billing(runtime.settings)
    async with runtime.database.platform() as session:
        tenant = await get_tenant(session, tenant_id)
        plan = await find_plan(session, tenant.plan)
        row = await PlanRepository(session).find_subscription(tenant_id)
    if row is None or row.customer_ref is None or plan is None:
        return
    current = choose(await billing.list_subscriptions(row.customer_ref), tenant_id)
    if current is not None and current.status in LIVE:
        await _align(runtime, billing, current, plan, idempotency_key)
    await refresh_subscription(runtime, tenant_id)


async def _align(
    runtime: Runtime, billing: PlatformBilling, current: SubscriptionSnapshot, plan: Plan, idempotency_key: str
) -> None:
    if plan.price_minor is None:
        if current.cancel_at is None:
            await billing.end_with_period(current.ref, idempotency_key=idempotency_key)
    elif current.plan_code != plan.code or current.cancel_at is not None:
        price_ref = await ensure_price(runtime, plan, billing)
        await billing.change_price(current, price_ref, plan.code, idempotency_key=idempotency_key)
