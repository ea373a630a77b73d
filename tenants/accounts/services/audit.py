"""The practice's audit trail: what staff did with money, accounts and settings."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

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


async def list_actions_on(session: TenantSession, subject_id: UUID, *, limit: int = 20) -> Sequence[StaffAuditEntry]:
    """What was done to one thing, newest first."""
    return await AccountRepository(session).actions_on(subject_id, limit)


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


async def record_once(
    session: TenantSession, entry_id: UUID, action: str, *, staff_id: str | None = None, **detail: Any
) -> None:
    """Add the line that has this id (an event's), unless it is there already: for handlers that may run again."""
    line = insert(StaffAuditEntry).values(
        id=entry_id,
        staff_id=UUID(staff_id) if staff_id is not None else None,
        action=action,
        detail=detail,
        created_at=clock.now(),
    )
    await session.execute(line.on_conflict_do_nothing(index_elements=[StaffAuditEntry.id]))
