"""The pages of who works here, by an owner and by those who may not."""

from datetime import timedelta

import httpx
import pytest

from tenants.accounts.models import StaffRole
from tenants.accounts.permissions import PERMISSIONS, Permission
from tenants.settings.service import get_practice_settings
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.mails import links_in, mails_of
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, SignedIn, make_staff_member
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
async def owner(runtime: Runtime, practice: TenantContext) -> SignedIn:
    return await make_staff_member(runtime, practice)


@pytest.fixture
async def browser(http: HttpFactory, practice: TenantContext, owner: SignedIn) -> httpx.AsyncClient:
    made = http(practice, headers=HTML)
    await sign_in(made, "/admin/sign-in", owner.email, PASSWORD)
    return made


async def test_an_owner_invites_someone_and_hands_out_and_takes_away_what_they_may_do(
    browser: httpx.AsyncClient, http: HttpFactory, practice: TenantContext, runtime: Runtime
) -> None:
    page = await browser.get("/admin/staff/invite")
    assert_sober(page)
    refused = await submit(browser, page, email="nobody", first_name="Rita", last_name="Recepción", role="reception")
    assert refused.status_code == 422
    done = await submit(
        browser, page, email="rita@example.com", first_name="Rita", last_name="Recepción", role="reception"
    )
    assert done.headers["location"] == "/admin/staff"
    listed = await browser.get("/admin/staff")
    assert_sober(listed)
    assert "rita@example.com" in listed.text
    people = [part for part in listed.text.split('"') if part.startswith("/admin/staff/0")]
    address = people[-1]
    await submit(browser, await browser.get(address), "/invitation")
    await run_due_events(runtime, practice)
    first, second = [links_in(mail.text)[0] for mail in await mails_of(runtime, practice, "rita@example.com")]
    assert first != second
    theirs = http(practice, headers=HTML)
    accepted = await submit(theirs, await theirs.get(second), password="lantern orbit velvet 7")
    assert accepted.status_code == 303, accepted.text
    assert (await theirs.get("/admin/appointments")).status_code == 200
    assert (await theirs.get("/admin/staff")).status_code == 403
    again = await browser.get(address)
    assert "/invitation" not in again.text
    await submit(browser, again, address.rpartition("/")[2], is_active=None)
    assert (await theirs.get("/admin/appointments")).status_code == 303
    audit = await browser.get("/admin/audit")
    assert_sober(audit)
    assert "staff.invited" in audit.text
    assert "staff.changed" in audit.text


async def test_the_last_owner_can_not_lock_the_practice_out(
    browser: httpx.AsyncClient, owner: SignedIn, http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    address = f"/admin/staff/{owner.id}"
    others = (await http(practice, headers=owner.headers).get("/api/v1/admin/staff")).json()["items"]
    for other in others:
        if other["id"] != str(owner.id):
            await submit(browser, await browser.get(f"/admin/staff/{other['id']}"), other["id"], is_active=None)
    refused = await submit(browser, await browser.get(address), str(owner.id), role="reception")
    assert refused.status_code == 409
    assert (await browser.get("/admin/staff")).status_code == 200


async def test_staff_is_managed_with_a_fresh_sign_in_only(browser: httpx.AsyncClient, owner: SignedIn) -> None:
    with clock.at(clock.now() + timedelta(minutes=20)):
        stale = await browser.get(f"/admin/staff/{owner.id}")
        assert stale.status_code == 303
        assert stale.headers["location"].startswith("/admin/confirm?next=%2Fadmin%2Fstaff%2F")


@pytest.mark.parametrize("role", list(StaffRole))
async def test_the_pages_follow_the_one_table_of_permissions(
    role: StaffRole, http: HttpFactory, practice: TenantContext, runtime: Runtime
) -> None:
    member = await make_staff_member(runtime, practice, role)
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
    start = await browser.get("/admin")
    for path, permission in (
        ("/admin/staff", Permission.MANAGE_STAFF),
        ("/admin/settings", Permission.MANAGE_SETTINGS),
        ("/admin/audit", Permission.VIEW_AUDIT),
        ("/admin/payments", Permission.VIEW_PAYMENTS),
        ("/admin/appointments", Permission.VIEW_CALENDAR),
    ):
        allowed = permission in PERMISSIONS[role]
        assert (await browser.get(path)).status_code == (200 if allowed else 403), path
        assert (f'href="{path}"' in start.text) == allowed, path


async def test_an_owner_changes_the_practices_settings_by_the_page(
    browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    page = await browser.get("/admin/settings")
    assert_sober(page)
    refused = await submit(browser, page, "/admin/settings", hold_minutes="0", contact_email="nobody")
    assert refused.status_code == 422
    refused = await submit(browser, page, "/admin/settings", second_factor_required="yes")
    assert refused.status_code == 409  # they have none themselves
    done = await submit(
        browser,
        page,
        "/admin/settings",
        hold_minutes="30",
        practitioners_see_all="yes",
        privacy_policy_version="2",
        contact_email="hola@example.com",
    )
    assert done.status_code == 303
    async with runtime.database.tenant(practice) as session:
        known = await get_practice_settings(session)
        assert (known.hold_minutes, known.practitioners_see_all, known.privacy_policy_version) == (30, True, "2")
        assert (known.contact_email, known.second_factor_required) == ("hola@example.com", False)


async def test_an_owner_registers_the_practice_at_google_by_the_page(
    browser: httpx.AsyncClient, http: HttpFactory, practice: TenantContext
) -> None:
    page = await browser.get("/admin/sign-in-providers")
    assert_sober(page)
    assert "/auth/oauth/google/callback" in page.text
    refused = await submit(browser, page, "/google", client_id="only-an-id")
    assert refused.status_code == 422
    done = await submit(browser, page, "/google", client_id="an-id", client_secret="a-secret-of-ours")
    assert done.status_code == 303
    shown = await browser.get("/admin/sign-in-providers")
    assert "an-id" in shown.text
    assert "a-secret-of-ours" not in shown.text
    anyone = http(practice)
    assert (await anyone.get("/api/v1/auth/oauth/providers")).json()["items"] == ["google"]
    assert (await submit(browser, shown, "/google", is_enabled=None)).status_code == 303
    assert (await anyone.get("/api/v1/auth/oauth/providers")).json()["items"] == []
    assert (await submit(browser, await browser.get("/admin/sign-in-providers"), "/google/forget")).status_code == 303
    assert "an-id" not in (await browser.get("/admin/sign-in-providers")).text
