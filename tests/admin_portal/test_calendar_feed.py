"""The page of a practitioner's private calendar address, as staff meet it."""

from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select, update

from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import SignIn, StaffAuditEntry, StaffRole
from tenants.accounts.services.staff_accounts import change_staff
from tests.conftest import HttpFactory
from tests.support.pages import HTML, NO_SUCH_ID, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, make_staff_member
from tests.support.scheduling import Offer, make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    return await make_offer(runtime, practice)


@pytest.fixture
def here(offer: Offer) -> str:
    return f"/admin/practitioners/{offer.practitioner_id}/calendar"


async def staff_browser(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, role: StaffRole = StaffRole.OWNER
) -> httpx.AsyncClient:
    member = await make_staff_member(runtime, practice, role)
    async with runtime.database.tenant(practice) as session:
        await change_staff(session, member.id, locale="en")
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/admin/sign-in", member.email, PASSWORD)
    return browser


@pytest.fixture
async def reception(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    return await staff_browser(http, runtime, practice, StaffRole.RECEPTION)


def address_on(page: httpx.Response) -> str:
    """The address that is shown, without its host."""
    found = page.text.partition("<code>")[2].partition("</code>")[0]
    assert found.endswith(".ics"), page.text
    return urlsplit(found).path


async def test_reception_makes_one_and_ends_it(
    reception: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext, here: str, offer: Offer
) -> None:
    hours = await reception.get(f"/admin/hours/{offer.practitioner_id}")
    assert f'href="{here}"' in hours.text
    empty = await reception.get(here)
    assert_sober(empty)
    made = await submit(reception, empty, here)
    assert_sober(made)
    path = address_on(made)
    assert (await http(practice).get(path)).status_code == 200
    ended = await submit(reception, made, f"{here}/end")
    assert (ended.status_code, ended.headers["location"]) == (303, here)
    assert (await http(practice).get(path)).status_code == 404
    async with runtime.database.tenant(practice) as session:
        trail = (await session.scalars(select(StaffAuditEntry.action).order_by(StaffAuditEntry.created_at))).all()
    assert list(trail)[-2:] == ["calendar_feed.made", "calendar_feed.ended"]


async def test_owners_find_it_on_the_practitioners_page(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, here: str, offer: Offer
) -> None:
    owner = await staff_browser(http, runtime, practice)
    assert f'href="{here}"' in (await owner.get(f"/admin/practitioners/{offer.practitioner_id}")).text
    assert (await owner.get(f"/admin/practitioners/{NO_SUCH_ID}/calendar")).status_code == 404


async def test_practitioners_find_nobody_elses(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, here: str, offer: Offer
) -> None:
    other = await staff_browser(http, runtime, practice, StaffRole.PRACTITIONER)
    assert (await other.get(here)).status_code == 403
    assert here not in (await other.get(f"/admin/hours/{offer.practitioner_id}")).text


async def test_there_is_none_for_someone_who_sees_nobody_any_more(
    reception: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, here: str, offer: Offer
) -> None:
    page = await reception.get(here)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Practitioner, offer.practitioner_id)).archived = True
    refused = await submit(reception, page, here)
    assert refused.status_code == 409
    assert_sober(refused)
    assert "does not work here any more" in refused.text


async def test_making_one_wants_a_fresh_sign_in(
    reception: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, here: str
) -> None:
    page = await reception.get(here)
    async with runtime.database.tenant(practice) as session:
        await session.execute(update(SignIn).values(authenticated_at=clock.now() - timedelta(hours=1)))
    refused = await submit(reception, page, here)
    assert refused.status_code == 303
    assert refused.headers["location"].startswith("/admin/confirm?next=")
