"""The mails about packages, to the client: it is paid for, and it is about to run out."""

from pathlib import Path
from typing import Any
from uuid import UUID

from billing.packages.models import PurchaseStatus
from billing.packages.services.purchases import balances_of, get_purchase
from notifications.formats import describe
from notifications.recipients import Recipient
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, announce, register_composer
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

BOUGHT = "package_bought"
EXPIRING = "package_expiring"

PURCHASE_PATH = "/packages/mine/{id}"
"""Where a client sees a package of theirs."""


async def _values(session: TenantSession, runtime: Runtime, notice: Notice) -> dict[str, Any] | None:
    try:
        purchase = await get_purchase(session, notice.subject_id)
    except NotFoundError:
        return None
    if purchase.status != PurchaseStatus.ACTIVE:
        return None
    balance = (await balances_of(session, [purchase.id])).get(purchase.id)
    zone, locale = notice.reader.timezone, notice.reader.locale
    slug = session.tenant.slug
    price = Money(purchase.price_minor, purchase.currency)
    return {
        "package": purchase.name,
        "sessions": purchase.sessions,
        "left": balance.available if balance else 0,
        "price": price.format(locale) if price.amount else None,
        "expires_on": describe(purchase.expires_at, zone, locale).day if purchase.expires_at else None,
        "has_run_out": purchase.expires_at is not None and purchase.expires_at <= clock.now(),
        "package_url": runtime.settings.practice_url(slug, PURCHASE_PATH.format(id=purchase.id)),
        "booking_url": runtime.settings.practice_url(slug),
    }


async def compose_bought(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """Its sessions are there."""
    values = await _values(session, runtime, notice)
    return ComposedMail(values) if values is not None else None


async def compose_expiring(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """Some sessions are left, and it runs out soon; nothing is sent if none is left, or it has run out."""
    values = await _values(session, runtime, notice)
    if values is None or not values["left"] or values["has_run_out"]:
        return None
    return ComposedMail(values)


def register_package_mails() -> None:
    """Register composers and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(BOUGHT, compose_bought)
    register_composer(EXPIRING, compose_expiring)


async def on_package_bought(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``package.bought``."""
    await _announce(context, BOUGHT, UUID(payload["purchase_id"]))


async def on_package_expiring(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``package.expiring``."""
    await _announce(context, EXPIRING, UUID(payload["purchase_id"]))


async def _announce(context: TenantEventContext, kind: str, purchase_id: UUID) -> None:
    async with context.runtime.database.tenant(context.tenant) as session:
        purchase = await get_purchase(session, purchase_id)
        recipients = [Recipient.client(purchase.client_id)]
        await announce(session, kind, subject_id=purchase.id, version=0, recipients=recipients)
