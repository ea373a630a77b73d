"""The private address by which a client's own calendar app reads their appointments."""

from datetime import datetime

from fastapi import APIRouter
from starlette.responses import Response

from client_portal.page import ClientPage, SignedIn
from notifications.formats import describe
from scheduling.feeds import service
from scheduling.feeds.models import CalendarFeed, FeedOwner
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/account/calendar", include_in_schema=False)

_HERE = "/account/calendar"


@router.get("")
async def show_feed(page: SignedIn) -> Response:
    """Whether there is an address, and buttons to make and end it."""
    feed = await service.find_feed(page.session, FeedOwner.CLIENT, page.client.id)
    return _render(page, feed)


@router.post("")
async def make_feed(page: SignedIn) -> Response:
    """A new address, shown in the answer and never again."""
    await page.read_form()
    page.need_fresh(_HERE)
    feed, token = await service.make_client_feed(page.session, page.client.id)
    return _render(page, feed, service.address_of(page.runtime.settings, page.tenant, token))


@router.post("/end")
async def end_feed(page: SignedIn) -> Response:
    """End it: apps that subscribed find nothing there any more."""
    await page.read_form()
    await service.end_feed(page.session, FeedOwner.CLIENT, page.client.id)
    return see_other(_HERE)


def _render(page: ClientPage, feed: CalendarFeed | None, url: str | None = None) -> Response:
    return page.render(
        "calendar_feed.html",
        feed=feed,
        made=_day(page, feed.created_at) if feed else None,
        read=_day(page, feed.read_at) if feed and feed.read_at else None,
        url=url,
        app_url=service.app_address(url) if url else None,
    )


def _day(page: ClientPage, moment: datetime) -> str:
    return describe(moment, page.timezone, page.locale).day
