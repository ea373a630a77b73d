"""The private address by which another calendar reads a practitioner's appointments."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.calendar_feeds import FEED_ENDED, FEED_MADE
from admin_portal.pages.page import SignedIn, StaffPage
from notifications.formats import describe
from scheduling.catalogue.models import Practitioner
from scheduling.catalogue.service import get_practitioner
from scheduling.feeds import service
from scheduling.feeds.errors import NoFeedForThemError
from scheduling.feeds.models import CalendarFeed, FeedOwner
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/practitioners/{practitioner_id}/calendar", include_in_schema=False)


def _path(who: Practitioner) -> str:
    return f"/admin/practitioners/{who.id}/calendar"


async def _editable(page: StaffPage, practitioner_id: UUID) -> Practitioner:
    """Raises :class:`ForbiddenError` if this calendar is not theirs to change."""
    (await page.need_editor()).check(practitioner_id)
    return await get_practitioner(page.session, practitioner_id)


@router.get("")
async def show_feed(page: SignedIn, practitioner_id: UUID) -> Response:
    """Whether there is an address, and buttons to make and end it."""
    who = await _editable(page, practitioner_id)
    return _render(page, who, await service.find_feed(page.session, FeedOwner.PRACTITIONER, who.id))


@router.post("")
async def make_feed(page: SignedIn, practitioner_id: UUID) -> Response:
    """A new address, shown in the answer and never again."""
    await page.read_form()
    who = await _editable(page, practitioner_id)
    page.need_fresh(_path(who))
    try:
        feed, token = await service.make_practitioner_feed(page.session, who.id, made_by=page.staff.id)
    except NoFeedForThemError as problem:
        return _render(page, who, None, problem=problem)
    page.record(FEED_MADE, who.id)
    return _render(page, who, feed, service.address_of(page.runtime.settings, page.tenant, token))


@router.post("/end")
async def end_feed(page: SignedIn, practitioner_id: UUID) -> Response:
    """End it: calendars that subscribed find nothing there any more."""
    await page.read_form()
    who = await _editable(page, practitioner_id)
    if await service.end_feed(page.session, FeedOwner.PRACTITIONER, who.id):
        page.record(FEED_ENDED, who.id)
    return see_other(_path(who))


def _render(
    page: StaffPage,
    who: Practitioner,
    feed: CalendarFeed | None,
    url: str | None = None,
    problem: NoFeedForThemError | None = None,
) -> Response:
    return page.render(
        "calendar_feed.html",
        status=problem.status if problem else 200,
        who=who,
        feed=feed,
        made=_day(page, feed.created_at) if feed else None,
        read=_day(page, feed.read_at) if feed and feed.read_at else None,
        url=url,
        app_url=service.app_address(url) if url else None,
        problem=problem.detail(page.locale) if problem else None,
    )


def _day(page: StaffPage, moment: datetime) -> str:
    return describe(moment, page.tenant.timezone, page.locale).day
