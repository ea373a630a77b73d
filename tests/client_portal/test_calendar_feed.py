"""The page of one's private calendar address, as a browser meets it."""

from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import update

from tenants.accounts.models import SignIn
from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, form_of, sign_in, submit
from tests.support.practices import PASSWORD, make_client
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

HERE = "/account/calendar"


@pytest.fixture
async def browser(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    """A client's, signed in, in English."""
    client = await make_client(runtime, practice, locale="en")
    made = http(practice, headers=HTML)
    await sign_in(made, "/sign-in", client.email, PASSWORD)
    return made


def address_on(page: httpx.Response) -> str:
    """The address that is shown, without its host."""
    found = page.text.partition("<code>")[2].partition("</code>")[0]
    assert found.endswith(".ics"), page.text
    return urlsplit(found).path


async def test_an_address_is_made_shown_once_replaced_and_ended(
    browser: httpx.AsyncClient, http: HttpFactory, practice: TenantContext
) -> None:
    empty = await browser.get(HERE)
    assert_sober(empty)
    assert "There is no address." in empty.text
    assert f'href="{HERE}" aria-current="page"' in empty.text
    made = await submit(browser, empty, HERE)
    assert_sober(made)
    first = address_on(made)
    assert f'href="webcal://{practice.slug}.localhost:8000{first}"' in made.text
    assert (await http(practice).get(first)).status_code == 200
    later = await browser.get(HERE)
    assert first not in later.text
    assert "A calendar last asked for it on" in later.text
    second = address_on(await submit(browser, later, HERE))
    assert (await http(practice).get(first)).status_code == 404
    ended = await submit(browser, await browser.get(HERE), f"{HERE}/end")
    assert (ended.status_code, ended.headers["location"]) == (303, HERE)
    assert (await http(practice).get(second)).status_code == 404


async def test_making_one_wants_a_fresh_sign_in_and_ending_it_does_not(
    browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    page = await submit(browser, await browser.get(HERE), HERE)
    async with runtime.database.tenant(practice) as session:
        await session.execute(update(SignIn).values(authenticated_at=clock.now() - timedelta(hours=1)))
    refused = await submit(browser, page, HERE)
    assert refused.status_code == 303
    assert refused.headers["location"].startswith("/account/confirm?next=")
    assert (await submit(browser, page, f"{HERE}/end")).headers["location"] == HERE


async def test_only_our_own_form_makes_one(browser: httpx.AsyncClient) -> None:
    page = await browser.get(HERE)
    assert (await browser.post(HERE, data={})).status_code == 403
    assert (await browser.post(HERE, data=form_of(page, HERE).data | {"form_token": "x"})).status_code == 403


async def test_it_is_for_clients_who_are_signed_in(http: HttpFactory, practice: TenantContext) -> None:
    stranger = await http(practice, headers=HTML).get(HERE)
    assert stranger.status_code == 303
    assert stranger.headers["location"].startswith("/sign-in?next=")
