"""What staff decide about requests, terms, fees and notes, by the API: who may, and what is kept of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import Offer, make_offer, minutes
from tests.support.terms import add_payment, audit_of
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
NINE = NOW + minutes(60)
PATH = "/api/v1/admin/appointments"
HALF = [{"hours_before": 24, "percent": 100}, {"hours_before": 0, "percent": 50}]
EUROS_45 = {"amount": 4500, "currency": "EUR"}


@pytest.fixture
def monday_morning() -> Iterator[None]:
    """It is eight on a Monday."""
    with clock.at(NOW):
        yield


pytestmark = pytest.mark.usefixtures("monday_morning")


@pytest.fixture
async def account(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client."""
    return await make_client(runtime, practice)


@pytest.fixture
async def manager(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """Who may give money back, signed in."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.MANAGER)).headers)


@pytest.fixture
async def reception(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """The front desk, signed in."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)


async def practitioner_of(
    runtime: Runtime, practice: TenantContext, http: HttpFactory, offer: Offer
) -> httpx.AsyncClient:
    """The offer's practitioner, signed in."""
    staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = staff.id
    return http(practice, headers=staff.headers)


async def book(
    staff: httpx.AsyncClient, account: SignedIn, offer: Offer, at: datetime = NINE, **more: Any
) -> dict[str, Any]:
    """A booking for the client."""
    body = {"client_id": str(account.id), "service_id": str(offer.service_id), "starts_at": at.isoformat()} | more
    answer = await staff.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def paid_booking(
    runtime: Runtime, practice: TenantContext, staff: httpx.AsyncClient, account: SignedIn, at: datetime = NINE
) -> str:
    """The address of an appointment for which 45 € are here, of which its terms now give half back."""
    offer = await make_offer(runtime, practice, refund_tiers=HALF)
    made = await book(staff, account, offer, at)
    async with runtime.database.tenant(practice) as session:
        await add_payment(session, UUID(made["id"]), account.id, 4500)
    return f"{PATH}/{made['id']}"


class TestCancellingForAClient:
    async def test_gives_back_what_their_terms_say(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn
    ) -> None:
        path = await paid_booking(runtime, practice, reception, account)
        quote = (await reception.get(f"{path}/cancellation-quote")).json()
        assert (quote["can_cancel"], quote["percent"], quote["refund"]["amount"]) == (True, 50, 2250)
        done = (await reception.post(f"{path}/cancel", json={"on_behalf_of_client": True})).json()
        assert done["refund"]["amount"] == 2250
        assert done["cancelled_by"] == "client"
        assert (await audit_of(runtime, practice))[-1] == (
            "appointment.cancelled",
            {"refund_minor": 2250, "policy_minor": 2250, "on_behalf_of_client": True, "refund": "policy"},
        )

    async def test_more_than_the_terms_give_takes_a_reason_and_the_right_to_give_money_back(
        self,
        runtime: Runtime,
        practice: TenantContext,
        reception: httpx.AsyncClient,
        manager: httpx.AsyncClient,
        account: SignedIn,
    ) -> None:
        path = await paid_booking(runtime, practice, reception, account)
        wish = {"on_behalf_of_client": True, "refund": "full"}
        assert_problem(await reception.post(f"{path}/cancel", json=wish | {"reason": "Hospital"}), 403, "forbidden")
        for reason in ({}, {"reason": "  "}):
            refused = assert_problem(await manager.post(f"{path}/cancel", json=wish | reason), 422, "validation_error")
            assert refused["errors"][0]["type"] == "reason_needed"  # type: ignore[index]  # a list, as asserted there
        assert (await manager.get(path)).json()["status"] == "confirmed"
        done = (await manager.post(f"{path}/cancel", json=wish | {"reason": "Hospital"})).json()
        assert done["refund"] == EUROS_45
        assert (await audit_of(runtime, practice))[-1][1] == {
            "refund_minor": 4500,
            "policy_minor": 2250,
            "on_behalf_of_client": True,
            "refund": "full",
        }

    @pytest.mark.parametrize("for_client", [True, False])
    async def test_less_than_they_may_count_on_takes_the_same(
        self,
        runtime: Runtime,
        practice: TenantContext,
        reception: httpx.AsyncClient,
        manager: httpx.AsyncClient,
        account: SignedIn,
        for_client: bool,
    ) -> None:
        path = await paid_booking(runtime, practice, reception, account)
        wish = {"on_behalf_of_client": for_client, "refund": "none"}
        assert_problem(await reception.post(f"{path}/cancel", json=wish | {"reason": "x"}), 403, "forbidden")
        assert_problem(await manager.post(f"{path}/cancel", json=wish), 422, "validation_error")
        done = (await manager.post(f"{path}/cancel", json=wish | {"reason": "Voucher"})).json()
        assert done["refund"]["amount"] == 0

    async def test_where_nothing_was_paid_there_is_nothing_to_decide(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn
    ) -> None:
        made = await book(reception, account, await make_offer(runtime, practice))
        done = await reception.post(f"{PATH}/{made['id']}/cancel", json={"refund": "none"})
        assert done.json()["refund"] is None

    async def test_the_notice_that_binds_clients_does_not_bind_staff(
        self, runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn
    ) -> None:
        offer = await make_offer(runtime, practice, cancel_notice_hours=48, move_notice_hours=48)
        made = await book(reception, account, offer)
        to = {"starts_at": (NINE + minutes(60)).isoformat()}
        assert (await reception.post(f"{PATH}/{made['id']}/reschedule", json=to)).status_code == 200
        body = {"on_behalf_of_client": True}
        assert (await reception.post(f"{PATH}/{made['id']}/cancel", json=body)).status_code == 200


class TestNotComing:
    async def test_is_owed_less_what_was_paid_and_may_be_corrected_or_waived(
        self,
        runtime: Runtime,
        practice: TenantContext,
        http: HttpFactory,
        reception: httpx.AsyncClient,
        account: SignedIn,
    ) -> None:
        offer = await make_offer(runtime, practice, no_show_fee_minor=3000)
        made = await book(reception, account, offer)
        path = f"{PATH}/{made['id']}"
        async with runtime.database.tenant(practice) as session:
            await add_payment(session, UUID(made["id"]), account.id, 1200, refunded_minor=200)
        with clock.at(NINE):
            desk = http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)
            boss = http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.MANAGER)).headers)
            missed = (await desk.patch(path, json={"status": "no_show"})).json()
            assert missed["no_show_fee"] == {"amount": 2000, "currency": "EUR"}
            assert (await desk.patch(path, json={"status": "completed"})).json()["no_show_fee"] is None
            assert_problem(
                await boss.post(f"{path}/waive-no-show-fee", json={"reason": "x"}), 409, "invalid_appointment_state"
            )
            assert (await desk.patch(path, json={"status": "no_show"})).json()["no_show_fee"]["amount"] == 2000
            assert_problem(await desk.post(f"{path}/waive-no-show-fee", json={"reason": "x"}), 403, "forbidden")
            for body in ({}, {"reason": " "}):
                assert_problem(await boss.post(f"{path}/waive-no-show-fee", json=body), 422, "validation_error")
            for _ in range(2):  # safe to repeat
                waived = await boss.post(f"{path}/waive-no-show-fee", json={"reason": "Nieve"})
                assert waived.json()["no_show_fee"] is None
            history = (await boss.get(f"{path}/history")).json()["items"]
        assert [(one["kind"], one["no_show_fee"] and one["no_show_fee"]["amount"]) for one in history] == [
            ("booked", None),
            ("no_show", 2000),
            ("completed", None),
            ("no_show", 2000),
            ("fee_waived", 2000),
        ]
        assert history[-1]["reason"] == "Nieve"
        with clock.at(NINE):  # a slip of the pen does not bring it back
            for status in ("completed", "no_show"):
                assert (await desk.patch(path, json={"status": status})).json()["no_show_fee"] is None
        waivers = [one for one in await audit_of(runtime, practice) if "waived" in one[0]]
        assert waivers == [("appointment.no_show_fee_waived", {"no_show_fee_minor": 2000})]

    async def test_owes_nothing_where_the_terms_know_no_fee_or_it_is_paid(
        self,
        runtime: Runtime,
        practice: TenantContext,
        http: HttpFactory,
        reception: httpx.AsyncClient,
        account: SignedIn,
    ) -> None:
        free = await book(reception, account, await make_offer(runtime, practice))
        offer = await make_offer(runtime, practice, no_show_fee_minor=3000)
        paid = await book(reception, account, offer)
        async with runtime.database.tenant(practice) as session:
            await add_payment(session, UUID(paid["id"]), account.id, 3000)
        with clock.at(NINE):
            desk = http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)
            for one in (free, paid):
                answer = await desk.patch(f"{PATH}/{one['id']}", json={"status": "no_show"})
                assert answer.json()["no_show_fee"] is None


