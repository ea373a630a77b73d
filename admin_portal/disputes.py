"""Disputes, for staff: ``/admin/disputes``."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from admin_portal.payments import PaymentViewer
from billing.disputes import service as disputes
from billing.disputes.models import Dispute
from todoenbalance.kit.errors import ForbiddenError
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.web.dependencies import TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/disputes", tags=["staff: payments"], responses=responses(ForbiddenError))


class DisputeRead(BaseModel):
    """A client's bank or PayPal asks the practice for a payment's money.

    It is answered at the provider until `evidence_due_by`. `is_withdrawn`: the money has been taken meanwhile; an
    inquiry takes nothing. `reason` is the provider's own word.
    """

    id: UUID
    payment_id: UUID
    provider: str
    status: Literal["needs_response", "under_review", "won", "lost"]
    reason: str
    amount: MoneySchema
    is_withdrawn: bool
    evidence_due_by: datetime | None
    opened_at: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, row: Dispute) -> "DisputeRead":
        """From our row."""
        names = ("id", "payment_id", "provider", "status", "reason", "is_withdrawn", "evidence_due_by", "opened_at")
        return cls(
            **{name: getattr(row, name) for name in names},
            closed_at=row.closed_at,
            amount=MoneySchema.of(row.amount_minor, row.currency),
        )


class DisputeList(BaseModel):
    """Disputes that are not decided, the nearest deadline first."""

    items: list[DisputeRead]


@router.get("")
async def list_disputes(_staff: PaymentViewer, session: TenantSessionDep) -> DisputeList:
    """What needs an answer or a decision, the nearest deadline first; decided ones are with their payments."""
    return DisputeList(items=[DisputeRead.of(row) for row in await disputes.list_undecided(session)])
