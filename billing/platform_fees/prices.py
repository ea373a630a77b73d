"""A plan's price at the provider."""

import hashlib

from billing.platform_fees.port import PlatformBilling
from tenants.plans.models import Plan
from tenants.plans.repository import PlanRepository
from todoenbalance.kit.money import Money
from todoenbalance.kit.runtime import Runtime


def digest_of(*words: str) -> str:
    """For keys: what is asked again in other words is another request."""
    return hashlib.sha256("\x00".join(words).encode()).hexdigest()[:12]


async def ensure_price(runtime: Runtime, plan: Plan, billing: PlatformBilling) -> str:
    """The price of a plan at the provider, made if there is none. Between transactions; raises the port's errors."""
    if plan.stripe_price_id is not None:
        return plan.stripe_price_id
    amount = Money(int(plan.price_minor or 0), str(plan.price_currency))
    key = f"price:{plan.id}:{digest_of(plan.code, plan.name, str(amount.amount), amount.currency)}"
    made = await billing.create_price(plan.code, plan.name, amount, idempotency_key=key)
    async with runtime.database.platform() as session:
        row = await PlanRepository(session).find(plan.code, for_update=True)
        unchanged = row is not None and (row.price_minor, row.price_currency) == (amount.amount, amount.currency)
        if row is not None and row.stripe_price_id is None and unchanged:
            row.stripe_price_id = made
    return made
