"""Plans: what there are, what one says for a practice, and putting a practice on another."""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from tenants.plans.errors import PlanCodeTakenError, PlanInUseError
from tenants.plans.events import PLAN_CHANGED, SUBSCRIPTION_ALIGN
from tenants.plans.models import DEFAULT_PLAN, LIVE, Plan, Subscription
from tenants.plans.repository import PlanRepository
from tenants.registry.models import Tenant
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import is_currency
from todoenbalance.kit.outbox.publish import publish


async def list_plans(session: PlatformSession, *, with_archived: bool = False, public_only: bool = False) -> list[Plan]:
    """Plans in the order in which they are shown; ``public_only``: those that owners may choose themselves."""
    return await PlanRepository(session).list_all(with_archived=with_archived, public_only=public_only)


async def get_plan(session: PlatformSession, code: str, *, for_update: bool = False) -> Plan:
    """A plan by code. Raises :class:`NotFoundError`."""
    plan = await PlanRepository(session).find(code, for_update=for_update)
    if plan is None:
        raise NotFoundError
    return plan


async def find_plan(session: PlatformSession, code: str) -> Plan | None:
    """A plan by code, or None."""
    return await PlanRepository(session).find(code)


async def get_offered_plan(session: PlatformSession, code: str) -> Plan:
    """A plan that a practice may be put on. Raises :class:`InvalidInputError` for one that is not, or no more."""
    plan = await PlanRepository(session).find(code)
    if plan is None or plan.archived:
        raise InvalidInputError(["body", "plan"], "there is no such plan", "plan_unknown")
    return plan


async def create_plan(session: PlatformSession, values: dict[str, Any]) -> Plan:
    """A new plan. Raises :class:`PlanCodeTakenError`, :class:`InvalidInputError`."""
    now = clock.now()
    plan = Plan(id=new_id(), created_at=now, updated_at=now, **values)
    _check(plan)
    try:
        async with session.begin_nested():
            PlanRepository(session).add(plan)
    except IntegrityError as taken:
        raise PlanCodeTakenError(code=plan.code) from taken
    return plan


async def change_plan(session: PlatformSession, code: str, changes: dict[str, Any]) -> Plan:
    """Change what a plan says, for all that are on it from the next payment on.

    With another price the one at Stripe goes, unless another is named: who pays the old one goes on paying it until
    operators align them. Raises :class:`NotFoundError`, :class:`InvalidInputError`, :class:`PlanInUseError`.
    """
    plan = await get_plan(session, code, for_update=True)
    before = (plan.price_minor, plan.price_currency)
    with session.no_autoflush:
        for name, value in changes.items():
            setattr(plan, name, value)
        if before != (plan.price_minor, plan.price_currency) and "stripe_price_id" not in changes:
            plan.stripe_price_id = None
        _check(plan)
    if plan.code == DEFAULT_PLAN and (plan.archived or plan.price_minor is not None):
        raise PlanInUseError(code=plan.code)
    plan.updated_at = clock.now()
    try:
        async with session.begin_nested():
            await PlanRepository(session).flush()
    except IntegrityError as taken:
        raise InvalidInputError(["body", "stripe_price_id"], "another plan has this price", "price_taken") from taken
    return plan


def _check(plan: Plan) -> None:
    for amount, currency, name in (
        (plan.price_minor, plan.price_currency, "price"),
        (plan.fee_fixed_minor or None, plan.fee_fixed_currency, "fee_fixed"),
    ):
        if amount is not None and (currency is None or not is_currency(currency)):
            raise InvalidInputError(["body", name], "not an ISO 4217 currency code", "currency_unknown")
    if plan.stripe_price_id is not None and plan.price_minor is None:
        raise InvalidInputError(["body", "stripe_price_id"], "a plan without a price", "price_missing")


async def find_terms(session: PlatformSession, tenant: Tenant) -> dict[str, Any]:
    """What a practice's context carries of its plan and of how it stands; nothing for a plan that is not known."""
    plan, subscription = await PlanRepository(session).find_terms(tenant.id)
    terms: dict[str, Any] = {}
    if plan is not None:
        terms |= {
            "fee_basis_points": plan.fee_basis_points,
            "fee_fixed_minor": plan.fee_fixed_minor if plan.fee_fixed_currency == tenant.currency else 0,
            "withheld": frozenset(plan.withheld),
            "practitioner_limit": plan.practitioner_limit,
        }
    if subscription is not None:
        terms |= {"past_due_since": subscription.past_due_since, "restricted_from": subscription.grace_until}
    return terms


async def assign_plan(
    session: PlatformSession,
    tenant: Tenant,
    code: str,
    *,
    by_kind: str,
    by_id: UUID | None,
    is_agreed: bool = False,
) -> bool:
    """Put a practice, whose row is locked, on another plan; answers whether it was on another.

    Its terms count at once. Where there is a subscription the queue makes it charge for the new plan, or end with
    its period if that has no price. Both audit trails are told. ``is_agreed``: it was subscribed to, so it
    counts even if it is offered no more. Raises :class:`InvalidInputError` for a plan that is not offered.
    """
    if code == tenant.plan:
        return False
    if not is_agreed:
        await get_offered_plan(session, code)
    before, tenant.plan = tenant.plan, code
    detail = {"from": before, "to": code, "by_kind": by_kind, "by_id": str(by_id) if by_id is not None else None}
    await publish(session, PLAN_CHANGED, detail, tenant_key=tenant.key)
    if by_kind != "operator":  # operators' own acts are written down where they are done
        await publish(session, PLAN_CHANGED, {**detail, "tenant_id": str(tenant.id)})
    subscription = await PlanRepository(session).find_subscription(tenant.id)
    # One that has ended is read anew, too: what was owed for the former plan may be owed no more.
    is_concerned = subscription is not None and (subscription.status in LIVE or subscription.past_due_since is not None)
    if is_concerned and not is_agreed:
        await publish(session, SUBSCRIPTION_ALIGN, {"tenant_id": str(tenant.id)})
    return True


async def find_subscription(session: PlatformSession, tenant_id: UUID) -> Subscription | None:
    """How a practice stands with the platform, or None if it never had to do with its charging."""
    return await PlanRepository(session).find_subscription(tenant_id)
