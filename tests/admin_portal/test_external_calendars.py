"""External calendars, for staff: the API and the page."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, text

from scheduling.catalogue.models import Practitioner
from scheduling.external_calendars.errors import ReadFailure
from scheduling.external_calendars.models import ExternalCalendar
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tenants.accounts.services.staff_accounts import change_staff
from tests.conftest import HttpFactory
from tests.support.calendar_server import CalendarServer, calendar_server
from tests.support.events import run_due_events
from tests.support.external_calendars import busy_times, ics, private_addresses, refreshes, stored_calendar
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import make_practitioner
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

PATH = "/api/v1/admin/external-calendars"
SECRET = "https://calendar.google.com/calendar/ical/pilar/private-0123456789abcdef/basic.ics"


@pytest.fixture
async def practitioner_id(runtime: Runtime, practice: TenantContext) -> str:
    async with runtime.database.tenant(practice) as session:
        return str((await make_practitioner(session)).id)


@pytest.fixture
async def reception(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)


@pytest.fixture
def server(runtime: Runtime) -> Iterator[CalendarServer]:
    with private_addresses(runtime), calendar_server() as made:
        made.serves(ics())
        yield made


async def add(client: httpx.AsyncClient, practitioner_id: str, **fields: Any) -> dict[str, Any]:
    body = {"practitioner_id": practitioner_id, "name": "Google", "address": SECRET} | fields
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


class TestApi:
    async def test_one_is_added_read_changed_and_removed(
        self, reception: httpx.AsyncClient, practitioner_id: str, runtime: Runtime, practice: TenantContext
    ) -> None:
        made = await add(reception, practitioner_id)
        shown = {name: value for name, value in made.items() if name not in ("id", "created_at")}
        assert shown == {
            "practitioner_id": practitioner_id,
            "name": "Google",
            "host": "calendar.google.com",
            "refreshed_at": None,
            "tried_at": None,
            "failure": None,
            "stale": True,
        }
        one = f"{PATH}/{made['id']}"
        assert (await reception.get(one)).json() == made
        changed = (await reception.patch(one, json={"name": "Casa"})).json()
        assert changed == made | {"name": "Casa"}
        moved = (await reception.patch(one, json={"address": "webcal://p01.icloud.com/published/2/abc"})).json()
        assert moved["host"] == "p01.icloud.com"
        assert (await reception.get(PATH, params={"practitioner_id": practitioner_id})).json()["items"] == [moved]
        assert (await reception.delete(one)).status_code == 204
        for answer in (await reception.get(one), await reception.delete(one), await reception.post(f"{one}/refresh")):
            assert_problem(answer, 404, "not_found")
        async with runtime.database.tenant(practice) as session:
            trail = list(await session.scalars(select(StaffAuditEntry).order_by(StaffAuditEntry.id)))
        actions = [entry.action for entry in trail if entry.action.startswith("external_calendar.")]
        assert actions == [f"external_calendar.{act}" for act in ("added", "changed", "changed", "removed")]

    async def test_the_address_is_sealed_and_never_shown(
        self, reception: httpx.AsyncClient, practitioner_id: str, runtime: Runtime, practice: TenantContext
    ) -> None:
        made = await add(reception, practitioner_id)
        answers = [await reception.get(PATH), await reception.get(f"{PATH}/{made['id']}")]
        answers += [await reception.patch(f"{PATH}/{made['id']}", json={"address": "https://x@y/private-0123456789"})]
        assert_problem(answers[-1], 422, "validation_error")
        assert all("private-0123456789" not in answer.text for answer in answers)
        row = await stored_calendar(runtime, practice, UUID(made["id"]))
        assert "private" not in row.address
        assert runtime.vault.decrypt(row.address, tenant_key=practice.key) == SECRET
        queue = await refreshes(runtime, practice)
        assert "private" not in str([event.payload for event in queue])
        async with runtime.database.tenant(practice) as session:
            assert "private" not in str([entry.detail for entry in await session.scalars(select(StaffAuditEntry))])

    @pytest.mark.parametrize(
        "fields",
        [{"address": "nonsense"}, {"address": "https://127.0.0.1/x"}, {"address": ""}, {"name": ""},
         {"address": "ftp://example.org/x"}, {"practitioner_id": str(uuid4())}, {"address": None}, {"etag": "x"}],
    )  # fmt: skip
    async def test_what_can_not_be_added_is_refused(
        self, reception: httpx.AsyncClient, practitioner_id: str, fields: dict[str, Any]
    ) -> None:
        body = {"practitioner_id": practitioner_id, "name": "Google", "address": SECRET} | fields
        assert_problem(await reception.post(PATH, json=body), 422, "validation_error")

    async def test_a_practitioner_has_ten_at_most(self, reception: httpx.AsyncClient, practitioner_id: str) -> None:
        for _ in range(10):
            last = await add(reception, practitioner_id)
        body = {"practitioner_id": practitioner_id, "name": "Google", "address": SECRET}
        assert_problem(await reception.post(PATH, json=body), 409, "too_many_external_calendars")
        await reception.delete(f"{PATH}/{last['id']}")
        await add(reception, practitioner_id)

    async def test_asking_for_a_read_has_it_read(
        self,
        reception: httpx.AsyncClient,
        practitioner_id: str,
        runtime: Runtime,
        practice: TenantContext,
        server: CalendarServer,
    ) -> None:
        made = await add(reception, practitioner_id, address=server.url())
        await run_due_events(runtime, practice)
        assert (await reception.get(f"{PATH}/{made['id']}")).json()["stale"] is False
        later = (clock.now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
        form = "%Y%m%dT%H%M%SZ"
        server.serves(ics(f"x {later:{form}} {later + timedelta(hours=1):{form}}"))
        assert (await reception.post(f"{PATH}/{made['id']}/refresh")).status_code == 202
        await run_due_events(runtime, practice, until=clock.now() + timedelta(minutes=2))
        assert await busy_times(runtime, practice) == [(later, later + timedelta(hours=1))]

    async def test_a_practitioner_keeps_their_own_and_knows_of_no_others(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient
    ) -> None:
        member = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        async with runtime.database.tenant(practice) as session:
            own = str((await make_practitioner(session, staff_id=member.id)).id)
            others = str((await make_practitioner(session)).id)
        theirs = await add(reception, others)
        them = http(practice, headers=member.headers)
        mine = await add(them, own)
        assert (await them.get(PATH)).json()["items"] == [mine]
        assert_problem(await them.get(PATH, params={"practitioner_id": others}), 403, "forbidden")
        one = f"{PATH}/{theirs['id']}"
        for answer in (
            await them.get(one),
            await them.patch(one, json={"name": "x"}),
            await them.delete(one),
            await them.post(f"{one}/refresh"),
            await them.post(PATH, json={"practitioner_id": others, "name": "x", "address": SECRET}),
        ):
            assert_problem(answer, 403, "forbidden")

    async def test_another_practice_finds_nothing(
        self, http: HttpFactory, runtime: Runtime, other_practice: TenantContext, reception: httpx.AsyncClient,
        practitioner_id: str,
    ) -> None:  # fmt: skip
        one = f"{PATH}/{(await add(reception, practitioner_id))['id']}"
        stranger = http(other_practice, headers=(await make_staff_member(runtime, other_practice)).headers)
        for answer in (await stranger.get(one), await stranger.delete(one), await stranger.post(f"{one}/refresh")):
            assert_problem(answer, 404, "not_found")
        assert (await stranger.get(PATH)).json()["items"] == []

    async def test_they_go_with_the_practitioner(
        self, reception: httpx.AsyncClient, practitioner_id: str, runtime: Runtime, practice: TenantContext
    ) -> None:
        await add(reception, practitioner_id)
        async with runtime.database.tenant(practice) as session:
            await session.delete(await session.get_one(Practitioner, UUID(practitioner_id)))
        async with runtime.database.tenant(practice) as session:
            assert (await session.scalars(select(ExternalCalendar))).all() == []


class TestPage:
    @pytest.fixture
    async def owner(self, http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
        member = await make_staff_member(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            await change_staff(session, member.id, locale="en")
        browser = http(practice, headers=HTML)
        await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
        return browser

    async def test_one_is_added_read_and_removed(
        self,
        owner: httpx.AsyncClient,
        practitioner_id: str,
        runtime: Runtime,
        practice: TenantContext,
        server: CalendarServer,
    ) -> None:
        path = f"/admin/external-calendars/{practitioner_id}"
        page = await owner.get(path)
        assert_sober(page)
        assert "There are none." in page.text
        refused = await submit(owner, page, path, name="Google", address="https://user:pw@example.org/")
        assert refused.status_code == 422
        assert "must not contain a user name" in refused.text
        assert_sober(refused)
        added = await submit(owner, refused, path, name="Google <b>", address=server.url())
        assert added.headers["location"] == path
        assert "Not read yet." in (await owner.get(path)).text
        await run_due_events(runtime, practice)
        page = await owner.get(path)
        assert_sober(page)
        assert "Google &lt;b&gt;" in page.text
        assert server.url() not in page.text
        assert "Read " in page.text
        assert "May be old" not in page.text
        asked = await submit(owner, page, "/refresh")
        assert asked.headers["location"] == path
        await submit(owner, page, "/remove")
        assert "There are none." in (await owner.get(path)).text
        async with runtime.database.tenant(practice) as session:
            entries = await session.scalars(select(StaffAuditEntry.action).order_by(StaffAuditEntry.id))
            assert [action for action in entries if action.startswith("external_calendar")] == [
                "external_calendar.added",
                "external_calendar.removed",
            ]

    async def test_it_says_how_old_the_times_are_and_what_went_wrong(
        self, owner: httpx.AsyncClient, reception: httpx.AsyncClient, practitioner_id: str, runtime: Runtime,
        practice: TenantContext,
    ) -> None:  # fmt: skip
        await add(reception, practitioner_id)
        path = f"/admin/external-calendars/{practitioner_id}"

        async def store(minutes: int, failure: ReadFailure | None) -> str:
            async with runtime.database.tenant(practice) as session:
                row = (await session.scalars(select(ExternalCalendar))).one()
                row.refreshed_at = clock.now() - timedelta(minutes=minutes)
                row.failure, row.failures = failure, 3 if failure else 0
            return (await owner.get(path)).text

        assert "Read 5 minutes ago." in await store(5, None)
        page = await store(181, ReadFailure.NOT_FOUND)
        assert "Not read for 3 hours: busy times may be old." in page
        assert "There is no calendar at this address any more." in page
        assert "May be old" in page
        for failure in ReadFailure:
            assert "The last try failed." in await store(181, failure)
        async with runtime.database.tenant(practice) as session:
            await session.execute(text("UPDATE staff SET locale = 'es'"))
        assert "Sin leer desde hace 3 horas" in await store(181, None)
        assert "Leído hace 5 minutos." in await store(5, None)

    async def test_practitioners_see_the_page_of_their_own_alone(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, practitioner_id: str
    ) -> None:
        member = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        async with runtime.database.tenant(practice) as session:
            own = (await make_practitioner(session, staff_id=member.id)).id
        browser = http(practice, headers=HTML)
        await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
        assert (await browser.get(f"/admin/external-calendars/{own}")).status_code == 200
        assert (await browser.get(f"/admin/external-calendars/{practitioner_id}")).status_code == 403
