"""The statements of availability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text

from scheduling.availability.statement import FREE_TIME, LAYERS
from todoenbalance.kit.database import TenantSession

# A service with everyone who offers it, in one statement. What comes back by a rule (RFC 5545) is unfolded by
# the application, so it is read here; there is little of it, mostly none.
_OFFER = text("""
SELECT s.archived, s.duration_minutes, s.price_minor, s.buffer_before_minutes, s.buffer_after_minutes,
       s.minimum_notice_minutes, s.horizon_days, s.grid_minutes, s.location_kinds, s.max_per_day, s.max_per_week,
       s.capacity, ps.holidays_country, ps.holidays_region,
       p.id AS practitioner_id, p.timezone, p.works_on_holidays,
       sp.price_minor AS own_price_minor, sp.duration_minutes AS own_duration_minutes,
       hours.ruled_hours, COALESCE(hours.by_location, FALSE) AS by_location, blocks.ruled_blocks
FROM services s
CROSS JOIN practice_settings ps
LEFT JOIN (service_practitioners sp JOIN practitioners p ON p.id = sp.practitioner_id AND NOT p.archived)
    ON sp.service_id = s.id
LEFT JOIN LATERAL (
    SELECT jsonb_agg(
               jsonb_build_object(
                   'weekday', r.weekday, 'start_time', r.start_time, 'end_time', r.end_time, 'rrule', r.rrule,
                   'anchor_date', r.anchor_date, 'valid_from', r.valid_from, 'valid_until', r.valid_until,
                   'location_kinds', r.location_kinds
               )
           ) FILTER (WHERE r.rrule IS NOT NULL) AS ruled_hours,
           bool_or(r.location_kinds IS NOT NULL) AS by_location
    FROM recurring_time_slots r
    WHERE r.practitioner_id = p.id AND (r.rrule IS NOT NULL OR r.location_kinds IS NOT NULL)
) AS hours ON TRUE
LEFT JOIN LATERAL (
    SELECT jsonb_agg(
               jsonb_build_object(
                   'start_time', b.start_time, 'duration_minutes', b.duration_minutes, 'rrule', b.rrule,
                   'anchor_date', b.anchor_date, 'valid_until', b.valid_until
               )
           ) AS ruled_blocks
    FROM recurring_blocked_time_slots b
    WHERE b.practitioner_id = p.id
) AS blocks ON TRUE
WHERE s.id = CAST(:service_id AS uuid)
ORDER BY p.id
""")

# How often a service was booked: live appointments that begin near the window, for its caps.
_BOOKED = text("""
SELECT a.practitioner_id, a.starts_at
FROM appointments a
WHERE a.practitioner_id = ANY (CAST(:ids AS uuid[]))
  AND a.starts_at >= CAST(:starts AS timestamptz) AND a.starts_at < CAST(:ends AS timestamptz)
  AND a.service_id = CAST(:service_id AS uuid)
  AND a.status IN ('held', 'confirmed', 'completed', 'no_show')
  AND (a.status <> 'held' OR a.hold_expires_at > CAST(:now AS timestamptz))
  AND a.id IS DISTINCT FROM CAST(:except_id AS uuid)
""")

# What everyone has to do, for sharing bookings fairly: the instants, to be counted by local day. A session is one.
_LOADS = text("""
SELECT a.practitioner_id, a.starts_at
FROM appointments a
WHERE a.practitioner_id = ANY (CAST(:ids AS uuid[]))
  AND a.starts_at >= CAST(:starts AS timestamptz) AND a.starts_at < CAST(:ends AS timestamptz)
  AND a.status IN ('held', 'confirmed', 'completed', 'no_show')
  AND (a.status <> 'held' OR a.hold_expires_at > CAST(:now AS timestamptz))
  AND a.group_session_id IS NULL
UNION ALL
SELECT g.practitioner_id, g.starts_at
FROM group_sessions g
WHERE g.practitioner_id = ANY (CAST(:ids AS uuid[]))
  AND g.starts_at >= CAST(:starts AS timestamptz) AND g.starts_at < CAST(:ends AS timestamptz)
  AND g.status = 'scheduled'
