"""When a service can be booked, open to everyone: ``/time-slots``, ``/time-slots/next``, ``/time-slots/days``.

With ``explain=true`` staff is told why a time is, or is not, among them.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response

from scheduling.availability.explaining import explain_start
from scheduling.availability.rules import Rules, load_rules
from scheduling.availability.schemas import (
    DayItem,
    DaySlots,
    ExplainedSlot,
    Explanation,
    TimeSlotItem,
    TimeSlotPage,
    render_slots,
)
from scheduling.availability.service import (
    Slot,
    check_days,
    count_by_day,
    find_slots,
    next_slots,
    off_the_loop,
)
from scheduling.catalogue.schemas import LocationKind
from scheduling.catalogue.service import get_offered_practitioner
from scheduling.fields import Day, Instant, check_zone, midnight
from tenants.accounts.auth import current_staff_sign_in, staff_sign_in
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission, may
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.ratelimit import AVAILABILITY
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.dependencies import RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.limits import limited
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/time-slots", tags=["availability"], dependencies=[Depends(limited(AVAILABILITY))])

MOST_NEXT = 50
ZoneQuery = Annotated[
    str | None,
    Query(max_length=64, description="IANA zone of the days and of the answer; default: the practice's."),
]
FirstDay = Annotated[Day, Query(alias="from", description="The first local day.")]
EndDay = Annotated[Day, Query(alias="to", description="The local day after the last; at most 62 days on.")]
PlaceQuery = Annotated[LocationKind | None, Query(description="Only where it can take place there; default: anywhere.")]


async def explaining_staff(
    request: Request,
    runtime: RuntimeDep,
    tenant: TenantDep,
    session: TenantSessionDep,
    explain: Annotated[bool, Query(description="For staff: why the instant `at` is, or is not, offered.")] = False,
) -> Staff | None:
    """The member of staff who wants it explained; None is everybody else. 401 and 403 as for staff's endpoints."""
    if not explain:
        return None
    found = await current_staff_sign_in(await staff_sign_in(request, runtime, tenant, session, None))
    if not may(found.account.role, Permission.VIEW_CALENDAR):
        raise ForbiddenError
    return found.account


@router.get(
    "",
    response_model=TimeSlotPage | Explanation,
    responses=responses(NotFoundError, InvalidInputError, NotAuthenticatedError, ForbiddenError),
)
async def list_time_slots(
    session: TenantSessionDep,
    tenant: TenantDep,
    staff: Annotated[Staff | None, Depends(explaining_staff)],
    service_id: UUID,
    first_day: Annotated[Day | None, Query(alias="from", description="The first local day.")] = None,
    end_day: Annotated[
        Day | None, Query(alias="to", description="The local day after the last; at most 62 days on.")
    ] = None,
    practitioner_id: UUID | None = None,
    location_kind: PlaceQuery = None,
    timezone: ZoneQuery = None,
    assign: Annotated[
        bool, Query(description="Each start once, with the practitioner who would be given it now.")
    ] = False,
    at: Annotated[Instant | None, Query(description="The instant that is to be explained.")] = None,
) -> Response | Explanation:
    """The free starts of a service, in order of time, all on one page. `from` and `to` are needed."""
    zone = _zone(timezone, tenant)
    rules = await _rules(session, service_id, practitioner_id, location_kind)
    if staff is not None:
        return await _explain(session, rules, at, practitioner_id, zone)
    if first_day is None or end_day is None:
        missing = "from" if first_day is None else "to"
        raise InvalidInputError(["query", missing], "a date is needed", "missing")
    check_days(first_day, end_day)
    bounds = midnight(first_day, zone), midnight(end_day, zone)
    slots = await find_slots(session, rules, *bounds, practitioner_id, assign=assign)
    text = await off_the_loop(len(slots), render_slots, slots, zone)
    return Response(text, media_type="application/json")


@router.get("/next", responses=responses(NotFoundError, InvalidInputError))
async def list_next_time_slots(
    session: TenantSessionDep,
    tenant: TenantDep,
    service_id: UUID,
    practitioner_id: UUID | None = None,
    location_kind: PlaceQuery = None,
    timezone: ZoneQuery = None,
    limit: Annotated[int, Query(ge=1, le=MOST_NEXT)] = 3,
) -> TimeSlotPage:
    """The first free starts over the whole horizon, each once, with the practitioner who would be given it."""
    zone = _zone(timezone, tenant)
    rules = await _rules(session, service_id, practitioner_id, location_kind)
    found = await next_slots(session, rules, limit, practitioner_id)
    return TimeSlotPage(items=[_item(slot, zone) for slot in found], next_cursor=None)


@router.get("/days", responses=responses(NotFoundError, InvalidInputError))
async def list_days(
    session: TenantSessionDep,
    tenant: TenantDep,
    service_id: UUID,
    first_day: FirstDay,
    end_day: EndDay,
    practitioner_id: UUID | None = None,
    location_kind: PlaceQuery = None,
    timezone: ZoneQuery = None,
) -> DaySlots:
    """How many different starts are free on each local day, for a month's calendar; each day is there."""
    zone = _zone(timezone, tenant)
    check_days(first_day, end_day)
    rules = await _rules(session, service_id, practitioner_id, location_kind)
    bounds = midnight(first_day, zone), midnight(end_day, zone)
    slots = await find_slots(session, rules, *bounds, practitioner_id)
    free = await off_the_loop(len(slots), count_by_day, slots, zone)
    days = [first_day + timedelta(days=number) for number in range((end_day - first_day).days)]
    return DaySlots(items=[DayItem(date=day, free=free[day]) for day in days], next_cursor=None)


def _zone(wished: str | None, tenant: TenantContext) -> ZoneInfo:
    return check_zone(wished, ["query", "timezone"]) if wished is not None else ZoneInfo(tenant.timezone)


async def _rules(
    session: TenantSession, service_id: UUID, practitioner_id: UUID | None, location_kind: LocationKind | None
) -> Rules:
    rules = await load_rules(session, service_id)
    if practitioner_id is not None and practitioner_id not in rules.people:
        await get_offered_practitioner(session, practitioner_id)  # unknown is not the same as not offering
    if location_kind is not None and location_kind not in rules.location_kinds:
        kinds = ", ".join(rules.location_kinds)
        raise InvalidInputError(["query", "location_kind"], f"one of {kinds}", "location_kind_not_offered")
    return rules.at_place(location_kind)


async def _explain(
    session: TenantSession, rules: Rules, at: datetime | None, practitioner_id: UUID | None, zone: ZoneInfo
) -> Explanation:
    if at is None:
        raise InvalidInputError(["query", "at"], "an instant is needed", "missing")
    judged = await explain_start(session, rules, at, practitioner_id)
    return Explanation(
        items=[
            ExplainedSlot(
                practitioner_id=key,
                starts_at=at.astimezone(zone),
                free=not judgement.broken,
                rule=judgement.rule,
                rules=list(judgement.broken),
                location_kinds=list(judgement.location_kinds),
            )
            for key, judgement in judged.items()
        ],
        next_cursor=None,
    )


def _item(slot: Slot, zone: ZoneInfo) -> TimeSlotItem:
    return TimeSlotItem(
        starts_at=datetime.fromtimestamp(slot.start, UTC).astimezone(zone),
        ends_at=datetime.fromtimestamp(slot.end, UTC).astimezone(zone),
        practitioner_id=UUID(slot.practitioner_id),
        seats_left=slot.seats_left,
    )
