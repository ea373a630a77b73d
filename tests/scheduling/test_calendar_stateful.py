"""Everybody at once, for many rounds, over connections of their own: no time is ever given to two.

Each round is a handful of acts that run at the same time in transactions of their own: booking (free, paid, on
request, seats of a group), moving, cancelling, granting, declining, money that comes late, holds that run out,
sessions that are planned, moved and cancelled. An act may be refused with a problem; anything else is an error, a
deadlock too. After each round the database is asked whether anybody's time is taken twice.
"""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, text

from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.approving import approve_request, decline_request
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.confirming import confirm_paid, expire_hold
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.services.cancelling import cancel_session
from scheduling.group_sessions.services.moving import move_session
from scheduling.group_sessions.services.planning import Plan, plan_sessions
from tests.support.practices import make_client, make_practice
from tests.support.scheduling import add_hours, make_practitioner, make_service, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

DAY = datetime(2026, 3, 3, tzinfo=UTC)
CAPACITY = 2

_TAKEN_TWICE = text("""
WITH parties AS (
    SELECT id, practitioner_id, occupied, overlapping FROM appointments
    WHERE group_session_id IS NULL AND status IN ('held', 'confirmed', 'completed', 'no_show')
      AND (status <> 'held' OR hold_expires_at > :now)
    UNION ALL
    SELECT id, practitioner_id, occupied, FALSE FROM group_sessions WHERE status = 'scheduled'
)
SELECT a.id, b.id FROM parties a JOIN parties b
ON a.practitioner_id = b.practitioner_id AND a.id < b.id AND a.occupied && b.occupied
WHERE NOT a.overlapping AND NOT b.overlapping
""")
_TOO_FULL = text("""
SELECT g.id FROM group_sessions g JOIN appointments a ON a.group_session_id = g.id
WHERE a.status IN ('held', 'confirmed', 'completed', 'no_show') AND (a.status <> 'held' OR a.hold_expires_at > :now)
GROUP BY g.id HAVING count(*) > max(g.capacity)
""")
_ASTRAY = text("""
SELECT a.id FROM appointments a JOIN group_sessions g ON g.id = a.group_session_id
WHERE a.status IN ('held', 'confirmed')
  AND (a.occupied <> g.occupied OR a.practitioner_id <> g.practitioner_id OR g.status <> 'scheduled')
  AND (a.status <> 'held' OR a.hold_expires_at > :now)
""")

people, kinds, guests = st.integers(0, 1), st.sampled_from(["free", "paid", "request", "group"]), st.integers(0, 4)
slots = st.integers(0, 9)
which = st.integers(0, 30)
acts = st.one_of(
    st.tuples(st.just("book"), guests, kinds, slots, st.none() | people),
    st.tuples(st.just("book"), guests, kinds, slots, people),
    st.tuples(st.just("move"), which, slots),
    st.tuples(st.just("cancel"), which),
    st.tuples(st.just("approve"), which),
    st.tuples(st.just("decline"), which),
    st.tuples(st.just("pay"), which),
    st.tuples(st.just("expire"), which),
    st.tuples(st.just("plan"), people, slots),
    st.tuples(st.just("move_session"), which, slots, people),
    st.tuples(st.just("cancel_session"), which),
)


def at(slot: int) -> datetime:
    """Half an hour apart, so that consultations of an hour overlap their neighbours."""
    return DAY + timedelta(hours=8, minutes=30 * slot)


