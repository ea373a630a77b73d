"""Thousands of due reminders, nearly all of one practice: how fast they go, and how long the other practices wait."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import Range

from benchmarks.errors import BenchmarkError
from benchmarks.load import Sample
from benchmarks.options import Options
from benchmarks.practices import ZONE, known_id, provision
from benchmarks.report import Comparison
from benchmarks.stack import WORKER_PROCESSES, Say, Stack
from notifications.port import Mail
from notifications.recipients import Recipient, find_reader
from notifications.rendering import render_mail
from notifications.service import Notice
from notifications.smtp import Smtp
from scheduling.appointments.events import APPOINTMENT_REMINDER
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.visit_mails import REMINDER, compose_reminder
from scheduling.catalogue.models import Practitioner, Service
from tenants.accounts.models import Client
from todoenbalance.broker import make_celery, send_nudge
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import SmtpSecurity, SmtpSettings
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

MOST_PRACTICES = 500
BIG_SHARE = 0.9
"""Of the mails, one practice's; the rest is shared evenly."""
WARM_UP = 40
_SERVICE = _PRACTITIONER = known_id(0)
_STALLED_SECONDS = 60.0
_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail that the server took: when (seconds of the epoch), and of the big practice or another."""

    at: float
    is_of_big: bool


async def compare_mailing(stack: Stack, runtime: Runtime, options: Options, say: Say) -> list[Comparison]:
    """Due rows to mails, against the same mails rendered and posted by as many processes without anything else."""
    practices = await _make_practices(runtime, options, say)
    sink = stack.start_mail_sink()
    values = await _compose_one(runtime, practices[0])
    half = options.mails // 4  # twice a quarter is enough to know the rate of the bare side
    say(f"{options.mails} mails of {len(practices)} practices by {WORKER_PROCESSES} processes")
    bare = await _send_bare(sink.port, sink.notes, values, practices[0], half)
    stack.start_worker(sink.port)
    ours, small = await _drain(stack, runtime, sink.notes, practices[0], options.mails)
    bare.add(await _send_bare(sink.port, sink.notes, values, practices[0], half))
    return [
        Comparison("reminders, from due row to mail server", ours, "the mails alone", bare),
        Comparison(
            f"{len(practices) - 1} small practices' last mail",
            small,
            "the last of all",
            Sample([ours.wall], ours.wall),
            has_rate=False,
        ),
    ]


async def _make_practices(runtime: Runtime, options: Options, say: Say) -> list[TenantContext]:
    """The first has nearly everything. Nothing is due yet."""
    count = min(options.practices, MOST_PRACTICES)
    say(f"{count} practices to be reminded")
    numbers = iter(range(count))
    made: dict[int, TenantContext] = {}

    async def work() -> None:
        for number in numbers:
            made[number] = await provision(runtime, f"mailing-{number:05d}")

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    async with runtime.database.platform() as shared:
        await shared.execute(delete(OutboxEvent))  # invitations, housekeeping
    big = int(options.mails * BIG_SHARE)
    each, rest = divmod(options.mails - big, count - 1)
    for number in range(count):
        async with runtime.database.tenant(made[number]) as session:
            await _fill(session, big + WARM_UP if number == 0 else each + (number <= rest))
    return [made[number] for number in range(count)]


async def _fill(session: TenantSession, visits: int) -> None:
    now = clock.now()
    starts_at, hour = now + timedelta(hours=20), timedelta(hours=1)
    session.add(Service(id=_SERVICE, name="Consulta", duration_minutes=60, currency="EUR", price_minor=0))
    session.add(Practitioner(id=_PRACTITIONER, name="Nuria", timezone=ZONE.key))
    await session.flush()  # what follows refers to them
    if not visits:
        return
    people = {"hashed_password": "!", "first_name": "Carla", "last_name": "Cliente", "locale": "es"}
    slug, ids = session.tenant.slug, [known_id(number) for number in range(visits)]
    await session.execute(
        insert(Client),
        [
            {"id": one, "email": f"{one}@{slug}.example.com", "timezone": ZONE.key, "privacy_accepted_at": now} | people
            for one in ids
        ],
    )
    visit = {
        "service_id": _SERVICE, "practitioner_id": _PRACTITIONER, "status": AppointmentStatus.CONFIRMED,
        "starts_at": starts_at, "ends_at": starts_at + hour, "occupied": Range(starts_at, starts_at + hour),
        "overlapping": True, "currency": "EUR", "price_minor": 0, "amount_due_minor": 0, "location_kind": "practice",
        "cancellation_notice_hours": 24, "version": 0,
    }  # fmt: skip
    await session.execute(insert(Appointment), [{"id": one, "client_id": one} | visit for one in ids])
    far = now + timedelta(days=300)
    await session.execute(
        insert(OutboxEvent),
        [
            {
                "id": new_id(),
                "tenant": session.tenant.key,
                "topic": APPOINTMENT_REMINDER,
                "payload": {"appointment_id": str(one), "version": 0, "minutes": 24 * 60},
                "run_at": far,
            }
            for one in ids
        ],
    )


async def _compose_one(runtime: Runtime, practice: TenantContext) -> dict[str, Any]:
    """What a reminder's template is given, as the product gives it."""
    register_composers()
    async with runtime.database.tenant(practice) as session:
        reader = await find_reader(session, Recipient.client(known_id(0)))
        assert reader is not None
        composed = await compose_reminder(session, runtime, Notice(REMINDER, known_id(0), f"0-{24 * 60}", reader))
        assert composed is not None
        return {"first_name": reader.first_name, "can_reply": True} | composed.values


