"""A person is not an e-mail: dependants, and nobody's data overwritten by somebody else's booking or registration."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from scheduling.appointments.models import Appointment
from tenants.accounts.models import Client, Dependant, StaffRole
from tests.conftest import HttpFactory
from tests.support.checkout import Desk, make_desk
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

PATH = "/api/v1/users/me/dependants"
CHILD = {"first_name": "Leo", "last_name": "Pequeño", "relationship": "child", "birth_date": "2019-03-04"}


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    return await make_client(runtime, practice)


@pytest.fixture
def here(http: HttpFactory, practice: TenantContext, client: SignedIn) -> httpx.AsyncClient:
    return http(practice, headers={**client.headers, "Accept-Language": "en"})


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext, client: SignedIn) -> Desk:
    return await make_desk(runtime, practice, client)


async def add(here: httpx.AsyncClient, **changes: object) -> str:
    answer = await here.post(PATH, json=CHILD | changes)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


async def book(here: httpx.AsyncClient, desk: Desk, hours: int = 0, key: str = "", **more: object) -> httpx.Response:
    body = {
        "service_id": str(desk.service_id),
        "starts_at": (desk.opens_at + timedelta(hours=hours)).isoformat(),
        **more,
    }
    return await here.post("/api/v1/appointments", json=body, headers={"Idempotency-Key": key} if key else {})


class TestDependants:
    async def test_are_listed_changed_and_deleted(self, here: httpx.AsyncClient) -> None:
        child = await add(here)
        changed = await here.patch(f"{PATH}/{child}", json={"first_name": "Leonor", "birth_date": None})
        assert changed.status_code == 200
        listed = (await here.get(PATH)).json()
        assert listed["next_cursor"] is None
        (one,) = listed["items"]
        assert one == {
            "id": child, "first_name": "Leonor", "last_name": "Pequeño", "relationship": "child", "birth_date": None,
            "created_at": one["created_at"],
        }  # fmt: skip
        assert (await here.delete(f"{PATH}/{child}")).status_code == 204
        assert (await here.get(PATH)).json()["items"] == []
        assert_problem(await here.delete(f"{PATH}/{child}"), 404, "not_found")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"relationship": "dog"},
            {"first_name": " "},
            {"birth_date": "2999-01-01"},
            {"birth_date": "1899-12-31"},
            {"birth_date": 5},
            {"last_name": "http://x.example"},
            {"email": "a@example.com"},
        ],
        ids=str,
    )
    async def test_what_makes_no_sense_is_refused(self, here: httpx.AsyncClient, wrong: dict[str, object]) -> None:
        assert_problem(await here.post(PATH, json=CHILD | wrong), 422, "validation_error")

    async def test_twenty_is_the_most_also_for_requests_that_race(
        self, here: httpx.AsyncClient, client: SignedIn
    ) -> None:
        for _ in range(18):
            await add(here)
        answers = await asyncio.gather(*(here.post(PATH, json=CHILD) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409]
        assert len((await here.get(PATH)).json()["items"]) == 20

    async def test_are_reached_by_nobody_else(
        self, here: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext,
        other_practice: TenantContext, desk: Desk,
    ) -> None:  # fmt: skip
        child = await add(here)
        for tenant in (practice, other_practice):
            stranger = http(tenant, headers=(await make_client(runtime, tenant)).headers)
            assert_problem(await stranger.patch(f"{PATH}/{child}", json={"first_name": "Mine"}), 404, "not_found")
            assert_problem(await stranger.delete(f"{PATH}/{child}"), 404, "not_found")
            assert (await stranger.get(PATH)).json()["items"] == []
        stranger = http(practice, headers=(await make_client(runtime, practice)).headers)
        theirs = await book(stranger, desk, dependant_id=child)
        nobodys = await book(stranger, desk, dependant_id=str(desk.service_id))
        assert_problem(theirs, 422, "validation_error")
        told = [
            {name: value for name, value in answer.json()["errors"][0].items() if name != "msg"}
            for answer in (theirs, nobodys)
        ]
        assert told[0] == told[1] == {"loc": ["body", "dependant_id"], "type": "unknown_dependant"}


class TestBookingForThem:
    async def test_the_answer_the_mails_and_the_calendar_say_for_whom(
        self, here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        offer = await make_offer(runtime, practice)
        child = await add(here)
        starts_at = (clock.now() + timedelta(days=3)).replace(hour=10, minute=0, second=0, microsecond=0)
        body = {"service_id": str(offer.service_id), "starts_at": starts_at.isoformat(), "notes": "diabetes tipo 1"}
        answer = await here.post("/api/v1/appointments", json={**body, "dependant_id": child})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert made["dependant_id"] == child
        assert (await here.get(f"/api/v1/appointments/{made['id']}")).json()["dependant_id"] == child
        entry = (await here.get(f"/api/v1/appointments/{made['id']}/calendar.ics")).text.replace("\r\n ", "")
        assert "Leo Pequeño" in entry
        await run_due_events(runtime, practice)
        sent = await mails_of(runtime, practice)
        about = [mail for mail in sent if "Leo Pequeño" in mail.text]
        assert client.email in {mail.recipient for mail in about}
        assert len({mail.recipient for mail in about}) > 1  # the practice too
        assert not any("diabetes" in mail.text + mail.html for mail in sent)

    async def test_staff_see_for_whom_and_book_for_them(
        self, here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, client: SignedIn, desk: Desk
    ) -> None:
        child = await add(here)
        staff = (await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers
        listed = await here.get(f"/api/v1/admin/clients/{client.id}/dependants", headers=staff)
        assert [one["first_name"] for one in listed.json()["items"]] == ["Leo"]
        body = {
            "service_id": str(desk.service_id),
            "starts_at": desk.opens_at.isoformat(),
            "client_id": str(client.id),
            "dependant_id": child,
        }
        made = await here.post("/api/v1/admin/appointments", json=body, headers=staff)
        assert made.status_code == 201, made.text
        assert (made.json()["client_name"], made.json()["dependant_name"]) == ("Carla Cliente", "Leo Pequeño")
        (shown,) = (await here.get("/api/v1/admin/appointments", headers=staff)).json()["items"]
        assert shown["dependant_name"] == "Leo Pequeño"
        stranger = await make_client(runtime, practice)
        wrong = body | {"client_id": str(stranger.id), "starts_at": (desk.opens_at + timedelta(hours=2)).isoformat()}
        answer = await here.post("/api/v1/admin/appointments", json=wrong, headers=staff)
        assert_problem(answer, 422, "validation_error")

    async def test_one_key_for_two_people_is_two_wishes(self, here: httpx.AsyncClient, desk: Desk) -> None:
        child = await add(here)
        assert (await book(here, desk, key="k", dependant_id=child)).status_code == 201
        assert (await book(here, desk, key="k", dependant_id=child)).status_code == 201
        assert_problem(await book(here, desk, key="k"), 422, "idempotency_key_reused")

    async def test_who_has_appointments_is_archived_and_can_not_be_booked_for_any_more(
        self, here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, desk: Desk
    ) -> None:
        child = await add(here)
        made = (await book(here, desk, dependant_id=child)).json()
        assert (await here.delete(f"{PATH}/{child}")).status_code == 204
        assert (await here.get(PATH)).json()["items"] == []
        assert (await here.get(f"/api/v1/appointments/{made['id']}")).json()["dependant_id"] == child
        assert_problem(await book(here, desk, 1, dependant_id=child), 422, "validation_error")
        assert_problem(await here.patch(f"{PATH}/{child}", json={"first_name": "x"}), 404, "not_found")

    async def test_a_booking_that_meets_the_removal_finds_them_or_does_not(
        self, here: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, desk: Desk
    ) -> None:
        for hour in range(6):
            child = await add(here)
            answers = await asyncio.gather(book(here, desk, hour, dependant_id=child), here.delete(f"{PATH}/{child}"))
            assert answers[0].status_code in (201, 422), answers[0].text
            assert answers[1].status_code == 204, answers[1].text
            if answers[0].status_code == 201:  # one may hold so many only
                await here.post(f"/api/v1/appointments/{answers[0].json()['id']}/cancel")
            async with runtime.database.tenant(practice) as session:
                row = await session.get(Dependant, UUID(child))
                named = await session.scalars(select(Appointment.id).where(Appointment.dependant_id == UUID(child)))
                assert bool(named.all()) == (row is not None)


class TestNobodyIsOverwritten:
    async def test_registering_a_taken_address_changes_nothing_of_its_account(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            before = dict((await session.get_one(Client, client.id)).__dict__)
        for address in (client.email, client.email.upper()):
            new = {
                "email": address,
                "password": "another quite long password",
                "first_name": "Intrusa",
                "last_name": "Ajena",
                "phone": "+34 600 000 000",
                "timezone": "America/Bogota",
                "accept_privacy": True,
            }
            answer = await http(practice).post("/api/v1/auth/register", json=new)
            assert answer.status_code == 201
        async with runtime.database.tenant(practice) as session:
            rows = (await session.scalars(select(Client))).all()
            assert [row.id for row in rows] == [client.id]
            after = dict(rows[0].__dict__)
        same = [name for name in before if not name.startswith("_")]
        assert {name: after[name] for name in same} == {name: before[name] for name in same}

    async def test_a_booking_changes_nothing_of_the_client_or_their_people(
        self, here: httpx.AsyncClient, client: SignedIn, desk: Desk
    ) -> None:
        child = await add(here)
        before = (await here.get("/api/v1/users/me")).json(), (await here.get(PATH)).json()
        answer = await book(here, desk, dependant_id=child, notes="Me llamo Otra, otra@example.com")
        assert answer.status_code == 201
        assert ((await here.get("/api/v1/users/me")).json(), (await here.get(PATH)).json()) == before