class TestRequests:
    async def test_are_listed_and_answered_by_whose_calendar_it_is(
        self,
        runtime: Runtime,
        practice: TenantContext,
        http: HttpFactory,
        reception: httpx.AsyncClient,
        account: SignedIn,
    ) -> None:
        offer = await make_offer(runtime, practice, requires_approval=True, price_minor=4500)
        other = await make_offer(runtime, practice, requires_approval=True)
        own = http(practice, headers=account.headers)
        made = []
        for one in (offer, other):
            for hour in (0, 1):
                at = (NINE + timedelta(days=1) + minutes(60 * hour)).isoformat()
                answer = await own.post(
                    "/api/v1/appointments", json={"service_id": str(one.service_id), "starts_at": at}
                )
                made.append(answer.json())
        assert all(one["awaiting_approval"] and one["status"] == "held" for one in made)
        assert made[0]["amount_due"] == EUROS_45
        await book(reception, account, await make_offer(runtime, practice, price_minor=4500))  # held, but no request
        open_ones = (await reception.get(PATH, params={"awaiting_approval": "true"})).json()["items"]
        assert {one["id"] for one in open_ones} == {one["id"] for one in made}
        assert {one["hold_kind"] for one in open_ones} == {"approval"}
        theirs = await practitioner_of(runtime, practice, http, offer)
        assert_problem(await theirs.post(f"{PATH}/{made[2]['id']}/approve"), 403, "forbidden")
        assert_problem(await theirs.post(f"{PATH}/{made[2]['id']}/decline"), 403, "forbidden")
        granted = (await theirs.post(f"{PATH}/{made[0]['id']}/approve")).json()
        assert (granted["status"], granted["hold_kind"], granted["awaiting_approval"]) == ("held", "payment", False)
        refused = (await theirs.post(f"{PATH}/{made[1]['id']}/decline", json={"reason": "No"})).json()
        assert (refused["status"], refused["cancelled_by"], refused["hold_kind"]) == ("cancelled", "staff", None)
        assert (await reception.post(f"{PATH}/{made[2]['id']}/approve")).json()["status"] == "confirmed"
        assert (await reception.post(f"{PATH}/{made[3]['id']}/decline")).json()["status"] == "cancelled"
        assert_problem(await reception.post(f"{PATH}/{made[3]['id']}/approve"), 409, "invalid_appointment_state")
        actions = [action for action, _detail in await audit_of(runtime, practice)]
        assert actions == [f"appointment.{what}" for what in ("approved", "declined", "approved", "declined")]
        unpaid = await own.post("/api/v1/payments", json={"appointment_id": made[0]["id"], "method": "offline"})
        assert unpaid.status_code == 201

    async def test_can_not_be_paid_before_they_are_granted(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, account: SignedIn
    ) -> None:
        offer = await make_offer(runtime, practice, requires_approval=True, price_minor=4500)
        own = http(practice, headers=account.headers)
        wish = {"service_id": str(offer.service_id), "starts_at": NINE.isoformat()}
        made = (await own.post("/api/v1/appointments", json=wish)).json()
        paying = await own.post("/api/v1/payments", json={"appointment_id": made["id"], "method": "offline"})
        assert_problem(paying, 409, "appointment_not_payable")


