"""Private addresses of calendars over HTTP."""

import logging
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import generate_latest
from sqlalchemy import select

from scheduling.catalogue.models import Practitioner
from scheduling.feeds.models import CalendarFeed
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.conftest import HttpFactory
from tests.scheduling.feeds.conftest import Book, events_of
from tests.support.pages import HTML
from tests.support.practices import SignedIn, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import Offer
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import new_opaque_token
from todoenbalance.kit.tenancy import TenantContext

OWN = "/api/v1/users/me/calendar-feed"


@pytest.fixture
def api(http: HttpFactory, practice: TenantContext, client: SignedIn) -> httpx.AsyncClient:
    """Carla's."""
    return http(practice, headers=client.headers)


async def make_path(api: httpx.AsyncClient, path: str = OWN) -> str:
    answer = await api.post(path)
    assert answer.status_code == 201, answer.text
    return urlsplit(str(answer.json()["url"])).path


class TestOwnFeed:
    async def test_it_is_made_told_once_read_and_ended(
        self, api: httpx.AsyncClient, http: HttpFactory, practice: TenantContext, book: Book
    ) -> None:
        made = await book(1)
        assert (await api.get(OWN)).json() == {"active": False, "created_at": None, "read_at": None}
        answer = await api.post(OWN)
        assert answer.headers["cache-control"] == "no-store"
        url = answer.json()["url"]
        assert url.startswith(f"http://{practice.slug}.localhost:8000/calendar/")
        assert url.endswith(".ics")
        stranger = http(practice)
        calendar = await stranger.get(urlsplit(url).path)
        assert calendar.status_code == 200
        assert calendar.headers["content-type"] == "text/calendar; charset=utf-8"
        assert list(events_of(calendar.content)) == [str(made)]
        known = await api.get(OWN)
        assert known.json()["active"] is True
        assert known.json()["read_at"] is not None
        assert "url" not in known.json()
        for _ in range(2):
            assert (await api.delete(OWN)).status_code == 204
        assert (await stranger.get(urlsplit(url).path)).status_code == 404

    async def test_it_dies_with_an_erasure(
        self, api: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        path = await make_path(api)
        exported = (await api.get("/api/v1/users/me/export")).json()
        assert list(exported["data"]["calendar_feeds"]["addresses"][0]) == ["created_at", "read_at", "ended_at"]
        assert path.split("/")[-1].removesuffix(".ics") not in str(exported)
        preview = (await api.get("/api/v1/users/me/erasure")).json()
        assert "calendar_feeds" in str(preview)
        answer = await api.request("DELETE", "/api/v1/users/me")
        assert answer.status_code in (200, 204), answer.text
        assert (await http(practice).get(path)).status_code == 404
        async with runtime.database.tenant(practice) as session:
            assert (await session.scalars(select(CalendarFeed))).all() == []


class TestCalendar:
    async def test_unknown_ended_and_other_practices_are_answered_alike(
        self, api: httpx.AsyncClient, http: HttpFactory, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        ended, living = await make_path(api), await make_path(api)
        here, there = http(practice), http(other_practice)
        assert (await here.get(living)).status_code == 200
        answers = [
            await here.get(ended),
            await here.get(f"/calendar/{new_opaque_token()}.ics"),
            await here.get(f"/calendar/{'x' * 3000}.ics"),
            await there.get(living),
        ]
        bodies = []
        for answer in answers:
            assert_problem(answer, 404, "not_found")
            assert answer.headers["cache-control"] == "no-store"
            body = answer.json()
            bodies.append({name: body[name] for name in body if name not in ("instance", "request_id")})
        assert bodies == [bodies[0]] * 4
        assert (await http().get(living)).status_code == 404

    async def test_it_is_sent_only_when_it_has_changed(
        self, api: httpx.AsyncClient, http: HttpFactory, practice: TenantContext, book: Book
    ) -> None:
        path, reader = await make_path(api), http(practice)
        tag = (await reader.get(path)).headers["etag"]
        for given in (tag, f'"other", W/{tag}', "*"):
            same = await reader.get(path, headers={"If-None-Match": given})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
            assert same.headers["cache-control"] == "private, no-cache"
        await book(1)
        changed = await reader.get(path, headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag

    async def test_the_address_does_not_travel_on(
        self,
        api: httpx.AsyncClient,
        http: HttpFactory,
        practice: TenantContext,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            path = await make_path(api)
            reader = http(practice, headers=HTML)
            answers = [await reader.get(path), await reader.get(path.replace("/calendar/", "/calendar/x"))]
        token = path.removeprefix("/calendar/").removesuffix(".ics")
        ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
        assert all(token not in record.getMessage() for record in ours)
        assert token not in generate_latest().decode()
        assert "/calendar/{token}.ics" in generate_latest().decode()
        assert answers[0].headers["referrer-policy"] == "no-referrer"
        assert answers[0].headers["x-robots-tag"] == "noindex"
        assert answers[0].headers["cache-control"].startswith("private")
        assert token not in answers[1].text


class TestPractitionersFeed:
    def path(self, offer: Offer) -> str:
        return f"/api/v1/admin/practitioners/{offer.practitioner_id}/calendar-feed"

    async def test_reception_makes_and_ends_it_and_that_is_in_the_trail(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, offer: Offer, book: Book
    ) -> None:
        made = await book(1)
        member = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
        desk = http(practice, headers=member.headers)
        path = await make_path(desk, self.path(offer))
        assert list(events_of((await http(practice).get(path)).content)) == [str(made)]
        assert (await desk.get(self.path(offer))).json()["active"] is True
        for _ in range(2):
            assert (await desk.delete(self.path(offer))).status_code == 204
        assert (await http(practice).get(path)).status_code == 404
        async with runtime.database.tenant(practice) as session:
            trail = (await session.scalars(select(StaffAuditEntry).order_by(StaffAuditEntry.created_at))).all()
        assert [(one.action, one.subject_id) for one in trail] == [
            ("calendar_feed.made", offer.practitioner_id),
            ("calendar_feed.ended", offer.practitioner_id),
        ]
        assert path.split("/")[-1].removesuffix(".ics") not in str([one.detail for one in trail])

    async def test_practitioners_have_their_own_only(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, offer: Offer
    ) -> None:
        member = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        mine = http(practice, headers=member.headers)
        assert_problem(await mine.post(self.path(offer)), 403, "forbidden")
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = member.id
        await make_path(mine, self.path(offer))
        other = f"/api/v1/admin/practitioners/{new_id()}/calendar-feed"
        for method in ("get", "post", "delete"):
            assert_problem(await mine.request(method, other), 403, "forbidden")

    async def test_there_is_none_for_an_archived_one_or_nobody(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, offer: Offer
    ) -> None:
        owner = http(practice, headers=(await make_staff_member(runtime, practice)).headers)
        for method in ("get", "post", "delete"):
            nobody = f"/api/v1/admin/practitioners/{new_id()}/calendar-feed"
            assert_problem(await owner.request(method, nobody), 404, "not_found")
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, offer.practitioner_id)).archived = True
        assert_problem(await owner.post(self.path(offer)), 409, "calendar_feed_not_possible")
