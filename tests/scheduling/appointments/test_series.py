"""Series: the same wall time every week, booked all at once or not at all."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar
from sqlalchemy import func, select

from scheduling.appointments.events import APPOINTMENT_CONFIRMED, APPOINTMENT_REMINDER, APPOINTMENT_SERIES_BOOKED
from scheduling.appointments.models import Appointment
from scheduling.appointments.series import Frequency, Pattern
from scheduling.appointments.series_mails import SERIES, SERIES_PRACTICE
from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import AccountKind, StaffAuditEntry, StaffRole
from tenants.accounts.services.sign_ins import start_session
from tests.conftest import HttpFactory
from tests.support.events import queued, run_due_events
from tests.support.mails import assert_speaks, logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import (
    add_block,
    add_hours,
    make_offer,
    make_practitioner,
    make_service,
    minutes,
    set_practice,
    stored,
)
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

pytestmark = pytest.mark.usefixtures("monday_morning")
PATH = "/api/v1/appointment-series"
ADMIN = "/api/v1/admin/appointment-series"
WEDNESDAY = datetime(2026, 3, 4, 9, tzinfo=UTC)
"""10 in Madrid; the clocks change on 29 March."""
WEEK = timedelta(weeks=1)
FIRST, LAST = (datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (2020, 2030))
"""Bounds for hypothesis, which wants them naive."""


@pytest.fixture
async def account(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client."""
    return await make_client(runtime, practice)


