"""``GET /time-slots``: when a service can be booked, open to everyone."""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response

from scheduling.availability.schemas import TimeSlotItem, render_slots
from scheduling.availability.service import Rules, list_slots
from scheduling.catalogue.service import get_offered_practitioner, get_offered_service
from scheduling.fields import Day, check_zone
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.pagination import Page
from todoenbalance.kit.web.dependencies import TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(tags=["availability"])


@router.get(
    "/time-slots",
    response_model=Page[TimeSlotItem],
    responses=responses(NotFoundError, InvalidInputError),
)
async def list_time_slots(
    session: TenantSessionDep,
    tenant: TenantDep,
    service_id: UUID,
    first_day: Annotated[Day, Query(alias="from", description="The first local day.")],
    end_day: Annotated[Day, Query(alias="to", description="The local day after the last; at most 62 days on.")],
    practitioner_id: UUID | None = None,
    timezone: Annotated[
        str | None,
        Query(max_length=64, description="IANA zone of the days and of the answer; default: the practice's."),
    ] = None,
) -> Response:
    """The free starts of a service, in order of time, all on one page."""
    zone = check_zone(timezone, ["query", "timezone"]) if timezone is not None else ZoneInfo(tenant.timezone)
    service = await get_offered_service(session, service_id)
    if practitioner_id is not None:
        await get_offered_practitioner(session, practitioner_id)
    rules = Rules.of(service)
    slots = await list_slots(session, rules, first_day, end_day, zone, practitioner_id)
    return Response(render_slots(slots, rules.duration, zone), media_type="application/json")
