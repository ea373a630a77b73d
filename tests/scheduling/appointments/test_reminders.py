"""Reminders before a visit and the word after it: which, when, to whom, and each once."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from notifications.models import EmailStatus
from scheduling.appointments.events import APPOINTMENT_FOLLOW_UP, APPOINTMENT_REMINDER
from scheduling.appointments.fee_mails import FEE_OWED
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.appointments.services.outcomes import record_outcome
from scheduling.appointments.services.reminding import due_reminder, is_useful
from scheduling.appointments.visit_mails import FOLLOW_UP, MISSED, REMINDER, on_appointment_follow_up
from scheduling.catalogue.schemas import ServicePatch
from scheduling.catalogue.services.offers import change_service
from tenants.accounts.models import Relationship
from tenants.accounts.services.dependants import NewDependant, add_dependant
from tests.support.events import queued, run_due_events
from tests.support.group_sessions import make_group_offer, plan
from tests.support.mails import assert_speaks, links_in, logs_of, mails_of
from tests.support.practices import SignedIn, make_client
from tests.support.scheduling import Offer, make_offer, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

H = timedelta(hours=1)
STAFF = Actor.staff(UUID(int=1))


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


class World:
    """A practice that reminds two days and two hours before, a service, a client."""

    def __init__(self, runtime: Runtime, practice: TenantContext, offer: Offer, client: SignedIn) -> None:
        self.runtime, self.practice, self.offer, self.client = runtime, practice, offer, client
        now = clock.now()
        self.starts_at = (now + timedelta(days=10)).replace(hour=8, minute=0, second=0, microsecond=0)

    async def book(self, starts_at: datetime | None = None, offer: Offer | None = None) -> UUID:
        async with self.runtime.database.tenant(self.practice) as session:
            made = await book_appointment(
                session,
                client_id=self.client.id,
                service_id=(offer or self.offer).service_id,
                starts_at=starts_at or self.starts_at,
            )
        await run_due_events(self.runtime, self.practice)
        return made.id

    async def change_service(self, **changes: Any) -> None:
        """As staff does, and everything that follows from it."""
        async with self.runtime.database.tenant(self.practice) as session:
            await change_service(session, self.offer.service_id, ServicePatch(**changes))
        await run_due_events(self.runtime, self.practice, until=clock.now() + timedelta(minutes=2))

    async def at(self, moment: datetime) -> None:
        """Run what is due then."""
        with clock.at(moment):
            await run_due_events(self.runtime, self.practice)

    async def before(self, hours: float) -> None:
        await self.at(self.starts_at - hours * H)

    async def statuses(self, kind: str = REMINDER) -> list[str]:
        return [log.status for log in await logs_of(self.runtime, self.practice, kind)]

    async def sent(self, kind: str = REMINDER) -> int:
        return (await self.statuses(kind)).count(EmailStatus.SENT)


@asynccontextmanager
async def day_of(world: World) -> AsyncIterator[None]:
    with clock.at(world.starts_at + 2 * H):
        yield


@pytest.fixture
async def world(runtime: Runtime, practice: TenantContext) -> World:
    await set_practice(runtime, practice, reminder_minutes=[48 * 60, 2 * 60])
    await run_due_events(runtime, practice, until=clock.now() + timedelta(minutes=2))
    return World(runtime, practice, await make_offer(runtime, practice), await make_client(runtime, practice))


class TestReminders:
    async def test_each_of_the_practices_comes_once_at_its_time(self, world: World) -> None:
        await world.book()
        for hours, sent in ((48.1, 0), (48, 1), (47, 1), (2.1, 1), (2, 2), (1, 2), (-3, 2)):
            await world.before(hours)
            assert await world.sent() == sent, hours
        assert await world.statuses() == [EmailStatus.SENT, EmailStatus.SENT]
        [_, first, second] = await mails_of(world.runtime, world.practice, world.client.email)
        assert_speaks("es", first, world.practice.name)
        assert {first.subject, second.subject} == {first.subject}
        assert len([link for link in links_in(first.text) if "/a/" in link]) == 3  # come, move, cancel

    async def test_a_row_that_runs_again_reminds_nobody_twice(self, world: World) -> None:
        appointment_id = await world.book()
        payload: dict[str, str | int] = {"appointment_id": str(appointment_id), "version": 0, "minutes": 120}
        async with world.runtime.database.tenant(world.practice) as session:
            for _ in range(3):
                await publish(session, APPOINTMENT_REMINDER, payload, run_at=world.starts_at - 2 * H)
        await world.before(1.9)
        # Two days before nobody was at work: that one came too late to be of use.
        assert sorted(await world.statuses()) == [EmailStatus.SENT, EmailStatus.SKIPPED]

    async def test_a_worker_that_was_down_sends_what_is_still_of_use(self, world: World) -> None:
        await world.book()
        await world.before(5)  # 43 hours late, and the next is yet to come
        assert await world.statuses() == [EmailStatus.SENT]
        await world.before(0)  # it has begun
        assert await world.statuses() == [EmailStatus.SENT, EmailStatus.SKIPPED]

    async def test_none_comes_for_what_was_cancelled_or_moved_away(self, world: World) -> None:
        moved, cancelled = await world.book(), await world.book(world.starts_at + H)
        later = world.starts_at + timedelta(days=5)
        async with world.runtime.database.tenant(world.practice) as session:
            await reschedule_appointment(session, moved, later)
            await cancel_appointment(session, cancelled, actor=Actor.client(world.client.id), reason="")
        await world.before(1)
        assert await world.statuses() == []
        await world.at(later - 2 * H)
        assert sorted(await world.statuses()) == [EmailStatus.SENT, EmailStatus.SKIPPED]

    async def test_one_that_is_cancelled_between_row_and_mail_is_not_sent(self, world: World) -> None:
        appointment_id = await world.book()
        with clock.at(world.starts_at - 2 * H):
            await run_due_events(world.runtime, world.practice, rounds=1)  # announced, not yet sent
            async with world.runtime.database.tenant(world.practice) as session:
                await cancel_appointment(session, appointment_id, actor=STAFF, reason="")
            await run_due_events(world.runtime, world.practice)
        assert await world.sent() == 0

    async def test_a_services_own_list_counts_and_none_is_none(self, world: World) -> None:
        none = await make_offer(world.runtime, world.practice, reminder_minutes=[])
        await world.book(offer=none)
        await world.before(-1)
        assert await world.statuses() == []
        own = await make_offer(world.runtime, world.practice, reminder_minutes=[15])
        await world.book(offer=own)
        await world.before(1)
        assert await world.statuses() == []
        await world.before(0.2)
        assert await world.sent() == 1

    async def test_a_changed_list_counts_for_what_is_booked_already(self, world: World) -> None:
        await world.book()
        await world.change_service(reminder_minutes=[24 * 60, 60])
        await world.before(47)
        assert await world.sent() == 0  # not wanted any more
        await world.before(24)
        assert await world.sent() == 1  # added
        await world.change_service(reminder_minutes=None)
        await world.before(2)
        assert await world.sent() == 2  # the practice's again
        await world.before(0.5)
        assert await world.sent() == 2

    async def test_one_that_is_added_too_late_takes_no_other_ones_place(self, world: World) -> None:
        await world.book()
        # The workers are down from before the reminder of two days until ten hours before the visit.
        with clock.at(world.starts_at - 11 * H):
            async with world.runtime.database.tenant(world.practice) as session:
                patch = ServicePatch(reminder_minutes=[48 * 60, 12 * 60, 2 * 60])
                await change_service(session, world.offer.service_id, patch)
        await world.before(10)
        assert await world.statuses() == [EmailStatus.SENT]
        [log] = await logs_of(world.runtime, world.practice, REMINDER)
        assert f"-{48 * 60}:" in log.dedupe_key
        # One that was there at its moment does take it.
        with clock.at(world.starts_at - 9 * H):
            await world.change_service(reminder_minutes=[48 * 60, 12 * 60, 2 * 60, 60])
        await world.before(0.9)
        logs = await logs_of(world.runtime, world.practice, REMINDER)
        outcomes = {one.dedupe_key.split(":")[2]: one.status for one in logs}
        assert outcomes == {"0-2880": EmailStatus.SENT, "0-120": EmailStatus.SKIPPED, "0-60": EmailStatus.SENT}

    async def test_one_that_the_practice_adds_does_not_come_for_services_with_their_own(self, world: World) -> None:
        own = await make_offer(world.runtime, world.practice, reminder_minutes=[])
        await world.book()
        await world.book(offer=own)
        await set_practice(world.runtime, world.practice, reminder_minutes=[48 * 60, 30])
        await run_due_events(world.runtime, world.practice, until=clock.now() + timedelta(minutes=2))
        due = [row for row in await queued(world.runtime, world.practice) if row.topic == APPOINTMENT_REMINDER]
        assert [row.payload["minutes"] for row in due] == [48 * 60, 120, 30]
        await world.before(0.5)
        assert await world.sent() == 1

    async def test_the_setting_of_one_reminder_takes_the_lists_place(self, world: World) -> None:
        await set_practice(world.runtime, world.practice, reminder_hours=3)
        await world.book()
        await world.before(3)
        await world.before(2)
        assert await world.sent() == 1

    async def test_a_row_of_the_release_before_reminds_once_too(self, world: World) -> None:
        appointment_id = await world.book()
        payload: dict[str, str | int] = {"appointment_id": str(appointment_id), "version": 0}
        async with world.runtime.database.tenant(world.practice) as session:
            await publish(session, APPOINTMENT_REMINDER, payload, run_at=world.starts_at - 24 * H)
        await world.before(24)
        assert await world.statuses() == [EmailStatus.SENT]


@pytest.mark.parametrize(
    ("minutes", "left", "useful"),
    [(120, 1, True), (120, 0, False), (2880, 121, True), (2880, 120, False), (60, 30, False)],
)
def test_a_reminder_is_of_use_until_the_next_is_due(minutes: int, left: int, useful: bool) -> None:
    now = clock.now()
    with clock.at(now):
        assert is_useful([2880, 120], minutes, now + timedelta(minutes=left)) is useful


@pytest.mark.parametrize(("left", "due"), [(2881, None), (2880, 2880), (121, 2880), (120, 120), (1, 120), (0, None)])
def test_the_one_due_is_the_nearest(left: int, due: int | None) -> None:
    now = clock.now()
    with clock.at(now):
        assert due_reminder([2880, 120], now + timedelta(minutes=left)) == due


class TestFollowUp:
    async def took_place(self, world: World, **service: Any) -> UUID:
        await world.change_service(reminder_minutes=[], **({"follow_up_hours": 24} | service))
        return await world.book()

    async def outcome(self, world: World, appointment_id: UUID, status: AppointmentStatus) -> None:
        async with day_of(world), world.runtime.database.tenant(world.practice) as session:
            await record_outcome(session, appointment_id, status, actor=STAFF)

    @pytest.mark.parametrize("status", [None, AppointmentStatus.COMPLETED])
    async def test_comes_once_after_a_visit_that_took_place(
        self, world: World, status: AppointmentStatus | None
    ) -> None:
        appointment_id = await self.took_place(world)
        if status is not None:
            await self.outcome(world, appointment_id, status)
        await world.before(-24)
        assert await world.statuses(FOLLOW_UP) == []  # a day after the end, not the beginning
        await world.before(-25)
        await world.before(-26)
        assert await world.statuses(FOLLOW_UP) == [EmailStatus.SENT]
        *_, mail = await mails_of(world.runtime, world.practice, world.client.email)
        assert_speaks("es", mail, world.practice.name)
        assert "Primera visita" not in mail.subject + mail.text + mail.html  # the service may tell an illness
        assert f"http://{world.practice.slug}.localhost:8000" in " ".join(links_in(mail.text))

    async def test_a_worker_whose_clock_is_behind_the_queues_loses_none(self, world: World) -> None:
        appointment_id = await self.took_place(world)
        payload: dict[str, Any] = {"appointment_id": str(appointment_id), "version": 0, "hours": 24}
        with clock.at(world.starts_at + 25 * H - timedelta(seconds=2)):
            context = TenantEventContext(world.runtime, UUID(int=1), APPOINTMENT_FOLLOW_UP, 1, world.practice)
            await on_appointment_follow_up(context, payload)
            await run_due_events(world.runtime, world.practice)
        assert await world.statuses(FOLLOW_UP) == [EmailStatus.SENT]

    async def test_never_twice_for_one_visit_however_the_setting_changes(self, world: World) -> None:
        await self.took_place(world)
        await world.before(-25)
        with clock.at(world.starts_at + 26 * H):
            await world.change_service(follow_up_hours=48)
        await world.before(-50)
        assert await world.statuses(FOLLOW_UP) == [EmailStatus.SENT]

    async def test_not_for_who_did_not_come_cancelled_comes_again_or_was_not_asked_for(self, world: World) -> None:
        missed = await self.took_place(world)
        await self.outcome(world, missed, AppointmentStatus.NO_SHOW)
        cancelled = await world.book(world.starts_at + H)
        async with world.runtime.database.tenant(world.practice) as session:
            await cancel_appointment(session, cancelled, actor=STAFF, reason="")
        off = await make_offer(world.runtime, world.practice)
        await world.book(offer=off)
        await world.before(-30)
        assert await world.statuses(FOLLOW_UP) == []
        # Someone who has the next appointment already needs no word about it.
        await world.book(world.starts_at + 2 * H)
        await world.book(world.starts_at + timedelta(days=9))
        await world.before(-40)
        assert await world.statuses(FOLLOW_UP) == []

    @pytest.mark.parametrize("missing", [None, 0, 1])
    async def test_a_parent_with_two_children_in_a_session_is_thanked_once(
        self, world: World, missing: int | None
    ) -> None:
        offer = await make_group_offer(world.runtime, world.practice, follow_up_hours=24)
        group = await plan(world.runtime, world.practice, offer, world.starts_at)
        seats = []
        for name in ("Leo", "Luz"):
            async with world.runtime.database.tenant(world.practice) as session:
                new = NewDependant(first_name=name, last_name="Gil", relationship=Relationship.CHILD, birth_date=None)
                child = await add_dependant(session, world.client.id, new)
                made = await book_appointment(
                    session,
                    client_id=world.client.id,
                    service_id=offer.service_id,
                    starts_at=group.starts_at,
                    dependant_id=child.id,
                )
            seats.append(made.id)
        if missing is not None:
            with clock.at(group.ends_at):
                async with world.runtime.database.tenant(world.practice) as session:
                    await record_outcome(session, seats[missing], AppointmentStatus.NO_SHOW, actor=STAFF)
        await world.at(group.ends_at + 24 * H)
        await world.at(group.ends_at + 25 * H)
        assert await world.sent(FOLLOW_UP) == 1

    async def test_not_days_late(self, world: World) -> None:
        await self.took_place(world)
        await world.before(-25 - 72)
        assert await world.statuses(FOLLOW_UP) == []

    async def test_switched_on_it_reaches_who_has_booked_already_and_nobody_of_the_past(self, world: World) -> None:
        await world.book()
        await self.over(world, [world.starts_at - timedelta(days=12)])
        await world.change_service(follow_up_hours=2)
        await world.before(-3)
        assert await world.statuses(FOLLOW_UP) == [EmailStatus.SENT]

    async def over(self, world: World, starts: Iterable[datetime]) -> None:
        """Visits that took place at these times."""
        appointment_id = await world.book(world.starts_at + 2 * H)
        async with world.runtime.database.tenant(world.practice) as session:
            row = await session.get_one(Appointment, appointment_id)
            for starts_at in starts:
                row.starts_at, row.ends_at, row.status = starts_at, starts_at + H, AppointmentStatus.COMPLETED
                row.overlapping, row.occupied = True, type(row.occupied)(starts_at, starts_at + H)


class TestMissed:
    async def say(self, world: World, appointment_id: UUID, status: AppointmentStatus, hours: float) -> None:
        """What staff say of the visit so long after it began."""
        with clock.at(world.starts_at + hours * H):
            async with world.runtime.database.tenant(world.practice) as session:
                await record_outcome(session, appointment_id, status, actor=STAFF)

    async def test_who_did_not_come_hears_of_it_kindly_and_once(self, world: World) -> None:
        appointment_id = await world.book()
        await self.say(world, appointment_id, AppointmentStatus.NO_SHOW, 1)
        await world.before(-1.5)
        assert await world.statuses(MISSED) == []  # within the hour the mind may change
        await self.say(world, appointment_id, AppointmentStatus.COMPLETED, 1.6)
        await self.say(world, appointment_id, AppointmentStatus.NO_SHOW, 1.7)
        await world.before(-2.2)
        assert await world.statuses(MISSED) == []  # the first word's hour is over, not the last one's
        await world.before(-3)
        assert await world.statuses(MISSED) == [EmailStatus.SENT]
        *_, mail = await mails_of(world.runtime, world.practice, world.client.email)
        assert_speaks("es", mail, world.practice.name)
        assert "Primera visita" not in mail.subject + mail.text + mail.html

    async def test_not_when_it_was_a_mistake_nor_when_a_fee_is_asked_for(self, world: World) -> None:
        came = await world.book()
        await self.say(world, came, AppointmentStatus.NO_SHOW, 1)
        await self.say(world, came, AppointmentStatus.COMPLETED, 1.5)
        await world.before(-3)
        assert await world.statuses(MISSED) == []
        with_fee = await make_offer(world.runtime, world.practice, no_show_fee_minor=2000)
        owed = await world.book(offer=with_fee)
        await self.say(world, owed, AppointmentStatus.NO_SHOW, 1)
        await world.before(-3)
        assert await world.statuses(MISSED) == []
        assert await world.statuses(FEE_OWED) == [EmailStatus.SENT]
