"""The mails to a practice's owners about what it owes the platform."""

from datetime import datetime
from pathlib import Path
from typing import Any

from billing.platform_fees.checkout import PLAN_PATH
from billing.platform_fees.dunning import find_last_step
from notifications.formats import describe
from notifications.recipients import Recipient
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, announce, register_composer
from tenants.accounts.services.staff_accounts import list_owners
from tenants.plans.capabilities import is_restricted
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

PLAN_PAYMENT_DUE = "plan_payment_due"
PLAN_RESTRICTED = "plan_restricted"
PLAN_RESTORED = "plan_restored"


def _values(session: TenantSession, runtime: Runtime) -> dict[str, Any]:
    return {"plan_url": runtime.settings.practice_url(session.tenant.slug, PLAN_PATH)}


async def compose_due(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """Within the days of grace: what is owed, and what waits from when on."""
    tenant = session.tenant
    if tenant.restricted_from is None or is_restricted(tenant):
        return None
    until = describe(tenant.restricted_from, notice.reader.timezone, notice.reader.locale).day
    return ComposedMail(_values(session, runtime) | {"until": until})


async def compose_restricted(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """After them: what does not work now, and what goes on."""
    del notice
    return ComposedMail(_values(session, runtime)) if is_restricted(session.tenant) else None


async def compose_restored(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """It is paid, everything works."""
    del notice
    return None if session.tenant.is_past_due else ComposedMail(_values(session, runtime))


async def on_dunning_step(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``subscription.dunning``: write to the owners, unless that debt is paid.

    Steps that come late (the queue was down) and together say the same, so they are one mail: the one of the last step
    that is due.
    """
    tenant = context.tenant
    since = datetime.fromisoformat(payload["since"])
    if tenant.past_due_since != since:
        return
    step = find_last_step(context.runtime.settings, since, payload["step"])
    kind = PLAN_RESTRICTED if is_restricted(tenant) else PLAN_PAYMENT_DUE
    await _tell_owners(context, kind, f"{payload['since']}:{step}")


async def on_restored(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``subscription.restored``: write to the owners."""
    await _tell_owners(context, PLAN_RESTORED, str(payload["since"]))


async def _tell_owners(context: TenantEventContext, kind: str, version: str) -> None:
    async with context.runtime.database.tenant(context.tenant) as session:
        owners = [Recipient.staff(owner.id) for owner in await list_owners(session)]
        await announce(session, kind, subject_id=context.tenant.id, version=version, recipients=owners)


def register_plan_mails() -> None:
    """Register composers and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(PLAN_PAYMENT_DUE, compose_due)
    register_composer(PLAN_RESTRICTED, compose_restricted)
    register_composer(PLAN_RESTORED, compose_restored)