# ---- the bare side


async def _send_bare(port: int, notes: Path, values: dict[str, Any], practice: TenantContext, count: int) -> Sample:
    before = len(_read(notes, practice))
    each = count // WORKER_PROCESSES
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(WORKER_PROCESSES, mp_context=get_context("spawn"), initializer=register_composers) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, render_and_post, port, values, "t", 5) for _ in range(4)))
        before = len(_read(notes, practice))
        began = time.time()
        work = (
            loop.run_in_executor(pool, render_and_post, port, values, practice.name, each)
            for _ in range(WORKER_PROCESSES)
        )
        await asyncio.gather(*work)
    return _sample(began, _read(notes, practice)[before:])


def render_and_post(port: int, values: dict[str, Any], practice_name: str, count: int) -> None:
    """One process's part, a mail after the other as a worker does it."""
    smtp = Smtp(SmtpSettings(host="127.0.0.1", port=port, security=SmtpSecurity.NONE), local_hostname="bench.localhost")

    async def post() -> None:
        for _ in range(count):
            rendered = render_mail(REMINDER, "es", practice_name, values)
            await smtp.send(_mail(new_id(), rendered.subject, rendered.text, rendered.html, practice_name))

    asyncio.run(post())


def _mail(message_id: UUID, subject: str, text: str, html: str, practice_name: str) -> Mail:
    return Mail(
        id=message_id,
        to="carla@bare.example.com",
        subject=subject,
        text=text,
        html=html,
        sender_name=practice_name,
        sender_address="no-reply@todoenbalance.example",
        reply_to="owner@bare.example.com",
        headers={"Auto-Submitted": "auto-generated", "Content-Language": "es"},
        attachments=(),
    )


# ---- ours


async def _drain(stack: Stack, runtime: Runtime, notes: Path, big: TenantContext, count: int) -> tuple[Sample, Sample]:
    """Have everything due at once, the big practice's rows first. Answers all of it, and the others' last mail."""
    before = len(_read(notes, big))
    ids = select(OutboxEvent.id).where(OutboxEvent.tenant == big.key).limit(WARM_UP).scalar_subquery()
    await _make_due(stack, runtime, OutboxEvent.id.in_(ids))
    await _wait_for(notes, big, before + WARM_UP)
    began = time.time()
    await _make_due(stack, runtime, OutboxEvent.run_at > clock.now() + timedelta(days=1), first=big.key)
    await _wait_for(notes, big, before + WARM_UP + count)
    arrived = _read(notes, big)[before + WARM_UP :]
    last = max(one.at for one in arrived if not one.is_of_big) - began
    return _sample(began, arrived), Sample([last], last)


async def _make_due(stack: Stack, runtime: Runtime, which: Any, *, first: str = "") -> None:
    now = clock.now()
    async with runtime.database.platform() as session:
        is_first = OutboxEvent.tenant == first
        for condition, due_at in ((is_first, now - timedelta(minutes=1)), (~is_first, now)):
            await session.execute(
                update(OutboxEvent)
                .where(which, condition)
                .values(run_at=due_at)
                .execution_options(synchronize_session=False)
            )
    send_nudge(make_celery(stack.settings))


async def _wait_for(notes: Path, big: TenantContext, count: int) -> None:
    seen, deadline = -1, time.monotonic()
    while (now_seen := len(_read(notes, big))) < count:
        if now_seen > seen:
            seen, deadline = now_seen, time.monotonic() + _STALLED_SECONDS
        elif time.monotonic() > deadline:
            raise BenchmarkError(f"no mail for {_STALLED_SECONDS:g} s, {seen} of {count} arrived")
        await asyncio.sleep(0.5)


def _read(notes: Path, big: TenantContext) -> list[Arrival]:
    """What the server noted."""
    found = []
    for line in notes.read_text().splitlines():
        at, _, recipient = line.partition(" ")
        found.append(Arrival(float(at), recipient.endswith(f"@{big.slug}.example.com")))
    return found


def _sample(began: float, arrived: Sequence[Arrival]) -> Sample:
    """The time between one mail and the next, and of all of them."""
    moments = [began, *sorted(one.at for one in arrived)]
    return Sample([later - sooner for sooner, later in pairwise(moments)], moments[-1] - began)
