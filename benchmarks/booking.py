"""Booking over HTTP against pgbench doing the same inserts in the same kind of transaction."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from benchmarks.errors import BenchmarkError
from benchmarks.load import Sample, alternate, connect, render_request
from benchmarks.options import Options
from benchmarks.practices import SLOT, SLOTS_A_DAY, known_id, make_bookable_practice
from benchmarks.report import Comparison
from benchmarks.stack import Say, Server, Stack
from scheduling.appointments.events import APPOINTMENT_CONFIRMED, APPOINTMENT_REMINDER
from tenants.accounts.models import AccountKind
from tenants.accounts.services.sign_ins import start_session
from todoenbalance.devstack.postgres import binaries
from todoenbalance.kit import clock
from todoenbalance.kit.database import EXTENSIONS_SCHEMA
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

# Rows that one booking writes, which both sides are checked for.
_TABLES = ("appointments", "appointment_changes", "platform.outbox")
_RATE = re.compile(r"^tps = ([\d.]+) \(without initial connection time\)", re.MULTILINE)

# Bind to the practice as the login role, lock the practitioner, then what the product inserts, then commit. Each
# client of pgbench has a practitioner and a client of its own, as on our side, so that nobody waits for a lock.
_SCRIPT = r"""
\set n :n + 1
BEGIN;
SELECT set_config('search_path', '{practice}, {extensions}', true), set_config('role', '{practice}', true);
SELECT id FROM practitioners WHERE id = {person} FOR NO KEY UPDATE;
INSERT INTO appointments (
    id, service_id, practitioner_id, client_id, status, starts_at, ends_at, occupied, currency, price_minor,
    amount_due_minor, hold_expires_at, location_kind, meeting_url, notes, cancellation_notice_hours, cancelled_by,
    cancelled_at, cancellation_reason, version, created_at
) VALUES (
    {id}, CAST('{service}' AS uuid), {person}, {person}, 'confirmed', {starts}, {ends}, tstzrange({starts}, {ends}),
    'EUR', 0, 0, NULL, 'phone', NULL, NULL, 24, NULL, NULL, NULL, 0, now()
);
INSERT INTO appointment_changes (id, appointment_id, kind, actor_kind, actor_id, detail, created_at)
VALUES ({id}, {id}, 'booked', 'client', {person}, CAST('{{}}' AS jsonb), now());
INSERT INTO platform.outbox (id, tenant, topic, payload, created_at, run_at)
VALUES (gen_random_uuid(), '{practice}', '{confirmed}', {payload}, now(), now());
INSERT INTO platform.outbox (id, tenant, topic, payload, created_at, run_at)
VALUES (gen_random_uuid(), '{practice}', '{reminder}', {payload}, now(), {starts} - interval '1 day');
COMMIT;
"""


async def compare_booking(stack: Stack, api: Server, runtime: Runtime, options: Options, say: Say) -> list[Comparison]:
    """Every connection books free times of a practitioner of its own, as a client of its own."""
    say(f"booking against pgbench, {options.connections} at a time")
    ours = await make_bookable_practice(runtime, "booked-over-http", options.connections)
    theirs = await make_bookable_practice(runtime, "booked-by-pgbench", options.connections)
    feeds = await _bookings(runtime, ours, options.connections)
    pgbench = _Pgbench(stack, theirs, options)
    async with connect(api.port, options.connections) as load:

        async def book() -> Sample:
            return await load.run(feeds, options.round_seconds, status=201)

        warm = await load.run(feeds, 1.0, status=201), await pgbench.run(1)
        samples = await alternate(options.rounds, [book, lambda: pgbench.run(max(1, round(options.round_seconds)))])
    for practice, sample, first in zip((ours, theirs), samples, warm, strict=True):
        _check_rows(stack, practice, len(sample.times) + len(first.times))
    name = f"booking, {options.connections} at a time"
    return [Comparison(name, samples[0], "same inserts, pgbench", samples[1])]


async def _bookings(runtime: Runtime, practice: TenantContext, count: int) -> list[Iterator[bytes]]:
    feeds = []
    for number in range(count):
        async with runtime.database.tenant(practice) as session:
            auth = runtime.settings.auth
            pair = await start_session(session, runtime.signer, auth, AccountKind.CLIENT, known_id(number))
        feeds.append(_bookings_of(number, practice, {"Authorization": f"Bearer {pair.access_token}"}))
    return feeds


def _bookings_of(number: int, practice: TenantContext, headers: dict[str, str]) -> Iterator[bytes]:
    for starts_at in _free_times():
        wish = {
            "service_id": str(known_id(0)),
            "practitioner_id": str(known_id(number)),
            "starts_at": starts_at.isoformat(),
        }
        body = json.dumps(wish).encode()
        yield render_request("POST", "/api/v1/appointments", practice.hostname, headers, body)
    raise BenchmarkError("every free time is booked: measure for fewer seconds")


def _free_times() -> Iterator[datetime]:
    """Every start from the day after tomorrow to the horizon, in order."""
    first = _first_day()
    for day in range(725):
        yield from (first + timedelta(days=day) + SLOT * slot for slot in range(SLOTS_A_DAY))


def _first_day() -> datetime:
    return (clock.now() + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)


class _Pgbench:
    """The other side. Its protocol is the prepared one, which is the quickest."""

    def __init__(self, stack: Stack, practice: TenantContext, options: Options) -> None:
        self._url = make_url(stack.database_url)
        self._folder = stack.folder
        self._connections = options.connections
        self._booked_before = 0
        self._script = stack.folder / "booking.pgbench"
        self._script.write_text(_render_script(practice))

    async def run(self, seconds: int) -> Sample:
        """Book for whole ``seconds``. Raises :class:`BenchmarkError` with what pgbench said."""
        count = str(self._connections)
        prefix = self._folder / "pgbench-times"
        command = [str(binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={count}"]
        command += ["--jobs=1", f"--time={seconds}", f"--define=n={self._booked_before}", f"--file={self._script}"]
        command += ["--log", f"--log-prefix={prefix}", str(self._url.database)]
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **self._environment()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            said, complained = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        rate = _RATE.search(said.decode())
        if process.returncode != 0 or rate is None:
            lines = complained.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise BenchmarkError(f"pgbench failed: {lines[-1]}")
        times = _read_times(prefix)
        self._booked_before += len(times)
        return Sample(times, len(times) / float(rate[1]))

    def _environment(self) -> dict[str, str]:
        query = {name: str(value) for name, value in self._url.query.items()}
        return {
            "PGHOST": query["host"],
            "PGPORT": query["port"],
            "PGUSER": str(self._url.username),
            "PGPASSWORD": str(self._url.password),
        }


def _render_script(practice: TenantContext) -> str:
    """Ids and times are reckoned from pgbench's number of the client and its own count ``n``."""
    client, n = "lpad(CAST(:client_id AS text), 12, '0')", "CAST(:n AS bigint)"
    ident = f"CAST(lpad(CAST(:n AS text), 8, '0') || '-0000-7000-8000-' || {client} AS uuid)"
    starts = f"to_timestamp({int(_first_day().timestamp())} + {n} * {int(SLOT.total_seconds())})"
    return _SCRIPT.format(
        practice=practice.key,
        extensions=EXTENSIONS_SCHEMA,
        service=known_id(0),
        person=f"CAST('{str(known_id(0))[:24]}' || {client} AS uuid)",
        id=ident,
        starts=starts,
        ends=f"({starts} + interval '15 minutes')",
        payload=f"jsonb_build_object('appointment_id', {ident}, 'version', 0)",
        confirmed=APPOINTMENT_CONFIRMED,
        reminder=APPOINTMENT_REMINDER,
    )