class TestPrivateNotes:
    async def test_are_for_those_who_treat_and_nobody_else(
        self,
        runtime: Runtime,
        practice: TenantContext,
        http: HttpFactory,
        reception: httpx.AsyncClient,
        manager: httpx.AsyncClient,
        account: SignedIn,
    ) -> None:
        offer = await make_offer(runtime, practice)
        made = await book(reception, account, offer)
        path, own = f"{PATH}/{made['id']}", http(practice, headers=account.headers)
        secret = {"private_notes": "Parece triste"}
        assert_problem(await reception.patch(path, json=secret), 403, "forbidden")
        assert (await manager.patch(path, json=secret)).json()["private_notes"] == "Parece triste"
        treating = await practitioner_of(runtime, practice, http, offer)
        assert (await treating.get(path)).json()["private_notes"] == "Parece triste"
        mine = f"/api/v1/appointments/{made['id']}"
        for caller, address in (
            (reception, path),
            (reception, PATH),
            (reception, f"{path}/history"),
            (own, mine),
            (own, "/api/v1/appointments"),
            (own, f"{mine}/history"),
            (own, f"{mine}/calendar.ics"),
            (own, "/api/v1/users/me/export"),
        ):
            answer = await caller.get(address)
            assert answer.status_code == 200, answer.text
            assert "triste" not in answer.text, address
        assert [one["kind"] for one in (await own.get(f"{mine}/history")).json()["items"]] == ["booked"]
        assert [one["kind"] for one in (await reception.get(f"{path}/history")).json()["items"]] == ["booked"]
        assert [one["kind"] for one in (await manager.get(f"{path}/history")).json()["items"]] == ["booked", "noted"]
        assert (await audit_of(runtime, practice))[-1] == ("appointment.noted", {})
        assert "triste" not in (await reception.post(f"{path}/cancel")).text


