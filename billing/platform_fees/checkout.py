"""Subscribing: a wish is written down, the provider makes a page for it, the owner goes there.

What came of it is learnt by reading the subscription, never from the owner's coming back. A practice has one open wish
at most: the same plan leads to the same page, another one makes the former page useless first, so that nobody
subscribes twice.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from billing.platform_fees.adapters import platform_billing, told_to_people
from billing.platform_fees.checkout_repository import CheckoutRepository
from billing.platform_fees.errors import AlreadySubscribedError, NothingToPayError
from billing.platform_fees.models import CheckoutStatus, SubscriptionCheckout
from billing.platform_fees.port import CheckoutOrder, HostedPage, NewCustomer, PlatformBilling
from billing.platform_fees.prices import digest_of, ensure_price
from billing.platform_fees.subscriptions import refresh_subscription
from billing.providers.port import OutcomeUnknownError, ProviderError
from tenants.plans.models import LIVE
from tenants.plans.repository import PlanRepository
from tenants.plans.service import get_offered_plan
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

PLAN_PATH = "/admin/plan"
PAGE_LIFETIME = timedelta(hours=23)
"""A page of Stripe's lives for 24 hours at most, and so does the key that it was asked for with."""
_TOO_SHORT = timedelta(minutes=10)


async def start_checkout(
    runtime: Runtime, tenant: TenantContext, plan_code: str, *, by_kind: str, by_id: UUID | None
) -> str:
    """The address where the practice subscribes to a plan with a price; opens and closes its own transactions.

    Raises :class:`InvalidInputError` for a plan without a price or not offered, :class:`AlreadySubscribedError`,
    ``ChargingNotSetUpError``, ``ChargingRefusedError``, ``ServiceUnavailableError`` (the same again may work).
    """
    billing = platform_billing(runtime.settings)
    async with runtime.database.platform() as session:
        plan = await get_offered_plan(session, plan_code)
    if plan.price_minor is None or plan.price_currency is None:
        raise InvalidInputError(["body", "plan"], "this plan has no price", "plan_without_price")
    with told_to_people():
        customer_ref = await _ensure_customer(runtime, tenant, billing)
        price_ref = await ensure_price(runtime, plan, billing)
        await _end_others(runtime, tenant, billing, customer_ref, plan_code)
        wish = await _wish(runtime, tenant, plan_code, by_kind=by_kind, by_id=by_id)
        return await _open_page(runtime, tenant, billing, wish, customer_ref, price_ref)


async def open_portal(runtime: Runtime, tenant: TenantContext, locale: str) -> str:
    """The address of the provider's page with invoices and means of payment.

    Raises :class:`NothingToPayError`, ``ChargingNotSetUpError``, ``ChargingRefusedError``, ``ServiceUnavailableError``.
    """
    billing = platform_billing(runtime.settings)
    async with runtime.database.platform() as session:
        known = await PlanRepository(session).find_subscription(tenant.id)
    if known is None or known.customer_ref is None:
        raise NothingToPayError
    back = runtime.settings.practice_url(tenant.slug, PLAN_PATH)
    with told_to_people():
        return await billing.open_portal(known.customer_ref, return_url=back, locale=locale)


async def _ensure_customer(runtime: Runtime, tenant: TenantContext, billing: PlatformBilling) -> str:
    async with runtime.database.platform() as session:
        known = await PlanRepository(session).find_subscription(tenant.id)
        if known is not None and known.customer_ref is not None:
            return known.customer_ref
    async with runtime.database.tenant(tenant) as practice:
        email = (await get_practice_settings(practice)).contact_email
    key = f"customer:{tenant.id}:{digest_of(tenant.name, email or '', tenant.locale)}"
    customer = NewCustomer(tenant.key, tenant.name, email, tenant.locale)
    made = await billing.create_customer(customer, idempotency_key=key)
    async with runtime.database.platform() as session:
        row = await PlanRepository(session).lock_subscription(tenant.id)
        row.customer_ref = row.customer_ref or made
        return row.customer_ref