def _read_times(prefix: Path) -> list[float]:
    """Times of transactions: the log's third column, in microseconds (pgbench manual, "Per-Transaction Logging")."""
    times = []
    for path in prefix.parent.glob(f"{prefix.name}.*"):
        times += [int(line.split()[2]) / 1e6 for line in path.read_text().splitlines()]
        path.unlink()
    return times


def _check_rows(stack: Stack, practice: TenantContext, booked: int) -> None:
    """Both sides must have written the same rows for a booking. Raises :class:`BenchmarkError` if not."""
    inside = make_url(stack.admin_url).set(database=make_url(stack.database_url).database)
    counts = []
    with psycopg.connect(inside.render_as_string(hide_password=False)) as connection:
        for table in _TABLES:
            place = sql.Identifier(*table.split(".")) if "." in table else sql.Identifier(practice.key, table)
            query = sql.SQL("SELECT count(*) FROM {} ").format(place)
            if "." in table:
                # The invitation of the owner is the one event that is no booking's.
                query += sql.SQL("WHERE tenant = {} AND topic LIKE 'appointment.%'").format(sql.Literal(practice.key))
            row = connection.execute(query).fetchone()
            counts.append(row[0] if row else 0)
    if counts != [booked, booked, 2 * booked]:
        raise BenchmarkError(f"{booked} bookings of {practice.slug} wrote {counts} rows of {', '.join(_TABLES)}")
