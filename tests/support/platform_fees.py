"""Practices that subscribe, owe and pay, for tests of the platform's own charging."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from billing.platform_fees.checkout import start_checkout
from billing.platform_fees.models import PlatformEvent, UsageEntry, UsageMonth
from billing.platform_fees.platform_events import receive_platform_webhook
from billing.platform_fees.subscriptions import refresh_subscription
from tenants.plans.models import Subscription, SubscriptionStatus
from tenants.plans.service import create_plan
from tenants.registry.models import Tenant
from tenants.registry.service import TenantDirectory
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings, StripeSettings
from todoenbalance.kit.tenancy import TenantContext

WEBHOOK_SECRET = "whsec_of_the_platform"


def charging(settings: Settings, account: StripeSettings) -> Settings:
    """The same settings with the platform's account at Stripe."""
    return settings.model_copy(update={"providers": settings.providers.model_copy(update={"stripe": account})})


async def make_plan(runtime: Runtime, **values: Any) -> str:
    """A plan of the test's own; its code."""
    code = f"plan-{secrets.token_hex(5)}"
    async with runtime.database.platform() as session:
        await create_plan(session, {"code": code, "name": code.title(), "is_public": True} | values)
    return code


async def put_on_plan(runtime: Runtime, practice: TenantContext, code: str) -> TenantContext:
    """Change the plan behind everybody's back; the practice's context with what it says."""
    async with runtime.database.platform() as session:
        await session.execute(update(Tenant).where(Tenant.id == practice.id).values(plan=code))
    return await served(runtime, practice)


async def served(runtime: Runtime, practice: TenantContext) -> TenantContext:
    """The practice as a request would find it now."""
    return await TenantDirectory(runtime.database, runtime.settings).get_by_key(practice.key)


async def owe(runtime: Runtime, practice: TenantContext, since: datetime, restricted_from: datetime) -> TenantContext:
    """Make the practice owe money since then, without a provider; its context."""
    async with runtime.database.platform() as session:
        session.add(
            Subscription(
                tenant_id=practice.id,
                status=SubscriptionStatus.PAST_DUE,
                past_due_since=since,
                grace_until=restricted_from,
            )
        )
    return await served(runtime, practice)


async def subscription_of(runtime: Runtime, practice: TenantContext) -> Subscription:
    """Its row."""
    async with runtime.database.platform() as session:
        return (await session.scalars(select(Subscription).where(Subscription.tenant_id == practice.id))).one()


async def plan_of(runtime: Runtime, practice: TenantContext) -> str:
    """The code of the plan it is on."""
    async with runtime.database.platform() as session:
        return (await session.scalars(select(Tenant.plan).where(Tenant.id == practice.id))).one()


async def subscribe(runtime: Runtime, stripe: StripeServer, practice: TenantContext, plan: str) -> str:
    """The owner subscribes and the platform hears of it; the subscription's id at Stripe."""
    await start_checkout(runtime, practice, plan, by_kind="staff", by_id=new_id())
    stripe.pay(stripe.objects("checkout.session")[-1]["id"])
    await refresh_subscription(runtime, practice.id)
    return str((await subscription_of(runtime, practice)).subscription_ref)


async def tell(runtime: Runtime, stripe: StripeServer, event_type: str, thing: Any, **options: Any) -> bool:
    """Stripe's webhook about an object as it is; whether it was new."""
    body, headers = stripe.webhook(event_type, thing, **({"secret": WEBHOOK_SECRET} | options))
    return await receive_platform_webhook(runtime, {name.lower(): value for name, value in headers.items()}, body)


async def stored_events(runtime: Runtime, customer_ref: str) -> list[str]:
    """The states of the platform's inbox about a customer, oldest first."""
    async with runtime.database.platform() as session:
        mine = select(PlatformEvent.status).where(PlatformEvent.customer_ref == customer_ref)
        return list((await session.scalars(mine.order_by(PlatformEvent.id))).all())


async def usage_of(runtime: Runtime, practice: TenantContext) -> list[UsageMonth]:
    """Its months, oldest first."""
    async with runtime.database.platform() as session:
        mine = select(UsageMonth).where(UsageMonth.tenant_id == practice.id)
        return list((await session.scalars(mine.order_by(UsageMonth.month, UsageMonth.currency))).all())


async def count_entries(runtime: Runtime, practice: TenantContext) -> int:
    """How many facts were written down."""
    async with runtime.database.platform() as session:
        statement = select(func.count()).select_from(UsageEntry).where(UsageEntry.tenant_id == practice.id)
        return (await session.execute(statement)).scalar_one()
