"""What operators do with plans, subscriptions and statements, with a line in their audit trail each."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from billing.platform_fees import statements
from billing.platform_fees.checkout import start_checkout
from billing.platform_fees.models import FeeStatement
from tenants.plans import service as plans
from tenants.plans.models import Plan
from tenants.registry.service import get_tenant, load_context
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession, give_connection_back
from todoenbalance.kit.outbox.tasks import EventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.operators.models import AuditEntry
from todoenbalance.operators.service import record


async def create_plan(
    session: PlatformSession, operator_id: UUID, values: dict[str, Any], request_id: str | None
) -> Plan:
    """A new plan. Raises as ``tenants.plans.service.create_plan`` does."""
    plan = await plans.create_plan(session, values)
    record(session, operator_id, "plan.created", request_id=request_id, code=plan.code)
    return plan


async def change_plan(
    session: PlatformSession, operator_id: UUID, code: str, changes: dict[str, Any], request_id: str | None
) -> Plan:
    """Change a plan. Raises as ``tenants.plans.service.change_plan`` does."""
    plan = await plans.change_plan(session, code, changes)
    record(session, operator_id, "plan.changed", request_id=request_id, code=code, **changes)
    return plan


async def begin_checkout(
    session: PlatformSession,
    runtime: Runtime,
    operator_id: UUID,
    tenant_id: UUID,
    plan_code: str,
    request_id: str | None,
) -> str:
    """An address to send to a practice's owner, who subscribes there. Raises as ``start_checkout`` does."""
    tenant = await load_context(session, await get_tenant(session, tenant_id))
    await give_connection_back(session)
    url = await start_checkout(runtime, tenant, plan_code, by_kind="operator", by_id=operator_id)
    record(session, operator_id, "subscription.checkout_begun", tenant_id, request_id=request_id, plan=plan_code)
    return url


async def settle_statement(
    session: PlatformSession, operator_id: UUID, statement_id: UUID, note: str, request_id: str | None
) -> FeeStatement:
    """It was invoiced elsewhere, or is waived. Raises ``NotFoundError``, ``StatementStateError``."""
    done = await statements.settle_by_hand(session, statement_id, note)
    detail = {"statement_id": str(done.id), "amount_minor": done.amount_minor, "currency": done.currency, "note": note}
    record(session, operator_id, "fee_statement.settled", done.tenant_id, request_id=request_id, **detail)
    return done


async def invoice_statement(
    session: PlatformSession, operator_id: UUID, statement_id: UUID, request_id: str | None
) -> FeeStatement:
    """Have it put on the practice's next invoice. Raises ``NotFoundError``, ``StatementStateError``."""
    asked = await statements.ask_to_invoice(session, statement_id)
    detail = {"statement_id": str(asked.id)}
    record(session, operator_id, "fee_statement.invoice_asked", asked.tenant_id, request_id=request_id, **detail)
    return asked


def first_day(month: str | None) -> date | None:
    """Of ``2026-11``."""
    return date.fromisoformat(f"{month}-01") if month is not None else None


async def on_plan_changed(context: EventContext, payload: dict[str, Any]) -> None:
    """``plan.changed``: a line for what an owner or a subscription did; one however often it is told."""
    line = insert(AuditEntry).values(
        id=context.event_id,
        operator_id=None,
        action="tenant.plan_changed",
        tenant_id=UUID(payload["tenant_id"]),
        detail={name: payload[name] for name in ("from", "to", "by_kind", "by_id")},
        created_at=clock.now(),
    )
    async with context.runtime.database.platform() as session:
        await session.execute(line.on_conflict_do_nothing(index_elements=[AuditEntry.id]))
