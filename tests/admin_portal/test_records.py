"""What was mailed and what was done, for the staff who may see it."""

from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.practices import make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def test_a_mail_shows_with_how_far_it_got(http: HttpFactory, practice: TenantContext, runtime: Runtime) -> None:
    reception = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
    await run_due_events(runtime, practice)
    page = (await http(practice).get("/api/v1/admin/email-logs", headers=reception.headers)).json()
    [mail] = page["items"]
    assert mail["recipient"] == f"owner@{practice.slug}.example.com"
    assert mail["status"] == "sent"
    assert mail["sent_at"]


async def test_the_owner_sees_who_did_what_and_reception_does_not(
    http: HttpFactory, practice: TenantContext, runtime: Runtime
) -> None:
    owner = await make_staff_member(runtime, practice)
    reception = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
    client = http(practice)
    await client.patch("/api/v1/admin/settings", json={"hold_minutes": 20}, headers=owner.headers)
    [entry] = (await client.get("/api/v1/admin/audit", headers=owner.headers)).json()["items"]
    assert entry["action"] == "settings.changed"
    assert entry["staff_id"] == str(owner.id)
    assert entry["detail"] == {"fields": ["hold_minutes"]}
    assert_problem(await client.get("/api/v1/admin/audit", headers=reception.headers), 403, "forbidden")