@pytest.fixture
def client(account: SignedIn, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """The same, signed in."""
    return http(practice, headers=account.headers)


@pytest.fixture
async def manager(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """Staff who may set rules aside."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.MANAGER)).headers)


def wish(service_id: UUID, count: int = 5, at: datetime = WEDNESDAY, **more: Any) -> dict[str, Any]:
    return {
        "service_id": str(service_id),
        "starts_at": at.isoformat(),
        "frequency": "weekly",
        "count": count,
        **more,
    }


def starts(answer: httpx.Response) -> list[str]:
    return [one["starts_at"] for one in answer.json()["items"]]


def z(*instants: datetime) -> list[str]:
    return [one.strftime("%Y-%m-%dT%H:%M:%SZ") for one in instants]


async def block(runtime: Runtime, practice: TenantContext, practitioner_id: UUID, *at: datetime) -> None:
    async with runtime.database.tenant(practice) as session:
        for one in at:
            await add_block(session, practitioner_id, one, one + minutes(60))


async def count_rows(runtime: Runtime, practice: TenantContext) -> int:
    async with runtime.database.tenant(practice) as session:
        return (await session.scalar(select(func.count()).select_from(Appointment))) or 0


async def topics(runtime: Runtime, practice: TenantContext) -> list[str]:
    return [one.topic for one in await queued(runtime, practice)]


async def two_people(runtime: Runtime, practice: TenantContext, **service: Any) -> tuple[UUID, UUID, UUID]:
    """A service and its two practitioners."""
    async with runtime.database.tenant(practice) as session:
        people = [await make_practitioner(session, name=name) for name in ("Ana", "Bea")]
        for one in people:
            await add_hours(session, one.id)
        made = await make_service(session, *(one.id for one in people), **service)
    return made.id, people[0].id, people[1].id


class TestDates:
    def test_ten_stays_ten_over_a_change_of_the_clocks(self) -> None:
        dates = Pattern(Frequency.WEEKLY, 5).dates(WEDNESDAY, ZoneInfo("Europe/Madrid"))
        assert [one.starts_at.hour for one in dates] == [9, 9, 9, 9, 8]
        assert {one.starts_at.astimezone(ZoneInfo("Europe/Madrid")).hour for one in dates} == {10}

    def test_a_wall_time_that_the_clocks_skip_is_no_date(self) -> None:
        first = datetime(2026, 3, 22, 1, 30, tzinfo=UTC)  # half past two on a Sunday in Madrid
        dates = Pattern(Frequency.WEEKLY, 3).dates(first, ZoneInfo("Europe/Madrid"))
        assert [one.exists for one in dates] == [True, False, True]

    def test_dates_may_be_left_out(self) -> None:
        skipped = frozenset({WEDNESDAY + 2 * WEEK})
        dates = Pattern(Frequency.FORTNIGHTLY, 3, skipped).dates(WEDNESDAY, ZoneInfo("UTC"))
        assert [one.starts_at for one in dates] == [WEDNESDAY, WEDNESDAY + 4 * WEEK]

    @given(
        first=st.datetimes(FIRST, LAST, timezones=st.just(UTC)),
        zone=st.sampled_from(
            ["Europe/Madrid", "Atlantic/Canary", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]
        ),
        frequency=st.sampled_from(Frequency),
        count=st.integers(2, 26),
    )
    def test_dates_are_the_same_wall_time_and_in_order(
        self, first: datetime, zone: str, frequency: Frequency, count: int
    ) -> None:
        there = ZoneInfo(zone)
        dates = Pattern(frequency, count).dates(first, there)
        assert len(dates) == count
        assert dates[0].starts_at == first
        walls = {one.starts_at.astimezone(there).time() for one in dates if one.exists}
        assert walls == {first.astimezone(there).time()}
        instants = [one.starts_at for one in dates]
        assert instants == sorted(set(instants))


class TestBooking:
    async def test_all_dates_are_booked_as_the_preview_says(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        body = wish(offer.service_id, notes="Rodilla")
        preview = await client.post(f"{PATH}/preview", json=body)
        assert preview.status_code == 200, preview.text
        assert all(one["free"] and one["code"] is None for one in preview.json()["items"])
        assert await count_rows(runtime, practice) == 0
        answer = await client.post(PATH, json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert starts(answer) == starts(preview)
        assert len(starts(answer)) == 5
        assert {one["series_id"] for one in made["items"]} == {made["series_id"]}
        assert {one["status"] for one in made["items"]} == {"confirmed"}
        assert {one["practitioner_id"] for one in made["items"]} == {str(offer.practitioner_id)}
        assert (await client.get(f"{PATH}/{made['series_id']}")).json() == made
        listed = (await client.get("/api/v1/appointments")).json()["items"]
        assert {one["series_id"] for one in listed} == {made["series_id"]}

    async def test_the_longest_series_is_booked_at_once(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        answer = await client.post(PATH, json=wish(offer.service_id, 26))
        assert answer.status_code == 201, answer.text
        assert {datetime.fromisoformat(one).astimezone(ZoneInfo("Europe/Madrid")).hour for one in starts(answer)} == {
            10
        }
        assert await count_rows(runtime, practice) == 26

    async def test_conflicts_are_listed_and_nothing_is_written(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        taken, blocked = WEDNESDAY + WEEK, WEDNESDAY + 2 * WEEK
        await client.post(
            "/api/v1/appointments", json={"service_id": str(offer.service_id), "starts_at": taken.isoformat()}
        )
        await block(runtime, practice, offer.practitioner_id, blocked)
        body = wish(offer.service_id, 4)
        preview = (await client.post(f"{PATH}/preview", json=body)).json()
        assert [one["code"] for one in preview["items"]] == [None, "slot_taken", "slot_not_offered", None]
        assert [one["practitioner_id"] is None for one in preview["items"]] == [False, True, True, False]
        answer = await client.post(PATH, json=body)
        assert_problem(answer, 409, "series_conflicts")
        assert answer.json()["conflicts"] == [
            {"starts_at": z(taken)[0], "code": "slot_taken"},
            {"starts_at": z(blocked)[0], "code": "slot_not_offered"},
        ]
        assert await count_rows(runtime, practice) == 1
        without = await client.post(PATH, json=body | {"skip": z(taken, blocked)})
        assert without.status_code == 201, without.text
        assert starts(without) == z(WEDNESDAY, WEDNESDAY + 3 * WEEK)

    async def test_one_practitioner_gives_the_whole_series(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        service_id, ana, bea = await two_people(runtime, practice)
        await block(runtime, practice, ana, WEDNESDAY + WEEK)
        first = (await client.post(PATH, json=wish(service_id, 3))).json()
        assert {one["practitioner_id"] for one in first["items"]} == {str(bea)}
        # Now neither is free on all dates; what is told is of whom has the fewest conflicts.
        conflicts = await client.post(PATH, json=wish(service_id, 3))
        assert_problem(conflicts, 409, "series_conflicts")
        assert [one["starts_at"] for one in conflicts.json()["conflicts"]] == z(WEDNESDAY + WEEK)
        named = await client.post(f"{PATH}/preview", json=wish(service_id, 3, practitioner_id=str(bea)))
        assert [one["free"] for one in named.json()["items"]] == [False, False, False]

    async def test_series_with_anyone_are_shared_fairly(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        service_id, ana, bea = await two_people(runtime, practice)
        chosen = []
        for hour in (0, 1):
            body = wish(service_id, 2, WEDNESDAY + minutes(60 * hour))
            chosen.append((await client.post(PATH, json=body)).json()["items"][0]["practitioner_id"])
        assert set(chosen) == {str(ana), str(bea)}

    async def test_each_practitioner_keeps_the_wall_time_of_their_own_zone(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            far = await make_practitioner(session, timezone="America/New_York")
            await add_hours(session, far.id)
            service = await make_service(session, far.id)
        # 9 in New York; its clocks changed on 8 March.
        answer = await client.post(PATH, json=wish(service.id, 2, datetime(2026, 3, 4, 14, tzinfo=UTC)))
        assert starts(answer) == ["2026-03-04T14:00:00Z", "2026-03-11T13:00:00Z"]

    async def test_what_is_due_is_paid_at_the_visit_or_there_is_no_series(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500)
        await set_practice(runtime, practice, payment_methods=["sandbox"])
        for path in (PATH, f"{PATH}/preview"):
            assert_problem(await client.post(path, json=wish(offer.service_id, 2)), 409, "series_needs_payment")
        await set_practice(runtime, practice, payment_methods=["sandbox", "offline"])
        preview = (await client.post(f"{PATH}/preview", json=wish(offer.service_id, 3))).json()
        assert preview["total"] == {"amount": 13500, "currency": "EUR"}
        made = (await client.post(PATH, json=wish(offer.service_id, 3))).json()
        assert {one["status"] for one in made["items"]} == {"confirmed"}
        assert (await client.get("/api/v1/appointments")).json()["items"][0]["price"]["amount"] == 4500

    async def test_where_approval_is_wanted_each_date_is_a_request_and_holds_count(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, requires_approval=True)
        made = (await client.post(PATH, json=wish(offer.service_id, 6))).json()
        assert {one["status"] for one in made["items"]} == {"held"}
        row = await stored(runtime, practice, made["items"][0]["id"])
        assert row.hold_kind == "approval"
        later = wish(offer.service_id, 5, WEDNESDAY + minutes(60))
        assert_problem(await client.post(PATH, json=later), 409, "too_many_holds")
        assert APPOINTMENT_SERIES_BOOKED not in await topics(runtime, practice)

    async def test_what_makes_no_sense_is_refused(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        body = wish(offer.service_id, 2)
        for more in ({"count": 1}, {"count": 27}, {"frequency": "daily"}, {"client_id": str(uuid4())}):
            assert_problem(await client.post(PATH, json=body | more), 422, "validation_error")
        everything = body | {"skip": z(WEDNESDAY, WEDNESDAY + WEEK)}
        assert_problem(await client.post(PATH, json=everything), 422, "validation_error")
        assert_problem(await client.post(PATH, json=body | {"location_kind": "home"}), 422, "validation_error")
        assert_problem(await client.post(PATH, json=body | {"service_id": str(uuid4())}), 404, "not_found")
        nobody = body | {"practitioner_id": str(uuid4())}
        assert_problem(await client.post(PATH, json=nobody), 422, "slot_not_offered")

    async def test_a_group_service_has_no_series(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice, capacity=8)
        assert_problem(await client.post(PATH, json=wish(offer.service_id, 2)), 422, "series_not_offered")

    async def test_a_key_makes_one_series(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient
    ) -> None:
        offer = await make_offer(runtime, practice)
        key = {"Idempotency-Key": "k"}
        first, again = [await client.post(PATH, json=wish(offer.service_id, 2), headers=key) for _ in range(2)]
        assert first.json() == again.json()
        assert await count_rows(runtime, practice) == 2

    async def test_of_many_who_want_overlapping_series_no_one_gets_half(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice)
        clients = [http(practice, headers=(await make_client(runtime, practice)).headers) for _ in range(4)]

        async def book(number: int) -> httpx.Response:
            body = wish(offer.service_id, 4, WEDNESDAY + number * WEEK)
            return await clients[number].post(PATH, json=body)

        answers = await asyncio.gather(*(book(number) for number in range(4)))
        assert sorted(one.status_code for one in answers) == [201, 409, 409, 409]
        assert await count_rows(runtime, practice) == 4


class TestCancelling:
    async def test_what_is_to_come_is_cancelled_and_the_rest_stays(
        self, runtime: Runtime, practice: TenantContext, client: httpx.AsyncClient, account: SignedIn, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice, cancel_notice_hours=24)
        made = (await client.post(PATH, json=wish(offer.service_id, 4))).json()
        with clock.at(WEDNESDAY + WEEK - timedelta(hours=1)):
            client = http(practice, headers=(await sign_in_again(runtime, practice, account)))
            answer = await client.post(f"{PATH}/{made['series_id']}/cancel", json={"reason": "Me mudo"})
            assert answer.status_code == 200, answer.text
            items = answer.json()["items"]
            # The first is over, the second too near.
            assert [(one["status"], one["refused"]) for one in items] == [
                ("confirmed", "cancellation_too_late"),
                ("cancelled", None),
                ("cancelled", None),
            ]
            again = (await client.post(f"{PATH}/{made['series_id']}/cancel")).json()["items"]
            assert [one["refused"] for one in again] == ["cancellation_too_late"]

    async def test_nobody_else_reaches_it(
        self,
        runtime: Runtime,
        practice: TenantContext,
        other_practice: TenantContext,
        client: httpx.AsyncClient,
        http: HttpFactory,
    ) -> None:
        offer = await make_offer(runtime, practice)
        made = (await client.post(PATH, json=wish(offer.service_id, 2))).json()
        path = f"{PATH}/{made['series_id']}"
        for tenant in (practice, other_practice):
            stranger = http(tenant, headers=(await make_client(runtime, tenant)).headers)
            assert_problem(await stranger.get(path), 404, "not_found")
            assert_problem(await stranger.post(f"{path}/cancel"), 404, "not_found")
        assert_problem(await client.get(f"{PATH}/{uuid4()}"), 404, "not_found")


async def sign_in_again(runtime: Runtime, practice: TenantContext, account: SignedIn) -> dict[str, str]:
    async with runtime.database.tenant(practice) as session:
        pair = await start_session(session, runtime.signer, runtime.settings.auth, AccountKind.CLIENT, account.id)
    return {"Authorization": f"Bearer {pair.access_token}"}


class TestStaff:
    async def test_staff_sees_the_rule_and_may_set_it_aside_and_it_stands_unpaid(
        self, runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient, account: SignedIn
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500)
        await block(runtime, practice, offer.practitioner_id, WEDNESDAY + WEEK)
        body = wish(offer.service_id, 2, client_id=str(account.id), practitioner_id=str(offer.practitioner_id))
        preview = (await manager.post(f"{ADMIN}/preview", json=body)).json()
        assert [one["rule"] for one in preview["items"]] == [None, "blocked"]
        assert_problem(await manager.post(ADMIN, json=body), 409, "series_conflicts")
        answer = await manager.post(ADMIN, json=body | {"outside_hours": True})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert {one["status"] for one in made["items"]} == {"confirmed"}
        async with runtime.database.tenant(practice) as session:
            audited = (await session.scalars(select(StaffAuditEntry))).all()
        assert [one.action for one in audited] == ["appointment.booked_outside_hours"] * 2
        cancelled = await manager.post(f"{ADMIN}/{made['series_id']}/cancel")
        assert [one["status"] for one in cancelled.json()["items"]] == ["cancelled", "cancelled"]

    async def test_reception_books_by_the_rules_and_practitioners_for_themselves(
        self, runtime: Runtime, practice: TenantContext, account: SignedIn, http: HttpFactory
    ) -> None:
        service_id, ana, bea = await two_people(runtime, practice)
        reception = http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)
        body = wish(service_id, 2, client_id=str(account.id), practitioner_id=str(ana))
        assert_problem(await reception.post(ADMIN, json=body | {"overlapping": True}), 403, "forbidden")
        made = (await reception.post(ADMIN, json=body)).json()
        staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, bea)).staff_id = staff.id
        own = http(practice, headers=staff.headers)
        assert_problem(await own.post(ADMIN, json=body), 403, "forbidden")
        assert_problem(await own.get(f"{ADMIN}/{made['series_id']}"), 404, "not_found")
        assert_problem(await own.post(f"{ADMIN}/{made['series_id']}/cancel"), 403, "forbidden")


class TestMails:
    @pytest.fixture(autouse=True)
    def composers(self) -> None:
        register_composers()

    @pytest.mark.parametrize("locale", ["es", "en"])
    async def test_one_mail_tells_of_all_dates_with_one_file(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, locale: str
    ) -> None:
        offer = await make_offer(runtime, practice, price_minor=4500, name="X")
        account = await make_client(runtime, practice, locale=locale)
        staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = staff.id
        made = await http(practice, headers=account.headers).post(PATH, json=wish(offer.service_id, 5))
        waiting = await topics(runtime, practice)
        assert waiting.count(APPOINTMENT_SERIES_BOOKED) == 1
        assert waiting.count(APPOINTMENT_REMINDER) == 5
        assert APPOINTMENT_CONFIRMED not in waiting
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, account.email)
        assert_speaks(locale, mail, "Pilar Practicante", practice.name, "Carla")
        assert mail.text.count("10:00") == 5
        assert "{{" not in mail.text
        events = events_of(mail.attachments["items"])
        assert [one.start for one in events] == [datetime.fromisoformat(one) for one in starts(made)]
        assert [one["UID"] for one in events] == [f"{one['id']}@{practice.key}" for one in made.json()["items"]]
        [theirs] = await mails_of(runtime, practice, staff.email)
        assert "Carla Cliente" in str(events_of(theirs.attachments["items"])[0]["SUMMARY"])
        [log] = await logs_of(runtime, practice, SERIES)
        assert log.status == "sent"
        assert len(await logs_of(runtime, practice, SERIES_PRACTICE)) == 2


def events_of(attachments: Sequence[dict[str, str]]) -> list[Any]:
    [attachment] = attachments
    calendar = Calendar.from_ical(base64.b64decode(attachment["content_base64"]))
    assert isinstance(calendar, Calendar)
    assert calendar["METHOD"] == "PUBLISH"
    assert attachment["content_type"] == "text/calendar; method=PUBLISH; charset=utf-8"
    assert all("ORGANIZER" in one and "ATTENDEE" not in one for one in calendar.events)
    return list(calendar.events)
