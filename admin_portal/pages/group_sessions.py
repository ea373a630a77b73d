"""Group sessions: the list, planning, and one session with its seats."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.calendar_access import check_liberties, look_of
from admin_portal.group_sessions import narrow, read_seats
from admin_portal.pages.appointments import HOLD_WORDS, STATUS_TAGS, STATUS_WORDS, read_day
from admin_portal.pages.catalogue import PLACES
from admin_portal.pages.page import SignedIn, StaffPage
from notifications.formats import When, describe, zone_label
from scheduling.appointments.history import Actor
from scheduling.appointments.models import HoldKind
from scheduling.appointments.placement import Liberties
from scheduling.catalogue.schemas import PractitionerAdminRead, ServiceAdminRead
from scheduling.catalogue.service import (
    find_practitioner_of_staff,
    get_practitioner,
    list_all_practitioners,
    list_all_services,
)
from scheduling.fields import midnight
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.repository import CANCELLED, GroupSessionFilter
from scheduling.group_sessions.schemas import (
    GroupSessionCancel,
    GroupSessionCreate,
    GroupSessionPatch,
    GroupSessionReschedule,
)
from scheduling.group_sessions.services import cancelling, moving, planning, reading
from scheduling.group_sessions.services.planning import Frequency
from tenants.accounts.permissions import Permission
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/group-sessions", include_in_schema=False)

_MOST = 100
_SHOWN_DAYS = 28
_LONGEST_SPAN = timedelta(days=366)


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


_REPETITIONS = {
    "": _("Once"),
    Frequency.WEEKLY.value: _("Every week"),
    Frequency.FORTNIGHTLY.value: _("Every other week"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One session, ready to be shown."""

    row: GroupSession
    when: When
    service_name: str
    practitioner_name: str
    place: str
    taken: int
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat, ready to be shown."""

    appointment_id: UUID
    client_name: str
    for_whom: str | None
    status_words: str
    status_tag: str


async def _catalogue(page: StaffPage) -> tuple[list[ServiceAdminRead], list[PractitionerAdminRead]]:
    services, _cursor = await list_all_services(page.session, limit=_MOST)
    people, _cursor = await list_all_practitioners(page.session, limit=_MOST)
    return services, people


async def _entries(page: StaffPage, rows: Sequence[GroupSession]) -> list[Entry]:
    """With the names behind the ids, on the practice's clock."""
    services, people = await _catalogue(page)
    taken = await reading.count_seats(page.session, [row.id for row in rows])
    service_names = {one.id: one.name for one in services}
    names = {one.id: one.name for one in people}
    places = {place.value: page.t(words) for place, words in PLACES.items()}
    return [
        Entry(
            row=row,
            when=describe(row.starts_at, page.tenant.timezone, page.locale, ends_at=row.ends_at),
            service_name=service_names.get(row.service_id, "–"),
            practitioner_name=names.get(row.practitioner_id, "–"),
            place=places.get(row.location_kind, row.location_kind),
            taken=taken.get(row.id, 0),
            is_cancelled=row.status == CANCELLED,
        )
        for row in rows
    ]


