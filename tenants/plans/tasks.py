"""What the queue does about changes of plans."""

from typing import Any

from tenants.accounts.services.audit import record_once
from todoenbalance.kit.outbox.tasks import TenantEventContext

PLAN_CHANGED_ACTION = "plan.changed"


async def on_plan_changed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``plan.changed``: a line in the practice's own audit trail, whoever changed it; one however often it is told."""
    by_kind, by_id = payload["by_kind"], payload["by_id"]
    async with context.runtime.database.tenant(context.tenant) as session:
        await record_once(
            session,
            context.event_id,
            PLAN_CHANGED_ACTION,
            staff_id=by_id if by_kind == "staff" else None,
            **{"from": payload["from"], "to": payload["to"], "by": by_kind},
        )
