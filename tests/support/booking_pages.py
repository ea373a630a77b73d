"""Booking on a practice's pages, as a browser does it."""

import html
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from sqlalchemy import func, select

from scheduling.appointments.models import Appointment
from tests.conftest import HttpFactory
from tests.support.pages import HTML, sign_in, submit
from tests.support.practices import PASSWORD, make_client
from tests.support.scheduling import Offer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

EVIL = "<script>alert(1)</script>"


async def signed_in(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, **fields: object
) -> httpx.AsyncClient:
    """The browser of a client of the practice, whose language is English."""
    client = await make_client(runtime, practice, **({"locale": "en"} | fields))  # type: ignore[arg-type]  # the address is text
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/sign-in", client.email, PASSWORD)
    return browser


async def first_confirmation(browser: httpx.AsyncClient, offer: Offer) -> httpx.Response:
    """The page that asks whether to book the first free time of next week."""
    day = (datetime.now(UTC) + timedelta(days=7)).date()
    times = await browser.get(f"/book/{offer.service_id}", params={"from": day.isoformat()})
    links = re.findall(r'href="(/book/[^"]+/confirm\?[^"]+)"', times.text)
    return await browser.get(html.unescape(links[0]))


async def book(browser: httpx.AsyncClient, offer: Offer, method: str = "offline") -> str:
    """The address of a fresh appointment."""
    answer = await submit(browser, await first_confirmation(browser, offer), method=method)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def count_appointments(runtime: Runtime, practice: TenantContext) -> int:
    async with runtime.database.tenant(practice) as session:
        return (await session.execute(select(func.count()).select_from(Appointment))).scalar_one()


def id_in(address: str) -> UUID:
    return UUID(urlsplit(address).path.split("/")[2])