@router.get("")
async def list_sessions(
    page: SignedIn,
    first: Annotated[str, Query(alias="from", max_length=20)] = "",
    last: Annotated[str, Query(alias="to", max_length=20)] = "",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Sessions from one day to another, both included, on the practice's calendar."""
    page.need(Permission.VIEW_CALENDAR)
    zone = page.zone
    first_day = read_day(first, clock.now().astimezone(zone).date())
    last_day = read_day(last, first_day + timedelta(days=_SHOWN_DAYS - 1))
    last_day = min(max(last_day, first_day), first_day + _LONGEST_SPAN)
    wanted = GroupSessionFilter(starts=midnight(first_day, zone), ends=midnight(last_day + timedelta(days=1), zone))
    sight = await look_of(page.staff, page.session)
    rows, following = await reading.list_sessions(page.session, narrow(sight, wanted), limit=_MOST, cursor=cursor)
    return page.render(
        "group_sessions.html",
        entries=await _entries(page, rows),
        first_day=first_day.isoformat(),
        last_day=last_day.isoformat(),
        following=following,
        can_plan=bool(await _editable_people(page)),
    )


async def _editable_people(page: StaffPage) -> list[PractitionerAdminRead]:
    """Whose sessions they may plan."""
    people, _cursor = await list_all_practitioners(page.session, limit=_MOST)
    present = [one for one in people if not one.archived]
    if page.may(Permission.MANAGE_CALENDAR):
        return present
    own = await find_practitioner_of_staff(page.session, page.staff.id)
    return [one for one in present if own is not None and one.id == own.id]


@router.get("/new")
async def ask_what_to_plan(page: SignedIn) -> Response:
    """An empty form."""
    await page.need_editor()
    return await _render_new(page, page.blank_form(count=10))


async def _render_new(page: StaffPage, form: Form, problem: ProblemError | None = None) -> Response:
    services, _people = await _catalogue(page)
    values: dict[str, Any] = {
        "services": [(one.id, one.name) for one in services if one.capacity is not None and not one.archived],
        "people": [(one.id, one.name) for one in await _editable_people(page)],
        "places": [("", page.t("Where the service allows it")), *_places(page)],
        "repetitions": [(value, page.t(words)) for value, words in _REPETITIONS.items()],
        "may_override": page.may(Permission.OVERRIDE_CALENDAR),
    }
    if problem is not None:
        return page.render_refused("group_session_new.html", form, problem, **values)
    return page.render("group_session_new.html", form=form, **values)


def _places(page: StaffPage) -> list[tuple[str, str]]:
    return [(kind.value, page.t(words)) for kind, words in PLACES.items()]


@router.post("/new")
async def plan(page: SignedIn) -> Response:
    """Plan one or several."""
    form = await page.read_form()
    editor = await page.need_editor()
    try:
        body = form.parse(GroupSessionCreate, await _read_plan(page, form))
        editor.check(body.practitioner_id)
        liberties = Liberties(outside_hours=body.outside_hours)
        check_liberties(page.staff, liberties, body.practitioner_id)
        async with page.session.begin_nested():
            made = await planning.plan_sessions(
                page.session, body.plan(), actor=Actor.staff(page.staff.id), liberties=liberties
            )
    except ProblemError as problem:
        return await _render_new(page, form, problem)
    page.record("group_session.planned", made[0].id, sessions=len(made), outside_hours=body.outside_hours)
    return see_other(f"/admin/group-sessions/{made[0].id}" if len(made) == 1 else "/admin/group-sessions")


async def _read_plan(page: StaffPage, form: Form) -> dict[str, Any]:
    """Times are on the clock of the practitioner who was chosen."""
    values: dict[str, Any] = form.optional("service_id", "practitioner_id", "location_kind", "meeting_url")
    try:
        who = await get_practitioner(page.session, UUID(form.get("practitioner_id")))
    except (ValueError, NotFoundError):
        form.add_error("practitioner_id", "unknown_id")
        form.raise_errors()
        raise
    values["starts_at"] = form.local_time("starts_at", ZoneInfo(who.timezone))
    values["capacity"] = form.whole("capacity") if form.get("capacity") else None
    values["outside_hours"] = form.get("outside_hours") == "yes"
    if form.get("frequency"):
        values["repeat"] = {"frequency": form.get("frequency"), "count": form.whole("count")}
    form.raise_errors()
    return values


@router.get("/{session_id}")
async def show_session(page: SignedIn, session_id: UUID) -> Response:
    """One session, who comes, and what can be done with it."""
    page.need(Permission.VIEW_CALENDAR)
    row = await reading.get_session(page.session, session_id)
    (await look_of(page.staff, page.session)).check(row.practitioner_id)
    return await _render(page, row)


async def _render(page: StaffPage, row: GroupSession, problem: ProblemError | None = None, **refused: Form) -> Response:
    """The page with its three forms, of which one may be refused."""
    status = 200
    for form in refused.values():
        if problem is not None:
            status = form.refuse(problem, page.locale)
    who = await get_practitioner(page.session, row.practitioner_id)
    people = await _editable_people(page)
    local = row.starts_at.astimezone(ZoneInfo(who.timezone))
    forms = {
        "change": page.blank_form(
            capacity=row.capacity, location_kind=row.location_kind, meeting_url=row.meeting_url or ""
        ),
        "move": page.blank_form(starts_at=f"{local:%Y-%m-%dT%H:%M}", practitioner_id=str(row.practitioner_id)),
        "cancel": page.blank_form(),
    }
    [entry] = await _entries(page, [row])
    return page.render(
        "group_session.html",
        status=status,
        entry=entry,
        seats=await _seats(page, row.id),
        forms=forms | refused,
        places=_places(page),
        people=[(one.id, one.name) for one in people],
        zone_words=zone_label(clock.now().astimezone(ZoneInfo(who.timezone)), who.timezone, page.locale),
        can_edit=any(one.id == row.practitioner_id for one in people) and not entry.is_cancelled,
        may_override=page.may(Permission.OVERRIDE_CALENDAR),
    )


async def _seats(page: StaffPage, session_id: UUID) -> list[Seat]:
    rows = await reading.list_seats(page.session, session_id)
    return [
        Seat(
            appointment_id=one.appointment_id,
            client_name=one.client_name,
            for_whom=one.dependant_name,
            status_words=page.t(HOLD_WORDS.get((one.status, _kind(row.hold_kind)), STATUS_WORDS[one.status])),
            status_tag=STATUS_TAGS.get(one.status, ""),
        )
        for row, one in zip(rows, await read_seats(page.session, page.locale, rows), strict=True)
    ]


def _kind(text: str | None) -> HoldKind:
    return HoldKind(text) if text is not None else HoldKind.PAYMENT


@router.post("/{session_id}/change")
async def change(page: SignedIn, session_id: UUID) -> Response:
    """How many seats there are, and where it takes place."""
    form = await page.read_form()
    row = await _editable(page, session_id)
    try:
        values = {"capacity": form.whole("capacity"), "location_kind": form.get("location_kind")}
        values["meeting_url"] = form.get("meeting_url") or None
        form.raise_errors()
        changes = form.parse(GroupSessionPatch, values).changes()
        async with page.session.begin_nested():
            await planning.change_session(page.session, session_id, changes, actor=Actor.staff(page.staff.id))
    except ProblemError as problem:
        return await _render(page, await reading.get_session(page.session, session_id), problem, change=form)
    page.record("group_session.changed", row.id, fields=sorted(changes))
    return see_other(f"/admin/group-sessions/{session_id}")


@router.post("/{session_id}/move")
async def move(page: SignedIn, session_id: UUID) -> Response:
    """Another time, or somebody else's, for everyone in it."""
    form = await page.read_form()
    row = await _editable(page, session_id)
    version = row.version
    try:
        body = form.parse(GroupSessionReschedule, await _read_move(page, form))
        to_id = body.practitioner_id or row.practitioner_id
        (await page.need_editor()).check(to_id)
        liberties = Liberties(outside_hours=body.outside_hours)
        check_liberties(page.staff, liberties, to_id)
        async with page.session.begin_nested():
            moved = await moving.move_session(
                page.session,
                session_id,
                body.starts_at,
                practitioner_id=to_id,
                actor=Actor.staff(page.staff.id),
                liberties=liberties,
            )
    except ProblemError as problem:
        return await _render(page, await reading.get_session(page.session, session_id), problem, move=form)
    if moved.version != version:
        page.record("group_session.moved", session_id, outside_hours=body.outside_hours)
    return see_other(f"/admin/group-sessions/{session_id}")


async def _read_move(page: StaffPage, form: Form) -> dict[str, Any]:
    values = await _read_plan(page, form)
    return {name: values[name] for name in ("starts_at", "practitioner_id", "outside_hours")}


@router.post("/{session_id}/cancel")
async def cancel(page: SignedIn, session_id: UUID) -> Response:
    """Cancel it with every seat."""
    form = await page.read_form()
    await _editable(page, session_id)
    try:
        wish = form.parse(GroupSessionCancel, form.optional("reason"))
        async with page.session.begin_nested():
            done = await cancelling.cancel_session(
                page.session, session_id, actor=Actor.staff(page.staff.id), reason=wish.reason
            )
    except ProblemError as problem:
        return await _render(page, await reading.get_session(page.session, session_id), problem, cancel=form)
    if not done.was_cancelled:
        page.record("group_session.cancelled", session_id, seats=done.seats, refund_minor=done.refund_minor)
    return see_other(f"/admin/group-sessions/{session_id}")


async def _editable(page: StaffPage, session_id: UUID) -> GroupSession:
    """Raises :class:`ForbiddenError` if this calendar is not theirs to change."""
    editor = await page.need_editor()
    row = await reading.get_session(page.session, session_id)
    editor.check(row.practitioner_id)
    return row
