"""The one statement of availability, in the four forms that it is asked in.

Everything is multirange arithmetic: open - busy, per practitioner (and per place, where hours hold in some places
only), within a window.

- Weekly hours become instants by the practitioner's zone, one local date at a time; an end at 00:00 is the end of
  the day. Times that a change of the clocks skips come out in the wrong order and are dropped (``begins < ends``),
  so are those of a day that a zone skipped (Pacific/Apia, 2011-12-30), which come out on another one. On public
  holidays they don't count, one-off openings do.
- An appointment is busy over its ``occupied`` range, widened by the buffers of the service in question the other
  way round: [s, e) keeps its own buffers clear of ``occupied`` exactly if it misses the widened range. A group
  session is busy as a whole; its seats add nothing.
- A held appointment whose hold has run out is not there; ``:now`` is the application's clock.
- Appointments are found by their start: none is longer than :data:`LONGEST`, so past ones are never touched.
  Openings and blocks, which may be long, are found by their end for the same reason.
- Casts give every parameter one type, so the statement prepares; no schema is named, so one prepared statement
  serves every practice. Planning is a good part of what an answer costs, so each form holds only what it needs:
  with what comes back by a rule or without, with the layers that a judgement wants or the free time alone.
"""
# ruff: noqa: S608 - the forms are put together here from constants; values are parameters

from sqlalchemy import TextClause, text

LONGEST = "interval '32 hours'"
"""The longest that an appointment can be with either of its buffers (by the checks on services)."""

_PEOPLE = """
WITH people AS (
    SELECT p.id, p.timezone, p.works_on_holidays,
           CAST(CAST(:starts AS timestamptz) AT TIME ZONE p.timezone AS date) AS first_day,
           CAST(CAST(:ends AS timestamptz) AT TIME ZONE p.timezone AS date) AS last_day
    FROM unnest(CAST(:ids AS uuid[]), CAST(:zones AS text[]), CAST(:on_holidays AS boolean[]))
         AS p (id, timezone, works_on_holidays)
)"""

_DAY_END = "CASE WHEN {end} = '00:00' THEN interval '1 day' ELSE interval '0' END"
_WEEKLY_HOURS = f"""
            SELECT (days.day + r.start_time) AT TIME ZONE people.timezone AS begins,
                   (days.day + r.end_time + {_DAY_END.format(end="r.end_time")}) AT TIME ZONE people.timezone AS ends,
                   NOT people.works_on_holidays AND days.day = ANY (CAST(:holidays AS date[])) AS is_holiday,
                   days.day
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
              AND (r.location_kinds IS NULL OR kind.name = ANY (r.location_kinds))"""
_HOURS_BY_RULE = f"""
            UNION ALL
            SELECT (o.day + o.start_time) AT TIME ZONE people.timezone,
                   (o.day + o.end_time + {_DAY_END.format(end="o.end_time")}) AT TIME ZONE people.timezone,
                   o.is_holiday,
                   o.day
            FROM unnest(
                CAST(:opening_ids AS uuid[]), CAST(:opening_days AS date[]), CAST(:opening_starts AS time[]),
                CAST(:opening_ends AS time[]), CAST(:opening_kinds AS text[]), CAST(:opening_holidays AS boolean[])
            ) AS o (practitioner_id, day, start_time, end_time, kinds, is_holiday)
            WHERE o.practitioner_id = people.id
              AND (o.kinds IS NULL OR kind.name = ANY (string_to_array(o.kinds, ',')))"""
_OPENINGS = """
            UNION ALL
            SELECT t.starts_at, t.ends_at, FALSE, NULL
            FROM time_slots t
            WHERE t.practitioner_id = people.id
              AND t.ends_at > CAST(:starts AS timestamptz)
              AND t.starts_at < CAST(:ends AS timestamptz)"""
_IS_REAL = "begins < ends AND (day IS NULL OR CAST(begins AT TIME ZONE people.timezone AS date) = day)"

_BLOCKS = """
                   SELECT b.starts_at AS begins, b.ends_at AS ends, CAST(NULL AS date) AS day
                   FROM blocked_time_slots b
                   WHERE b.practitioner_id = people.id
                     AND b.ends_at > CAST(:starts AS timestamptz)
                     AND b.starts_at < CAST(:ends AS timestamptz)"""
