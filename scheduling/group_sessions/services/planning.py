"""Planning group sessions, and changing what does not move them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling.appointments.errors import SlotNotOfferedError, SlotTakenError
from scheduling.appointments.history import SYSTEM, Actor, ChangeKind, record_change
from scheduling.appointments.placement import NO_LIBERTIES, Liberties, Place, take_time
from scheduling.appointments.services.announcing import announce_freed, announce_place
from scheduling.availability.rules import Rules, load_rules
from scheduling.group_sessions.announcing import announce_planned, announce_session
from scheduling.group_sessions.errors import GroupSessionStateError, SeatsTakenError, SessionsConflictError
from scheduling.group_sessions.events import GROUP_SESSION_MOVED
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.repository import SCHEDULED, GroupSessionRepository
from scheduling.group_sessions.seats import retire_lapsed_seats
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id

_ALWAYS = timedelta(days=36_500)


class Frequency(StrEnum):
    """How often planned sessions come back."""

    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"

    @property
    def weeks(self) -> int:
        """From one to the next."""
        return 1 if self is Frequency.WEEKLY else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What staff wants to give: ``count`` sessions from ``starts_at`` on, at the same local time.

    ``capacity`` None: the service's. ``location_kind`` None: the first of the service's places that is possible.
    """

    service_id: UUID
    practitioner_id: UUID
    starts_at: datetime
    capacity: int | None = None
    location_kind: str | None = None
    meeting_url: str | None = None
    frequency: Frequency = Frequency.WEEKLY
    count: int = 1


async def plan_sessions(
    session: TenantSession, plan: Plan, *, actor: Actor = SYSTEM, liberties: Liberties = NO_LIBERTIES
) -> list[GroupSession]:
    """Take the practitioner's time for all of them, or for none.

    The practitioner is told of each, unless they are the ``actor``. Notice, horizon, grid and caps are about what
    clients book; hours, blocks and other calendars count, unless ``liberties`` are taken. Raises
    :class:`InvalidInputError` for a service, person or place that don't fit, the errors of a time for a single
    session, and :class:`SessionsConflictError`, which names the dates, for several.
    """
    rules = await _rules_of_plan(session, plan)
    zone = ZoneInfo(rules.people[plan.practitioner_id].timezone)
    made: list[GroupSession] = []
    lost: list[datetime] = []
    for starts_at in _starts(plan, zone):
        try:
            made.append(await _plan_one(session, rules, plan, starts_at, liberties))
        except (SlotTakenError, SlotNotOfferedError):
            if plan.count == 1:
                raise
            lost.append(starts_at)
    if lost:
        raise SessionsConflictError(dates=", ".join(f"{one.astimezone(zone):%Y-%m-%d %H:%M}" for one in lost))
    for group in made:
        await announce_planned(session, group, actor)
        await announce_freed(session, group.practitioner_id, group.occupied)
    return made


async def _rules_of_plan(session: TenantSession, plan: Plan) -> Rules:
    check_minute(plan.starts_at)
    await GroupSessionRepository(session).hold_service(plan.service_id)
    try:
        rules = await load_rules(session, plan.service_id)
    except NotFoundError as error:
        raise InvalidInputError(["body", "service_id"], f"there is no {plan.service_id}", "unknown_id") from error
    if rules.capacity is None:
        raise InvalidInputError(["body", "service_id"], "is for one client at a time", "not_a_group_service")
    if plan.practitioner_id not in rules.people:
        raise InvalidInputError(["body", "practitioner_id"], "does not offer this service", "service_not_offered")
    check_place(rules, plan.location_kind)
    return for_staff(rules).at_place(plan.location_kind)


def check_place(rules: Rules, location_kind: str | None) -> None:
    """Raises :class:`InvalidInputError` for a place where the service is not given."""
    if location_kind is not None and location_kind not in rules.location_kinds:
        kinds = ", ".join(rules.location_kinds)
        raise InvalidInputError(["body", "location_kind"], f"one of {kinds}", "location_kind_not_offered")


def check_minute(starts_at: datetime) -> None:
    """Raises :class:`InvalidInputError` for a start that no clock without a second hand shows."""
    if starts_at.second or starts_at.microsecond:
        raise InvalidInputError(["body", "starts_at"], "a whole minute", "not_a_minute")


