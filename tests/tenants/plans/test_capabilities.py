"""What waits while a practice owes money, held against every route; and that nothing else does."""

from datetime import timedelta
from typing import Any

import pytest

from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import Staff, StaffRole
from tenants.plans.capabilities import WITHHELD_WHEN_PAST_DUE, Capability, may_use
from tests.architecture.test_access import ROWS, Caller
from tests.conftest import HttpFactory
from tests.support.checkout import make_desk
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.pages import HTML, assert_sober, sign_in
from tests.support.platform_fees import make_plan, owe, put_on_plan, served
from tests.support.practices import PASSWORD, make_client, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

INVITATION = {"email": "new@example.com", "first_name": "Nora", "last_name": "Nueva", "role": "reception"}
PROVIDER = {"client_id": "an-id", "client_secret": "a-secret", "is_enabled": True}
PACKAGE = {"name": "Bono de 5", "sessions": 5, "price": {"amount": 20_000, "currency": "EUR"}}
WAITING: dict[Capability, tuple[str, str, dict[str, Any]]] = {
    Capability.INVITE_STAFF: ("POST", "/api/v1/admin/staff", INVITATION),
    Capability.ADD_PRACTITIONERS: ("POST", "/api/v1/admin/practitioners", {"name": "Dra. Nueva", "bio": ""}),
    Capability.CHANGE_BRANDING: ("PATCH", "/api/v1/admin/settings", {"branding": {"primary_colour": "#112233"}}),
    Capability.ADD_PACKAGES: ("POST", "/api/v1/admin/packages", PACKAGE),
    Capability.OWN_SIGN_IN_PROVIDERS: ("PUT", "/api/v1/admin/sign-in-providers/google", PROVIDER),
}
"""Each capability by the call that needs it."""


async def restricted(runtime: Runtime, practice: TenantContext) -> TenantContext:
    """The practice with a debt whose days of grace are over."""
    now = clock.now()
    return await owe(runtime, practice, now - timedelta(days=20), now - timedelta(days=6))


def test_every_capability_has_a_call_and_all_of_them_wait() -> None:
    assert set(WAITING) == set(Capability) == set(WITHHELD_WHEN_PAST_DUE)


@pytest.mark.parametrize("capability", list(Capability))
async def test_it_works_until_grace_is_over_waits_then_and_works_again_once_paid(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, capability: Capability
) -> None:
    owner = await make_staff_member(runtime, practice)
    method, path, body = WAITING[capability]
    now = clock.now()
    tenant = await owe(runtime, practice, now - timedelta(days=1), now + timedelta(hours=1))
    assert may_use(tenant, capability)
    with clock.at(now + timedelta(hours=1)):
        assert not may_use(tenant, capability)
    assert (await http(practice).request(method, path, json=body, headers=owner.headers)).status_code < 300


@pytest.mark.parametrize("capability", list(Capability))
@pytest.mark.parametrize(
    ("language", "words"), [("en", "The practice's subscription is overdue."), ("es", "La suscripción de la consulta")]
)
async def test_what_waits_says_so_in_the_readers_language(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, capability: Capability, language: str, words: str
) -> None:
    owner = await make_staff_member(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Staff, owner.id)).locale = language
    await restricted(runtime, practice)
    method, path, body = WAITING[capability]
    answer = await http(practice).request(method, path, json=body, headers=owner.headers)
    assert words in str(assert_problem(answer, 402, "practice_past_due")["detail"])


async def test_no_other_route_waits_for_anybody(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
    await restricted(runtime, practice)
    owner, client = await make_staff_member(runtime, practice), await make_client(runtime, practice)
    wrong = []
    for row in ROWS:
        if row.path.startswith(("/api/v1/platform", "/auth/", "/calendar/")) or "auth" in row.path:
            continue
        answer = await Caller(http, practice, row).call(client.headers if row.kind == "client" else owner.headers)
        if answer.status_code == 402:
            wrong.append(f"{row.method} {row.path}")
    assert wrong == []


async def test_clients_book_pay_cancel_and_are_reminded_whatever_the_practice_owes(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    tenant = await restricted(runtime, practice)
    desk = await make_desk(runtime, tenant)
    paid = await desk.pay(await desk.book())
    await desk.confirm(paid)
    with clock.at(desk.opens_at - timedelta(hours=23)):
        await run_due_events(runtime, tenant)
    subjects = [mail.subject for mail in await mails_of(runtime, tenant, desk.client.email)]
    assert len(subjects) >= 2
    appointment = await desk.appointment(paid.appointment_id)
    assert appointment.status == "confirmed"
    await desk.cancel(appointment)
    await run_due_events(runtime, tenant)
    assert (await desk.payment(paid.id)).refunded_minor == paid.amount.amount
    for path in ("/", f"/book/{desk.service_id}"):
        page = await http(practice, headers=HTML).get(path)
        assert page.status_code == 200
        assert "overdue" not in page.text


async def test_owners_see_it_on_every_page_and_clients_and_colleagues_on_none(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    await restricted(runtime, practice)
    for role, sees in ((StaffRole.OWNER, True), (StaffRole.MANAGER, False)):
        member = await make_staff_member(runtime, practice, role)
        browser = http(practice, headers=HTML)
        await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
        page = await browser.get("/admin")
        assert ("Falta el pago de tu plan" in page.text) is sees
        assert_sober(page)


async def test_a_plan_may_withhold_what_it_does_not_include(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    plan = await make_plan(runtime, withheld=["invite_staff"])
    await put_on_plan(runtime, practice, plan)
    owner = await make_staff_member(runtime, practice)
    method, path, body = WAITING[Capability.INVITE_STAFF]
    assert_problem(await http(practice).request(method, path, json=body, headers=owner.headers), 402, "not_in_plan")


async def test_a_plans_limit_of_practitioners_counts_the_active_ones(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    await put_on_plan(runtime, practice, await make_plan(runtime, practitioner_limit=1))
    owner = await make_staff_member(runtime, practice)
    staff = http(practice, headers=owner.headers)
    made = [await staff.post("/api/v1/admin/practitioners", json={"name": f"Dra. {n}", "bio": ""}) for n in range(2)]
    assert made[0].status_code == 201
    assert_problem(made[1], 402, "plan_limit_reached")
    first = f"/api/v1/admin/practitioners/{made[0].json()['id']}"
    assert (await staff.patch(first, json={"archived": True})).status_code == 200
    assert (await staff.post("/api/v1/admin/practitioners", json={"name": "Dra. 3", "bio": ""})).status_code == 201
    assert_problem(await staff.patch(first, json={"archived": False}), 402, "plan_limit_reached")
    async with runtime.database.tenant(practice) as session:
        assert (await session.get_one(Practitioner, made[0].json()["id"])).archived


async def test_an_unknown_code_of_a_plan_means_no_fee_and_no_limit(runtime: Runtime, practice: TenantContext) -> None:
    tenant = await put_on_plan(runtime, practice, "of-an-older-release")
    assert (tenant.fee_basis_points, tenant.practitioner_limit, tenant.withheld) == (0, None, frozenset())
    assert (await served(runtime, practice)).plan == "of-an-older-release"