""")
# The sessions of a group service that begin at an instant.
_SESSIONS_AT = text("""
SELECT g.practitioner_id, g.location_kind
FROM group_sessions g
WHERE g.service_id = CAST(:service_id AS uuid) AND g.starts_at = CAST(:starts AS timestamptz) AND g.status = 'scheduled'
""")
_LAST_ASSIGNED = text("SELECT id, last_assigned_at FROM practitioners WHERE id = ANY (CAST(:ids AS uuid[]))")

Span = tuple[datetime, datetime]
Days = tuple[date, date]


class OfferRow(NamedTuple):
    """One row of the offer: the service, repeated, and one practitioner (None: nobody offers it)."""

    archived: bool
    duration_minutes: int
    price_minor: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    minimum_notice_minutes: int
    horizon_days: int
    grid_minutes: int
    location_kinds: list[str]
    max_per_day: int | None
    max_per_week: int | None
    capacity: int | None
    holidays_country: str | None
    holidays_region: str | None
    practitioner_id: UUID | None
    timezone: str | None
    works_on_holidays: bool | None
    own_price_minor: int | None
    own_duration_minutes: int | None
    ruled_hours: list[dict[str, Any]] | None
    by_location: bool
    ruled_blocks: list[dict[str, Any]] | None


class Opening(NamedTuple):
    """Hours of one day that a rule gave, in local time; ``kinds`` None is anywhere."""

    practitioner_id: UUID
    day: date
    start_time: time
    end_time: time
    kinds: tuple[str, ...] | None
    is_holiday: bool


class Block(NamedTuple):
    """One occurrence of a block that comes back, in local time."""

    practitioner_id: UUID
    day: date
    start_time: time
    duration: timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked: whose time (id, zone, whether they work on holidays), where, with which buffers, when.

    ``kinds``: the places to be told apart; a single empty one where hours hold anywhere. ``except_id`` is an
    appointment or a group session that is about to move, whose own time is no hindrance.
    """

    people: Sequence[tuple[UUID, str, bool]]
    kinds: Sequence[str]
    starts: datetime
    ends: datetime
    now: datetime
    buffer_before: timedelta
    buffer_after: timedelta
    holidays: Sequence[date] = ()
    openings: Sequence[Opening] = ()
    blocks: Sequence[Block] = ()
    except_id: UUID | None = None

    def parameters(self) -> dict[str, Any]:
        """What the statement takes."""
        parameters = {
            "ids": [one for one, _, _ in self.people],
            "zones": [zone for _, zone, _ in self.people],
            "on_holidays": [works for _, _, works in self.people],
            "kinds": list(self.kinds),
            "starts": self.starts,
            "ends": self.ends,
            "now": self.now,
            "buffer_before": self.buffer_before,
            "buffer_after": self.buffer_after,
            "holidays": list(self.holidays),
            "except_id": self.except_id,
        }
        return parameters | (self._by_rule() if self.is_by_rule else {})

    @property
    def is_by_rule(self) -> bool:
        """Whether anything in it comes back by a rule."""
        return bool(self.openings or self.blocks)

    @property
    def free_time(self) -> TextClause:
        """The statement for the free intervals."""
        return FREE_TIME[self.is_by_rule]

    def _by_rule(self) -> dict[str, Any]:
        openings, blocks = self.openings, self.blocks
        return {
            "opening_ids": [one.practitioner_id for one in openings],
            "opening_days": [one.day for one in openings],
            "opening_starts": [one.start_time for one in openings],
            "opening_ends": [one.end_time for one in openings],
            "opening_kinds": [None if one.kinds is None else ",".join(one.kinds) for one in openings],
            "opening_holidays": [one.is_holiday for one in openings],
            "block_ids": [one.practitioner_id for one in blocks],
            "block_days": [one.day for one in blocks],
            "block_starts": [one.start_time for one in blocks],
            "block_durations": [one.duration for one in blocks],
        }