def for_staff(rules: Rules) -> Rules:
    """The same without what only binds clients: a session is itself what they choose from."""
    return replace(
        rules, minimum_notice=timedelta(0), horizon=_ALWAYS, grid_minutes=1, max_per_day=None, max_per_week=None
    )


def _starts(plan: Plan, zone: ZoneInfo) -> Sequence[datetime]:
    """At the same time of the practitioner's clock, whatever the clocks do in between."""
    first = plan.starts_at.astimezone(zone)
    step = timedelta(weeks=plan.frequency.weeks)
    return [plan.starts_at, *((first + step * number).astimezone(UTC) for number in range(1, plan.count))]


async def _plan_one(
    session: TenantSession, rules: Rules, plan: Plan, starts_at: datetime, liberties: Liberties
) -> GroupSession:
    async def write(place: Place) -> GroupSession:
        assert rules.capacity is not None  # noqa: S101 - asked in _rules_of_plan
        group = GroupSession(
            id=new_id(),
            service_id=plan.service_id,
            practitioner_id=place.practitioner_id,
            starts_at=place.starts_at,
            ends_at=place.ends_at,
            occupied=place.occupied,
            capacity=plan.capacity or rules.capacity,
            location_kind=place.location_kind,
            meeting_url=plan.meeting_url,
            status=SCHEDULED,
            version=0,
            created_at=clock.now(),
        )
        await GroupSessionRepository(session).add(group)
        return group

    return await take_time(session, rules, starts_at, write, practitioner_id=plan.practitioner_id, liberties=liberties)


async def change_session(
    session: TenantSession, group_id: UUID, changes: Mapping[str, Any], *, actor: Actor
) -> GroupSession:
    """Change ``capacity``, ``location_kind`` or ``meeting_url``, those that are named, for all seats too.

    Another place is news: those who come are told of it, and of another link, the practice once, of the place.

    Raises :class:`NotFoundError`, :class:`GroupSessionStateError`, :class:`SeatsTakenError`,
    :class:`InvalidInputError`.
    """
    repository = GroupSessionRepository(session)
    group = await repository.lock(group_id)
    if group is None:
        raise NotFoundError
    if group.status != SCHEDULED:
        raise GroupSessionStateError
    if "capacity" in changes:
        await _change_capacity(session, group, changes["capacity"])
    if changes.keys() & {"location_kind", "meeting_url"}:
        await _change_place(session, group, changes, actor)
    await repository.flush()
    return group


async def _change_capacity(session: TenantSession, group: GroupSession, capacity: int) -> None:
    await retire_lapsed_seats(session, group.id)
    taken = (await GroupSessionRepository(session).count_seats([group.id])).get(group.id, 0)
    if capacity < taken:
        raise SeatsTakenError(taken=taken)
    if capacity > group.capacity:
        await announce_freed(session, group.practitioner_id, group.occupied)
    group.capacity = capacity


async def _change_place(session: TenantSession, group: GroupSession, changes: Mapping[str, Any], actor: Actor) -> None:
    location_kind = changes.get("location_kind", group.location_kind)
    is_elsewhere = location_kind != group.location_kind
    if is_elsewhere:
        check_place(await load_rules(session, group.service_id, include_archived=True), location_kind)
    group.location_kind = location_kind
    group.meeting_url = changes.get("meeting_url", group.meeting_url)
    if is_elsewhere:
        group.version += 1
        group.changed_at, group.moved_from, group.moved_from_practitioner_id = clock.now(), None, None
        await announce_session(session, group, GROUP_SESSION_MOVED)
    for seat in await GroupSessionRepository(session).lock_live_seats(group.id):
        if (seat.location_kind, seat.meeting_url) == (group.location_kind, group.meeting_url):
            continue
        seat.location_kind, seat.meeting_url = group.location_kind, group.meeting_url
        record_change(session, seat.id, ChangeKind.MEETING, actor)
        if is_elsewhere or group.location_kind == "online":  # elsewhere nobody is shown a link
            await announce_place(session, seat)