class TestHistory:
    async def test_says_who_to_staff_and_the_practice_to_the_client(
        self,
        runtime: Runtime,
        practice: TenantContext,
        http: HttpFactory,
        reception: httpx.AsyncClient,
        account: SignedIn,
    ) -> None:
        path = await paid_booking(runtime, practice, reception, account)
        to = (NINE + minutes(60)).isoformat()
        await reception.post(f"{path}/reschedule", json={"starts_at": to})
        own = http(practice, headers=account.headers)
        mine = path.replace("/admin", "")
        await own.post(f"{mine}/cancel", json={"reason": "Vómitos"})
        lines = (await reception.get(f"{path}/history")).json()["items"]
        assert [(one["kind"], one["who"]["kind"], one["who"]["name"]) for one in lines] == [
            ("booked", "staff", "Sara Sanitaria"),
            ("moved", "staff", "Sara Sanitaria"),
            ("cancelled", "client", "Carla Cliente"),
        ]
        assert datetime.fromisoformat(lines[1]["moved_from"]) == NINE
        assert lines[2]["refund"]["amount"] == 2250
        answer = await own.get(f"{mine}/history")
        assert [(one["kind"], one["who"]) for one in answer.json()["items"]] == [
            ("booked", "practice"),
            ("moved", "practice"),
            ("cancelled", "client"),
        ]
        assert "Sara" not in answer.text
        assert answer.json()["items"][2]["refund"]["amount"] == 2250

    async def test_hides_money_from_who_may_not_see_payments_and_others_calendars(
        self,
        runtime: Runtime,
        practice: TenantContext,
        http: HttpFactory,
        reception: httpx.AsyncClient,
        account: SignedIn,
    ) -> None:
        offer = await make_offer(runtime, practice, refund_tiers=HALF)
        made = await book(reception, account, offer)
        async with runtime.database.tenant(practice) as session:
            await add_payment(session, UUID(made["id"]), account.id, 4500)
        await reception.post(f"{PATH}/{made['id']}/cancel", json={"on_behalf_of_client": True})
        theirs = await practitioner_of(runtime, practice, http, offer)
        [_booked, cancelled] = (await theirs.get(f"{PATH}/{made['id']}/history")).json()["items"]
        assert cancelled["refund"] is cancelled["policy_refund"] is None
        assert cancelled["on_behalf_of_client"] is True
        stranger = await practitioner_of(runtime, practice, http, await make_offer(runtime, practice))
        for what in ("history", "cancellation-quote"):
            assert_problem(await stranger.get(f"{PATH}/{made['id']}/{what}"), 404, "not_found")


async def test_the_link_of_an_online_visit_is_set_when_booking_or_later(
    runtime: Runtime, practice: TenantContext, http: HttpFactory, reception: httpx.AsyncClient, account: SignedIn
) -> None:
    offer = await make_offer(runtime, practice)
    link = {"meeting_url": "https://meet.example.com/a"}
    made = await book(reception, account, offer, location_kind="online", meeting_url=link["meeting_url"])
    own = http(practice, headers=account.headers)
    assert (await own.get(f"/api/v1/appointments/{made['id']}")).json()["meeting_url"] == link["meeting_url"]
    later = {"meeting_url": "https://meet.example.com/b"}
    assert (await reception.patch(f"{PATH}/{made['id']}", json=later)).json()["meeting_url"] == later["meeting_url"]
    kinds = [one["kind"] for one in (await own.get(f"/api/v1/appointments/{made['id']}/history")).json()["items"]]
    assert kinds == ["booked", "meeting"]
