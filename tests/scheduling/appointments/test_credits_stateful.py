"""Whatever a client and a practice do: no session of a package is lost, made, or reserved twice."""

import asyncio
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import update

from billing.packages.ledger import SYSTEM
from billing.packages.models import PackagePurchase
from billing.packages.services.credits import expire_credits
from billing.packages.services.giving_back import give_back_package
from billing.packages.services.purchases import adjust_credits
from billing.packages.services.selling import sell_at_desk
from billing.payments.receipts import ReceiptKind
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.cancelling import Ruling, cancel_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.appointments.services.outcomes import record_outcome
from scheduling.appointments.services.pricing import Means
from scheduling.catalogue.models import Service
from tests.support.checkout import Desk, make_desk
from tests.support.packages import check_ledger, make_package
from tests.support.practices import make_practice
from todoenbalance.kit import clock
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime

STAFF = Actor.staff(new_id())


class Credits(RuleBasedStateMachine):
    """One client with packages; each step may be refused, and then nothing has happened."""

    loop: asyncio.AbstractEventLoop
    runtime: Runtime
    booked = Bundle("booked")

    def __init__(self) -> None:
        super().__init__()
        self.desk: Desk = self.run_step(self._open())
        self.purchases: list[PackagePurchase] = []

    def run_step(self, step: Any) -> Any:
        """On the test's own loop, which sleeps while hypothesis runs in a thread."""
        return asyncio.run_coroutine_threadsafe(step, self.loop).result(60)

    async def _open(self) -> Desk:
        desk = await make_desk(self.runtime, await make_practice(self.runtime))
        async with self.runtime.database.tenant(desk.practice) as session:
            tiers = [{"hours_before": 72, "percent": 100}, {"hours_before": 24, "percent": 50}]
            await session.execute(update(Service).where(Service.id == desk.service_id).values(refund_tiers=tiers))
        return desk

    async def _do(self, act: Any) -> Any:
        try:
            async with self.runtime.database.tenant(self.desk.practice) as session:
                return await act(session)
        except ProblemError:
            return None

    @rule(sessions=st.integers(1, 3), days=st.sampled_from([None, 3, 40]))
    def sell(self, sessions: int, days: int | None) -> None:
        """At the desk, for cash."""

        async def step() -> None:
            package = await make_package(self.runtime, self.desk.practice, sessions=sessions, validity_days=days)
            client: Any = self.desk.client.id
            sold = await self._do(
                lambda session: sell_at_desk(session, self.runtime.settings, client, package.id, ReceiptKind.CASH)
            )
            self.purchases.append(sold)

        self.run_step(step())

    @rule(target=booked, day=st.integers(0, 8))
    def book(self, day: int) -> Appointment | None:
        """With the package that runs out first."""

        async def step() -> Appointment | None:
            starts_at = self.desk.opens_at + timedelta(days=day, hours=self.desk.taken % 20)
            self.desk.taken += 1
            try:
                return await self.desk.book(starts_at=starts_at, means=Means(use_package=True))
            except ProblemError:
                return None

        found: Appointment | None = self.run_step(step())
        return found

    @rule(row=booked, hours=st.sampled_from([1, 30, 100]), by_practice=st.booleans())
    def cancel(self, row: Appointment | None, hours: int, by_practice: bool) -> None:
        """Early or late, by the one or the other; a second time it does nothing."""
        if row is None:
            return

        async def step() -> None:
            actor = STAFF if by_practice else Actor.client(row.client_id)
            ruling = Ruling() if by_practice else None
            with clock.at(row.starts_at - timedelta(hours=hours)):
                await self._do(lambda session: cancel_appointment(session, row.id, actor=actor, ruling=ruling))

        self.run_step(step())

    @rule(row=booked, status=st.sampled_from([AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW]))
    def visit(self, row: Appointment | None, status: AppointmentStatus) -> None:
        """They came or did not, and it may be corrected."""
        if row is None:
            return

        async def step() -> None:
            with clock.at(self.desk.opens_at + timedelta(days=29)):
                await self._do(lambda session: record_outcome(session, row.id, status, actor=STAFF))

        self.run_step(step())

    @rule(row=booked, days=st.integers(1, 12))
    def move(self, row: Appointment | None, days: int) -> None:
        """By the practice, to wherever it likes."""
        if row is not None:
            later = row.starts_at + timedelta(days=days, minutes=0)
            self.run_step(self._do(lambda session: reschedule_appointment(session, row.id, later, actor=STAFF)))

    @rule(index=st.integers(0, 5), days=st.sampled_from([4, 41]))
    def run_out(self, index: int, days: int) -> None:
        """Time goes by for one of the packages."""
        bought = self._one(index)
        if bought is None:
            return

        async def step() -> None:
            with clock.at(clock.now() + timedelta(days=days)):
                await self._do(lambda session: expire_credits(session, bought.id))

        self.run_step(step())

    @rule(index=st.integers(0, 5))
    def give_back(self, index: int) -> None:
        """What is unused of it."""
        bought = self._one(index)
        if bought is not None:
            self.run_step(self._do(lambda session: give_back_package(session, bought.id, SYSTEM)))

    @rule(index=st.integers(0, 5), change=st.integers(-2, 2))
    def adjust(self, index: int, change: int) -> None:
        """By staff."""
        bought = self._one(index)
        if bought is not None:
            wanted: dict[str, Any] = {"change": change, "by": SYSTEM, "reason": "prueba"}
            self.run_step(self._do(lambda session: adjust_credits(session, bought.id, **wanted)))

    def _one(self, index: int) -> PackagePurchase | None:
        return self.purchases[index % len(self.purchases)] if self.purchases else None

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        """Of any package, at any time."""

        async def step() -> None:
            async with self.runtime.database.tenant(self.desk.practice) as session:
                for bought in self.purchases:
                    await check_ledger(session, bought.id)

        self.run_step(step())


async def test_no_session_is_lost_made_or_reserved_twice(runtime: Runtime) -> None:
    machine = type("Machine", (Credits,), {"loop": asyncio.get_running_loop(), "runtime": runtime})
    quick = settings(max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=quick)
