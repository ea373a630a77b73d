"""``/admin/group-sessions`` and its pages: planning, seeing who comes, changing, moving, cancelling."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from scheduling.appointments.models import Appointment
from scheduling.catalogue.models import Practitioner, ServicePractitioner
from tenants.accounts.models import Staff, StaffAuditEntry, StaffRole
from tests.conftest import HttpFactory
from tests.support.group_sessions import make_group_offer, plan, seats_of, stored_session, take
from tests.support.pages import HTML, sign_in, submit
from tests.support.practices import PASSWORD, SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import (
    Offer,
    add_block,
    add_hours,
    make_offer,
    make_practitioner,
    make_service,
    minutes,
    stored,
)
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
TEN = datetime(2026, 3, 3, 9, tzinfo=UTC)
"""Tuesday at 10 in Madrid."""
PATH = "/api/v1/admin/group-sessions"


@pytest.fixture
def monday_morning() -> Iterator[None]:
    """It is eight on a Monday."""
    with clock.at(NOW):
        yield


pytestmark = pytest.mark.usefixtures("monday_morning")


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    """A free group service of three seats."""
    return await make_group_offer(runtime, practice)


@pytest.fixture
async def reception(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """The front desk, signed in."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)


@pytest.fixture
async def manager(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """Someone who may book outside hours."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.MANAGER)).headers)


def wish(offer: Offer, at: datetime = TEN, **more: Any) -> dict[str, Any]:
    """The body of a plan."""
    ids = {"service_id": str(offer.service_id), "practitioner_id": str(offer.practitioner_id)}
    return ids | {"starts_at": at.isoformat()} | more


async def audited(runtime: Runtime, practice: TenantContext) -> list[tuple[str, dict[str, Any]]]:
    """What the audit trail says of sessions."""
    async with runtime.database.tenant(practice) as session:
        entries = await session.scalars(select(StaffAuditEntry).order_by(StaffAuditEntry.id))
        return [(one.action, one.detail) for one in entries if one.action.startswith("group_session.")]


class TestPlanning:
    async def test_a_session_has_the_services_seats_unless_told_otherwise(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        answer = await reception.post(PATH, json=wish(offer))
        assert answer.status_code == 201, answer.text
        [made] = answer.json()["items"]
        assert (made["capacity"], made["seats_taken"], made["seats_left"]) == (3, 0, 3)
        assert (made["status"], made["location_kind"]) == ("scheduled", "practice")
        more = wish(offer, TEN + minutes(60), capacity=8, location_kind="online", meeting_url="https://meet.example/x")
        [other] = (await reception.post(PATH, json=more)).json()["items"]
        assert (other["capacity"], other["location_kind"]) == (8, "online")
        assert [action for action, _ in await audited(runtime, practice)] == ["group_session.planned"] * 2

    async def test_repeated_sessions_keep_their_local_time_when_the_clocks_change(
        self, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        body = wish(offer, repeat={"frequency": "fortnightly", "count": 3})
        made = (await reception.post(PATH, json=body)).json()["items"]
        starts = [datetime.fromisoformat(one["starts_at"]) for one in made]
        # Madrid's clocks go forward on 29 March.
        assert starts == [TEN, TEN + timedelta(days=14), TEN + timedelta(days=28) - minutes(60)]

    async def test_if_one_date_of_several_is_not_free_none_is_planned(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        busy = TEN + timedelta(days=7)
        async with runtime.database.tenant(practice) as session:
            await add_block(session, offer.practitioner_id, busy, busy + minutes(30))
        answer = await reception.post(PATH, json=wish(offer, repeat={"frequency": "weekly", "count": 3}))
        assert_problem(answer, 409, "sessions_conflict")
        assert "2026-03-10 10:00" in answer.json()["detail"]
        assert (await reception.get(PATH)).json()["items"] == []

    async def test_the_time_must_be_the_practitioners_and_free(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            alone = await make_service(session, offer.practitioner_id)
        await take(runtime, practice, Offer(offer.practitioner_id, alone.id), await make_client(runtime, practice), TEN)
        assert_problem(await reception.post(PATH, json=wish(offer)), 409, "slot_taken")
        evening = TEN + minutes(600)
        assert_problem(await reception.post(PATH, json=wish(offer, evening)), 422, "slot_not_offered")

    async def test_outside_hours_only_those_who_may_and_never_on_top_of_another(
        self,
        runtime: Runtime,
        practice: TenantContext,
        reception: httpx.AsyncClient,
        manager: httpx.AsyncClient,
        offer: Offer,
    ) -> None:
        evening = wish(offer, TEN + minutes(600), outside_hours=True)
        assert_problem(await reception.post(PATH, json=evening), 403, "forbidden")
        assert (await manager.post(PATH, json=evening)).status_code == 201
        assert_problem(await manager.post(PATH, json=evening), 409, "slot_taken")
        assert (await audited(runtime, practice))[-1][1] == {"sessions": 1, "outside_hours": True}

    async def test_a_service_for_one_or_somebody_who_does_not_offer_it_is_refused(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        single = await make_offer(runtime, practice)
        for body in (
            wish(single),
            wish(Offer(single.practitioner_id, offer.service_id)),
            wish(Offer(offer.practitioner_id, uuid4())),
            wish(offer, location_kind="phone"),
            wish(offer, TEN + timedelta(seconds=30)),
            wish(offer, capacity=0),
        ):
            assert_problem(await reception.post(PATH, json=body), 422, "validation_error")

    async def test_the_same_key_plans_once(self, reception: httpx.AsyncClient, offer: Offer) -> None:
        key = {"Idempotency-Key": "one-press"}
        answers = [await reception.post(PATH, json=wish(offer), headers=key) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert len((await reception.get(PATH)).json()["items"]) == 1


class TestSeeing:
    async def test_the_list_is_narrowed_by_time_service_and_person(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        first = await plan(runtime, practice, offer, TEN)
        later = await plan(runtime, practice, offer, TEN + timedelta(days=7))
        other = await make_group_offer(runtime, practice)
        theirs = await plan(runtime, practice, other, TEN)
        await take(runtime, practice, offer, await make_client(runtime, practice), TEN)

        async def ids(**params: str) -> set[str]:
            return {one["id"] for one in (await reception.get(PATH, params=params)).json()["items"]}

        assert await ids() == {str(first.id), str(later.id), str(theirs.id)}
        assert await ids(**{"from": "2026-03-04"}) == {str(later.id)}
        assert await ids(to="2026-03-04", service_id=str(offer.service_id)) == {str(first.id)}
        assert await ids(practitioner_id=str(other.practitioner_id)) == {str(theirs.id)}
        taken = {one["id"]: one["seats_taken"] for one in (await reception.get(PATH)).json()["items"]}
        assert taken == {str(first.id): 1, str(later.id): 0, str(theirs.id): 0}

    async def test_a_session_shows_its_seats(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        group = await plan(runtime, practice, offer, TEN)
        client = await make_client(runtime, practice, first_name="Berta", last_name="Blanco")
        seat = await take(runtime, practice, offer, client, TEN, notes="diabetes tipo 2")
        answer = await reception.get(f"{PATH}/{group.id}")
        assert [(one["appointment_id"], one["client_name"], one["status"]) for one in answer.json()["seats"]] == [
            (str(seat.id), "Berta Blanco", "confirmed")
        ]
        assert "diabetes" not in answer.text
        assert_problem(await reception.get(f"{PATH}/{uuid4()}"), 404, "not_found")

    async def test_practitioners_see_and_plan_their_own_only(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, offer: Offer
    ) -> None:
        own = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = own.id
        other = await make_group_offer(runtime, practice)
        theirs = await plan(runtime, practice, other, TEN)
        me = http(practice, headers=own.headers)
        [mine] = (await me.post(PATH, json=wish(offer))).json()["items"]
        assert [one["id"] for one in (await me.get(PATH)).json()["items"]] == [mine["id"]]
        assert (await me.get(PATH, params={"practitioner_id": str(other.practitioner_id)})).json()["items"] == []
        assert_problem(await me.get(f"{PATH}/{theirs.id}"), 404, "not_found")
        assert_problem(await me.post(PATH, json=wish(other, TEN + minutes(120))), 403, "forbidden")
        for path, body in (("cancel", {}), ("reschedule", {"starts_at": (TEN + minutes(60)).isoformat()})):
            assert_problem(await me.post(f"{PATH}/{theirs.id}/{path}", json=body), 403, "forbidden")
        assert_problem(await me.patch(f"{PATH}/{theirs.id}", json={"capacity": 9}), 403, "forbidden")
        away = {"starts_at": (TEN + minutes(60)).isoformat(), "practitioner_id": str(other.practitioner_id)}
        assert_problem(await me.post(f"{PATH}/{mine['id']}/reschedule", json=away), 403, "forbidden")


class TestChanging:
    async def test_capacity_is_never_below_the_seats_that_are_taken(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        group = await plan(runtime, practice, offer, TEN)
        for _ in range(2):
            await take(runtime, practice, offer, await make_client(runtime, practice), TEN)
        path = f"{PATH}/{group.id}"
        answer = await reception.patch(path, json={"capacity": 1})
        assert_problem(answer, 409, "seats_taken")
        assert (await reception.patch(path, json={"capacity": 2})).json()["seats_left"] == 0
        assert (await reception.patch(path, json={"capacity": 9})).json()["seats_left"] == 7
        for body in ({"capacity": None}, {"capacity": 501}, {"location_kind": "phone"}, {"status": "cancelled"}):
            assert_problem(await reception.patch(path, json=body), 422, "validation_error")

    async def test_where_it_takes_place_holds_for_every_seat(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        group = await plan(runtime, practice, offer, TEN)
        seat = await take(runtime, practice, offer, await make_client(runtime, practice), TEN)
        body = {"meeting_url": "https://meet.example/x"}
        await reception.patch(f"{PATH}/{group.id}", json=body)
        now = await stored(runtime, practice, seat.id)
        assert (now.meeting_url, now.version) == ("https://meet.example/x", 0)
        await reception.patch(f"{PATH}/{group.id}", json={"location_kind": "online"})
        now = await stored(runtime, practice, seat.id)
        assert (now.location_kind, now.meeting_url) == ("online", "https://meet.example/x")
        assert (now.version, now.revision) == (0, 1)  # a link of a visit at the practice is shown to nobody
        alone = {"meeting_url": "https://meet.example/another"}
        refused = await reception.patch(f"/api/v1/admin/appointments/{seat.id}", json=alone)
        assert_problem(refused, 422, "validation_error")


class TestMoving:
    async def test_everyone_moves_along_and_the_old_time_is_free_again(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        group = await plan(runtime, practice, offer, TEN)
        seats = [await take(runtime, practice, offer, await make_client(runtime, practice), TEN) for _ in range(3)]
        # Half an hour later overlaps its own old time, which is no hindrance.
        later = TEN + minutes(30)
        answer = await reception.post(f"{PATH}/{group.id}/reschedule", json={"starts_at": later.isoformat()})
        assert answer.status_code == 200, answer.text
        for seat in seats:
            now = await stored(runtime, practice, seat.id)
            assert (now.starts_at, now.ends_at, now.version) == (later, later + minutes(60), 1)
            assert now.occupied == (await stored_session(runtime, practice, group.id)).occupied
        assert (await reception.post(PATH, json=wish(offer, TEN - minutes(30)))).status_code == 201
        assert (await audited(runtime, practice))[0] == ("group_session.moved", {"outside_hours": False})

    async def test_to_another_practitioner_who_offers_it(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            second, stranger = [(await make_practitioner(session)).id for _ in range(2)]
            for one in (second, stranger):
                await add_hours(session, one)
            session.add(ServicePractitioner(service_id=offer.service_id, practitioner_id=second))
        group = await plan(runtime, practice, offer, TEN)
        seat = await take(runtime, practice, offer, await make_client(runtime, practice), TEN)
        path, body = f"{PATH}/{group.id}/reschedule", {"starts_at": TEN.isoformat()}
        refused = await reception.post(path, json=body | {"practitioner_id": str(stranger)})
        assert_problem(refused, 422, "slot_not_offered")
        moved = await reception.post(path, json=body | {"practitioner_id": str(second)})
        assert moved.json()["practitioner_id"] == str(second)
        assert (await stored(runtime, practice, seat.id)).practitioner_id == second

    async def test_where_the_time_is_not_free_everything_stays(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        group = await plan(runtime, practice, offer, TEN)
        seat = await take(runtime, practice, offer, await make_client(runtime, practice), TEN)
        await plan(runtime, practice, offer, TEN + minutes(60))
        path = f"{PATH}/{group.id}/reschedule"
        taken = {"starts_at": (TEN + minutes(60)).isoformat()}
        assert_problem(await reception.post(path, json=taken), 409, "slot_taken")
        assert (await stored(runtime, practice, seat.id)).version == 0
        assert (await stored_session(runtime, practice, group.id)).starts_at == TEN
        await reception.post(f"{PATH}/{group.id}/cancel")
        late = {"starts_at": (TEN + minutes(120)).isoformat()}
        assert_problem(await reception.post(path, json=late), 409, "invalid_session_state")


class TestCancelling:
    async def test_every_seat_falls_with_it_once(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, offer: Offer
    ) -> None:
        group = await plan(runtime, practice, offer, TEN)
        for _ in range(2):
            await take(runtime, practice, offer, await make_client(runtime, practice), TEN)
        path = f"{PATH}/{group.id}/cancel"
        answer = await reception.post(path, json={"reason": "Está enferma"})
        assert (answer.json()["status"], answer.json()["seats_cancelled"]) == ("cancelled", 2)
        seats = await seats_of(runtime, practice, group.id)
        assert {(seat.status, seat.cancelled_by, seat.cancellation_reason) for seat in seats} == {
            ("cancelled", "staff", "Está enferma")
        }
        assert (await reception.post(path)).json()["seats_cancelled"] == 0
        assert await audited(runtime, practice) == [("group_session.cancelled", {"seats": 2, "refund_minor": 0})]
        assert (await reception.post(PATH, json=wish(offer))).status_code == 201

    async def test_a_visit_that_was_recorded_stays_and_its_session_moves_no_more(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, offer: Offer
    ) -> None:
        group = await plan(runtime, practice, offer, NOW + minutes(60))
        seat = await take(runtime, practice, offer, await make_client(runtime, practice), NOW + minutes(60))
        with clock.at(NOW + minutes(61)):
            member = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
            reception = http(practice, headers=member.headers)
            await reception.patch(f"/api/v1/admin/appointments/{seat.id}", json={"status": "completed"})
            later = {"starts_at": (TEN + minutes(60)).isoformat()}
            moved = await reception.post(f"{PATH}/{group.id}/reschedule", json=later)
            assert_problem(moved, 409, "invalid_session_state")
            await reception.post(f"{PATH}/{group.id}/cancel")
        assert (await stored(runtime, practice, seat.id)).status == "completed"


class TestPages:
    @pytest.fixture
    async def owner(self, runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
        """An owner's browser."""
        member: SignedIn = await make_staff_member(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Staff, member.id)).locale = "en"
        browser = http(practice, headers=HTML)
        await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
        return browser

    async def test_from_the_plan_to_the_cancellation(
        self, runtime: Runtime, practice: TenantContext, owner: httpx.AsyncClient, offer: Offer
    ) -> None:
        assert "No group sessions in these days." in (await owner.get("/admin/group-sessions")).text
        form = await owner.get("/admin/group-sessions/new")
        refused = await submit(
            owner, form, "/new", starts_at="2026-03-03T21:00", practitioner_id=str(offer.practitioner_id)
        )
        assert refused.status_code == 422
        made = await submit(
            owner,
            form,
            "/new",
            starts_at="2026-03-03T10:00",
            service_id=str(offer.service_id),
            frequency="weekly",
            count="2",
        )
        assert made.status_code == 303, made.text
        listed = await owner.get("/admin/group-sessions")
        assert listed.text.count("0 of 3") == 2
        await take(runtime, practice, offer, await make_client(runtime, practice), TEN)
        [address] = {f"/admin/group-sessions/{one.group_session_id}" for one in await _appointments(runtime, practice)}
        page = await owner.get(address)
        assert "Carla Cliente" in page.text
        assert "1 of 3" in page.text
        full = await submit(owner, page, "/change", capacity="0")
        assert full.status_code == 422
        assert (await submit(owner, page, "/change", capacity="5", meeting_url="")).status_code == 303
        assert (await submit(owner, page, "/move", starts_at="2026-03-03T11:00")).status_code == 303
        page = await owner.get(address)
        assert "1 of 5" in page.text
        assert (await submit(owner, page, "/cancel", reason="Obras")).status_code == 303
        page = await owner.get(address)
        assert "Cancel the session" not in page.text
        assert [action for action, _ in await audited(runtime, practice)] == [
            f"group_session.{act}" for act in ("planned", "changed", "moved", "cancelled")
        ]

    async def test_clients_choose_among_sessions_and_see_what_is_left(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        offer = await make_group_offer(runtime, practice, 2)
        group = await plan(runtime, practice, offer, TEN, location_kind="online")
        await plan(runtime, practice, offer, TEN + minutes(60), capacity=1)
        await take(runtime, practice, offer, await make_client(runtime, practice), TEN)
        account = await make_client(runtime, practice, locale="en")
        browser = http(practice, headers=HTML)
        await sign_in(browser, "/sign-in", account.email, PASSWORD)
        week = await browser.get(f"/book/{offer.service_id}")
        assert week.text.count("1 place left") == 2
        asked = await browser.get(f"/book/{offer.service_id}/confirm", params={"starts_at": TEN.isoformat()})
        assert 'name="location_kind"' not in asked.text
        assert "Online" in asked.text
        booked = await submit(browser, asked, "")
        assert booked.status_code == 303, booked.text
        mine = [one for one in await seats_of(runtime, practice, group.id) if str(one.client_id) == str(account.id)]
        assert booked.headers["location"] == f"/appointments/{mine[0].id}"
        again = await submit(browser, asked, "", key="another")
        assert again.status_code == 409
        move = await browser.get(f"/appointments/{mine[0].id}/move")
        assert move.text.count("1 place left") == 1
        later = (TEN + minutes(60)).isoformat()
        page = await browser.get(f"/appointments/{mine[0].id}/move/confirm", params={"starts_at": later})
        assert (await submit(browser, page, "")).status_code == 303
        assert (await stored(runtime, practice, mine[0].id)).starts_at == TEN + minutes(60)


async def _appointments(runtime: Runtime, practice: TenantContext) -> list[Appointment]:
    async with runtime.database.tenant(practice) as session:
        return list((await session.scalars(select(Appointment))).all())
