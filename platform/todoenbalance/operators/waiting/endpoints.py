"""What waits for operators, in their API: ``/waiting``."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError
from todoenbalance.kit.web.dependencies import ContextDep, PlatformSessionDep
from todoenbalance.kit.web.problems import responses
from todoenbalance.operators.auth import CurrentOperator, FreshOperatorSignIn
from todoenbalance.operators.waiting import service
from todoenbalance.operators.waiting.repository import Section

router = APIRouter(prefix="/waiting", tags=["what waits"])


class WaitingRead(BaseModel):
    """A section with something in it, and practices that it is about (the first few)."""

    section: Section
    count: int
    practices: list[str]


class WaitingList(BaseModel):
    """Everything that wants a person, the gravest first."""

    items: list[WaitingRead]


class ParkedTask(BaseModel):
    """A row of the queue that was given up. What it carries is not shown."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    topic: str
    tenant: str | None
    failures: int
    last_error: str | None
    created_at: datetime
    parked_at: datetime


class ParkedTasks(BaseModel):
    """The newest hundred of them."""

    items: list[ParkedTask]


@router.get("")
async def list_waiting(_operator: CurrentOperator, session: PlatformSessionDep) -> WaitingList:
    """What of the platform wants a person; empty if nothing does."""
    found = await service.list_waiting(session)
    items = []
    for one in found:
        practices = [name for _id, name in await service.named(session, one)]
        items.append(WaitingRead(section=one.section, count=one.count, practices=practices))
    return WaitingList(items=items)


@router.get("/tasks")
async def list_parked_tasks(_operator: CurrentOperator, session: PlatformSessionDep) -> ParkedTasks:
    """What was given up, newest first."""
    rows = await service.list_parked_tasks(session)
    return ParkedTasks(items=[ParkedTask.model_validate(row) for row, _name in rows])


@router.post("/tasks/{event_id}/retry", status_code=204, responses=responses(NotFoundError, FreshSignInRequiredError))
async def retry_task(
    event_id: UUID, operator: FreshOperatorSignIn, session: PlatformSessionDep, context: ContextDep
) -> None:
    """Have something that was given up tried again, as if it were new."""
    await service.retry_task(session, operator.account.id, event_id, context.request_id)
