"""Who waits for a time: first come first, and taking someone out of the line."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from babel.dates import format_date, format_time, get_day_names
from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.calendar_access import look_of
from admin_portal.pages.page import SignedIn, StaffPage
from admin_portal.waitlist import describe_for_staff, narrow, remove_entry
from notifications.formats import When, describe
from scheduling.catalogue.service import list_all_practitioners, list_all_services
from scheduling.waitlist import service as waitlist
from scheduling.waitlist.repository import LIVE, WaitlistFilter
from scheduling.waitlist.schemas import WaitlistEntryAdminRead
from tenants.accounts.permissions import Permission
from todoenbalance.kit.errors import ForbiddenError
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/waitlist", include_in_schema=False)

_MOST = 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """One entry, ready to be shown."""

    entry: WaitlistEntryAdminRead
    service_name: str
    practitioner_name: str | None
    days: str
    hours: str
    since: When
    offered: When | None


@router.get("")
async def list_waiting(
    page: SignedIn,
    service_id: Annotated[str, Query(max_length=40)] = "",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Everybody whom the reader may know of."""
    page.need(Permission.VIEW_CALENDAR)
    services, _cursor = await list_all_services(page.session, limit=_MOST)
    names = {one.id: one.name for one in services}
    chosen = next((key for key in names if str(key) == service_id), None)
    sight = await look_of(page.staff, page.session)
    wanted = narrow(sight, WaitlistFilter(service_id=chosen, statuses=LIVE))
    rows, following = await waitlist.list_entries(page.session, wanted, limit=_MOST, cursor=cursor)
    people, _cursor = await list_all_practitioners(page.session, limit=_MOST)
    who = {one.id: one.name for one in people}
    reads = await describe_for_staff(page.session, sight, rows)
    return page.render(
        "waitlist.html",
        waiting=[_shown(page, read, names, who) for read in reads],
        services=sorted(names.items(), key=lambda one: one[1].casefold()),
        chosen=chosen,
        following=following,
        may_change=await _is_editor(page),
    )


@router.post("/{entry_id}/remove")
async def remove(page: SignedIn, entry_id: UUID) -> Response:
    """Take someone out of the line; a time that is kept for them goes to the next."""
    await page.read_form()
    await remove_entry(page.session, await page.need_editor(), entry_id, page.request_id)
    return see_other("/admin/waitlist")


async def _is_editor(page: StaffPage) -> bool:
    try:
        await page.need_editor()
    except ForbiddenError:
        return False
    return True


def _shown(page: StaffPage, read: WaitlistEntryAdminRead, services: dict[UUID, str], who: dict[UUID, str]) -> Waiting:
    zone, offer = page.tenant.timezone, read.offer
    practitioner_id = offer.practitioner_id if offer else read.practitioner_id
    return Waiting(
        entry=read,
        service_name=services.get(read.service_id, "–"),
        practitioner_name=who.get(practitioner_id, "–") if practitioner_id else None,
        days=_days(page, read),
        hours="–".join(
            format_time(hour, "short", locale=page.locale) if hour else "…" for hour in (read.earliest, read.latest)
        )
        if read.earliest or read.latest
        else "",
        since=describe(read.created_at, zone, page.locale),
        offered=describe(offer.starts_at, zone, page.locale, ends_at=offer.ends_at) if offer else None,
    )


def _days(page: StaffPage, read: WaitlistEntryAdminRead) -> str:
    ends = (format_date(day, "medium", locale=page.locale) for day in (read.first_day, read.last_day))
    days = "–".join(dict.fromkeys(ends))
    if read.weekdays is None:
        return days
    names = get_day_names("abbreviated", locale=page.locale)
    return f"{days} ({', '.join(names[day - 1] for day in read.weekdays)})"
