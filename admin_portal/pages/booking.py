"""Booking for a client, and moving: one of the free times, or, for those who may, any time of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.appointments import book_as_staff, move_as_staff
from admin_portal.calendar_access import CalendarEditor, look_of
from admin_portal.pages.appointments import entries_of, read_day
from admin_portal.pages.catalogue import PLACES
from admin_portal.pages.page import SignedIn, StaffPage
from notifications.formats import describe
from scheduling.appointments.models import Appointment
from scheduling.appointments.schemas import StaffBookingRequest, StaffRescheduleRequest
from scheduling.appointments.series import LEAST_DATES, MOST_DATES, Frequency
from scheduling.appointments.services import reading
from scheduling.availability.rules import load_rules
from scheduling.availability.service import find_slots
from scheduling.catalogue.schemas import PractitionerRead, ServiceRead
from scheduling.catalogue.service import list_practitioners, list_services
from scheduling.fields import midnight
from tenants.accounts.models import Client
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission
from tenants.accounts.services.client_accounts import get_client, list_clients
from tenants.accounts.services.dependants import list_dependants
from todoenbalance.kit import clock
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)

_MOST = 100
_FOUND = 20
_USUAL_COUNT = 4
OWN_TIME = "own"
"""What stands for a time that is not one of the list."""


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


FREQUENCY_WORDS = {Frequency.WEEKLY: _("every week"), Frequency.FORTNIGHTLY: _("every two weeks")}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What has been chosen so far, as it travels in the address."""

    client_id: UUID | None
    service_id: UUID | None
    practitioner_id: UUID | None
    day: date

    @classmethod
    def read(cls, page: StaffPage, values: dict[str, str]) -> "Wanted":
        """From an address or a form; what makes no sense counts as not chosen."""
        today = clock.now().astimezone(page.zone).date()
        return cls(
            client_id=_uuid(values.get("client_id", "")),
            service_id=_uuid(values.get("service_id", "")),
            practitioner_id=_uuid(values.get("practitioner_id", "")),
            day=read_day(values.get("day", ""), today),
        )


@router.get("/book")
async def show_booking(page: SignedIn, search: Annotated[str, Query(max_length=100)] = "") -> Response:
    """For whom, what, with whom, when: one thing after the other."""
    editor = await page.need_editor()
    page.need(Permission.VIEW_CLIENTS)
    wanted = Wanted.read(page, dict(page.request.query_params))
    return await render_booking(page, editor, wanted, _blank(page), search=search)


def _blank(page: StaffPage) -> Form:
    return page.blank_form(time="", own_time="", frequency=Frequency.WEEKLY, count=_USUAL_COUNT)


async def render_booking(
    page: StaffPage,
    editor: CalendarEditor,
    wanted: Wanted,
    form: Form,
    problem: ProblemError | None = None,
    *,
    search: str = "",
) -> Response:
    """The page, as far as has been chosen."""
    sight = await look_of(page.staff, page.session)
    values: dict[str, Any] = {"wanted": wanted, "search": search, "client": None, "found": [], "times": []}
    if wanted.client_id is not None:
        values |= await _choices(page, editor, wanted, await find_client(page, wanted.client_id))
    elif search.strip():
        found, _cursor = await list_clients(
            page.session, search=search.strip(), among=sight.among_clients(), limit=_FOUND
        )
        values["found"] = [(one.id, name_of(one, page.locale), one.email) for one in found]
    if problem is not None:
        return page.render_refused("book.html", form, problem, **values)
    return page.render("book.html", form=form, **values)


async def find_client(page: StaffPage, client_id: UUID) -> Client:
    """Raises :class:`NotFoundError` for someone they may not know of."""
    sight = await look_of(page.staff, page.session)
    return await get_client(page.session, client_id, among=sight.among_clients())


async def _choices(page: StaffPage, editor: CalendarEditor, wanted: Wanted, client: Client) -> dict[str, Any]:
    services, _cursor = await list_services(page.session, limit=_MOST)
    service = next((one for one in services if one.id == wanted.service_id), None)
    people = await _people(page, editor, service)
    family = await list_dependants(page.session, client.id)
    return {
        "client": name_of(client, page.locale),
        "services": [(str(one.id), one.name) for one in services],
        "service": service,
        "people": people,
        "for_whom": [("", name_of(client, page.locale)), *((str(one.id), name_of(one)) for one in family)],
        "places": _places(page, service),
        "times": await _times(page, service.id, wanted) if service else [],
        "day_words": describe(midnight(wanted.day, page.zone), page.tenant.timezone, page.locale).day,
        "may_override": page.may(Permission.OVERRIDE_CALENDAR),
        **repetitions(page),
    }


def repetitions(page: StaffPage) -> dict[str, Any]:
    """How an appointment can be repeated."""
    return {
        "frequencies": [(one.value, page.t(words)) for one, words in FREQUENCY_WORDS.items()],
        "counts": [(number, str(number)) for number in range(LEAST_DATES, MOST_DATES + 1)],
    }


