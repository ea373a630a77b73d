"""Clients' places in the waiting list: ``/waitlist``. Everyone reaches their own only."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from scheduling.appointments.errors import OfferOverError
from scheduling.appointments.history import Actor
from scheduling.idempotent import Once
from scheduling.waitlist import service
from scheduling.waitlist.errors import AlreadyWaitingError, TooManyWaitlistEntriesError
from scheduling.waitlist.models import WaitlistEntry, WaitlistStatus
from scheduling.waitlist.repository import WaitlistFilter
from scheduling.waitlist.schemas import DeclineRequest, WaitlistEntryRead, WaitlistWish
from tenants.accounts.auth import CurrentClient, client_limited
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.ratelimit import BOOKING
from todoenbalance.kit.web.dependencies import IdempotencyKeyHeader, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/waitlist", tags=["waiting list"], responses=responses(NotAuthenticatedError))

StatusQuery = Annotated[list[WaitlistStatus] | None, Query(alias="status", description="One or more; default: all.")]


@router.get("", responses=responses(InvalidInputError))
async def list_waitlist_entries(
    client: CurrentClient,
    session: TenantSessionDep,
    statuses: StatusQuery = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WaitlistEntryRead]:
    """What the caller waits, or waited, for, in the order in which it was asked for."""
    wanted = WaitlistFilter(client_id=client.id, statuses=statuses or ())
    rows, following = await service.list_entries(session, wanted, limit=limit, cursor=cursor)
    return Page(items=await service.describe_entries(session, rows, WaitlistEntryRead), next_cursor=following)


@router.post(
    "",
    status_code=201,
    response_model=WaitlistEntryRead,
    responses=responses(
        NotFoundError, InvalidInputError, AlreadyWaitingError, TooManyWaitlistEntriesError, IdempotencyKeyReusedError
    ),
    dependencies=[Depends(client_limited(BOOKING))],
)
async def join_waitlist(
    body: WaitlistWish, client: CurrentClient, session: TenantSessionDep, idempotency_key: IdempotencyKeyHeader = None
) -> WaitlistEntryRead | JSONResponse:
    """Wait for a time to come free: it is kept for the first in line for a while, who is told by mail."""
    once = await Once.claim(session, client.id, idempotency_key, "waitlist.join", body)
    if once.replay is not None:
        return once.replay
    answer = await _read(session, await service.join_line(session, client.id, body))
    await once.remember(session, 201, answer)
    return answer


@router.get("/{entry_id}", responses=responses(NotFoundError))
async def read_waitlist_entry(entry_id: UUID, client: CurrentClient, session: TenantSessionDep) -> WaitlistEntryRead:
    """One of the caller's entries."""
    return await _read(session, await service.get_entry(session, entry_id, client_id=client.id))


@router.delete("/{entry_id}", status_code=204, responses=responses(NotFoundError))
async def leave_waitlist(entry_id: UUID, client: CurrentClient, session: TenantSessionDep) -> None:
    """Wait no longer; a time that is kept goes to the next in line. Safe to repeat."""
    await service.leave_line(session, entry_id, actor=Actor.client(client.id), client_id=client.id)


@router.post("/{entry_id}/accept", responses=responses(NotFoundError, OfferOverError))
async def accept_waitlist_offer(entry_id: UUID, client: CurrentClient, session: TenantSessionDep) -> WaitlistEntryRead:
    """Take the time that is kept: it is booked, or, where something is due, kept for paying. Safe to repeat."""
    return await _read(session, await service.accept(session, entry_id, client_id=client.id))


@router.post("/{entry_id}/decline", responses=responses(NotFoundError, OfferOverError))
async def decline_waitlist_offer(
    entry_id: UUID, client: CurrentClient, session: TenantSessionDep, body: DeclineRequest | None = None
) -> WaitlistEntryRead:
    """Give the time to the next in line, and wait on at the same place (`stay`) or not at all."""
    stay = (body or DeclineRequest()).stay
    return await _read(session, await service.decline(session, entry_id, client_id=client.id, stay=stay))


async def _read(session: TenantSession, entry: WaitlistEntry) -> WaitlistEntryRead:
    return (await service.describe_entries(session, [entry], WaitlistEntryRead))[0]