class Layer(StrEnum):
    """What is free, for a list; or what it is reckoned from, for a judgement: hours, the same as if there were no
    public holidays, blocks, busy times of other calendars, and what is taken (widened by the service's buffers)."""

    FREE = "free"
    WORKING = "working"
    ALL_DAYS = "all_days"
    BLOCKED = "blocked"
    EXTERNAL = "external"
    BUSY = "busy"


@dataclass(slots=True)
class Availability:
    """One practitioner's time in the window: intervals in order, by place and layer."""

    practitioner_id: UUID
    spans: dict[str, dict[str, list[Span]]] = field(default_factory=dict)

    def free(self) -> list[list[Span]]:
        """The free intervals, a list for each place."""
        return [layers[Layer.FREE] for layers in self.spans.values() if Layer.FREE in layers]

    def covers(self, kind: str, layer: Layer, span: Span) -> bool:
        """Whether the whole span lies in that layer, at that place."""
        return any(begin <= span[0] and span[1] <= end for begin, end in self._of(kind, layer))

    def touches(self, kind: str, layer: Layer, span: Span) -> bool:
        """Whether any of the span lies in it."""
        return any(begin < span[1] and span[0] < end for begin, end in self._of(kind, layer))

    def _of(self, kind: str, layer: Layer) -> Sequence[Span]:
        return self.spans.get(kind, {}).get(layer, ())


async def find_offer(session: TenantSession, service_id: UUID) -> list[OfferRow]:
    """The service with everyone who offers it, one row each; none for an unknown id."""
    result = await session.execute(_OFFER, {"service_id": service_id})
    return [OfferRow(*row) for row in result]


async def find_availability(session: TenantSession, window: Window, *, with_layers: bool) -> dict[UUID, Availability]:
    """Everyone's free time in the window, or with ``with_layers`` what it is reckoned from.

    Buffers may reach beyond opening hours and into blocks; they may not touch what another appointment occupies.
    """
    found = {one: Availability(one) for one, _, _ in window.people}
    if not found:
        return found
    statement = LAYERS[window.is_by_rule] if with_layers else window.free_time
    for practitioner_id, kind, layer, lower, upper in await session.execute(statement, window.parameters()):
        found[practitioner_id].spans.setdefault(kind, {}).setdefault(layer, []).append((lower, upper))
    return found


async def find_booked(
    session: TenantSession, service_id: UUID, window: Window, starts: datetime, ends: datetime
) -> list[tuple[UUID, datetime]]:
    """Who has the service booked when, of the window's people, between the instants."""
    parameters = {
        "ids": [one for one, _, _ in window.people],
        "starts": starts,
        "ends": ends,
        "service_id": service_id,
        "now": window.now,
        "except_id": window.except_id,
    }
    return [(row[0], row[1]) for row in await session.execute(_BOOKED, parameters)]


async def find_loads(
    session: TenantSession, ids: Sequence[UUID], starts: datetime, ends: datetime, now: datetime
) -> list[tuple[UUID, datetime]]:
    """When these practitioners' live appointments begin, between the instants."""
    parameters = {"ids": list(ids), "starts": starts, "ends": ends, "now": now}
    return [(row[0], row[1]) for row in await session.execute(_LOADS, parameters)]


async def find_last_assigned(session: TenantSession, ids: Sequence[UUID]) -> Mapping[UUID, datetime | None]:
    """When a booking with "any practitioner" last fell to each."""
    return {row[0]: row[1] for row in await session.execute(_LAST_ASSIGNED, {"ids": list(ids)})}


async def find_sessions_at(session: TenantSession, service_id: UUID, starts_at: datetime) -> Mapping[UUID, str]:
    """Who gives a session of the group service that begins then, and where."""
    rows = await session.execute(_SESSIONS_AT, {"service_id": service_id, "starts": starts_at})
    return {row[0]: row[1] for row in rows}
