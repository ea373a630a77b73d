"""Money that arrived, and audit lines, for tests of terms."""

from uuid import UUID

from sqlalchemy import select

from billing.payments.models import Payment
from tenants.accounts.models import StaffAuditEntry
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def add_payment(
    session: TenantSession,
    appointment_id: UUID,
    client_id: UUID,
    captured_minor: int,
    *,
    refunded_minor: int = 0,
    pending_minor: int = 0,
    status: str = "succeeded",
) -> Payment:
    """Money that was received for an appointment, a part of which went back (or is on its way)."""
    payment = Payment(
        id=new_id(),
        payable_kind="appointment",
        payable_id=appointment_id,
        client_id=client_id,
        method="sandbox",
        status=status,
        currency="EUR",
        amount_minor=captured_minor,
        captured_minor=captured_minor,
        refunded_minor=refunded_minor,
        refund_pending_minor=pending_minor,
        return_url="http://x",
        cancel_url="http://x",
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    session.add(payment)
    await session.flush()  # as settling does, before anything depends on it
    return payment


async def audit_of(runtime: Runtime, practice: TenantContext) -> list[tuple[str, dict[str, object]]]:
    """Actions and details of the practice's audit trail, oldest first."""
    async with runtime.database.tenant(practice) as session:
        rows = await session.scalars(select(StaffAuditEntry).order_by(StaffAuditEntry.id))
        return [(row.action, row.detail) for row in rows]
