"""Staff and money: reading, refunding, receipts at the desk, and the trail that these leave."""

import httpx
import pytest
from sqlalchemy import select

from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.conftest import HttpFactory
from tests.support.checkout import PRICE, Desk, make_desk
from tests.support.documents import issued_at, set_client, set_issuer
from tests.support.practices import make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    """A practice that can be booked and paid."""
    return await make_desk(runtime, practice)


async def signed_in(desk: Desk, http: HttpFactory, role: StaffRole) -> httpx.AsyncClient:
    staff = await make_staff_member(desk.runtime, desk.practice, role)
    return http(desk.practice, headers=staff.headers)


async def audit(desk: Desk) -> list[tuple[str, dict[str, object]]]:
    async with desk.runtime.database.tenant(desk.practice) as session:
        entries = await session.scalars(select(StaffAuditEntry).order_by(StaffAuditEntry.id))
        return [(entry.action, entry.detail) for entry in entries]


def euros(amount: int) -> dict[str, object]:
    return {"amount": amount, "currency": "EUR"}


async def test_refunds_are_promised_counted_and_audited(desk: Desk, http: HttpFactory) -> None:
    payment = await desk.confirm(await desk.pay(await desk.book()))
    manager = await signed_in(desk, http, StaffRole.MANAGER)
    url = f"/api/v1/admin/payments/{payment.id}/refund"
    for _ in range(2):
        answer = await manager.post(
            url, json={"amount": euros(1000), "reason": "Se fue antes"}, headers={"Idempotency-Key": "r1"}
        )
        assert answer.status_code == 200
        assert answer.json()["refund_pending"] == euros(1000)
        assert answer.json()["refunded"] == euros(0)
        assert [refund["status"] for refund in answer.json()["refunds"]] == ["pending"]
    assert_problem(await manager.post(url, json={"amount": euros(3501)}), 422, "refund_exceeds_payment")
    dollars = {"amount": {"amount": 1, "currency": "USD"}}
    assert_problem(await manager.post(url, json=dollars), 422, "validation_error")
    assert_problem(await manager.post(url, json={"amount": euros(0)}), 422, "validation_error")
    assert (await manager.post(url, json={})).status_code == 200
    assert_problem(await manager.post(url, json={}), 409, "payment_not_refundable")
    await desk.run()
    read = (await manager.get(f"/api/v1/admin/payments/{payment.id}")).json()
    assert read["status"] == "refunded"
    assert read["refunded"] == euros(PRICE)
    assert [(refund["amount"], refund["reason"]) for refund in read["refunds"]] == [
        (euros(1000), "Se fue antes"),
        (euros(3500), None),
    ]
    assert [action for action, _ in await audit(desk)] == ["payment.refund_requested"] * 2


async def test_receipts_are_recorded_undone_and_audited(desk: Desk, http: HttpFactory) -> None:
    payment = await desk.start(await desk.book(), "offline")
    reception = await signed_in(desk, http, StaffRole.RECEPTION)
    url = f"/api/v1/admin/payments/{payment.id}/receipt"
    owed = (await reception.get(f"/api/v1/admin/payments/{payment.id}")).json()
    assert owed["reference"]
    taken = await reception.post(url, json={"kind": "cash", "note": "billete"}, headers={"Idempotency-Key": "c1"})
    assert taken.json()["status"] == "succeeded"
    assert taken.json()["captured"] == euros(PRICE)
    again = await reception.post(url, json={"kind": "cash", "note": "billete"}, headers={"Idempotency-Key": "c1"})
    assert again.json() == taken.json()
    assert_problem(await reception.post(url, json={"kind": "card"}), 409, "already_paid")
    undone = await reception.post(f"{url}/undo", json={"note": "era falso"})
    assert undone.json()["status"] == "requires_action"
    assert undone.json()["captured"] == euros(0)
    assert_problem(await reception.post(f"{url}/undo", json={}), 409, "no_receipt_to_undo")
    assert [(action, detail["amount_minor"], detail["note"]) for action, detail in await audit(desk)] == [
        ("payment.receipt_recorded", PRICE, "billete"),
        ("payment.receipt_undone", PRICE, "era falso"),
    ]


async def test_no_more_is_recorded_or_invoiced_than_is_missing(desk: Desk, http: HttpFactory) -> None:
    await set_issuer(desk.runtime, desk.practice)
    await set_client(desk)
    payment = await desk.start(await desk.book(), "offline")
    reception = await signed_in(desk, http, StaffRole.RECEPTION)
    body = {"kind": "cash", "amount": euros(99_999_999_999)}
    refused = await reception.post(f"/api/v1/admin/payments/{payment.id}/receipt", json=body)
    assert_problem(refused, 422, "validation_error")
    assert [one["type"] for one in refused.json()["errors"]] == ["more_than_owed"]
    await desk.run()
    assert await issued_at(desk, payment.id) == []
    assert await audit(desk) == []


async def test_each_role_may_what_its_table_says(desk: Desk, http: HttpFactory) -> None:
    payment = await desk.start(await desk.book(), "offline")
    base = f"/api/v1/admin/payments/{payment.id}"
    reception = await signed_in(desk, http, StaffRole.RECEPTION)
    assert_problem(await reception.post(f"{base}/refund", json={}), 403, "forbidden")
    practitioner = await signed_in(desk, http, StaffRole.PRACTITIONER)
    assert_problem(await practitioner.get(base), 403, "forbidden")
    assert_problem(await practitioner.post(f"{base}/receipt", json={"kind": "cash"}), 403, "forbidden")
    client = http(desk.practice, headers=desk.client.headers)
    assert (await client.get(base)).status_code == 401


async def test_lists_newest_first_and_by_what_is_asked(desk: Desk, http: HttpFactory) -> None:
    first = await desk.start(await desk.book(), "offline")
    second = await desk.confirm(await desk.pay(await desk.book()))
    owner = await signed_in(desk, http, StaffRole.OWNER)

    async def ids(**query: str) -> list[str]:
        return [item["id"] for item in (await owner.get("/api/v1/admin/payments", params=query)).json()["items"]]

    assert await ids() == [str(second.id), str(first.id)]
    assert await ids(status="succeeded") == [str(second.id)]
    assert await ids(appointment_id=str(first.appointment_id)) == [str(first.id)]
    assert await ids(client_id=str(new_id())) == []
    page = (await owner.get("/api/v1/admin/payments", params={"limit": "1"})).json()
    assert await ids(limit="1", cursor=page["next_cursor"]) == [str(first.id)]


async def test_another_practices_payment_does_not_exist(
    desk: Desk, http: HttpFactory, other_practice: TenantContext
) -> None:
    payment = await desk.start(await desk.book())
    owner = await make_staff_member(desk.runtime, other_practice)
    elsewhere = http(other_practice, headers=owner.headers)
    assert_problem(await elsewhere.get(f"/api/v1/admin/payments/{payment.id}"), 404, "not_found")
    assert_problem(await elsewhere.post(f"/api/v1/admin/payments/{payment.id}/refund", json={}), 404, "not_found")
    here = http(desk.practice, headers=owner.headers)
    assert (await here.get(f"/api/v1/admin/payments/{payment.id}")).status_code == 401