async def _people(page: StaffPage, editor: CalendarEditor, service: ServiceRead | None) -> list[tuple[str, str]]:
    """Who may be chosen: practitioners have themselves only."""
    everyone, _cursor = await list_practitioners(page.session, limit=_MOST)
    offering: Sequence[PractitionerRead] = [one for one in everyone if service is None or service.id in one.service_ids]
    if editor.own_id is not None:
        return [(str(one.id), one.name) for one in offering if one.id == editor.own_id]
    return [("", page.t("Whoever is free")), *((str(one.id), one.name) for one in offering)]


def _places(page: StaffPage, service: ServiceRead | None) -> list[tuple[str, str]]:
    words = {place.value: sentence for place, sentence in PLACES.items()}
    return [(kind, page.t(words.get(kind, kind))) for kind in service.location_kinds] if service else []


async def _times(page: StaffPage, service_id: UUID, wanted: Wanted) -> list[tuple[str, str]]:
    """The free starts of the day, each once."""
    rules = await load_rules(page.session, service_id, include_archived=True)
    begins, ends = midnight(wanted.day, page.zone), midnight(wanted.day + timedelta(days=1), page.zone)
    slots = await find_slots(page.session, rules, begins, ends, wanted.practitioner_id)
    starts = [datetime.fromtimestamp(one, UTC) for one in sorted({slot.start for slot in slots})]
    return [(one.isoformat(), describe(one, page.tenant.timezone, page.locale).time) for one in starts]


def chosen_time(page: StaffPage, form: Form) -> dict[str, Any]:
    """The start, and the liberties that were ticked; a time of one's own is on the practice's clock."""
    ticked = {name: form.get(name) == "yes" for name in ("outside_hours", "overlapping")}
    if form.get("time") != OWN_TIME:
        return {"starts_at": form.get("time"), **ticked}
    own = form.local_time("own_time", page.zone)
    form.raise_errors()
    return {"starts_at": own, **ticked}


@router.post("/book")
async def book(page: SignedIn) -> Response:
    """Book it; the client is told by mail as of any booking."""
    form = await page.read_form()
    editor = await page.need_editor()
    page.need(Permission.VIEW_CLIENTS)
    wanted = Wanted.read(page, form.optional("client_id", "service_id", "practitioner_id", "day"))
    names = ("client_id", "service_id", "practitioner_id", "dependant_id", "location_kind", "notes", "meeting_url")
    try:
        body = form.parse(StaffBookingRequest, {**form.optional(*names), **chosen_time(page, form)})
        async with page.session.begin_nested():
            made = await book_as_staff(page.session, editor, body, request_id=page.request_id)
    except ProblemError as problem:
        return await render_booking(page, editor, wanted, form, problem)
    return see_other(f"/admin/appointments/{made.id}")


@router.get("/move/{appointment_id}")
async def show_move(page: SignedIn, appointment_id: UUID) -> Response:
    """The free times of a day to move it to."""
    row = await _own(page, appointment_id)
    return await _render_move(page, row, dict(page.request.query_params), page.blank_form(time="", own_time=""))


async def _own(page: StaffPage, appointment_id: UUID) -> Appointment:
    """An appointment of a calendar that they may change."""
    editor = await page.need_editor()
    row = await reading.get_appointment(page.session, appointment_id)
    editor.check(row.practitioner_id)
    return row


async def _render_move(
    page: StaffPage, row: Appointment, given: dict[str, str], form: Form, problem: ProblemError | None = None
) -> Response:
    editor = await page.need_editor()
    day = row.starts_at.astimezone(page.zone).date().isoformat()
    wanted = Wanted.read(page, {"day": day, "practitioner_id": str(row.practitioner_id)} | given)
    services, _cursor = await list_services(page.session, limit=_MOST)
    service = next((one for one in services if one.id == row.service_id), None)
    values: dict[str, Any] = {
        "entry": (await entries_of(page, [row]))[0],
        "wanted": wanted,
        "people": await _people(page, editor, service),
        "times": await _times(page, row.service_id, wanted),
        "day_words": describe(midnight(wanted.day, page.zone), page.tenant.timezone, page.locale).day,
        "may_override": page.may(Permission.OVERRIDE_CALENDAR),
    }
    if problem is not None:
        return page.render_refused("move.html", form, problem, **values)
    return page.render("move.html", form=form, **values)


@router.post("/move/{appointment_id}")
async def move(page: SignedIn, appointment_id: UUID) -> Response:
    """Move it; the old time is kept if the new one can't be had."""
    form = await page.read_form()
    editor = await page.need_editor()
    row = await _own(page, appointment_id)
    given = form.optional("practitioner_id", "day")
    try:
        body = form.parse(StaffRescheduleRequest, {**form.optional("practitioner_id"), **chosen_time(page, form)})
        async with page.session.begin_nested():
            await move_as_staff(page.session, editor, appointment_id, body, request_id=page.request_id)
    except ProblemError as problem:
        row = await reading.get_appointment(page.session, appointment_id)
        return await _render_move(page, row, given, form, problem)
    return see_other(f"/admin/appointments/{appointment_id}")
