"""The statements of availability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

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

# Everything is multirange arithmetic: open - busy, per practitioner (and per place, where hours hold in some
# places only), within a window.
#
# - Weekly hours become instants by the practitioner's zone, one local date at a time; an end at 00:00 is the
#   end of the day. Times that a change of the clocks skips come out in the wrong order and are dropped
#   (`begins < ends`). On public holidays they don't count, one-off openings do.
# - An appointment is busy over its `occupied` range, widened by the buffers of the service in question the
#   other way round: [s, e) keeps its own buffers clear of `occupied` exactly if it misses the widened range.
#   A group session is busy as a whole; its seats add nothing.
# - A held appointment whose hold has run out is not there; `:now` is the application's clock.
# - The statuses are spelled out as in the exclusion constraint's predicate, so that its index serves; past
#   appointments are never touched. Openings and blocks are found by their end for the same reason.
# - Casts give every parameter one type, so the statement prepares; no schema is named, so one prepared
#   statement serves every practice.
_AVAILABILITY = text("""
WITH people AS (
    SELECT p.id, p.timezone, p.works_on_holidays,
           CAST(CAST(:starts AS timestamptz) AT TIME ZONE p.timezone AS date) AS first_day,
           CAST(CAST(:ends AS timestamptz) AT TIME ZONE p.timezone AS date) AS last_day
    FROM unnest(CAST(:ids AS uuid[]), CAST(:zones AS text[]), CAST(:on_holidays AS boolean[]))
         AS p (id, timezone, works_on_holidays)
), offered AS (
    SELECT people.id, kind.name AS kind, hours.working, hours.all_days
    FROM people
    CROSS JOIN unnest(CAST(:kinds AS text[])) AS kind (name)
    CROSS JOIN LATERAL (
        SELECT range_agg(tstzrange(begins, ends)) FILTER (WHERE NOT is_holiday) AS working,
               CASE WHEN CAST(:with_layers AS boolean) THEN range_agg(tstzrange(begins, ends)) END AS all_days
        FROM (
            SELECT (days.day + r.start_time) AT TIME ZONE people.timezone AS begins,
                   (days.day + r.end_time + CASE WHEN r.end_time = '00:00' THEN interval '1 day' ELSE interval '0' END)
                   AT TIME ZONE people.timezone AS ends,
                   NOT people.works_on_holidays AND days.day = ANY (CAST(:holidays AS date[])) AS is_holiday
            FROM recurring_time_slots r
            CROSS JOIN generate_series(
                (r.weekday - CAST(extract(isodow FROM people.first_day) AS integer) + 7) % 7,
                people.last_day - people.first_day,
                7
            ) AS n
            CROSS JOIN LATERAL (SELECT people.first_day + n AS day) AS days
            WHERE r.practitioner_id = people.id
              AND r.rrule IS NULL
              AND (r.valid_from IS NULL OR r.valid_from <= days.day)
              AND (r.valid_until IS NULL OR r.valid_until >= days.day)
              AND (r.location_kinds IS NULL OR kind.name = ANY (r.location_kinds))
            UNION ALL
            SELECT (o.day + o.start_time) AT TIME ZONE people.timezone,
                   (o.day + o.end_time + CASE WHEN o.end_time = '00:00' THEN interval '1 day' ELSE interval '0' END)
                   AT TIME ZONE people.timezone,
                   o.is_holiday
            FROM unnest(
                CAST(:opening_ids AS uuid[]), CAST(:opening_days AS date[]), CAST(:opening_starts AS time[]),
                CAST(:opening_ends AS time[]), CAST(:opening_kinds AS text[]), CAST(:opening_holidays AS boolean[])
            ) AS o (practitioner_id, day, start_time, end_time, kinds, is_holiday)
            WHERE o.practitioner_id = people.id
              AND (o.kinds IS NULL OR kind.name = ANY (string_to_array(o.kinds, ',')))
            UNION ALL
            SELECT t.starts_at, t.ends_at, FALSE
            FROM time_slots t
            WHERE t.practitioner_id = people.id
              AND t.ends_at > CAST(:starts AS timestamptz)
              AND t.starts_at < CAST(:ends AS timestamptz)
        ) AS stretches
        WHERE begins < ends
    ) AS hours
), closed AS (
    SELECT people.id,
           (
               SELECT range_agg(tstzrange(begins, ends))
               FROM (
                   SELECT b.starts_at AS begins, b.ends_at AS ends
                   FROM blocked_time_slots b
                   WHERE b.practitioner_id = people.id
                     AND b.ends_at > CAST(:starts AS timestamptz)
                     AND b.starts_at < CAST(:ends AS timestamptz)
                   UNION ALL
                   SELECT (b.day + b.start_time) AT TIME ZONE people.timezone,
                          (b.day + b.start_time + b.duration) AT TIME ZONE people.timezone
                   FROM unnest(
                       CAST(:block_ids AS uuid[]), CAST(:block_days AS date[]), CAST(:block_starts AS time[]),
                       CAST(:block_durations AS interval[])
                   ) AS b (practitioner_id, day, start_time, duration)
                   WHERE b.practitioner_id = people.id
               ) AS blocks
               WHERE begins < ends
           ) AS blocked,
           (
               SELECT range_agg(tstzrange(e.starts_at, e.ends_at))
               FROM external_busy_times e
               WHERE e.practitioner_id = people.id
                 AND e.ends_at > CAST(:starts AS timestamptz)
                 AND e.starts_at < CAST(:ends AS timestamptz)
           ) AS external,
           (
               SELECT range_agg(
                   tstzrange(
                       lower(taken.occupied) - CAST(:buffer_after AS interval),
                       upper(taken.occupied) + CAST(:buffer_before AS interval)
                   )
               )
               FROM (
                   SELECT a.occupied
                   FROM appointments a
                   WHERE a.practitioner_id = people.id
                     AND a.occupied && tstzrange(
                         CAST(:starts AS timestamptz) - CAST(:buffer_before AS interval),
                         CAST(:ends AS timestamptz) + CAST(:buffer_after AS interval)
                     )
                     AND a.status IN ('held', 'confirmed', 'completed', 'no_show')
                     AND (a.status <> 'held' OR a.hold_expires_at > CAST(:now AS timestamptz))
                     AND a.group_session_id IS NULL
                     AND a.id IS DISTINCT FROM CAST(:except_id AS uuid)
                   UNION ALL
                   SELECT g.occupied
                   FROM group_sessions g
                   WHERE g.practitioner_id = people.id
                     AND g.occupied && tstzrange(
                         CAST(:starts AS timestamptz) - CAST(:buffer_before AS interval),
                         CAST(:ends AS timestamptz) + CAST(:buffer_after AS interval)
                     )
                     AND g.status = 'scheduled'
                     AND g.id IS DISTINCT FROM CAST(:except_id AS uuid)
               ) AS taken
           ) AS busy
    FROM people
)
SELECT offered.id, offered.kind, layer.name, lower(span), upper(span)
FROM offered
JOIN closed ON closed.id = offered.id
CROSS JOIN LATERAL (
    SELECT 'free' AS name,
           (
               offered.working - COALESCE(closed.blocked, '{}') - COALESCE(closed.external, '{}')
               - COALESCE(closed.busy, '{}')
           ) * tstzmultirange(tstzrange(CAST(:starts AS timestamptz), CAST(:ends AS timestamptz))) AS spans
    WHERE NOT CAST(:with_layers AS boolean)
    UNION ALL
    SELECT layers.name, layers.spans
    FROM (
        VALUES
            ('working', offered.working), ('all_days', offered.all_days), ('blocked', closed.blocked),
            ('external', closed.external), ('busy', closed.busy)
    ) AS layers (name, spans)
    WHERE CAST(:with_layers AS boolean)
) AS layer
CROSS JOIN LATERAL unnest(layer.spans) AS span
""")

# How often a service was booked: live appointments near the window, for its caps. By the exclusion index.
_BOOKED = text("""
SELECT a.practitioner_id, a.starts_at
FROM appointments a
WHERE a.practitioner_id = ANY (CAST(:ids AS uuid[]))
  AND a.occupied && tstzrange(CAST(:starts AS timestamptz), CAST(:ends AS timestamptz))
  AND a.service_id = CAST(:service_id AS uuid)
  AND a.status IN ('held', 'confirmed', 'completed', 'no_show')
  AND (a.status <> 'held' OR a.hold_expires_at > CAST(:now AS timestamptz))
  AND a.id IS DISTINCT FROM CAST(:except_id AS uuid)
""")

# What everyone has to do, for sharing bookings fairly: the instants, to be counted by local day.
_LOADS = text("""
SELECT a.practitioner_id, a.starts_at
FROM appointments a
WHERE a.practitioner_id = ANY (CAST(:ids AS uuid[]))
  AND a.occupied && tstzrange(CAST(:starts AS timestamptz), CAST(:ends AS timestamptz))
  AND a.status IN ('held', 'confirmed', 'completed', 'no_show')
  AND (a.status <> 'held' OR a.hold_expires_at > CAST(:now AS timestamptz))
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

    def parameters(self, *, with_layers: bool) -> dict[str, Any]:
        """What the statement takes."""
        openings, blocks = self.openings, self.blocks
        return {
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
            "except_id": self.except_id,
            "with_layers": with_layers,
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
    for practitioner_id, kind, layer, lower, upper in await session.execute(
        _AVAILABILITY, window.parameters(with_layers=with_layers)
    ):
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
