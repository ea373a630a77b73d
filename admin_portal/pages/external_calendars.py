"""Calendars that a practitioner keeps elsewhere: how fresh they are, adding, reading again, removing."""

from dataclasses import dataclass
from uuid import UUID

from babel.dates import format_timedelta
from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.calendar_access import CalendarEditor
from admin_portal.external_calendars import editable_calendar, record_calendar_action
from admin_portal.pages.page import SignedIn, StaffPage
from scheduling.catalogue.models import Practitioner
from scheduling.catalogue.service import get_practitioner
from scheduling.external_calendars import service
from scheduling.external_calendars.errors import ReadFailure
from scheduling.external_calendars.models import ExternalCalendar
from scheduling.external_calendars.schemas import ExternalCalendarCreate
from scheduling.external_calendars.staleness import is_stale
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/external-calendars", include_in_schema=False)


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


FAILURE_WORDS = {
    ReadFailure.ADDRESS_REFUSED: _("The address leads to a place that is not read."),
    ReadFailure.UNREACHABLE: _("The server could not be reached."),
    ReadFailure.NOT_ALLOWED: _("The server asks for a password. Copy the private address of the calendar again."),
    ReadFailure.NOT_FOUND: _("There is no calendar at this address any more. Copy it again."),
    ReadFailure.SERVER_ERROR: _("The server answered with an error."),
    ReadFailure.TOO_MANY_REDIRECTS: _("The address leads from one place to the next without end."),
    ReadFailure.TOO_SLOW: _("It took too long."),
    ReadFailure.TOO_LARGE: _("The calendar is too large."),
    ReadFailure.TOO_MANY_EVENTS: _("The calendar has too many events."),
    ReadFailure.UNREADABLE: _("What is at this address is not a calendar."),
}


@dataclass(frozen=True, slots=True)
class ShownCalendar:
    """A calendar and what is said of it."""

    calendar: ExternalCalendar
    freshness: str
    stale: bool
    failure: str | None


@router.get("/{practitioner_id}")
async def show(page: SignedIn, practitioner_id: UUID) -> Response:
    """The practitioner's external calendars."""
    _editor, who = await _editable(page, practitioner_id)
    return await _render(page, who, page.blank_form())


@router.post("/{practitioner_id}")
async def add(page: SignedIn, practitioner_id: UUID) -> Response:
    """One more; it is read at once."""
    form = await page.read_form()
    editor, who = await _editable(page, practitioner_id)
    try:
        values = {"practitioner_id": who.id, "name": form.get("name"), "address": form.get("address")}
        body = form.parse(ExternalCalendarCreate, values)
        async with page.session.begin_nested():
            calendar = await service.add_calendar(page.session, page.runtime, body)
    except ProblemError as problem:
        return await _render(page, who, form, problem)
    record_calendar_action(page.session, editor, "external_calendar.added", calendar, page.request_id)
    return see_other(f"/admin/external-calendars/{who.id}")


@router.post("/{practitioner_id}/{calendar_id}/refresh")
async def refresh(page: SignedIn, practitioner_id: UUID, calendar_id: UUID) -> Response:
    """Have it read now."""
    await page.read_form()
    await _own_calendar(page, practitioner_id, calendar_id)
    await service.ask_for_refresh(page.session, calendar_id)
    return see_other(f"/admin/external-calendars/{practitioner_id}")


@router.post("/{practitioner_id}/{calendar_id}/remove")
async def remove(page: SignedIn, practitioner_id: UUID, calendar_id: UUID) -> Response:
    """Forget it; its time is offered again."""
    await page.read_form()
    editor, calendar = await _own_calendar(page, practitioner_id, calendar_id)
    await service.remove_calendar(page.session, calendar_id)
    record_calendar_action(page.session, editor, "external_calendar.removed", calendar, page.request_id)
    return see_other(f"/admin/external-calendars/{practitioner_id}")


async def _editable(page: StaffPage, practitioner_id: UUID) -> tuple[CalendarEditor, Practitioner]:
    """Raises :class:`ForbiddenError` if this calendar is not theirs to change, :class:`NotFoundError`."""
    editor = await page.need_editor()
    editor.check(practitioner_id)
    return editor, await get_practitioner(page.session, practitioner_id)


async def _own_calendar(
    page: StaffPage, practitioner_id: UUID, calendar_id: UUID
) -> tuple[CalendarEditor, ExternalCalendar]:
    editor = await page.need_editor()
    editor.check(practitioner_id)
    calendar = await editable_calendar(page.session, editor, calendar_id)
    if calendar.practitioner_id != practitioner_id:
        raise NotFoundError
    return editor, calendar


async def _render(page: StaffPage, who: Practitioner, form: Form, problem: ProblemError | None = None) -> Response:
    found, _cursor = await service.list_calendars(page.session, who.id, limit=service.MOST_CALENDARS)
    calendars = [_shown(page, calendar) for calendar in found]
    may_add = len(calendars) < service.MOST_CALENDARS
    if problem is not None:
        return page.render_refused(
            "external_calendars.html", form, problem, who=who, calendars=calendars, may_add=may_add
        )
    return page.render("external_calendars.html", form=form, who=who, calendars=calendars, may_add=may_add)


def _shown(page: StaffPage, calendar: ExternalCalendar) -> ShownCalendar:
    stale = is_stale(calendar)
    failure = page.t(FAILURE_WORDS[ReadFailure(calendar.failure)]) if calendar.failure else None
    return ShownCalendar(calendar, _freshness(page, calendar, stale=stale), stale, failure)


def _freshness(page: StaffPage, calendar: ExternalCalendar, *, stale: bool) -> str:
    if calendar.refreshed_at is None:
        return page.t(_("Not read yet.")) if calendar.failure is None else page.t(_("It could not be read so far."))
    age = clock.now() - calendar.refreshed_at
    if stale:
        span = format_timedelta(age, granularity="minute", locale=page.locale)
        return page.t(_("Not read for %(span)s: busy times may be old."), span=span)
    ago = format_timedelta(-age, granularity="minute", add_direction=True, locale=page.locale)
    return page.t(_("Read %(ago)s."), ago=ago)
