"""Whether the books agree with the providers', for staff: ``/admin/reconciliation``."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from admin_portal.payments import PaymentViewer
from billing.reconciliation import service
from todoenbalance.kit.errors import ForbiddenError
from todoenbalance.kit.web.dependencies import TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/reconciliation", tags=["staff: payments"], responses=responses(ForbiddenError))


class RunRead(BaseModel):
    """One comparison with the providers. `unreadable`: payments of which the provider said nothing."""

    model_config = ConfigDict(from_attributes=True)

    started_at: datetime
    finished_at: datetime | None
    checked: int
    mended: int
    unreadable: int
    disagreeing: int


class DisagreementRead(BaseModel):
    """In what a payment is told differently. `detail`: both sides, amounts in minor units of its currency."""

    model_config = ConfigDict(from_attributes=True)

    payment_id: UUID
    kind: str
    detail: dict[str, Any]
    first_seen_at: datetime
    last_seen_at: datetime


class BooksRead(BaseModel):
    """How the books stand. `disagreeing`: payments that we and a provider tell differently at present."""

    last_run: RunRead | None
    disagreeing: int
    items: list[DisagreementRead]


@router.get("")
async def read_books(_staff: PaymentViewer, session: TenantSessionDep) -> BooksRead:
    """How the last daily comparison with the providers went, and which payments disagree."""
    state = await service.read_state(session)
    return BooksRead(
        last_run=RunRead.model_validate(state.last) if state.last is not None else None,
        disagreeing=state.disagreeing,
        items=[DisagreementRead.model_validate(one) for one in state.open],
    )
