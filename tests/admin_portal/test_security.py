"""Staff's pages where second factors and fresh sign-ins matter."""

from datetime import timedelta

from sqlalchemy import select

from billing.payments.models import Refund
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tenants.accounts.services.staff_accounts import invite_staff
from tests.admin_portal.test_pages import book
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, make_practice, make_staff_member
from tests.support.scheduling import make_offer, set_practice
from tests.support.second_factors import set_up_totp
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def test_a_stale_sign_in_refunds_nothing_until_it_is_confirmed(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    member = await make_staff_member(runtime, practice)
    owner = http(practice, headers=HTML)
    await sign_in(owner, "/admin/sign-in", member.email, PASSWORD)
    offer = await make_offer(runtime, practice, price_minor=4500)
    _, payment = await book(http, runtime, practice, offer, method="sandbox")
    await run_due_events(runtime, practice)
    at = f"/admin/payments/{payment}"
    with clock.at(clock.now() + timedelta(minutes=16)):
        sent = await submit(owner, await owner.get(at), "/refund", amount="10")
        assert sent.status_code == 303
        assert sent.headers["location"] == f"/admin/confirm?next=%2Fadmin%2Fpayments%2F{payment}"
        async with runtime.database.tenant(practice) as session:
            assert (await session.scalars(select(Refund))).all() == []
        confirmed = await submit(owner, await owner.get(sent.headers["location"]), "/confirm", password=PASSWORD)
        assert confirmed.headers["location"] == at
        done = await submit(owner, await owner.get(at), "/refund", amount="10")
        assert done.headers["location"] == at
    async with runtime.database.tenant(practice) as session:
        assert [row.amount_minor for row in (await session.scalars(select(Refund))).all()] == [1000]


async def test_where_a_second_factor_is_compulsory_an_invitation_leads_to_setting_it_up(
    http: HttpFactory, runtime: Runtime
) -> None:
    practice = await make_practice(runtime, locale="en")
    await set_practice(runtime, practice, second_factor_required=True)
    async with runtime.database.tenant(practice) as session:
        invited, token = await invite_staff(
            session,
            runtime.settings.auth,
            email="new@example.com",
            first_name="Nina",
            last_name="New",
            role=StaffRole.RECEPTION,
            locale="en",
        )
    browser = http(practice, headers=HTML)
    form = await browser.get("/admin/accept-invitation", params={"token": token})
    accepted = await submit(browser, form, password="violet harbour at seven")
    assert accepted.headers["location"] == "/admin"
    led = await browser.get("/admin")
    assert led.headers["location"] == "/admin/security/second-factor"
    assert "Set one up to go on." in (await browser.get("/admin/security/second-factor")).text
    async with runtime.database.tenant(practice) as session:
        mine = select(StaffAuditEntry).where(StaffAuditEntry.staff_id == invited.id).order_by(StaffAuditEntry.id)
        entries = (await session.scalars(mine)).all()
    assert [entry.action for entry in entries] == ["staff.invitation_accepted", "sign_in.started"]
    assert entries[1].detail == {"method": "invitation", "second_factor": False}


async def test_an_owner_resets_a_colleagues_second_factor_on_their_page(http: HttpFactory, runtime: Runtime) -> None:
    practice = await make_practice(runtime, locale="en")
    member, colleague = await make_staff_member(runtime, practice), await make_staff_member(runtime, practice)
    owner = http(practice, headers=HTML)
    await sign_in(owner, "/admin/sign-in", member.email, PASSWORD)
    at = f"/admin/staff/{colleague.id}"
    assert "Reset the second factor" not in (await owner.get(at)).text
    await set_up_totp(http(practice), colleague.headers)
    page = await owner.get(at)
    assert_sober(page)
    assert (await submit(owner, page, "/second-factors")).status_code == 303
    assert "Reset the second factor" not in (await owner.get(at)).text
    assert (await http(practice).get("/api/v1/admin/auth/me", headers=colleague.headers)).status_code == 401
    again = await submit(owner, page, "/second-factors")
    assert again.status_code == 409
    assert "There is no second factor to take away." in again.text
    assert (await owner.get(f"/admin/staff/{member.id}")).text.count("Reset the second factor") == 0
