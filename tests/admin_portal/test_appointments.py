"""``/admin/appointments``: seeing, booking for a client, moving, cancelling, and how the visit went."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from billing.payments.models import Payment
from scheduling.appointments.services.confirming import ConfirmOutcome, confirm_paid
from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tenants.settings.service import get_practice_settings
from tests.conftest import HttpFactory
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import Offer, add_hours, make_offer, make_practitioner, minutes, stored
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
NINE = NOW + minutes(60)
PATH = "/api/v1/admin/appointments"


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
async def reception(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """The front desk, signed in."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)


async def book(staff: httpx.AsyncClient, account: SignedIn, offer: Offer, at: datetime = NINE) -> dict[str, Any]:
    """A booking for the client."""
    body = {"client_id": str(account.id), "service_id": str(offer.service_id), "starts_at": at.isoformat()}
    answer = await staff.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_staff_books_for_a_client_by_the_same_rules(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn, http: HttpFactory
) -> None:
    offer = await make_offer(runtime, practice)
    made = await book(reception, account, offer)
    assert made["status"] == "confirmed"
    assert made["cancelled_by"] is made["cancelled_at"] is made["cancellation_reason"] is None
    own = http(practice, headers=account.headers)
    assert (await own.get("/api/v1/appointments")).json()["items"][0]["id"] == made["id"]
    body = {"client_id": str(account.id), "service_id": str(offer.service_id), "starts_at": NINE.isoformat()}
    assert_problem(await reception.post(PATH, json=body), 409, "slot_taken")
    off_grid = body | {"starts_at": (NINE + minutes(5)).isoformat()}
    assert_problem(await reception.post(PATH, json=off_grid), 422, "slot_not_offered")
    assert_problem(await reception.post(PATH, json=body | {"client_id": str(uuid4())}), 422, "validation_error")
    assert_problem(await reception.post(PATH, json=body | {"service_id": str(uuid4())}), 404, "not_found")
    key = {"Idempotency-Key": "k"}
    later = body | {"starts_at": (NINE + minutes(60)).isoformat()}
    first, again = [await reception.post(PATH, json=later, headers=key) for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert_problem(await reception.post(PATH, json=body, headers=key), 422, "idempotency_key_reused")


async def test_lists_are_cut_by_time_status_and_person(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn
) -> None:
    one, two = await make_offer(runtime, practice), await make_offer(runtime, practice)
    first = await book(reception, account, one)
    second = await book(reception, account, two, NINE + timedelta(days=1))
    await reception.post(f"{PATH}/{second['id']}/cancel")

    async def ids(**params: str) -> list[str]:
        return [item["id"] for item in (await reception.get(PATH, params=params)).json()["items"]]

    assert await ids() == [first["id"], second["id"]]
    assert await ids(status="cancelled") == [second["id"]]
    assert await ids(practitioner_id=str(one.practitioner_id)) == [first["id"]]
    assert await ids(service_id=str(two.service_id)) == [second["id"]]
    assert await ids(client_id=str(uuid4())) == []
    assert await ids(**{"from": "2026-03-03"}) == [second["id"]]
    assert await ids(to="2026-03-03") == [first["id"]]
    assert_problem(await reception.get(PATH, params={"status": "gone"}), 422, "validation_error")
    assert (await reception.get(f"{PATH}/{first['id']}")).json() == first
    assert_problem(await reception.get(f"{PATH}/{uuid4()}"), 404, "not_found")


async def test_staff_cancels_with_a_full_refund_whatever_the_notice_and_it_is_audited_once(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn
) -> None:
    made = await book(reception, account, await make_offer(runtime, practice, price_minor=6000))
    async with runtime.database.tenant(practice) as session:
        values = {"payable_kind": "appointment", "payable_id": UUID(made["id"]), "client_id": account.id}
        session.add(
            Payment(
                id=new_id(),
                **values,
                method="sandbox",
                status="succeeded",
                currency="EUR",
                amount_minor=6000,
                captured_minor=6000,
                return_url="http://x",
                cancel_url="http://x",
                created_at=NOW,
                updated_at=NOW,
            )
        )
        await session.flush()  # as settling does, before it confirms
        assert await confirm_paid(session, UUID(made["id"])) is ConfirmOutcome.CONFIRMED
    for _ in range(2):
        answer = await reception.post(f"{PATH}/{made['id']}/cancel", json={"reason": "Enfermedad"})
        assert answer.status_code == 200
        done = answer.json()
        assert done["refund"] == {"amount": 6000, "currency": "EUR"}
        assert (done["status"], done["cancelled_by"], done["cancellation_reason"]) == (
            "cancelled",
            "staff",
            "Enfermedad",
        )
    async with runtime.database.tenant(practice) as session:
        entries = (await session.scalars(select(StaffAuditEntry))).all()
    assert [(one.action, str(one.subject_id), one.detail) for one in entries] == [
        ("appointment.cancelled", made["id"], {"refund_minor": 6000})
    ]
    moved = await reception.post(f"{PATH}/{made['id']}/reschedule", json={"starts_at": NINE.isoformat()})
    assert_problem(moved, 409, "invalid_appointment_state")


async def test_how_the_visit_went_is_said_once_it_has_begun(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn
) -> None:
    offer = await make_offer(runtime, practice)
    soon, far = await book(reception, account, offer), await book(reception, account, offer, NINE + minutes(60))
    path = f"{PATH}/{soon['id']}"
    assert_problem(await reception.patch(path, json={"status": "completed"}), 409, "invalid_appointment_state")
    for body in ({"status": "confirmed"}, {"status": None}, {"meeting_url": "x"}, {"price": 1}):
        assert_problem(await reception.patch(path, json=body), 422, "validation_error")
    link = {"meeting_url": "https://meet.example.com/a"}
    assert (await reception.patch(path, json=link)).json()["meeting_url"] == link["meeting_url"]
    with clock.at(NOW + minutes(10)):
        moved = await reception.post(f"{PATH}/{far['id']}/reschedule", json={"starts_at": "2026-03-05T09:00:00+01:00"})
        assert moved.status_code == 200
    with clock.at(NINE):
        reception.headers.update((await make_staff_member(runtime, practice, StaffRole.RECEPTION)).headers)
        for status in ("completed", "no_show"):
            assert (await reception.patch(path, json={"status": status})).json()["status"] == status
        other = f"{PATH}/{far['id']}"
        assert_problem(await reception.patch(other, json={"status": "no_show"}), 409, "invalid_appointment_state")
        assert_problem(await reception.post(f"{path}/cancel"), 409, "invalid_appointment_state")
        assert_problem(await reception.patch(f"{PATH}/{uuid4()}", json=link), 404, "not_found")


async def test_who_pays_at_the_practice_is_confirmed_by_staff(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn
) -> None:
    offer = await make_offer(runtime, practice, price_minor=6000)
    made = await book(reception, account, offer)
    assert made["status"] == "held"
    for _ in range(2):
        answer = await reception.post(f"{PATH}/{made['id']}/confirm")
        assert answer.json()["status"] == "confirmed"
    gone = await book(reception, account, offer, NINE + minutes(60))
    await reception.post(f"{PATH}/{gone['id']}/cancel")
    assert_problem(await reception.post(f"{PATH}/{gone['id']}/confirm"), 409, "invalid_appointment_state")
    assert_problem(await reception.post(f"{PATH}/{uuid4()}/confirm"), 404, "not_found")


async def test_practitioners_act_in_their_own_calendar_only(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn, http: HttpFactory
) -> None:
    offer = await make_offer(runtime, practice)
    theirs = await book(reception, account, offer)
    staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
    client = http(practice, headers=staff.headers)
    path = f"{PATH}/{theirs['id']}"
    assert_problem(await client.get(path), 404, "not_found")
    assert_problem(await client.post(f"{path}/cancel"), 403, "forbidden")  # they are nobody yet
    async with runtime.database.tenant(practice) as session:
        own = await make_practitioner(session)
        await add_hours(session, own.id)
        own.staff_id = staff.id
    to = {"starts_at": (NINE + minutes(60)).isoformat()}
    assert_problem(await client.post(f"{path}/cancel"), 403, "forbidden")
    assert_problem(await client.post(f"{path}/confirm"), 403, "forbidden")
    assert_problem(await client.post(f"{path}/reschedule", json=to), 403, "forbidden")
    assert_problem(await client.patch(path, json={}), 403, "forbidden")
    body = {"client_id": str(account.id), "service_id": str(offer.service_id)} | to
    assert_problem(await client.post(PATH, json=body), 422, "validation_error")  # not a client of theirs
    async with runtime.database.tenant(practice) as session:
        (await get_practice_settings(session)).practitioners_see_all = True
    assert_problem(await client.post(PATH, json=body), 422, "slot_not_offered")  # nor a service
    other = body | {"practitioner_id": str(offer.practitioner_id)}
    assert_problem(await client.post(PATH, json=other), 403, "forbidden")
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Practitioner, own.id)).staff_id = None
        (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = staff.id
    assert (await client.post(f"{path}/reschedule", json=to)).status_code == 200
    assert (await client.post(f"{path}/cancel")).status_code == 200
    assert (await stored(runtime, practice, theirs["id"])).cancelled_by == "staff"
    stranger = http(practice, headers=account.headers)
    assert (await stranger.get(PATH)).status_code == 401


async def test_a_practitioner_sees_their_own_appointments_and_clients_unless_the_practice_shows_all(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn, http: HttpFactory
) -> None:
    offer, colleague = await make_offer(runtime, practice), await make_offer(runtime, practice)
    stranger = await make_client(runtime, practice)
    mine = await book(reception, account, offer)
    theirs = await book(reception, stranger, colleague)
    staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = staff.id
    client = http(practice, headers=staff.headers)
    clients = "/api/v1/admin/clients"

    async def seen(path: str) -> set[str]:
        return {item["id"] for item in (await client.get(path)).json()["items"]}

    assert await seen(PATH) == {mine["id"]}
    assert await seen(f"{PATH}?practitioner_id={colleague.practitioner_id}") == set()
    assert_problem(await client.get(f"{PATH}/{theirs['id']}"), 404, "not_found")
    assert await seen(clients) == {str(account.id)}
    assert (await client.get(f"{clients}/{account.id}")).status_code == 200
    assert_problem(await client.get(f"{clients}/{stranger.id}"), 404, "not_found")
    async with runtime.database.tenant(practice) as session:
        (await get_practice_settings(session)).practitioners_see_all = True
    assert await seen(PATH) == {mine["id"], theirs["id"]}
    assert await seen(clients) == {str(account.id), str(stranger.id)}


async def test_a_practitioner_does_not_get_to_know_a_client_by_booking_for_them(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn, http: HttpFactory
) -> None:
    offer, stranger = await make_offer(runtime, practice), await make_client(runtime, practice)
    staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = staff.id
    client = http(practice, headers=staff.headers)
    body = {"client_id": str(stranger.id), "service_id": str(offer.service_id), "starts_at": NINE.isoformat()}
    refused, unknown = (
        await client.post(PATH, json=body),
        await client.post(PATH, json=body | {"client_id": str(uuid4())}),
    )
    assert [one.json()["errors"][0]["type"] for one in (refused, unknown)] == ["unknown_id"] * 2
    assert_problem(await client.get(f"/api/v1/admin/clients/{stranger.id}"), 404, "not_found")
    await book(reception, stranger, offer)
    again = body | {"starts_at": (NINE + minutes(60)).isoformat()}
    assert (await client.post(PATH, json=again)).status_code == 201


async def test_what_a_client_wrote_is_shown_to_those_who_treat_them_and_not_at_the_front_desk(
    runtime: Runtime, practice: TenantContext, reception: httpx.AsyncClient, account: SignedIn, http: HttpFactory
) -> None:
    offer = await make_offer(runtime, practice)
    own = http(practice, headers=account.headers)
    wish = {"service_id": str(offer.service_id), "starts_at": NINE.isoformat(), "notes": "I am pregnant"}
    made = (await own.post("/api/v1/appointments", json=wish)).json()
    manager = http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.MANAGER)).headers)
    assert (await manager.get(f"{PATH}/{made['id']}")).json()["notes"] == "I am pregnant"
    assert (await reception.get(f"{PATH}/{made['id']}")).json()["notes"] is None
    assert "pregnant" not in (await reception.get(PATH)).text
    assert "pregnant" not in (await reception.post(f"{PATH}/{made['id']}/cancel")).text