class Calendar(RuleBasedStateMachine):
    """Two practitioners, four services, five clients, ten starts."""

    def __init__(self, runner: asyncio.Runner, runtime: Runtime) -> None:
        super().__init__()
        self._runner, self._runtime = runner, runtime
        self._now = DAY - timedelta(days=1)
        self._practice: TenantContext = runner.run(make_practice(runtime))
        self._staff = Actor.staff(new_id())
        self._made: list[UUID] = []
        self._sessions: list[UUID] = []
        runner.run(self._fill())

    async def _fill(self) -> None:
        runtime, practice = self._runtime, self._practice
        self._clients = [(await make_client(runtime, practice)).id for _ in range(5)]
        await set_practice(runtime, practice, hold_minutes=15)
        with clock.at(self._now):
            async with runtime.database.tenant(practice) as session:
                self._people = [(await make_practitioner(session)).id for _ in range(2)]
                for one in self._people:
                    await add_hours(session, one, start=time(8), end=time(20))
                common: dict[str, Any] = {"buffer_after_minutes": 15}
                self._services = {
                    "free": (await make_service(session, *self._people, **common)).id,
                    "paid": (await make_service(session, *self._people, price_minor=6000, duration_minutes=45)).id,
                    "request": (
                        await make_service(
                            session, *self._people, requires_approval=True, approval_hours=1, price_minor=3000
                        )
                    ).id,
                    "group": (await make_service(session, *self._people, capacity=CAPACITY, price_minor=1000)).id,
                }

    @rule(together=st.lists(acts, min_size=2, max_size=6), minutes=st.integers(0, 12))
    def everybody_at_once(self, together: list[tuple[Any, ...]], minutes: int) -> None:
        """A round."""
        self._now += timedelta(minutes=minutes)

        async def play() -> None:
            with clock.at(self._now):
                results = await asyncio.gather(*(self._act(act) for act in together), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException) and not isinstance(result, ProblemError):
                    raise result

        self._runner.run(play())

    async def _act(self, act: tuple[Any, ...]) -> None:
        async with self._runtime.database.tenant(self._practice) as session:
            work = self._work(session, *act)
            if work is None:
                return
            made = await work
        if isinstance(made, Appointment) and made.id not in self._made:
            self._made.append(made.id)
        elif isinstance(made, list):
            self._sessions += [one.id for one in made if isinstance(one, GroupSession)]

    def _work(self, session: TenantSession, name: str, *how: Any) -> Coroutine[Any, Any, Any] | None:
        if name == "book":
            guest, kind, slot, person = how
            return book_appointment(
                session,
                client_id=self._clients[guest],
                service_id=self._services[kind],
                starts_at=at(slot),
                practitioner_id=None if person is None else self._people[person],
            )
        if name == "plan":
            new = Plan(service_id=self._services["group"], practitioner_id=self._people[how[0]], starts_at=at(how[1]))
            return plan_sessions(session, new)
        if name in ("move_session", "cancel_session"):
            return self._with_session(session, name, *how)
        return self._with_appointment(session, name, *how)

    def _with_session(
        self, session: TenantSession, name: str, number: int, *how: int
    ) -> Coroutine[Any, Any, Any] | None:
        if not self._sessions:
            return None
        chosen = self._sessions[number % len(self._sessions)]
        if name == "cancel_session":
            return cancel_session(session, chosen, actor=self._staff)
        return move_session(session, chosen, at(how[0]), actor=self._staff, practitioner_id=self._people[how[1]])

    def _with_appointment(
        self, session: TenantSession, name: str, number: int, *how: int
    ) -> Coroutine[Any, Any, Any] | None:
        if not self._made:
            return None
        chosen = self._made[number % len(self._made)]
        if name == "move":
            return reschedule_appointment(session, chosen, at(how[0]), actor=self._staff)
        if name == "cancel":
            return cancel_appointment(session, chosen, actor=self._staff)
        if name == "approve":
            return approve_request(session, chosen, actor=self._staff)
        if name == "decline":
            return decline_request(session, chosen, actor=self._staff)
        return confirm_paid(session, chosen) if name == "pay" else expire_hold(session, chosen)

    @invariant()
    def nobody_is_in_two_places(self) -> None:
        """What it is all about."""

        async def look() -> None:
            async with self._runtime.database.tenant(self._practice) as session:
                for question in (_TAKEN_TWICE, _TOO_FULL, _ASTRAY):
                    assert (await session.execute(question, {"now": self._now})).all() == []

        self._runner.run(look())

    def teardown(self) -> None:
        """Whatever could be booked was: a test in which nothing happens shows nothing."""

        async def count() -> None:
            async with self._runtime.database.tenant(self._practice) as session:
                assert set(self._made) == set((await session.scalars(select(Appointment.id))).all())

        self._runner.run(count())


def test_no_time_is_given_to_two_whatever_everybody_does(settings: Settings) -> None:
    runtime = Runtime.from_settings(settings)
    with asyncio.Runner() as runner:
        try:
            run_state_machine_as_test(
                lambda: Calendar(runner, runtime),  # type: ignore[arg-type]  # calls any factory
                settings=profile(
                    max_examples=12,
                    stateful_step_count=20,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],  # what depends on who comes first can't be shrunk
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(runtime.database.close())
