"""Joining and leaving the line, what is offered to whom, and what becomes of an offer."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.checkout.errors import RequestUnansweredError
from billing.checkout.schemas import PaymentCreate
from billing.checkout.service import start_checkout
from scheduling.appointments.errors import AppointmentStateError, OfferOverError
from scheduling.appointments.history import SYSTEM, Actor
from scheduling.appointments.services.approving import approve_request
from scheduling.appointments.services.booking import MAX_HOLDS, book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.confirming import confirm_paid
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.catalogue.models import Service, ServicePractitioner
from scheduling.waitlist import service
from scheduling.waitlist.errors import AlreadyWaitingError, TooManyWaitlistEntriesError
from scheduling.waitlist.models import WaitlistEntry
from scheduling.waitlist.tasks import sweep
from tenants.accounts.models import Client
from tests.scheduling.conftest import MONDAY
from tests.support.events import queued
from tests.support.practices import make_client, make_practice
from tests.support.scheduling import (
    add_hours,
    make_offer,
    make_practitioner,
    make_service,
    minutes,
    set_practice,
    stored,
)
from tests.support.waitlist import DAY, NINE, Line
from todoenbalance.kit import clock
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")
HOUR = timedelta(hours=1)


@pytest.fixture
async def line(runtime: Runtime, practice: TenantContext) -> Line:
    return await Line.make(runtime, practice)


@pytest.fixture
async def paid_line(runtime: Runtime, practice: TenantContext) -> Line:
    """The same at 60 euros."""
    return await Line.make(runtime, practice, price_minor=6000)


async def accept(line: Line, entry: WaitlistEntry) -> WaitlistEntry:
    async with line.runtime.database.tenant(line.practice) as session:
        return await service.accept(session, entry.id, client_id=entry.client_id)


async def decline(line: Line, entry: WaitlistEntry, *, stay: bool = True) -> WaitlistEntry:
    async with line.runtime.database.tenant(line.practice) as session:
        return await service.decline(session, entry.id, client_id=entry.client_id, stay=stay)


async def leave(line: Line, entry: WaitlistEntry) -> WaitlistEntry:
    async with line.runtime.database.tenant(line.practice) as session:
        actor = Actor.client(entry.client_id)
        return await service.leave_line(session, entry.id, actor=actor, client_id=entry.client_id)


class TestJoining:
    async def test_a_client_waits_for_at_most_five_things(self, line: Line) -> None:
        client = await make_client(line.runtime, line.practice)
        for hour in range(9, 9 + service.MAX_ENTRIES):
            await line.join(client, earliest=time(hour))
        with pytest.raises(TooManyWaitlistEntriesError):
            await line.join(client)

    async def test_nobody_waits_twice_for_the_same(self, line: Line) -> None:
        client = await make_client(line.runtime, line.practice)
        entry = await line.join(client)
        with pytest.raises(AlreadyWaitingError):
            await line.join(client)
        await leave(line, entry)
        await line.join(client)

    @pytest.mark.parametrize(
        ("wish", "field"),
        [
            ({"first_day": date(2026, 2, 1), "last_day": date(2026, 3, 1)}, "last_day"),
            ({"first_day": date(2027, 2, 1), "last_day": date(2027, 3, 31)}, "last_day"),
            ({"weekdays": [4, 5]}, "weekdays"),
            ({"location_kind": "home"}, "location_kind"),
            ({"dependant_id": UUID(int=7)}, "dependant_id"),
        ],
    )
    async def test_what_can_not_come_true_is_refused(self, line: Line, wish: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidInputError) as refusal:
            await line.join(**wish)
        assert refusal.value.errors[0]["loc"] == ["body", field]

    async def test_someone_who_does_not_offer_the_service_is_refused(self, line: Line) -> None:
        async with line.runtime.database.tenant(line.practice) as session:
            other = await make_practitioner(session)
        with pytest.raises(InvalidInputError):
            await line.join(practitioner_id=other.id)
        with pytest.raises(NotFoundError):
            await line.join(practitioner_id=UUID(int=7))

    async def test_an_archived_service_is_not_there(self, line: Line) -> None:
        async with line.runtime.database.tenant(line.practice) as session:
            (await session.get_one(Service, line.offer.service_id)).archived = True
        with pytest.raises(NotFoundError):
            await line.join()


class TestTheLine:
    async def test_the_first_in_line_is_offered_the_time_and_the_others_wait(self, line: Line) -> None:
        first, second = await line.join(), await line.join()
        await line.free(1)
        await line.run()
        assert await line.statuses(first, second) == ["offered", "waiting"]
        offered = await line.offered(first)
        assert (offered.starts_at, offered.status, offered.hold_kind) == (NINE + HOUR, "held", "offer")
        assert offered.client_id == first.client_id
        assert offered.hold_expires_at == MONDAY + minutes(120)

    async def test_several_freed_times_go_down_the_line(self, line: Line) -> None:
        entries = [await line.join() for _ in range(3)]
        await line.free(0, 2)
        await line.run()
        assert await line.statuses(*entries) == ["offered", "offered", "waiting"]
        assert {row.client_id for row in await line.held()} == {entries[0].client_id, entries[1].client_id}

    async def test_the_practice_says_how_long_an_offer_lasts_but_never_past_the_beginning(self, line: Line) -> None:
        await set_practice(line.runtime, line.practice, waitlist_offer_minutes=2880)
        entry = await line.join()
        with clock.at(NINE - HOUR):
            await line.free(0)
            await line.run()
            assert (await line.offered(entry)).hold_expires_at == NINE

    async def test_what_begins_in_a_few_minutes_is_offered_to_nobody(self, line: Line) -> None:
        entry = await line.join()
        with clock.at(NINE - minutes(5)):
            await line.free(0)
            await line.run()
        assert await line.statuses(entry) == ["waiting"]

    async def test_those_for_whom_it_is_nothing_are_passed_over(self, line: Line) -> None:
        others = [
            await line.join(first_day=DAY + timedelta(days=1), last_day=DAY + timedelta(days=9)),
            await line.join(first_day=DAY - timedelta(days=1), last_day=DAY + timedelta(days=9), weekdays=[1, 2]),
            await line.join(earliest=time(10, 1)),
            await line.join(latest=time(9, 59)),
        ]
        exact = await line.join(earliest=time(10), latest=time(10), weekdays=[3], location_kind="online")
        await line.free(1)
        await line.run()
        assert await line.statuses(*others, exact) == ["waiting"] * 4 + ["offered"]
        assert (await line.offered(exact)).location_kind == "online"

    async def test_another_practitioners_time_is_not_what_was_asked_for(self, line: Line) -> None:
        async with line.runtime.database.tenant(line.practice) as session:
            other = (await make_practitioner(session)).id
            session.add(ServicePractitioner(service_id=line.offer.service_id, practitioner_id=other))
        wants_other = await line.join(practitioner_id=other)
        anybody = await line.join()
        await line.free(1)
        await line.run()
        assert await line.statuses(wants_other, anybody) == ["waiting", "offered"]

    async def test_a_longer_service_is_offered_what_two_freed_hours_make(self, line: Line) -> None:
        async with line.runtime.database.tenant(line.practice) as session:
            long = (await make_service(session, line.offer.practitioner_id, duration_minutes=120)).id
        entry = await line.join(service_id=long)
        await line.free(1)
        await line.run()
        assert await line.statuses(entry) == ["waiting"]
        await line.free(2)
        await line.run()
        assert (await line.offered(entry)).starts_at == NINE + HOUR

    async def test_a_cap_that_is_no_longer_reached_frees_other_hours_too(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        line = await Line.make(runtime, practice, max_per_day=4, grid_minutes=60)
        async with runtime.database.tenant(practice) as session:
            await add_hours(session, line.offer.practitioner_id, start=time(15), end=time(17))
        entry = await line.join(earliest=time(15))
        await line.free(0)
        await line.run()
        assert (await line.offered(entry)).starts_at == NINE + 6 * HOUR

    async def test_a_client_who_is_elsewhere_then_is_passed_over(self, line: Line) -> None:
        async with line.runtime.database.tenant(line.practice) as session:
            other = await make_practitioner(session)
            await add_hours(session, other.id)
            elsewhere = await make_service(session, other.id)
        busy, free = await line.join(), await line.join()
        async with line.runtime.database.tenant(line.practice) as session:
            await book_appointment(
                session, client_id=busy.client_id, service_id=elsewhere.id, starts_at=NINE + HOUR + minutes(30)
            )
        await line.free(1)
        await line.run()
        assert await line.statuses(busy, free) == ["waiting", "offered"]

    async def test_an_offer_is_no_hold_of_the_clients_own(self, paid_line: Line) -> None:
        entry = await paid_line.join()
        await paid_line.free(1)
        await paid_line.run()
        async with paid_line.runtime.database.tenant(paid_line.practice) as session:
            for day in range(MAX_HOLDS):
                await book_appointment(
                    session,
                    client_id=entry.client_id,
                    service_id=paid_line.offer.service_id,
                    starts_at=NINE + timedelta(days=day + 1),
                )

    async def test_the_hours_of_a_wish_are_the_practices_before_and_after_the_clocks_change(
        self, runtime: Runtime
    ) -> None:
        practice = await make_practice(runtime)
        offer = await make_offer(runtime, practice, grid_minutes=60)
        client = await make_client(runtime, practice, timezone="America/New_York")
        line = Line(runtime, practice, offer, [])
        # 29 March 2026 has 23 hours in Madrid: ten o'clock is 8 UTC, the day before it is 9.
        for day, instant in [(28, 9), (29, 8), (30, 8)]:
            entry = await line.join(
                client, first_day=date(2026, 3, day), last_day=date(2026, 3, day), earliest=time(10), latest=time(10)
            )
            starts_at = datetime(2026, 3, day, instant, tzinfo=UTC)
            await hear_of(line, starts_at)
            assert (await line.offered(entry)).starts_at == starts_at


async def hear_of(line: Line, starts_at: datetime) -> None:
    await line.hear(int((starts_at - NINE) / HOUR))


class TestAccepting:
    async def test_what_is_free_is_booked_at_once(self, line: Line) -> None:
        entry = await line.join()
        await line.free(1)
        await line.run()
        offered = await line.offered(entry)
        for _ in range(2):  # safe to repeat
            assert (await accept(line, entry)).status == "booked"
        assert (await stored(line.runtime, line.practice, offered.id)).status == "confirmed"

    async def test_what_costs_is_kept_for_paying_and_booked_when_it_is_paid(self, paid_line: Line) -> None:
        entry = await paid_line.join()
        await paid_line.free(1)
        await paid_line.run()
        offered = await paid_line.offered(entry)
        with clock.at(MONDAY + minutes(115)):
            assert (await accept(paid_line, entry)).status == "offered"
            row = await stored(paid_line.runtime, paid_line.practice, offered.id)
            assert (row.status, row.hold_kind) == ("held", "payment")
            assert row.hold_expires_at == MONDAY + minutes(130)
        with clock.at(MONDAY + minutes(125)):
            await paid_line.run()  # the offer's own end says nothing any more
            async with paid_line.runtime.database.tenant(paid_line.practice) as session:
                await confirm_paid(session, offered.id)
            await paid_line.run()
        assert await paid_line.statuses(entry) == ["booked"]

    async def test_what_is_accepted_and_not_paid_for_goes_to_the_next(self, paid_line: Line) -> None:
        first, second = await paid_line.join(), await paid_line.join()
        await paid_line.free(1)
        await paid_line.run()
        await accept(paid_line, first)
        with clock.at(MONDAY + minutes(121)):
            await paid_line.run()
            assert await paid_line.statuses(first, second) == ["waiting", "offered"]
        assert (await paid_line.entry(first)).offers == 1

    async def test_a_late_payment_of_what_is_still_free_ends_the_wait(self, paid_line: Line) -> None:
        entry = await paid_line.join()
        await paid_line.free(1)
        await paid_line.run()
        offered = await paid_line.offered(entry)
        await accept(paid_line, entry)
        with clock.at(MONDAY + minutes(125)):
            await paid_line.run()
            assert await paid_line.statuses(entry) == ["waiting"]
            async with paid_line.runtime.database.tenant(paid_line.practice) as session:
                await confirm_paid(session, offered.id)
            await paid_line.run()
        assert await paid_line.statuses(entry) == ["booked"]

    async def test_is_a_request_where_the_service_asks_for_approval(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        line = await Line.make(runtime, practice, requires_approval=True)
        entry = await line.join()
        await line.free(1)
        await line.run()
        offered = await line.offered(entry)
        assert (await accept(line, entry)).status == "offered"
        asked = await stored(runtime, practice, offered.id)
        assert (asked.status, asked.hold_kind) == ("held", "approval")
        async with runtime.database.tenant(practice) as session:
            await approve_request(session, offered.id, actor=SYSTEM)
        await line.run()
        assert (await stored(runtime, practice, offered.id)).status == "confirmed"
        assert await line.statuses(entry) == ["booked"]

    async def test_a_request_that_nobody_answers_does_not_count_against_the_client(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        line = await Line.make(runtime, practice, requires_approval=True, approval_hours=3)
        entry = await line.join()
        await line.free(1)
        await line.run()
        await accept(line, entry)
        with clock.at(MONDAY + minutes(185)):
            await line.run()
            assert await line.statuses(entry) == ["waiting"]
            async with runtime.database.tenant(practice) as session:
                assert (await service.get_entry(session, entry.id)).offers == 0

    async def test_can_not_be_paid_for_before_the_practice_has_said_yes(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        line = await Line.make(runtime, practice, requires_approval=True, price_minor=5000)
        entry = await line.join()
        await line.free(1)
        await line.run()
        offered = await line.offered(entry)
        for method in ("sandbox", "offline"):
            wanted = PaymentCreate.model_validate({"appointment_id": offered.id, "method": method})
            with pytest.raises(RequestUnansweredError):
                await start_checkout(runtime, practice, entry.client_id, wanted)
        assert (await stored(runtime, practice, offered.id)).hold_kind == "offer"

    async def test_what_ran_out_can_not_be_accepted_noticed_or_not(self, line: Line) -> None:
        entry = await line.join()
        await line.free(1)
        await line.run()
        with clock.at(MONDAY + minutes(120)):
            with pytest.raises(OfferOverError):
                await accept(line, entry)
            await line.run()
            with pytest.raises(OfferOverError):
                await accept(line, entry)

    async def test_an_open_offer_can_not_be_moved_to_a_time_that_nobody_offered(self, line: Line) -> None:
        entry = await line.join()
        await line.free(1)
        await line.run()
        offered = await line.offered(entry)
        async with line.runtime.database.tenant(line.practice) as session:
            with pytest.raises(AppointmentStateError):
                await reschedule_appointment(session, offered.id, NINE + timedelta(days=1), client_id=entry.client_id)


class TestEnds:
    async def test_what_runs_out_goes_to_the_next_and_the_first_keeps_the_place_but_is_not_asked_the_same_again(
        self, line: Line
    ) -> None:
        first, second = await line.join(), await line.join()
        await line.free(1)
        await line.run()
        with clock.at(MONDAY + minutes(121)):
            await line.run()
            assert await line.statuses(first, second) == ["waiting", "offered"]
            await line.free(2)
            await line.run()
            assert (await line.offered(first)).starts_at == NINE + 2 * HOUR

    async def test_nobody_is_asked_again_for_what_they_let_go(self, line: Line) -> None:
        entry = await line.join()
        await line.free(1)
        await line.run()
        with clock.at(MONDAY + minutes(121)):
            await line.run()
            await line.hear(1)
        assert await line.statuses(entry) == ["waiting"]
        assert await line.held() == []

    async def test_after_three_offers_without_an_answer_it_is_over(self, line: Line) -> None:
        entry = await line.join()
        for number in range(service.MAX_UNANSWERED):
            with clock.at(MONDAY + number * minutes(121)):
                await line.free(number)
                await line.run()
                await line.offered(entry)
            with clock.at(MONDAY + (number + 1) * minutes(121)):
                await line.run()
        assert await line.statuses(entry) == ["over"]

    @pytest.mark.parametrize(("stay", "status"), [(True, "waiting"), (False, "left")])
    async def test_declining_gives_it_to_the_next_and_counts_for_nothing(
        self, line: Line, stay: bool, status: str
    ) -> None:
        first, second = await line.join(), await line.join()
        await line.free(1)
        await line.run()
        await decline(line, first, stay=stay)
        await line.run()
        assert await line.statuses(first, second) == [status, "offered"]
        assert (await line.entry(first)).offers == 0
        with pytest.raises(OfferOverError):
            await decline(line, first)

    async def test_leaving_gives_it_to_the_next(self, line: Line) -> None:
        first, second = await line.join(), await line.join()
        await line.free(1)
        await line.run()
        for _ in range(2):  # safe to repeat
            assert (await leave(line, first)).status == "left"
        await line.run()
        assert await line.statuses(first, second) == ["left", "offered"]

    async def test_cancelling_the_offered_appointment_is_declining(self, line: Line) -> None:
        first, second = await line.join(), await line.join()
        await line.free(1)
        await line.run()
        offered = await line.offered(first)
        async with line.runtime.database.tenant(line.practice) as session:
            actor = Actor.client(first.client_id)
            await cancel_appointment(session, offered.id, actor=actor, client_id=first.client_id)
        await line.run()
        assert await line.statuses(first, second) == ["waiting", "offered"]

    async def test_leaving_after_it_was_booked_does_not_cancel_it(self, line: Line) -> None:
        entry = await line.join()
        await line.free(1)
        await line.run()
        offered = await line.offered(entry)
        await accept(line, entry)
        assert (await leave(line, entry)).status == "booked"
        assert (await stored(line.runtime, line.practice, offered.id)).status == "confirmed"


class TestSweeps:
    async def sweeps(self, line: Line) -> list[datetime]:
        return [row.run_at for row in await queued(line.runtime, line.practice) if row.topic == "waitlist.sweep"]

    async def test_there_is_one_however_many_join_and_it_comes_again_while_anybody_waits(self, line: Line) -> None:
        entries = [await line.join() for _ in range(3)]
        assert await self.sweeps(line) == [MONDAY + minutes(15)]
        with clock.at(MONDAY + minutes(15)):
            await line.run()
            assert await self.sweeps(line) == [MONDAY + minutes(30)]
            for entry in entries:
                await leave(line, entry)
            late = await line.join()
            assert await self.sweeps(line) == [MONDAY + minutes(30)]
            await leave(line, late)
        with clock.at(MONDAY + minutes(30)):
            await line.run()
            assert await self.sweeps(line) == []
            await line.join()
            assert await self.sweeps(line) == [MONDAY + minutes(45)]

    async def test_a_repeated_delivery_makes_no_second_chain(self, line: Line) -> None:
        await line.join()
        due = MONDAY + minutes(15)
        with clock.at(due):
            await line.run()
            context = TenantEventContext(line.runtime, new_id(), "waitlist.sweep", 1, tenant=line.practice)
            await sweep(context, {"due_at": due.isoformat()})
            assert await self.sweeps(line) == [due + minutes(15)]

    async def test_a_chain_that_broke_is_begun_anew_by_who_joins_next(self, line: Line) -> None:
        await line.join()
        with clock.at(MONDAY + timedelta(hours=3)):  # its row was parked
            await line.join()
            assert (await self.sweeps(line))[-1] == MONDAY + timedelta(hours=3, minutes=15)

    async def test_offers_what_staff_opened_and_ends_what_is_past(self, line: Line) -> None:
        past = await line.join()
        evening = await line.join(last_day=DAY + timedelta(days=3), earliest=time(18))
        async with line.runtime.database.tenant(line.practice) as session:
            await add_hours(session, line.offer.practitioner_id, start=time(18), end=time(19))
        with clock.at(NINE + timedelta(days=1)):
            await line.run()
        assert await line.statuses(past, evening) == ["over", "offered"]
        assert (await line.offered(evening)).starts_at == NINE + timedelta(days=1, hours=9)


async def test_a_client_who_was_erased_is_offered_nothing(line: Line) -> None:
    first, second = await line.join(), await line.join()
    async with line.runtime.database.tenant(line.practice) as session:
        (await session.get_one(Client, first.client_id)).erased_at = clock.now()
    await line.free(1)
    await line.run()
    assert await line.statuses(first, second) == ["waiting", "offered"]
