"""Booking with anyone through the pages: the page says who it will be, and that is who it is."""

import html
import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from scheduling.catalogue.models import Practitioner, ServicePractitioner
from tests.conftest import HttpFactory
from tests.support.booking_pages import id_in, signed_in
from tests.support.pages import submit
from tests.support.scheduling import Offer, add_block, add_hours, make_practitioner, make_service, stored
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

MADRID = ZoneInfo("Europe/Madrid")


def next_week() -> date:
    return clock.now().astimezone(MADRID).date() + timedelta(days=7)


async def cheap_and_dear(runtime: Runtime, practice: TenantContext) -> tuple[Offer, Offer]:
    """Nora charges 45 euros for an hour, Dora 90 for an hour and a half."""
    async with runtime.database.tenant(practice) as session:
        people = [await make_practitioner(session, name=name) for name in ("Nora", "Dora")]
        for person in people:
            await add_hours(session, person.id)
        service = await make_service(session, *(person.id for person in people), price_minor=4500)
        own = await session.get_one(ServicePractitioner, (service.id, people[1].id))
        own.price_minor, own.duration_minutes = 9000, 90
    return Offer(people[0].id, service.id), Offer(people[1].id, service.id)


async def test_the_page_names_who_it_will_be_with_their_price_and_length(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    nora, dora = await cheap_and_dear(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        begin = datetime.combine(next_week(), time(), MADRID)
        await add_block(session, nora.practitioner_id, begin, begin + timedelta(days=1))
    browser = await signed_in(http, runtime, practice)
    times = await browser.get(f"/book/{nora.service_id}", params={"from": next_week().isoformat()})
    links = re.findall(r'href="(/book/[^"]+/confirm\?[^"]+)"', times.text)
    confirm = await browser.get(html.unescape(links[0]))
    assert "Dora" in confirm.text
    assert "Nora" not in confirm.text
    assert "€90.00" in confirm.text
    assert "10:30" in confirm.text  # an hour and a half from nine
    done = await submit(browser, confirm, method="offline")
    booked = await stored(runtime, practice, id_in(done.headers["location"]))
    assert (booked.practitioner_id, booked.price_minor) == (dora.practitioner_id, 9000)
    async with runtime.database.tenant(practice) as session:
        assert (await session.get_one(Practitioner, dora.practitioner_id)).last_assigned_at is not None


async def test_who_was_taken_meanwhile_is_not_replaced_in_silence(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    nora, _dora = await cheap_and_dear(runtime, practice)
    browser = await signed_in(http, runtime, practice)
    times = await browser.get(f"/book/{nora.service_id}", params={"from": next_week().isoformat()})
    links = re.findall(r'href="(/book/[^"]+/confirm\?[^"]+)"', times.text)
    confirm = await browser.get(html.unescape(links[0]))
    named = re.search(r'name="assigned_id" value="([^"]+)"', confirm.text)
    assert named is not None
    async with runtime.database.tenant(practice) as session:
        person = next(one for one in (nora, _dora) if str(one.practitioner_id) == named.group(1))
        begin = datetime.combine(next_week(), time(), MADRID)
        await add_block(session, person.practitioner_id, begin, begin + timedelta(days=1))
    refused = await submit(browser, confirm, method="offline")
    assert refused.status_code == 422
    assert "This time is not offered" in refused.text
