"""What private addresses of calendars show, and when they end."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import Range

from scheduling.appointments.history import Actor
from scheduling.appointments.models import AppointmentStatus
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.catalogue.models import Practitioner
from scheduling.feeds.errors import FeedEndedError, NoFeedForThemError
from scheduling.feeds.models import CalendarFeed, FeedOwner
from scheduling.feeds.service import (
    Subscription,
    end_feed,
    find_feed,
    make_client_feed,
    make_practitioner_feed,
    read_feed,
)
from scheduling.group_sessions.models import GroupSession
from tenants.accounts.models import Client, Relationship, StaffRole
from tenants.accounts.services.dependants import NewDependant, add_dependant
from tenants.accounts.services.staff_accounts import change_staff
from tenants.privacy.retention import clean_practice
from tests.scheduling.feeds.conftest import Book, events_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.scheduling import Offer
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import hash_opaque_token
from todoenbalance.kit.tenancy import TenantContext


class Desk:
    """Makes and reads addresses, each in a transaction of its own, as requests do."""

    def __init__(self, runtime: Runtime, practice: TenantContext) -> None:
        self.runtime, self.practice = runtime, practice

    async def subscribe_client(self, client: SignedIn) -> str:
        async with self.runtime.database.tenant(self.practice) as session:
            return (await make_client_feed(session, client.id))[1]

    async def subscribe_practitioner(self, practitioner_id: UUID, maker: SignedIn) -> str:
        async with self.runtime.database.tenant(self.practice) as session:
            return (await make_practitioner_feed(session, practitioner_id, made_by=maker.id))[1]

    async def read(self, token: str) -> Subscription:
        async with self.runtime.database.tenant(self.practice) as session:
            try:
                return await read_feed(session, token)
            except ProblemError as problem:
                if problem.keeps_changes:
                    await session.commit()
                raise

    async def events(self, token: str) -> Any:
        return events_of((await self.read(token)).render())

    async def is_over(self, token: str) -> bool:
        try:
            await self.read(token)
        except FeedEndedError:
            return True
        return False

    async def change(self, kind: Any, row_id: object, **values: Any) -> None:
        async with self.runtime.database.tenant(self.practice) as session:
            await session.execute(update(kind).where(kind.id == row_id).values(**values))

    async def feeds(self) -> list[CalendarFeed]:
        async with self.runtime.database.tenant(self.practice) as session:
            return list((await session.scalars(select(CalendarFeed).order_by(CalendarFeed.created_at))).all())


@pytest.fixture
def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    return Desk(runtime, practice)


@pytest.fixture
async def owner(runtime: Runtime, practice: TenantContext) -> SignedIn:
    return await make_staff_member(runtime, practice)


class TestClients:
    async def test_it_shows_what_was_and_is_to_come(self, desk: Desk, client: SignedIn, book: Book) -> None:
        token = await desk.subscribe_client(client)
        ids = [await book(days) for days in (-70, -59, -1, 1, 300)]
        found = await desk.events(token)
        assert set(found) == {str(one) for one in ids[1:]}
        event = found[str(ids[3])]
        assert event["SUMMARY"] == f"Primera visita - {desk.practice.name}"
        assert event["DESCRIPTION"] == "Pilar Practicante"
        assert event["LOCATION"] == desk.practice.name
        assert event["STATUS"] == "CONFIRMED"

    @pytest.mark.parametrize(
        ("status", "shown"),
        [
            ("held", "TENTATIVE"),
            ("completed", "CONFIRMED"),
            ("no_show", "CONFIRMED"),
            ("cancelled", None),
            ("expired", None),
        ],
    )
    async def test_what_was_given_up_is_gone_and_what_waits_is_tentative(
        self, status: str, shown: str | None, desk: Desk, client: SignedIn, book: Book
    ) -> None:
        token = await desk.subscribe_client(client)
        until = clock.now() + timedelta(minutes=15) if status == "held" else None
        made = str(await book(3, status=status, hold_expires_at=until))
        found = await desk.events(token)
        assert (str(found[made]["STATUS"]) if made in found else None) == shown
        with clock.at(clock.now() + timedelta(minutes=16)):
            assert (made in await desk.events(token)) == (shown is not None and status != "held")

    async def test_an_online_visit_has_its_link_and_one_for_a_child_says_so(
        self, desk: Desk, client: SignedIn, book: Book
    ) -> None:
        async with desk.runtime.database.tenant(desk.practice) as session:
            new = NewDependant(first_name="Leo", last_name="Cliente", relationship=Relationship.CHILD, birth_date=None)
            child = await add_dependant(session, client.id, new)
        made = await book(1, location_kind="online", meeting_url="https://meet.example.com/x", dependant_id=child.id)
        event = (await desk.events(await desk.subscribe_client(client)))[str(made)]
        assert event["URL"] == event["LOCATION"] == "https://meet.example.com/x"
        assert "Leo Cliente" in event["SUMMARY"]

    async def test_nothing_that_they_wrote_is_in_it_nor_anybody_elses(
        self, desk: Desk, client: SignedIn, book: Book, runtime: Runtime, practice: TenantContext
    ) -> None:
        other = await make_client(runtime, practice)
        await book(1)
        foreign = await book(2, client_id=other.id)
        token = await desk.subscribe_client(client)
        assert str(foreign) not in await desk.events(token)
        assert b"lactosa" not in (await desk.read(token)).render()

    async def test_the_event_stays_the_same_one_through_book_move_and_cancel(
        self, desk: Desk, client: SignedIn, offer: Offer
    ) -> None:
        token, client_id = await desk.subscribe_client(client), client.id
        starts_at = (clock.now() + timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)
        async with desk.runtime.database.tenant(desk.practice) as session:
            made = await book_appointment(
                session, client_id=client_id, service_id=offer.service_id, starts_at=starts_at
            )
        first = (await desk.events(token))[str(made.id)]
        with clock.at(clock.now() + timedelta(minutes=5)):
            async with desk.runtime.database.tenant(desk.practice) as session:
                await reschedule_appointment(session, made.id, starts_at + timedelta(days=1))
            second = (await desk.events(token))[str(made.id)]
        assert second["UID"] == first["UID"] == f"{made.id}@{desk.practice.key}"
        assert int(second["SEQUENCE"]) > int(first["SEQUENCE"])
        assert second.last_modified > first.last_modified
        assert second.start - first.start == timedelta(days=1)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await cancel_appointment(session, made.id, actor=Actor.client(client_id))
        assert await desk.events(token) == {}

    @pytest.mark.parametrize("values", [{"is_active": False}, {"erased_at": clock.now()}])
    async def test_it_ends_for_good_with_the_account(
        self, values: dict[str, Any], desk: Desk, client: SignedIn, book: Book
    ) -> None:
        await book(1)
        token = await desk.subscribe_client(client)
        await desk.change(Client, client.id, **values)
        assert await desk.is_over(token)
        await desk.change(Client, client.id, is_active=True, erased_at=None)
        assert await desk.is_over(token)


class TestPractitioners:
    async def test_it_shows_initials_and_no_name(self, desk: Desk, offer: Offer, owner: SignedIn, book: Book) -> None:
        made = await book(1)
        token = await desk.subscribe_practitioner(offer.practitioner_id, owner)
        subscription = await desk.read(token)
        content = subscription.render()
        assert events_of(content)[str(made)]["SUMMARY"] == "Primera visita - C. C."
        assert subscription.name.startswith("Pilar Practicante")
        for secret in (b"Carla", b"Cliente", b"lactosa", b"@example.com"):
            assert secret not in content

    async def test_a_session_is_one_event_with_its_seats(
        self, desk: Desk, offer: Offer, owner: SignedIn, book: Book
    ) -> None:
        starts_at = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
        ends_at = starts_at + timedelta(hours=2)
        session_id = new_id()
        rows = {"service_id": offer.service_id, "practitioner_id": offer.practitioner_id, "created_at": clock.now()}
        async with desk.runtime.database.tenant(desk.practice) as session:
            for row_id, status, days in ((session_id, "scheduled", 0), (new_id(), "cancelled", 1)):
                begins, ends = starts_at + timedelta(days=days), ends_at + timedelta(days=days)
                session.add(
                    GroupSession(
                        id=row_id,
                        starts_at=begins,
                        ends_at=ends,
                        occupied=Range(begins, ends),
                        capacity=10,
                        location_kind="practice",
                        status=status,
                        version=3,
                        **rows,
                    )
                )
        seat = {"starts_at": starts_at, "ends_at": ends_at, "group_session_id": session_id}
        await book(2, **seat)
        await book(2, **seat, status=AppointmentStatus.CANCELLED)
        await book(2, **seat, status=AppointmentStatus.HELD, hold_expires_at=clock.now() - timedelta(seconds=1))
        found = await desk.events(await desk.subscribe_practitioner(offer.practitioner_id, owner))
        assert list(found) == [str(session_id)]
        assert found[str(session_id)]["SUMMARY"] == "Primera visita (1/10)"
        assert found[str(session_id)]["SEQUENCE"] == 3

    async def test_a_seat_is_the_clients_own_event(
        self, desk: Desk, client: SignedIn, offer: Offer, book: Book
    ) -> None:
        starts_at = clock.now() + timedelta(days=2)
        session_id = new_id()
        async with desk.runtime.database.tenant(desk.practice) as session:
            ends_at = starts_at + timedelta(hours=1)
            session.add(
                GroupSession(
                    id=session_id,
                    service_id=offer.service_id,
                    practitioner_id=offer.practitioner_id,
                    capacity=3,
                    starts_at=starts_at,
                    ends_at=ends_at,
                    occupied=Range(starts_at, ends_at),
                    location_kind="practice",
                    status="scheduled",
                    version=0,
                    created_at=clock.now(),
                )
            )
        seat = await book(2, starts_at=starts_at, ends_at=ends_at, group_session_id=session_id)
        assert list(await desk.events(await desk.subscribe_client(client))) == [str(seat)]

    async def test_a_fired_practitioners_subscription_is_over_for_good(
        self, desk: Desk, offer: Offer, owner: SignedIn
    ) -> None:
        member = await make_staff_member(desk.runtime, desk.practice, StaffRole.PRACTITIONER)
        await desk.change(Practitioner, offer.practitioner_id, staff_id=member.id)
        tokens = [await desk.subscribe_practitioner(offer.practitioner_id, member)]
        assert not await desk.is_over(tokens[0])
        await self.set_active(desk, member, is_active=False)
        assert await desk.is_over(tokens[0])
        with pytest.raises(NoFeedForThemError):
            await desk.subscribe_practitioner(offer.practitioner_id, owner)
        await self.set_active(desk, member, is_active=True)
        assert await desk.is_over(tokens[0])

    async def test_a_fired_receptionists_subscription_is_over(self, desk: Desk, offer: Offer, owner: SignedIn) -> None:
        reception = await make_staff_member(desk.runtime, desk.practice, StaffRole.RECEPTION)
        token = await desk.subscribe_practitioner(offer.practitioner_id, reception)
        assert not await desk.is_over(token)
        await self.set_active(desk, reception, is_active=False)
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert await find_feed(session, FeedOwner.PRACTITIONER, offer.practitioner_id) is None
        assert await desk.is_over(token)
        assert not await desk.is_over(await desk.subscribe_practitioner(offer.practitioner_id, owner))

    async def test_nor_does_it_outlive_the_right_to_that_calendar(
        self, desk: Desk, offer: Offer, owner: SignedIn
    ) -> None:
        manager = await make_staff_member(desk.runtime, desk.practice, StaffRole.MANAGER)
        token = await desk.subscribe_practitioner(offer.practitioner_id, manager)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await change_staff(session, manager.id, role=StaffRole.PRACTITIONER)
        assert await desk.is_over(token)

    async def test_it_ends_when_they_are_archived_or_removed(self, desk: Desk, offer: Offer, owner: SignedIn) -> None:
        token = await desk.subscribe_practitioner(offer.practitioner_id, owner)
        await desk.change(Practitioner, offer.practitioner_id, archived=True)
        assert await desk.is_over(token)
        with pytest.raises(NoFeedForThemError):
            await desk.subscribe_practitioner(offer.practitioner_id, owner)
        with pytest.raises(NotFoundError):
            await desk.subscribe_practitioner(new_id(), owner)

    async def set_active(self, desk: Desk, member: SignedIn, *, is_active: bool) -> None:
        async with desk.runtime.database.tenant(desk.practice) as session:
            await change_staff(session, member.id, is_active=is_active)


class TestAddresses:
    async def test_only_the_hash_is_stored(self, desk: Desk, client: SignedIn) -> None:
        token = await desk.subscribe_client(client)
        [row] = await desk.feeds()
        assert row.token_hash == hash_opaque_token(token)
        assert len(token) >= 43

    async def test_a_new_one_ends_the_one_before(self, desk: Desk, client: SignedIn) -> None:
        first, second = await desk.subscribe_client(client), await desk.subscribe_client(client)
        assert await desk.is_over(first)
        assert not await desk.is_over(second)

    async def test_of_several_made_at_once_one_lives(self, desk: Desk, client: SignedIn) -> None:
        tokens = await asyncio.gather(*(desk.subscribe_client(client) for _ in range(3)))
        assert [await desk.is_over(token) for token in tokens].count(False) == 1

    async def test_ending_it_twice_is_harmless(self, desk: Desk, client: SignedIn) -> None:
        token = await desk.subscribe_client(client)
        for was_there in (True, False):
            async with desk.runtime.database.tenant(desk.practice) as session:
                assert await end_feed(session, FeedOwner.CLIENT, client.id) is was_there
        assert await desk.is_over(token)

    async def test_reading_is_noted_once_an_hour(self, desk: Desk, client: SignedIn) -> None:
        token, start = await desk.subscribe_client(client), clock.now()
        noted = []
        for minutes in (0, 30, 59, 60, 90, 121):
            with clock.at(start + timedelta(minutes=minutes)):
                await desk.read(token)
            read_at = (await desk.feeds())[0].read_at
            assert read_at is not None
            noted.append((read_at - start) // timedelta(minutes=1))
        assert noted == [0, 0, 0, 60, 60, 121]

    async def test_the_tag_changes_with_what_is_shown(self, desk: Desk, client: SignedIn, book: Book) -> None:
        token = await desk.subscribe_client(client)
        empty = (await desk.read(token)).tag
        await book(1)
        one = (await desk.read(token)).tag
        assert len({empty, one}) == 2
        assert (await desk.read(token)).tag == one

    async def test_ended_ones_are_thrown_away_in_time(self, desk: Desk, client: SignedIn) -> None:
        for _ in range(2):
            await desk.subscribe_client(client)
        with clock.at(clock.now() + timedelta(days=31)):
            await clean_practice(desk.runtime.database, desk.practice)
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert await session.scalar(select(func.count()).select_from(CalendarFeed)) == 1
