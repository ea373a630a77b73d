"""``/payments`` over HTTP: shape, keys, and who sees what."""

import httpx
import pytest

from billing.payments.models import PaymentStatus
from scheduling.appointments.models import AppointmentStatus
from tests.conftest import HttpFactory
from tests.support.checkout import PRICE, Desk
from tests.support.practices import make_client
from tests.support.problems import assert_problem
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
def client(desk: Desk, http: HttpFactory) -> httpx.AsyncClient:
    """The desk's client on the practice's host."""
    return http(desk.practice, headers=desk.client.headers)


async def body_for(desk: Desk, **changes: str) -> dict[str, str]:
    appointment = await desk.book()
    return {
        "appointment_id": str(appointment.id),
        "method": "sandbox",
        "return_url": "/thanks",
        "cancel_url": "/sorry",
    } | changes


async def test_the_whole_way_from_the_appointment_to_the_money(desk: Desk, client: httpx.AsyncClient) -> None:
    body = await body_for(desk)
    started = await client.post("/api/v1/payments", json=body, headers={"Idempotency-Key": "k1"})
    assert started.status_code == 201
    payment = started.json()
    assert set(payment) == {
        "id", "appointment_id", "method", "status", "amount", "refunded", "platform_fee", "next_action", "created_at",
        "purpose", "package_purchase_id",
    }  # fmt: skip
    assert payment["appointment_id"] == body["appointment_id"]
    assert payment["method"] == "sandbox"
    assert payment["status"] == "requires_action"
    assert payment["amount"] == {"amount": PRICE, "currency": "EUR"}
    assert payment["refunded"] == payment["platform_fee"] == {"amount": 0, "currency": "EUR"}
    assert payment["next_action"]["type"] == "redirect"

    again = await client.post("/api/v1/payments", json=body, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()) == (201, payment)
    changed = await client.post(
        "/api/v1/payments", json=body | {"method": "offline"}, headers={"Idempotency-Key": "k1"}
    )
    assert_problem(changed, 422, "idempotency_key_reused")

    approved = await client.post(payment["next_action"]["url"], data={"outcome": "approve", "webhook": "drop"})
    assert approved.status_code == 303
    for _ in range(2):
        confirmed = await client.post(f"/api/v1/payments/{payment['id']}/confirm")
        assert confirmed.status_code == 200
        assert confirmed.json() == payment | {"status": "succeeded", "next_action": None}
    assert (await client.get(f"/api/v1/payments/{payment['id']}")).json() == confirmed.json()
    appointment = await client.get(f"/api/v1/appointments/{body['appointment_id']}")
    assert appointment.json()["status"] == AppointmentStatus.CONFIRMED
    once_more = await client.post("/api/v1/payments", json=body)
    assert_problem(once_more, 409, "already_paid")


async def test_paying_at_the_visit_confirms_at_once(desk: Desk, client: httpx.AsyncClient) -> None:
    body = await body_for(desk, method="offline")
    answer = await client.post("/api/v1/payments", json=body)
    assert answer.status_code == 201
    assert answer.json()["status"] == PaymentStatus.REQUIRES_ACTION
    assert answer.json()["next_action"] is None
    appointment = await client.get(f"/api/v1/appointments/{body['appointment_id']}")
    assert appointment.json()["status"] == AppointmentStatus.CONFIRMED


async def test_what_is_refused_has_a_problem(desk: Desk, client: httpx.AsyncClient) -> None:
    body = await body_for(desk)
    stripe = await client.post("/api/v1/payments", json=body | {"method": "stripe"})
    assert_problem(stripe, 422, "method_not_offered")
    elsewhere = await client.post("/api/v1/payments", json=body | {"return_url": "https://evil.example/"})
    assert_problem(elsewhere, 422, "validation_error")
    nonsense = await client.post("/api/v1/payments", json=body | {"method": "shells"})
    assert_problem(nonsense, 422, "validation_error")
    nobody = await client.post("/api/v1/payments", json=body | {"appointment_id": str(new_id())})
    assert_problem(nobody, 404, "not_found")
    lapsed = await desk.book()
    await desk.let_hold_lapse(lapsed)
    late = await client.post("/api/v1/payments", json=body | {"appointment_id": str(lapsed.id)})
    assert_problem(late, 409, "hold_expired")


async def test_another_clients_payment_does_not_exist(desk: Desk, http: HttpFactory) -> None:
    appointment = await desk.book()
    payment = await desk.start(appointment)
    stranger = await make_client(desk.runtime, desk.practice)
    client = http(desk.practice, headers=stranger.headers)
    body = {"appointment_id": str(appointment.id), "method": "sandbox"}
    assert_problem(await client.post("/api/v1/payments", json=body), 404, "not_found")
    assert_problem(await client.get(f"/api/v1/payments/{payment.id}"), 404, "not_found")
    assert_problem(await client.post(f"/api/v1/payments/{payment.id}/confirm"), 404, "not_found")


async def test_another_practices_token_is_worthless(
    desk: Desk, http: HttpFactory, other_practice: TenantContext
) -> None:
    payment = await desk.start(await desk.book())
    foreigner = await make_client(desk.runtime, other_practice)
    for headers in (foreigner.headers, {}):
        client = http(desk.practice, headers=headers)
        assert (await client.get(f"/api/v1/payments/{payment.id}")).status_code == 401
        assert (await client.post(f"/api/v1/payments/{payment.id}/confirm")).status_code == 401
        assert (await client.post("/api/v1/payments", json={})).status_code == 401


async def test_the_connection_is_free_while_the_provider_is_called(desk: Desk, client: httpx.AsyncClient) -> None:
    """Requests that hold one connection and wait for another could all wait for each other."""
    engine = desk.runtime.database.engine
    body = await body_for(desk)
    await client.post("/api/v1/payments", json=body)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # QueuePool has it, Pool does not declare it
