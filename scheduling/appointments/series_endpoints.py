"""Clients' series: several appointments of one service at the same local time, booked all at once or not at all."""

from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from scheduling.appointments.errors import (
    SeriesConflictsError,
    SeriesNeedsPaymentError,
    SeriesNotOfferedError,
    SlotNotOfferedError,
    TooManyHoldsError,
)
from scheduling.appointments.history import Actor
from scheduling.appointments.pricing_errors import MEANS_REFUSALS
from scheduling.appointments.schemas import CancelRequest
from scheduling.appointments.series_schemas import (
    SeriesCancelled,
    SeriesCancelledItem,
    SeriesPreview,
    SeriesRead,
    SeriesRequest,
)
from scheduling.appointments.services import series, series_keeping
from scheduling.idempotent import Once
from tenants.accounts.auth import CurrentClient, client_limited
from todoenbalance.kit.errors import InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.ratelimit import BOOKING
from todoenbalance.kit.web.dependencies import IdempotencyKeyHeader, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/appointment-series", tags=["appointments"], responses=responses(NotAuthenticatedError))

_REFUSALS = (
    NotFoundError,
    SeriesNeedsPaymentError,
    SlotNotOfferedError,
    SeriesNotOfferedError,
    InvalidInputError,
)


@router.post("/preview", responses=responses(*_REFUSALS), dependencies=[Depends(client_limited(BOOKING))])
async def preview_series(body: SeriesRequest, client: CurrentClient, session: TenantSessionDep) -> SeriesPreview:
    """Which dates it would be, which of them can't be had, and what they cost; nothing is written."""
    plan = await series.preview_series(session, body.service_id, body.wish(client.id), body.pattern, by_client=True)
    return SeriesPreview.of(plan)


@router.post(
    "",
    status_code=201,
    response_model=SeriesRead,
    responses=responses(
        *_REFUSALS, SeriesConflictsError, TooManyHoldsError, IdempotencyKeyReusedError, *MEANS_REFUSALS
    ),
    dependencies=[Depends(client_limited(BOOKING))],
)
async def book_series(
    body: SeriesRequest, client: CurrentClient, session: TenantSessionDep, idempotency_key: IdempotencyKeyHeader = None
) -> SeriesRead | JSONResponse:
    """Book all dates, or none: 409 `series_conflicts` lists as `conflicts` those that can't be had.

    What they cost is paid at the visits, so where something is due the practice must take that.
    """
    once = await Once.claim(session, client.id, idempotency_key, "series.book", body)
    if once.replay is not None:
        return once.replay
    booked = await series.book_series(
        session, body.service_id, body.wish(client.id), body.pattern, Actor.client(client.id)
    )
    answer = SeriesRead.of(booked)
    await once.remember(session, 201, answer)
    return answer


@router.get("/{series_id}", responses=responses(NotFoundError))
async def read_series(series_id: UUID, client: CurrentClient, session: TenantSessionDep) -> SeriesRead:
    """The appointments of one of the caller's series."""
    return SeriesRead.of(await series_keeping.list_series(session, series_id, client_id=client.id))


@router.post(
    "/{series_id}/cancel",
    response_model=SeriesCancelled,
    responses=responses(NotFoundError, InvalidInputError, IdempotencyKeyReusedError),
)
async def cancel_series(
    series_id: UUID,
    client: CurrentClient,
    session: TenantSessionDep,
    body: CancelRequest | None = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> SeriesCancelled | JSONResponse:
    """Cancel what is to come of it, each appointment by its own terms. Safe to repeat."""
    wish = body or CancelRequest()
    once = await Once.claim(session, client.id, idempotency_key, "series.cancel", wish, series_id)
    if once.replay is not None:
        return once.replay
    done = await series_keeping.cancel_series(
        session, series_id, actor=Actor.client(client.id), client_id=client.id, reason=wish.reason
    )
    answer = SeriesCancelled(series_id=series_id, items=[SeriesCancelledItem.of(one) for one in done])
    await once.remember(session, 200, answer)
    return answer
