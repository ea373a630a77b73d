"""The waiting list as clients and staff meet it in their browsers."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

import httpx
import pytest
from sqlalchemy import select

from scheduling.catalogue.models import Practitioner
from scheduling.waitlist.models import WaitlistEntry
from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.scheduling.conftest import MONDAY
from tests.support.pages import HTML, assert_sober, form_of, sign_in, submit
from tests.support.practices import PASSWORD, SignedIn, make_client, make_staff_member
from tests.support.scheduling import stored
from tests.support.waitlist import DAY, Line
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
def now() -> Iterator[None]:
    """Monday."""
    with clock.at(MONDAY):
        yield


@pytest.fixture
async def line(now: None, runtime: Runtime, practice: TenantContext) -> Line:
    return await Line.make(runtime, practice)


@pytest.fixture
async def client(line: Line) -> SignedIn:
    return await make_client(line.runtime, line.practice, locale="en")


@pytest.fixture
async def browser(line: Line, http: HttpFactory, client: SignedIn) -> httpx.AsyncClient:
    made = http(line.practice, headers=HTML)
    await sign_in(made, "/sign-in", client.email, PASSWORD)
    return made


async def join(browser: httpx.AsyncClient, line: Line) -> httpx.Response:
    page = await browser.get(f"/book/{line.offer.service_id}/waitlist")
    answer = await submit(browser, page, "/waitlist", first_day=DAY.isoformat(), last_day=DAY.isoformat(), weekdays="3")
    assert answer.status_code == 303, answer.text
    return await browser.get("/appointments")


class TestClients:
    async def test_find_the_way_from_an_empty_week_into_the_line(self, line: Line, browser: httpx.AsyncClient) -> None:
        times = await browser.get(f"/book/{line.offer.service_id}", params={"from": DAY.isoformat()})
        assert f'href="/book/{line.offer.service_id}/waitlist"' in times.text
        page = await browser.get(f"/book/{line.offer.service_id}/waitlist")
        assert_sober(page)
        own = await join(browser, line)
        assert_sober(own)
        assert "Place in line: 1" in own.text
        assert "(Wednesday)" in own.text

    async def test_who_is_not_signed_in_is_asked_to_first(self, line: Line, http: HttpFactory) -> None:
        answer = await http(line.practice, headers=HTML).get(f"/book/{line.offer.service_id}/waitlist")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next=")

    async def test_are_told_in_a_sentence_what_is_wrong(self, line: Line, browser: httpx.AsyncClient) -> None:
        page = await browser.get(f"/book/{line.offer.service_id}/waitlist")
        for values, sentence in [
            ({"first_day": "2026-03-09", "last_day": "2026-03-08"}, "The last day must not be before the first."),
            ({"last_day": "2027-03-01"}, "Choose at most 120 days."),
            ({"first_day": "2026-01-01", "last_day": "2026-02-01"}, "Choose days that are to come."),
            ({"earliest": "12:00", "latest": "11:00"}, "The latest hour must not be before the earliest."),
        ]:
            refused = await submit(browser, page, "/waitlist", **values)
            assert (refused.status_code, sentence in refused.text) == (422, True), (values, refused.text)
            assert_sober(refused)

    @pytest.mark.parametrize(("button", "status"), [("accept", "booked"), ("decline", "waiting"), ("leave", "left")])
    async def test_answer_on_the_list_or_on_the_page_that_the_mail_leads_to(
        self, line: Line, browser: httpx.AsyncClient, client: SignedIn, button: str, status: str
    ) -> None:
        await join(browser, line)
        await line.free(1)
        await line.run()
        async with line.runtime.database.tenant(line.practice) as session:
            entry = (await session.scalars(select(WaitlistEntry).where(WaitlistEntry.client_id == client.id))).one()
        own = await browser.get("/appointments")
        assert_sober(own)
        assert "A time has come free" in own.text
        assert form_of(own, f"/{button}").data["form_token"]
        page = await browser.get(f"/appointments/{entry.appointment_id}")
        assert_sober(page)
        assert "come free" in page.text
        answer = await submit(browser, page, f"/{button}")
        assert answer.status_code == 303, answer.text
        assert await line.statuses(entry) == [status]
        assert (await browser.get(answer.headers["location"])).status_code == 200
        assert entry.appointment_id is not None
        kept = {"accept": "confirmed"}.get(button, "cancelled")
        assert (await stored(line.runtime, line.practice, entry.appointment_id)).status == kept

    async def test_who_comes_too_late_reads_so(self, line: Line, browser: httpx.AsyncClient) -> None:
        await join(browser, line)
        await line.free(1)
        await line.run()
        own = await browser.get("/appointments")
        with clock.at(MONDAY + timedelta(minutes=120)):
            answer = await submit(browser, own, "/accept")
            told = await browser.get(answer.headers["location"])
        assert "no longer kept for you" in told.text


class TestStaff:
    @pytest.mark.parametrize("role", [StaffRole.OWNER, StaffRole.RECEPTION])
    async def test_see_who_waits_and_take_someone_out(self, line: Line, http: HttpFactory, role: StaffRole) -> None:
        member = await make_staff_member(line.runtime, line.practice, role)
        desk = http(line.practice, headers=HTML)
        await sign_in(desk, "/admin/sign-in", member.email, PASSWORD)
        empty = await desk.get("/admin/waitlist")
        assert_sober(empty)
        assert not re.search(r"<table", empty.text)
        entry = await line.join(earliest="10:00", weekdays=[3], last_day=date(2026, 3, 20))
        page = await desk.get("/admin/waitlist", params={"service_id": str(line.offer.service_id)})
        assert_sober(page)
        assert "Carla Cliente" in page.text
        answer = await submit(desk, page, "/remove")
        assert answer.status_code == 303, answer.text
        assert await line.statuses(entry) == ["left"]

    async def test_a_practitioner_sees_their_own_clients_only(self, line: Line, http: HttpFactory) -> None:
        member = await make_staff_member(line.runtime, line.practice, StaffRole.PRACTITIONER)
        async with line.runtime.database.tenant(line.practice) as session:
            (await session.get_one(Practitioner, line.offer.practitioner_id)).staff_id = member.id
        await line.join(await make_client(line.runtime, line.practice, first_name="Extraña"))
        desk = http(line.practice, headers=HTML)
        await sign_in(desk, "/admin/sign-in", member.email, PASSWORD)
        page = await desk.get("/admin/waitlist")
        assert page.status_code == 200
        assert "Extraña" not in page.text
