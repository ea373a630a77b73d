"""The one statement of availability."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from todoenbalance.kit.database import TenantSession

# Everything is multirange arithmetic: open - busy, per practitioner, within a window.
#
# - Weekly hours become instants by the practitioner's zone, one local date at a time. Times that a change
#   of the clocks skips come out in the wrong order and are dropped (`begins < ends`).
# - An appointment is busy over its `occupied` range, widened by the buffers of the service in question the
#   other way round: [s, e) keeps its own buffers clear of `occupied` exactly if it misses the widened range.
# - A held appointment whose hold has run out is not there; `:now` is the application's clock.
# - The statuses are spelled out as in the exclusion constraint's predicate, so that its index serves; past
#   appointments are never touched. Openings and blocks are found by their end for the same reason.
# - Casts give every parameter one type, so the statement prepares; no schema is named, so one prepared
#   statement serves every practice.
_AVAILABILITY = text("""
WITH people AS (
    SELECT p.id, p.timezone,
           CAST(CAST(:starts AS timestamptz) AT TIME ZONE p.timezone AS date) AS first_day,
           CAST(CAST(:ends AS timestamptz) AT TIME ZONE p.timezone AS date) AS last_day
    FROM practitioners p
    WHERE NOT p.archived
      AND (CAST(:practitioner_id AS uuid) IS NULL OR p.id = CAST(:practitioner_id AS uuid))
      AND EXISTS (
          SELECT FROM service_practitioners sp
          WHERE sp.practitioner_id = p.id AND sp.service_id = CAST(:service_id AS uuid)
      )
), opened AS (
    SELECT people.id, people.timezone,
           (offered.spans - COALESCE(blocked.spans, '{}'))
           * tstzmultirange(tstzrange(CAST(:starts AS timestamptz), CAST(:ends AS timestamptz))) AS spans
    FROM people
    CROSS JOIN LATERAL (
        SELECT range_agg(tstzrange(begins, ends)) AS spans
        FROM (
            SELECT (people.first_day + n + r.start_time) AT TIME ZONE people.timezone AS begins,
                   (people.first_day + n + r.end_time) AT TIME ZONE people.timezone AS ends
            FROM recurring_time_slots r
            CROSS JOIN generate_series(
                (r.weekday - CAST(extract(isodow FROM people.first_day) AS integer) + 7) % 7,
                people.last_day - people.first_day,
                7
            ) AS n
            WHERE r.practitioner_id = people.id
              AND (r.valid_from IS NULL OR r.valid_from <= people.first_day + n)
              AND (r.valid_until IS NULL OR r.valid_until >= people.first_day + n)
            UNION ALL
            SELECT t.starts_at, t.ends_at
            FROM time_slots t
            WHERE t.practitioner_id = people.id
              AND t.ends_at > CAST(:starts AS timestamptz)
              AND t.starts_at < CAST(:ends AS timestamptz)
        ) AS hours
        WHERE begins < ends
    ) AS offered
    CROSS JOIN LATERAL (
        SELECT range_agg(tstzrange(b.starts_at, b.ends_at)) AS spans
        FROM blocked_time_slots b
        WHERE b.practitioner_id = people.id
          AND b.ends_at > CAST(:starts AS timestamptz)
          AND b.starts_at < CAST(:ends AS timestamptz)
    ) AS blocked
    WHERE offered.spans IS NOT NULL
), answered AS (
    SELECT opened.id, opened.timezone, opened.spans AS open_spans,
           opened.spans - COALESCE(busy.spans, '{}') AS free_spans
    FROM opened
    CROSS JOIN LATERAL (
        SELECT range_agg(
            tstzrange(
                lower(a.occupied) - CAST(:buffer_after AS interval),
                upper(a.occupied) + CAST(:buffer_before AS interval)
            )
        ) AS spans
        FROM appointments a
        WHERE a.practitioner_id = opened.id
          AND a.occupied && tstzrange(
              CAST(:starts AS timestamptz) - CAST(:buffer_before AS interval),
              CAST(:ends AS timestamptz) + CAST(:buffer_after AS interval)
          )
          AND a.status IN ('held', 'confirmed', 'completed', 'no_show')
          AND (a.status <> 'held' OR a.hold_expires_at > CAST(:now AS timestamptz))
          AND a.id IS DISTINCT FROM CAST(:except_id AS uuid)
    ) AS busy
)
SELECT answered.id, answered.timezone, kind.is_free, lower(span), upper(span)
FROM answered
CROSS JOIN LATERAL (VALUES (TRUE, free_spans), (FALSE, open_spans)) AS kind (is_free, spans)
CROSS JOIN LATERAL unnest(kind.spans) AS span
WHERE kind.is_free OR CAST(:with_open AS boolean)
""")


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked: whose time, for which service's buffers, from when to when, as of when.

    ``except_id`` is an appointment that is about to move, whose own time is no hindrance.
    """

    service_id: UUID
    starts: datetime
    ends: datetime
    now: datetime
    buffer_before: timedelta
    buffer_after: timedelta
    practitioner_id: UUID | None = None
    except_id: UUID | None = None


Span = tuple[datetime, datetime]


@dataclass(slots=True)
class Availability:
    """One practitioner's time in the window, intervals in order: where they work, and what of that is free."""

    practitioner_id: UUID
    timezone: str
    free: list[Span] = field(default_factory=list)
    open: list[Span] = field(default_factory=list)


async def find_availability(session: TenantSession, window: Window, *, with_open: bool) -> dict[UUID, Availability]:
    """Open and free time of those who offer the service; who has none in the window is left out.

    ``open`` stays empty unless ``with_open``. Buffers may reach beyond opening hours and into blocks; they
    may not touch what another appointment occupies.
    """
    result = await session.execute(
        _AVAILABILITY,
        {
            "service_id": window.service_id,
            "practitioner_id": window.practitioner_id,
            "starts": window.starts,
            "ends": window.ends,
            "now": window.now,
            "buffer_before": window.buffer_before,
            "buffer_after": window.buffer_after,
            "except_id": window.except_id,
            "with_open": with_open,
        },
    )
    found: dict[UUID, Availability] = {}
    for practitioner_id, timezone, is_free, lower, upper in result:
        one = found.get(practitioner_id)
        if one is None:
            one = found[practitioner_id] = Availability(practitioner_id, timezone)
        (one.free if is_free else one.open).append((lower, upper))
    return found