_BLOCKS_BY_RULE = """
                   UNION ALL
                   SELECT (b.day + b.start_time) AT TIME ZONE people.timezone,
                          (b.day + b.start_time + b.duration) AT TIME ZONE people.timezone,
                          b.day
                   FROM unnest(
                       CAST(:block_ids AS uuid[]), CAST(:block_days AS date[]), CAST(:block_starts AS time[]),
                       CAST(:block_durations AS interval[])
                   ) AS b (practitioner_id, day, start_time, duration)
                   WHERE b.practitioner_id = people.id"""
_EXTERNAL = """(
               SELECT range_agg(tstzrange(e.starts_at, e.ends_at))
               FROM external_busy_times e
               WHERE e.practitioner_id = people.id
                 AND e.ends_at > CAST(:starts AS timestamptz)
                 AND e.starts_at < CAST(:ends AS timestamptz)
           )"""
_BUSY = f"""(
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
                     AND a.starts_at > CAST(:starts AS timestamptz) - CAST(:buffer_before AS interval) - {LONGEST}
                     AND a.starts_at < CAST(:ends AS timestamptz) + CAST(:buffer_after AS interval) + {LONGEST}
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
           )"""


def _hours(*, by_rule: bool) -> str:
    return _WEEKLY_HOURS + (_HOURS_BY_RULE if by_rule else "") + _OPENINGS


def _closed(*, by_rule: bool) -> str:
    blocks = _BLOCKS + (_BLOCKS_BY_RULE if by_rule else "")
    return f"""
    SELECT people.id,
           (SELECT range_agg(tstzrange(begins, ends)) FROM ({blocks}) AS blocks WHERE {_IS_REAL}) AS blocked,
           {_EXTERNAL} AS external,
           {_BUSY} AS busy
    FROM people"""


def _free_time(*, by_rule: bool) -> TextClause:
    return text(f"""{_PEOPLE}, offered AS (
    SELECT people.id, kind.name AS kind, hours.working
    FROM people
    CROSS JOIN unnest(CAST(:kinds AS text[])) AS kind (name)
    CROSS JOIN LATERAL (
        SELECT range_agg(tstzrange(begins, ends)) AS working
        FROM ({_hours(by_rule=by_rule)}
        ) AS stretches
        WHERE NOT is_holiday AND {_IS_REAL}
    ) AS hours
), closed AS ({_closed(by_rule=by_rule)}
)
SELECT offered.id, offered.kind, 'free', lower(span), upper(span)
FROM offered
JOIN closed ON closed.id = offered.id
CROSS JOIN LATERAL unnest(
    (
        offered.working - COALESCE(closed.blocked, '{{}}') - COALESCE(closed.external, '{{}}')
        - COALESCE(closed.busy, '{{}}')
    ) * tstzmultirange(tstzrange(CAST(:starts AS timestamptz), CAST(:ends AS timestamptz)))
) AS span
""")


def _layers(*, by_rule: bool) -> TextClause:
    return text(f"""{_PEOPLE}, offered AS (
    SELECT people.id, kind.name AS kind, hours.working, hours.all_days
    FROM people
    CROSS JOIN unnest(CAST(:kinds AS text[])) AS kind (name)
    CROSS JOIN LATERAL (
        SELECT range_agg(tstzrange(begins, ends)) FILTER (WHERE NOT is_holiday) AS working,
               range_agg(tstzrange(begins, ends)) AS all_days
        FROM ({_hours(by_rule=by_rule)}
        ) AS stretches
        WHERE {_IS_REAL}
    ) AS hours
), closed AS ({_closed(by_rule=by_rule)}
)
SELECT offered.id, offered.kind, layer.name, lower(span), upper(span)
FROM offered
JOIN closed ON closed.id = offered.id
CROSS JOIN LATERAL (
    VALUES
        ('working', offered.working), ('all_days', offered.all_days), ('blocked', closed.blocked),
        ('external', closed.external), ('busy', closed.busy)
) AS layer (name, spans)
CROSS JOIN LATERAL unnest(layer.spans) AS span
""")


FREE_TIME = {by_rule: _free_time(by_rule=by_rule) for by_rule in (False, True)}
"""By whether anything comes back by a rule: the free intervals of each practitioner and place."""
LAYERS = {by_rule: _layers(by_rule=by_rule) for by_rule in (False, True)}
"""The same in layers, for a judgement."""
