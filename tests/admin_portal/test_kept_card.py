"""Whether a card is kept for no-show fees, as staff read it on an appointment."""

import httpx
import pytest

from tenants.accounts.models import StaffRole
from tests.admin_portal.test_pages import staff_browser
from tests.client_portal.test_cards_pages import FEE, account, browser, expire, give, runtime, stripe_server, words
from tests.conftest import HttpFactory
from tests.support.booking_pages import first_confirmation, id_in
from tests.support.pages import assert_sober, submit
from tests.support.providers.stripe_server import StripeServer
from tests.support.scheduling import make_offer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

__all__ = ["account", "browser", "runtime", "stripe_server"]

LABEL = "Card for no-show fees"


async def book(browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, **service: object) -> str:
    """The address of a client's fresh appointment, for staff."""
    confirm = await first_confirmation(browser, await make_offer(runtime, practice, **service))
    booked = await submit(browser, confirm, method="offline")
    return f"/admin/appointments/{id_in(booked.headers['location'])}"


@pytest.mark.usefixtures("account")
async def test_it_is_read_by_who_sees_payments(
    browser: httpx.AsyncClient,
    http: HttpFactory,
    runtime: Runtime,
    practice: TenantContext,
    stripe_server: StripeServer,
) -> None:
    address = await book(browser, runtime, practice, **FEE)
    without_fee = await book(browser, runtime, practice, price_minor=4500)
    desk = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    page = await desk.get(address)
    assert_sober(page)
    assert f"{LABEL} None kept" in words(page)
    await give(browser, stripe_server)
    assert f"{LABEL} Visa ···· 4242" in words(await desk.get(address))
    assert LABEL not in words(await desk.get(without_fee))
    await expire(runtime, practice)
    assert f"{LABEL} Visa ···· 4242 (expired)" in words(await desk.get(address))
    other = await staff_browser(http, runtime, practice, StaffRole.PRACTITIONER)
    assert "4242" not in (await other.get(address)).text


async def test_nothing_is_said_where_no_cards_are_kept(
    browser: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    address = await book(browser, runtime, practice, **FEE)
    desk = await staff_browser(http, runtime, practice, StaffRole.RECEPTION)
    assert LABEL not in words(await desk.get(address))
