"""One mail a day for staff who want it so: what is in it, that it comes once, and that nothing is lost."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, update

from notifications import composing
from notifications.digests.models import DigestEntry
from notifications.digests.service import STAFF_DIGEST, choose_digest_time, find_digest_time
from notifications.mailbox import Mailbox
from notifications.models import EmailStatus
from notifications.port import Mail, MailRejectedError
from notifications.preferences.models import ChangedBy
from notifications.preferences.service import Account, change_choices
from notifications.service import deliver
from scheduling.appointments.history import Actor
from scheduling.appointments.mails import CANCELLED_PRACTICE, CONFIRMED_PRACTICE
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import AccountKind, Staff, StaffRole
from tests.support.events import queued, run_due_events
from tests.support.mails import logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.scheduling import Offer, make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

MADRID = ZoneInfo("Europe/Madrid")
EVENING = time(18, 30)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2027, 3, day, hour, minute, tzinfo=MADRID)


async def test_a_time_that_is_chosen_twice_at_once_is_chosen(runtime: Runtime, practice: TenantContext) -> None:
    staff = await make_staff_member(runtime, practice)
    first_waits, second_may_go_on = asyncio.Event(), asyncio.Event()

    async def choose(said: asyncio.Event, waits_for: asyncio.Event | None) -> None:
        async with runtime.database.tenant(practice) as session:
            assert await find_digest_time(session, staff.id) is None
            said.set()
            await choose_digest_time(session, staff.id, EVENING)
            await session.flush()
            if waits_for is not None:
                await waits_for.wait()

    async with asyncio.TaskGroup() as both:
        both.create_task(choose(first_waits, second_may_go_on))
        await first_waits.wait()
        both.create_task(choose(second_may_go_on, None))
    async with runtime.database.tenant(practice) as session:
        assert await find_digest_time(session, staff.id) == EVENING


class Desk:
    """A practice with a practitioner who has a digest at half past six, and a client who books."""

    def __init__(self, runtime: Runtime, tenant: TenantContext, offer: Offer, staff: SignedIn, client: SignedIn):
        self.runtime, self.tenant, self.offer, self.staff, self.client = runtime, tenant, offer, staff, client

    async def book(self, starts_at: datetime) -> UUID:
        """An appointment, and every mail that it causes now."""
        async with self.runtime.database.tenant(self.tenant) as session:
            made = await book_appointment(
                session,
                client_id=self.client.id,
                service_id=self.offer.service_id,
                starts_at=starts_at.astimezone(UTC),
            )
        await self.run()
        return made.id

    async def cancel(self, appointment_id: UUID) -> None:
        async with self.runtime.database.tenant(self.tenant) as session:
            await cancel_appointment(session, appointment_id, actor=Actor.client(self.client.id))
        await self.run()

    async def run(self) -> None:
        await run_due_events(self.runtime, self.tenant)

    async def subjects(self) -> list[str]:
        """Of what the practitioner got."""
        return [mail.subject for mail in await mails_of(self.runtime, self.tenant, self.staff.email)]

    async def statuses(self, kind: str) -> list[str]:
        """Of the practitioner's mails of a kind."""
        rows = await logs_of(self.runtime, self.tenant, kind)
        return [row.status for row in rows if row.dedupe_key.endswith(str(self.staff.id))]

    async def waiting(self) -> int:
        """How many wait for a digest."""
        async with self.runtime.database.tenant(self.tenant) as session:
            return (await session.scalar(select(func.count()).select_from(DigestEntry))) or 0

    async def digests_queued(self) -> list[OutboxEvent]:
        return [row for row in await queued(self.runtime, self.tenant) if row.payload.get("kind") == STAFF_DIGEST]


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    offer = await make_offer(runtime, practice)
    staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
    client = await make_client(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = staff.id
        await choose_digest_time(session, staff.id, EVENING)
    return Desk(runtime, practice, offer, staff, client)


class TestTheDay:
    async def test_one_mail_in_the_evening_with_what_is_still_true(self, desk: Desk) -> None:
        with clock.at(at(1, 10)):
            await desk.book(at(8, 9))
            given_up = await desk.book(at(8, 10))
            await desk.book(at(8, 11))
            assert await desk.statuses(CONFIRMED_PRACTICE) == [EmailStatus.HELD] * 3
            [event] = await desk.digests_queued()
            assert event.run_at == at(1, 18, 30).astimezone(UTC)
            assert not [value for value in event.payload.values() if "@" in str(value)]
        with clock.at(at(1, 12)):
            await desk.cancel(given_up)
            # The client and the owner, who chose nothing, were told at once.
            owner = await mails_of(desk.runtime, desk.tenant, f"owner@{desk.tenant.slug}.example.com")
            assert len([mail for mail in owner if "Carla" in mail.subject]) == 4
            assert await desk.subjects() == []
        with clock.at(at(1, 18, 30)):
            await desk.run()
        [mail] = await mails_of(desk.runtime, desk.tenant, desk.staff.email)
        assert mail.subject == "Resumen del día: 3 novedades"
        assert mail.text.count("Nueva cita: Carla Cliente") == 2
        assert mail.text.count("Cita cancelada: Carla Cliente") == 1
        assert mail.text.count("/admin/appointments/") == 3
        assert "List-Unsubscribe" not in mail.headers
        assert sorted(await desk.statuses(CONFIRMED_PRACTICE)) == [EmailStatus.SENT] * 2 + [EmailStatus.SKIPPED]
        assert await desk.statuses(CANCELLED_PRACTICE) == [EmailStatus.SENT]
        assert await desk.waiting() == 0
        with clock.at(at(2, 18, 30)):
            await desk.run()
        assert len(await desk.subjects()) == 1  # nothing is sent when there is nothing

    async def test_what_can_not_wait_so_long_comes_at_once(self, desk: Desk) -> None:
        with clock.at(at(1, 8)):
            today = await desk.book(at(1, 12))
            assert await desk.statuses(CONFIRMED_PRACTICE) == [EmailStatus.SENT]
            await desk.cancel(today)
            assert await desk.statuses(CANCELLED_PRACTICE) == [EmailStatus.SENT]
        with clock.at(at(1, 19)):
            await desk.book(at(2, 9))  # before the next digest
        assert len(await desk.subjects()) == 3
        assert await desk.waiting() == 0

    async def test_without_anything_true_or_wanted_nothing_is_sent(self, desk: Desk) -> None:
        with clock.at(at(1, 10)):
            one = await desk.book(at(8, 9))
        async with desk.runtime.database.tenant(desk.tenant) as session:
            await change_choices(
                session, Account(AccountKind.STAFF, desk.staff.id), {"bookings": False}, ChangedBy.PAGE
            )
        with clock.at(at(1, 11)):
            await desk.cancel(one)
            assert await desk.statuses(CANCELLED_PRACTICE) == [EmailStatus.SKIPPED]
        with clock.at(at(1, 18, 30)):
            await desk.run()
        assert await desk.subjects() == []
        assert await desk.statuses(CONFIRMED_PRACTICE) == [EmailStatus.SKIPPED]
        assert await desk.statuses(STAFF_DIGEST) == [EmailStatus.SKIPPED]
        assert await desk.waiting() == 0

    async def test_another_choice_leaves_what_is_held_to_the_day_it_was_held_for(self, desk: Desk) -> None:
        with clock.at(at(1, 10)):
            await desk.book(at(8, 9))
            async with desk.runtime.database.tenant(desk.tenant) as session:
                await choose_digest_time(session, desk.staff.id, None)
            await desk.book(at(8, 10))
        assert len(await desk.subjects()) == 1
        with clock.at(at(1, 18, 30)):
            await desk.run()
        assert (await desk.subjects())[-1] == "Resumen del día: 1 novedad"


class TestCrashes:
    async def test_a_worker_that_dies_after_handing_over_leaves_one_digest(self, desk: Desk) -> None:
        class Dies:
            async def send(self, mail: Mail) -> str:
                await Mailbox(desk.runtime.database, desk.tenant).send(mail)
                raise KeyboardInterrupt

        with clock.at(at(1, 10)):
            await desk.book(at(8, 9))
            await desk.book(at(8, 10))
        [event] = await desk.digests_queued()
        with clock.at(at(1, 18, 30)):
            context = TenantEventContext(desk.runtime, event.id, event.topic, 1, desk.tenant)
            with pytest.raises(KeyboardInterrupt):
                await deliver(context, event.payload, Dies())
            assert await desk.waiting() == 2
            await desk.run()
            await desk.run()
        assert await desk.subjects() == ["Resumen del día: 2 novedades"]
        assert await desk.statuses(CONFIRMED_PRACTICE) == [EmailStatus.SENT] * 2
        assert await desk.waiting() == 0

    async def test_one_that_the_queue_gives_up_has_failed_with_its_lines_and_comes_when_it_is_put_back(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outbox = desk.runtime.settings.outbox.model_copy(update={"max_attempts": 1})
        settings = desk.runtime.settings.model_copy(update={"outbox": outbox})
        desk.runtime = replace(desk.runtime, settings=settings)
        with clock.at(at(1, 10)):
            await desk.book(at(8, 9))
            await desk.book(at(8, 10))

        async def fail(*_arguments: object) -> None:
            raise KeyError("a fault of ours")

        with clock.at(at(1, 18, 30)):
            with monkeypatch.context() as broken:
                broken.setitem(composing._composers, STAFF_DIGEST, fail)
                await desk.run()
            assert await desk.statuses(STAFF_DIGEST) == [EmailStatus.FAILED]
            assert await desk.statuses(CONFIRMED_PRACTICE) == [EmailStatus.FAILED] * 2
            [row] = await desk.digests_queued()
            async with desk.runtime.database.platform() as session:
                statement = update(OutboxEvent).where(OutboxEvent.id == row.id)
                await session.execute(statement.values(parked_at=None, failures=0, run_at=clock.now()))
            await desk.run()
        assert await desk.subjects() == ["Resumen del día: 2 novedades"]
        assert await desk.statuses(CONFIRMED_PRACTICE) == [EmailStatus.SENT] * 2
        assert await desk.waiting() == 0

    async def test_one_that_comes_while_the_digest_is_under_way_is_in_the_next(self, desk: Desk) -> None:
        class Meanwhile:
            async def send(self, mail: Mail) -> str:
                await desk.book(at(8, 10))
                return await Mailbox(desk.runtime.database, desk.tenant).send(mail)

        with clock.at(at(1, 10)):
            await desk.book(at(8, 9))
        [event] = await desk.digests_queued()
        with clock.at(at(1, 18, 29)):  # a clock that is behind the queue's
            context = TenantEventContext(desk.runtime, event.id, event.topic, 1, desk.tenant)
            await deliver(context, event.payload, Meanwhile())
        assert await desk.subjects() == ["Resumen del día: 1 novedad"]
        assert await desk.statuses(CONFIRMED_PRACTICE) == [EmailStatus.SENT, EmailStatus.HELD]
        with clock.at(at(1, 18, 30)):
            await desk.run()
        assert await desk.subjects() == ["Resumen del día: 1 novedad"] * 2
        assert await desk.waiting() == 0

    async def test_two_digests_at_once_say_nothing_twice(self, desk: Desk) -> None:
        with clock.at(at(1, 10)):
            await desk.book(at(8, 9))
        async with desk.runtime.database.tenant(desk.tenant) as session:
            await choose_digest_time(session, desk.staff.id, time(17))
        with clock.at(at(1, 11)):
            await desk.book(at(8, 10))
        assert len(await desk.digests_queued()) == 2
        with clock.at(at(1, 19)):
            await desk.run()
        assert await desk.subjects() == ["Resumen del día: 2 novedades"]
        assert sorted(await desk.statuses(STAFF_DIGEST)) == [EmailStatus.SENT, EmailStatus.SKIPPED]

    async def test_a_refused_digest_and_one_for_nobody_are_said_of_what_was_in_them(self, desk: Desk) -> None:
        class Refuses:
            async def send(self, mail: Mail) -> str:
                del mail
                raise MailRejectedError("bad address")

        with clock.at(at(1, 10)):
            await desk.book(at(8, 9))
        [event] = await desk.digests_queued()
        with clock.at(at(1, 18, 30)):
            context = TenantEventContext(desk.runtime, event.id, event.topic, 1, desk.tenant)
            await deliver(context, event.payload, Refuses())
        with clock.at(at(2, 10)):
            await desk.book(at(8, 10))
            async with desk.runtime.database.tenant(desk.tenant) as session:
                (await session.get_one(Staff, desk.staff.id)).is_active = False
        with clock.at(at(2, 18, 30)):
            await desk.run()
        rows = await logs_of(desk.runtime, desk.tenant, CONFIRMED_PRACTICE)
        found = [(row.status, row.failure) for row in rows if row.dedupe_key.endswith(str(desk.staff.id))]
        assert found == [(EmailStatus.FAILED, "bad address"), (EmailStatus.SKIPPED, "nobody to write to")]
        assert await desk.waiting() == 0


async def test_one_that_can_not_be_written_holds_nobody_elses_line_up(desk: Desk) -> None:
    with clock.at(at(1, 10)):
        for hour in (9, 10):
            await desk.book(at(5, hour))
        async with desk.runtime.database.tenant(desk.tenant) as session:
            first = (await session.scalars(select(DigestEntry).order_by(DigestEntry.email_log_id))).first()
            assert first is not None
            first.payload = first.payload | {"kind": "of_another_release"}
    for day, sent in ((1, 1), (2, 2)):
        with clock.at(at(day, 18, 31)):
            await desk.run()
            assert await desk.statuses(STAFF_DIGEST) == [EmailStatus.SENT] * sent
            await desk.book(at(6, 8 + day))
    failing = [row for row in await queued(desk.runtime, desk.tenant) if row.failures]
    assert ["of_another_release" in str(row.last_error) for row in failing] == [True]
