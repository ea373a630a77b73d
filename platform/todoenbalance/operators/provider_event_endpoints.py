"""Webhooks that need somebody, in the operators' API: ``/provider-events`` and ``/parked-events``."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from billing.webhooks.errors import ParkedEventDecidedError, WebhookBytesGoneError
from tenants.registry import service as registry
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError
from todoenbalance.kit.web.dependencies import ContextDep, PlatformSessionDep, RuntimeDep
from todoenbalance.kit.web.problems import responses
from todoenbalance.operators import provider_events
from todoenbalance.operators.auth import CurrentOperator, FreshOperatorSignIn

router = APIRouter(tags=["provider webhooks"])

InboxStatus = Literal["received", "handled", "ignored", "failed"]
ParkedStatus = Literal["waiting", "assigned", "ignored"]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class TroubleRead(BaseModel):
    """A webhook in a practice's inbox that could not be handled. `received`: it is still being tried."""

    model_config = ConfigDict(from_attributes=True)

    tenant_id: UUID
    slug: str
    provider_event_id: UUID
    provider: str
    event_type: str
    status: InboxStatus
    error: str
    failures: int
    first_seen_at: datetime
    last_seen_at: datetime


class ProviderEventRead(BaseModel):
    """A webhook in a practice's inbox. What the provider sent is not shown: it names clients."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    event_id: str
    event_type: str
    subject: str
    status: InboxStatus
    is_live: bool | None
    problem: str | None
    failures: int
    received_at: datetime
    handled_at: datetime | None


class ParkedEventRead(BaseModel):
    """A webhook of an account that no practice has."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    event_id: str
    event_type: str
    account_ref: str | None
    is_live: bool | None
    status: ParkedStatus
    tenant_key: str | None
    note: str | None
    received_at: datetime
    decided_at: datetime | None


class EventDecision(BaseModel):
    """Why nothing has to be done about it."""

    model_config = ConfigDict(extra="forbid")

    note: Note


class ParkedAssignment(BaseModel):
    """Whose it is."""

    model_config = ConfigDict(extra="forbid")

    tenant_id: UUID


@router.get("/provider-events", responses=responses(NotFoundError))
async def list_troubles(
    _operator: CurrentOperator,
    session: PlatformSessionDep,
    tenant_id: Annotated[UUID | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TroubleRead]:
    """Webhooks of all practices that could not be handled, the oldest first."""
    rows, following = await provider_events.list_troubles(session, tenant_id, limit=limit, cursor=cursor)
    items = [
        TroubleRead.model_validate({**_columns(trouble), "tenant_id": tenant.id, "slug": tenant.slug})
        for trouble, tenant in rows
    ]
    return Page(items=items, next_cursor=following)


def _columns(row: object) -> dict[str, object]:
    return {name: value for name, value in vars(row).items() if not name.startswith("_")}


@router.get("/tenants/{tenant_id}/provider-events", responses=responses(NotFoundError))
async def list_inbox(
    tenant_id: UUID,
    _operator: CurrentOperator,
    session: PlatformSessionDep,
    runtime: RuntimeDep,
    status: Annotated[InboxStatus | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ProviderEventRead]:
    """One practice's inbox of webhooks, newest first."""
    tenant = await registry.get_tenant(session, tenant_id)
    await give_connection_back(session)
    rows, following = await provider_events.list_inbox(runtime, tenant, status=status, limit=limit, cursor=cursor)
    return Page(items=[ProviderEventRead.model_validate(row) for row in rows], next_cursor=following)


@router.post(
    "/tenants/{tenant_id}/provider-events/{event_id}/replay",
    responses=responses(NotFoundError, FreshSignInRequiredError),
)
async def replay_event(
    tenant_id: UUID,
    event_id: UUID,
    operator: FreshOperatorSignIn,
    session: PlatformSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> ProviderEventRead:
    """Have a webhook handled once more. Harmless: what it is about is read from the provider again."""
    tenant, operator_id = await registry.get_tenant(session, tenant_id), operator.account.id
    await give_connection_back(session)
    event = await provider_events.replay(runtime, operator_id, tenant, event_id, context.request_id)
    return ProviderEventRead.model_validate(event)


@router.post(
    "/tenants/{tenant_id}/provider-events/{event_id}/ignore",
    responses=responses(NotFoundError, FreshSignInRequiredError),
)
async def ignore_event(
    tenant_id: UUID,
    event_id: UUID,
    body: EventDecision,
    operator: FreshOperatorSignIn,
    session: PlatformSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> ProviderEventRead:
    """Decide that nothing has to be done about a webhook."""
    tenant, operator_id = await registry.get_tenant(session, tenant_id), operator.account.id
    await give_connection_back(session)
    event = await provider_events.ignore(runtime, operator_id, tenant, event_id, body.note, context.request_id)
    return ProviderEventRead.model_validate(event)


@router.get("/parked-events")
async def list_parked(
    _operator: CurrentOperator,
    session: PlatformSessionDep,
    status: Annotated[ParkedStatus | None, Query()] = "waiting",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ParkedEventRead]:
    """Webhooks of accounts that no practice has, newest first."""
    rows, following = await provider_events.list_parked(session, status=status, limit=limit, cursor=cursor)
    return Page(items=[ParkedEventRead.model_validate(row) for row in rows], next_cursor=following)


@router.post(
    "/parked-events/{parked_id}/assign",
    responses=responses(NotFoundError, ParkedEventDecidedError, WebhookBytesGoneError, FreshSignInRequiredError),
)
async def assign_parked(
    parked_id: UUID,
    body: ParkedAssignment,
    operator: FreshOperatorSignIn,
    session: PlatformSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> ParkedEventRead:
    """Put a parked webhook into a practice's inbox."""
    tenant, operator_id = await registry.get_tenant(session, body.tenant_id), operator.account.id
    await give_connection_back(session)
    parked = await provider_events.assign_parked(runtime, operator_id, tenant, parked_id, context.request_id)
    return ParkedEventRead.model_validate(parked)


@router.post(
    "/parked-events/{parked_id}/ignore",
    responses=responses(NotFoundError, ParkedEventDecidedError, FreshSignInRequiredError),
)
async def ignore_parked(
    parked_id: UUID,
    body: EventDecision,
    operator: FreshOperatorSignIn,
    session: PlatformSessionDep,
    context: ContextDep,
) -> ParkedEventRead:
    """Decide that a parked webhook is nobody's."""
    parked = await provider_events.ignore_parked(session, operator.account.id, parked_id, body.note, context.request_id)
    return ParkedEventRead.model_validate(parked)