async def _end_others(
    runtime: Runtime, tenant: TenantContext, billing: PlatformBilling, customer_ref: str, plan_code: str
) -> None:
    """Make a page for another plan, or one that is nearly over, useless. Raises :class:`AlreadySubscribedError`."""
    async with runtime.database.platform() as session:
        row = await PlanRepository(session).lock_subscription(tenant.id)
        if row.status in LIVE:
            raise AlreadySubscribedError
        wish = await CheckoutRepository(session).find_open(tenant.id)
        plan = await PlanRepository(session).find(wish.plan_code) if wish is not None else None
    if wish is None or (wish.plan_code == plan_code and wish.expires_at > clock.now() + _TOO_SHORT):
        return
    ref = wish.provider_ref
    if ref is None and plan is not None and wish.expires_at > clock.now():
        # The answer to its making was lost: the same key tells which page that was.
        price_ref = await ensure_price(runtime, plan, billing)
        ref = (await _ask_page(runtime, tenant, billing, wish, customer_ref, price_ref)).ref
    is_free = await billing.end_checkout(ref) if ref is not None else True
    if not is_free:
        await refresh_subscription(runtime, tenant.id)
        raise AlreadySubscribedError
    await _note(runtime, wish.id, status=CheckoutStatus.ENDED)


async def _wish(
    runtime: Runtime, tenant: TenantContext, plan_code: str, *, by_kind: str, by_id: UUID | None
) -> SubscriptionCheckout:
    now = clock.now()
    async with runtime.database.platform() as session:
        row = await PlanRepository(session).lock_subscription(tenant.id)  # two clicks at once: the second waits here
        if row.status in LIVE:
            raise AlreadySubscribedError
        known = await CheckoutRepository(session).find_open(tenant.id)
        if known is not None:
            return known
        wish = SubscriptionCheckout(
            id=new_id(),
            tenant_id=tenant.id,
            plan_code=plan_code,
            status=CheckoutStatus.CREATED,
            requested_by_kind=by_kind,
            requested_by_id=by_id,
            expires_at=(now + PAGE_LIFETIME).replace(microsecond=0),
            created_at=now,
        )
        CheckoutRepository(session).add(wish)
        return wish


async def _open_page(
    runtime: Runtime,
    tenant: TenantContext,
    billing: PlatformBilling,
    wish: SubscriptionCheckout,
    customer_ref: str,
    price_ref: str,
) -> str:
    if wish.url is not None:
        return wish.url
    try:
        page = await _ask_page(runtime, tenant, billing, wish, customer_ref, price_ref)
    except OutcomeUnknownError:
        raise
    except ProviderError:
        await _note(runtime, wish.id, status=CheckoutStatus.ENDED)
        raise
    await _note(runtime, wish.id, status=CheckoutStatus.OPEN, provider_ref=page.ref, url=page.url)
    return page.url


async def _ask_page(
    runtime: Runtime,
    tenant: TenantContext,
    billing: PlatformBilling,
    wish: SubscriptionCheckout,
    customer_ref: str,
    price_ref: str,
) -> HostedPage:
    back = runtime.settings.practice_url(tenant.slug, PLAN_PATH)
    order = CheckoutOrder(
        customer_ref=customer_ref,
        price_ref=price_ref,
        plan_code=wish.plan_code,
        tenant_key=tenant.key,
        return_url=f"{back}?from=checkout",
        cancel_url=back,
        locale=tenant.locale,
        expires_at=wish.expires_at,
    )
    return await billing.start_checkout(order, idempotency_key=f"subscribe:{wish.id}")


async def _note(runtime: Runtime, checkout_id: UUID, **values: Any) -> None:
    """Write down what became of a wish, unless it was taken meanwhile."""
    async with runtime.database.platform() as session:
        wish = await CheckoutRepository(session).find(checkout_id)
        if wish is not None and wish.status in (CheckoutStatus.CREATED, CheckoutStatus.OPEN):
            for name, value in values.items():
                setattr(wish, name, value)
