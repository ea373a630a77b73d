"""``/waitlist`` and ``/admin/waitlist`` over HTTP: whose they are, and what they answer."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from scheduling.catalogue.models import Practitioner, Service, ServicePractitioner
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.conftest import HttpFactory
from tests.support.checkout import make_desk
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import make_practitioner, make_service, set_practice, stored
from tests.support.waitlist import DAY, Line
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")
HOUR = timedelta(hours=1)
PATH, ADMIN = "/api/v1/waitlist", "/api/v1/admin/waitlist"


@pytest.fixture
async def line(runtime: Runtime, practice: TenantContext) -> Line:
    return await Line.make(runtime, practice)


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    return await make_client(runtime, practice)


@pytest.fixture
def api(http: HttpFactory, practice: TenantContext, client: SignedIn) -> httpx.AsyncClient:
    return http(practice, headers=client.headers)


def wish(line: Line, **more: Any) -> dict[str, Any]:
    """Any time of the day."""
    day = DAY.isoformat()
    return {"service_id": str(line.offer.service_id), "first_day": day, "last_day": day} | more


class TestClients:
    async def test_wait_see_their_place_and_leave(self, line: Line, api: httpx.AsyncClient) -> None:
        await line.join()
        await line.join(weekdays=[3], earliest="12:30")
        made = await api.post(PATH, json=wish(line, weekdays=[3, 3, 1], latest="12:00"))
        assert made.status_code == 201, made.text
        entry = made.json()
        assert (entry["status"], entry["position"], entry["offer"]) == ("waiting", 2, None)
        assert (entry["weekdays"], entry["earliest"], entry["latest"]) == ([1, 3], None, "12:00")
        assert (await api.get(f"{PATH}/{entry['id']}")).json() == entry
        assert (await api.get(PATH)).json()["items"] == [entry]
        assert (await api.delete(f"{PATH}/{entry['id']}")).status_code == 204
        assert (await api.get(PATH, params={"status": "waiting"})).json()["items"] == []
        assert (await api.get(f"{PATH}/{entry['id']}")).json()["position"] is None

    async def test_a_repeated_request_stands_in_line_once(self, line: Line, api: httpx.AsyncClient) -> None:
        answers = [await api.post(PATH, json=wish(line), headers={"Idempotency-Key": "one"}) for _ in range(2)]
        assert [one.status_code for one in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert_problem(await api.post(PATH, json=wish(line)), 409, "already_waiting")

    async def test_take_what_is_offered(self, line: Line, api: httpx.AsyncClient) -> None:
        entry = (await api.post(PATH, json=wish(line))).json()
        await line.free(1)
        await line.run()
        offered = (await api.get(f"{PATH}/{entry['id']}")).json()
        assert offered["status"] == "offered"
        assert offered["offer"] | {"appointment_id": "", "practitioner_id": ""} == {
            "appointment_id": "",
            "practitioner_id": "",
            "location_kind": "practice",
            "starts_at": "2026-03-04T09:00:00Z",
            "ends_at": "2026-03-04T10:00:00Z",
            "expires_at": "2026-03-02T09:00:00Z",
            "awaits": "answer",
            "price": {"amount": 0, "currency": "EUR"},
            "amount_due": {"amount": 0, "currency": "EUR"},
        }
        taken = await api.post(f"{PATH}/{entry['id']}/accept")
        assert (taken.status_code, taken.json()["status"], taken.json()["offer"]) == (200, "booked", None)
        assert_problem(await api.post(f"{PATH}/{entry['id']}/decline"), 409, "offer_over")

    async def test_may_decline_and_leave_at_once(self, line: Line, api: httpx.AsyncClient) -> None:
        entry = (await api.post(PATH, json=wish(line))).json()
        await line.free(1)
        await line.run()
        declined = await api.post(f"{PATH}/{entry['id']}/decline", json={"stay": False})
        assert (declined.status_code, declined.json()["status"]) == (200, "left")

    @pytest.mark.parametrize(
        "more",
        [
            {"last_day": "2026-03-03"},
            {"last_day": "2026-08-30"},
            {"weekdays": [0]},
            {"weekdays": []},
            {"earliest": "12:00", "latest": "11:00"},
            {"earliest": "25:00"},
            {"first_day": "yesterday"},
            {"location_kind": "moon"},
            {"client_id": str(new_id())},
        ],
    )
    async def test_are_told_what_makes_no_sense(self, line: Line, api: httpx.AsyncClient, more: dict[str, Any]) -> None:
        assert_problem(await api.post(PATH, json=wish(line, **more)), 422, "validation_error")

    async def test_reach_their_own_entries_only(
        self, line: Line, api: httpx.AsyncClient, http: HttpFactory, other_practice: TenantContext, client: SignedIn
    ) -> None:
        theirs = (await line.join()).id
        mine = (await api.post(PATH, json=wish(line))).json()["id"]
        await line.free(1)
        await line.run()
        for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/accept"), ("POST", "/decline")]:
            assert_problem(await api.request(method, f"{PATH}/{theirs}{path}"), 404, "not_found")
            stranger = http(other_practice, headers=client.headers)
            assert_problem(await stranger.request(method, f"{PATH}/{mine}{path}"), 401, "invalid_token")
            stranger = http(other_practice, headers=(await make_client(line.runtime, other_practice)).headers)
            assert_problem(await stranger.request(method, f"{PATH}/{mine}{path}"), 404, "not_found")
        assert str(theirs) not in (await api.get(PATH)).text

    async def test_who_was_offered_it_is_the_only_one_who_sees_the_time(
        self, line: Line, api: httpx.AsyncClient
    ) -> None:
        first = await line.join()
        await api.post(PATH, json=wish(line))
        await line.free(1)
        await line.run()
        offered = await line.offered(first)
        seen = (await api.get(PATH)).text
        assert str(offered.id) not in seen
        assert str(first.client_id) not in seen
        assert_problem(await api.get(f"/api/v1/appointments/{offered.id}"), 404, "not_found")


class TestPaying:
    async def test_beginning_to_pay_for_an_offer_is_accepting_it(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        desk = await make_desk(runtime, practice, client)
        waits = await make_client(runtime, practice)
        line = Line(runtime, practice, desk, [])  # type: ignore[arg-type]  # it has the ids that an offer has
        first = desk.opens_at
        day = first.date()
        taken = await desk.book()
        entry = await line.join(waits, first_day=day, last_day=day + timedelta(days=1))
        await desk.cancel(taken)
        await line.run()
        offered = await line.offered(entry)
        payment = await desk.start(offered)
        assert (await stored(runtime, practice, offered.id)).hold_kind == "payment"
        assert await desk.decide(payment) is None
        await desk.confirm(payment)
        await line.run()
        assert await line.statuses(entry) == ["booked"]
        assert (await stored(runtime, practice, offered.id)).status == "confirmed"

    async def test_paying_at_the_practice_is_accepting_it_too(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        desk = await make_desk(runtime, practice, client)
        await set_practice(runtime, practice, payment_methods=["sandbox", "offline"])
        line = Line(runtime, practice, desk, [])  # type: ignore[arg-type]  # it has the ids that an offer has
        day = desk.opens_at.date()
        entry = await line.join(first_day=day, last_day=day + timedelta(days=1))
        taken = await desk.book()
        await desk.cancel(taken)
        await line.run()
        offered = await line.offered(entry)
        await desk.start(offered, "offline")
        await line.run()
        assert await line.statuses(entry) == ["booked"]


class TestStaff:
    async def test_see_who_waits_first_come_first(
        self, line: Line, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        entries = [await line.join() for _ in range(2)]
        await line.free(1)
        await line.run()
        desk = http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)
        items = (await desk.get(ADMIN, params={"service_id": str(line.offer.service_id)})).json()["items"]
        assert [one["id"] for one in items] == [str(one.id) for one in entries]
        assert [(one["status"], one["position"], one["client_name"]) for one in items] == [
            ("offered", 1, "Carla Cliente"),
            ("waiting", 2, "Carla Cliente"),
        ]
        assert (await desk.get(ADMIN, params={"status": "left"})).json()["items"] == []

    async def test_put_a_client_in_line_and_take_them_out_and_that_is_recorded(
        self, line: Line, http: HttpFactory, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        owner = http(practice, headers=(await make_staff_member(runtime, practice)).headers)
        body = wish(line, client_id=str(client.id))
        made = await owner.post(ADMIN, json=body, headers={"Idempotency-Key": "one"})
        assert made.status_code == 201, made.text
        assert (await owner.post(ADMIN, json=body, headers={"Idempotency-Key": "one"})).json() == made.json()
        assert_problem(await owner.post(ADMIN, json=body), 409, "already_waiting")
        assert_problem(await owner.post(ADMIN, json=body | {"client_id": str(new_id())}), 422, "validation_error")
        await line.free(1)
        await line.run()
        assert (await owner.delete(f"{ADMIN}/{made.json()['id']}")).status_code == 204
        async with runtime.database.tenant(practice) as session:
            actions = (await session.scalars(select(StaffAuditEntry.action).order_by(StaffAuditEntry.created_at))).all()
        assert [one for one in actions if one.startswith("waitlist.")] == ["waitlist.added", "waitlist.removed"]
        assert await line.held() == []

    async def test_a_practitioner_sees_the_entries_of_their_own_clients(
        self, line: Line, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, line.offer.practitioner_id)).staff_id = staff.id
        known = SignedIn(line.taken[0].client_id, "", {}, "")
        mine, another = await line.join(known), await line.join()
        practitioner = http(practice, headers=staff.headers)
        assert [one["id"] for one in (await practitioner.get(ADMIN)).json()["items"]] == [str(mine.id)]
        assert_problem(await practitioner.delete(f"{ADMIN}/{another.id}"), 404, "not_found")
        body = wish(line, client_id=str(another.client_id))
        assert_problem(await practitioner.post(ADMIN, json=body), 422, "validation_error")
        assert (await practitioner.delete(f"{ADMIN}/{mine.id}")).status_code == 204
        await set_practice(runtime, practice, practitioners_see_all=True)
        assert len((await practitioner.get(ADMIN)).json()["items"]) == 2

    async def test_a_practitioner_does_not_see_what_their_clients_want_of_a_colleague(
        self, line: Line, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, line.offer.practitioner_id)).staff_id = staff.id
            colleague = await make_practitioner(session)
            session.add(ServicePractitioner(service_id=line.offer.service_id, practitioner_id=colleague.id))
            colleagues = await make_service(session, colleague.id, name="Trastornos alimentarios")
        known = SignedIn(line.taken[0].client_id, "", {}, "")
        hidden = [
            await line.join(known, practitioner_id=colleague.id),
            await line.join(known, service_id=colleagues.id),
        ]
        mine = await line.join(known, practitioner_id=line.offer.practitioner_id)
        practitioner = http(practice, headers=staff.headers)
        assert [one["id"] for one in (await practitioner.get(ADMIN)).json()["items"]] == [str(mine.id)]
        for entry in hidden:
            assert_problem(await practitioner.delete(f"{ADMIN}/{entry.id}"), 404, "not_found")
        await set_practice(runtime, practice, practitioners_see_all=True)
        assert len((await practitioner.get(ADMIN)).json()["items"]) == 3

    async def test_of_another_practice_reach_nothing(
        self, line: Line, http: HttpFactory, runtime: Runtime, other_practice: TenantContext
    ) -> None:
        entry = await line.join()
        stranger = http(other_practice, headers=(await make_staff_member(runtime, other_practice)).headers)
        assert (await stranger.get(ADMIN)).json()["items"] == []
        assert_problem(await stranger.delete(f"{ADMIN}/{entry.id}"), 404, "not_found")

    async def test_what_is_offered_no_more_is_waited_for_by_nobody(
        self, line: Line, api: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Service, line.offer.service_id)).archived = True
        assert_problem(await api.post(PATH, json=wish(line)), 404, "not_found")
