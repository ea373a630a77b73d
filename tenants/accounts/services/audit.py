"""The practice's audit trail: what staff did with money, accounts and settings."""

from typing import Any
from uuid import UUID

from tenants.accounts.models import StaffAuditEntry
from tenants.accounts.repository import AccountRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id


async def list_staff_actions(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[StaffAuditEntry], str | None]:
    """A page of the audit trail, newest first."""
    return await AccountRepository(session).page_of_actions(limit=limit, cursor=cursor)


def describe_change(changes: dict[str, Any]) -> dict[str, Any]:
    """What the audit trail says of a change to a colleague: which fields, and what power they have now. No names."""
    power = {name: value for name, value in changes.items() if name in ("role", "is_active")}
    return {"fields": sorted(changes), **power}


def record_staff_action(
    session: TenantSession,
    staff_id: UUID | None,
    action: str,
    subject_id: UUID | None = None,
    *,
    request_id: str | None = None,
    **detail: Any,
) -> None:
    """Add a line to the practice's audit trail, in the transaction of what it records."""
    AccountRepository(session).add(
        StaffAuditEntry(
            id=new_id(),
            staff_id=staff_id,
            action=action,
            subject_id=subject_id,
            detail=detail,
            request_id=request_id,
            created_at=clock.now(),
        )
    )
