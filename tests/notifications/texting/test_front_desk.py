"""What the front desk sees of a client's text messages, and withdrawing a consent for them."""

from uuid import UUID

import httpx
from sqlalchemy import select

from notifications.catalogue import Channel
from notifications.texting.consents import TEXT_CODE
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.admin_portal.test_pages import staff_browser
from tests.conftest import HttpFactory
from tests.notifications.texting.conftest import NUMBER
from tests.notifications.texting.helpers import agree, consents_of
from tests.support.pages import assert_sober, submit
from tests.support.practices import SignedIn, make_client, make_staff_member
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


def path_of(client_id: UUID) -> str:
    return f"/api/v1/admin/clients/{client_id}"


async def trail(runtime: Runtime, tenant: TenantContext) -> list[tuple[UUID | None, dict[str, object]]]:
    async with runtime.database.tenant(tenant) as session:
        rows = await session.scalars(
            select(StaffAuditEntry).where(StaffAuditEntry.action == "client.text_consent_withdrawn")
        )
        return [(row.subject_id, row.detail) for row in rows]


async def test_by_api(
    runtime: Runtime, texting: TenantContext, other_practice: TenantContext, http: HttpFactory, client: SignedIn
) -> None:
    reception = await make_staff_member(runtime, texting, role=StaffRole.RECEPTION)
    practitioner = await make_staff_member(runtime, texting, role=StaffRole.PRACTITIONER)
    elsewhere = await make_staff_member(runtime, other_practice)
    await agree(runtime, texting, client)
    there, desk = path_of(client.id), http(texting, headers=reception.headers)
    [message] = (await desk.get(f"{there}/texts")).json()["items"]
    assert (message["kind"], message["status"], message["channel"]) == (TEXT_CODE, "sent", "sms")
    [consent] = (await desk.get(f"{there}/text-consents")).json()["items"]
    assert (consent["number"], consent["withdrawn_by"]) == (NUMBER, None)
    assert NUMBER in consent["sentence"]
    for stranger, status in ((practitioner, 403), (elsewhere, 401), (client, 401)):
        assert (await desk.delete(f"{there}/text-consents/sms", headers=stranger.headers)).status_code == status
        assert (await desk.get(f"{there}/texts", headers=stranger.headers)).status_code == status
    assert (await desk.delete(f"{there}/text-consents/pigeon")).status_code == 422
    assert (await desk.delete(f"{path_of(reception.id)}/text-consents/sms")).status_code == 404
    for _ in range(2):
        assert (await desk.delete(f"{there}/text-consents/sms")).status_code == 204
    [row] = await consents_of(runtime, texting, client.id)
    assert row.withdrawn_by == "staff"
    assert await trail(runtime, texting) == [(client.id, {"channel": "sms"})]  # once, whoever presses twice


async def test_by_page(runtime: Runtime, texting: TenantContext, http: HttpFactory, client: SignedIn) -> None:
    reception: httpx.AsyncClient = await staff_browser(http, runtime, texting, StaffRole.RECEPTION)
    silent = await make_client(runtime, texting)
    assert "/texts/" not in (await reception.get(f"/admin/clients/{silent.id}")).text
    await agree(runtime, texting, client)
    page = await reception.get(f"/admin/clients/{client.id}")
    assert_sober(page)
    for said in (NUMBER, "A code to confirm the number", "Agreed to reminders by SMS"):
        assert said in page.text
    action = f"/admin/clients/{client.id}/texts/{Channel.SMS}/withdraw"
    assert (await submit(reception, page, action)).status_code == 303
    [row] = await consents_of(runtime, texting, client.id)
    assert row.withdrawn_by == "staff"
    assert action not in (await reception.get(f"/admin/clients/{client.id}")).text
    practitioner = await staff_browser(http, runtime, texting, StaffRole.PRACTITIONER)
    assert (await submit(practitioner, page, action)).status_code in (403, 404)
