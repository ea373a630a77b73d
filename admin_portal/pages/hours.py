"""When practitioners work: weekly hours, one-off openings, blocked periods."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import get_day_names
from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, StaffPage
from notifications.formats import describe, zone_label
from scheduling.catalogue import service
from scheduling.catalogue.models import BlockedTimeSlot, Practitioner, RecurringTimeSlot, TimeSlot
from scheduling.catalogue.schemas import BlockedTimeSlotCreate, RecurringTimeSlotCreate, TimeSlotCreate
from tenants.accounts.models import StaffRole
from tenants.accounts.permissions import Permission
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, NotFoundError, ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/hours", include_in_schema=False)

_MOST = 100


@router.get("")
async def choose(page: SignedIn) -> Response:
    """Whose hours; with one practitioner, theirs."""
    page.need(Permission.VIEW_CALENDAR)
    people, _cursor = await service.list_practitioners(page.session, limit=_MOST)
    if len(people) == 1:
        return see_other(f"/admin/hours/{people[0].id}")
    return page.render("hours_of.html", people=people)


@router.get("/{practitioner_id}")
async def show(page: SignedIn, practitioner_id: UUID) -> Response:
    """Everything that says when one practitioner works."""
    page.need(Permission.VIEW_CALENDAR)
    return await _render(page, await service.get_practitioner(page.session, practitioner_id))


@router.post("/{practitioner_id}/weekly")
async def add_weekly_hours(page: SignedIn, practitioner_id: UUID) -> Response:
    """The same hours on one weekday or several."""
    form = await page.read_form()
    who = await _editable(page, practitioner_id)
    try:
        days = form.all("weekday")
        if not days:
            form.add_error("weekday", "too_short")
        async with page.session.begin_nested():
            for weekday in days or ["1"]:
                values = {"practitioner_id": who.id, "weekday": weekday, **_texts(form, "start_time", "end_time")}
                body = form.parse(RecurringTimeSlotCreate, values | form.optional("valid_from", "valid_until"))
                await service.create_weekly_hours(page.session, body)
    except ProblemError as problem:
        return await _render(page, who, problem, weekly=form)
    return see_other(f"/admin/hours/{who.id}")


@router.post("/{practitioner_id}/openings")
async def add_opening(page: SignedIn, practitioner_id: UUID) -> Response:
    """Time on top of the weekly hours."""
    form = await page.read_form()
    who = await _editable(page, practitioner_id)
    try:
        body = form.parse(TimeSlotCreate, _period(form, who))
        async with page.session.begin_nested():
            await service.create_opening(page.session, body)
    except ProblemError as problem:
        return await _render(page, who, problem, opening=form)
    return see_other(f"/admin/hours/{who.id}#openings")


@router.post("/{practitioner_id}/blocks")
async def add_block(page: SignedIn, practitioner_id: UUID) -> Response:
    """Time in which nothing is offered; appointments in it stand."""
    form = await page.read_form()
    who = await _editable(page, practitioner_id)
    try:
        body = form.parse(BlockedTimeSlotCreate, _period(form, who) | form.optional("reason"))
        async with page.session.begin_nested():
            await service.create_block(page.session, body)
    except ProblemError as problem:
        return await _render(page, who, problem, block=form)
    return see_other(f"/admin/hours/{who.id}#blocks")


_Slot = RecurringTimeSlot | TimeSlot | BlockedTimeSlot
_FINDERS: dict[str, Callable[[TenantSession, UUID], Awaitable[_Slot]]] = {
    "weekly": service.get_weekly_hours,
    "openings": service.get_opening,
    "blocks": service.get_block,
}


@router.post("/{practitioner_id}/{kind}/{slot_id}/delete")
async def remove(page: SignedIn, practitioner_id: UUID, kind: str, slot_id: UUID) -> Response:
    """Take weekly hours, an opening or a block away."""
    await page.read_form()
    who = await _editable(page, practitioner_id)
    if kind not in _FINDERS:
        raise NotFoundError
    slot = await _FINDERS[kind](page.session, slot_id)
    if slot.practitioner_id != who.id:
        raise NotFoundError
    await service.remove_slot(page.session, slot)
    return see_other(f"/admin/hours/{who.id}#{kind}")


async def _editable(page: StaffPage, practitioner_id: UUID) -> Practitioner:
    """Raises :class:`ForbiddenError` if this calendar is not theirs to change."""
    editor = await page.need_editor()
    editor.check(practitioner_id)
    return await service.get_practitioner(page.session, practitioner_id)


def _texts(form: Form, *names: str) -> dict[str, str]:
    """Times as browsers send them, some with seconds."""
    return {name: form.get(name)[:5] for name in names}


def _period(form: Form, who: Practitioner) -> dict[str, Any]:
    zone = ZoneInfo(who.timezone)
    found = {name: form.local_time(name, zone) for name in ("starts_at", "ends_at")}
    form.raise_errors()
    return {"practitioner_id": who.id, **found}


async def _may_edit(page: StaffPage, who: Practitioner) -> bool:
    if page.may(Permission.MANAGE_CALENDAR):
        return True
    if page.staff.role != StaffRole.PRACTITIONER:
        return False
    try:
        (await page.need_editor()).check(who.id)
    except ForbiddenError:
        return False
    return True


async def _render(page: StaffPage, who: Practitioner, problem: ProblemError | None = None, **refused: Form) -> Response:
    """The page with its three forms, of which one may be refused."""
    session, now = page.session, clock.now()
    weekly, _cursor = await service.list_weekly_hours(session, who.id, limit=_MOST)
    openings, _cursor = await service.list_openings(session, who.id, now, limit=_MOST)
    blocks, _cursor = await service.list_blocks(session, who.id, now, limit=_MOST)
    names = get_day_names("wide", locale=page.locale)
    forms = {
        "weekly": page.blank_form(start_time="09:00", end_time="14:00"),
        "opening": page.blank_form(),
        "block": page.blank_form(),
    } | refused
    status = 200
    for form in refused.values():
        if problem is not None:
            status = form.refuse(problem, page.locale)
    return page.render(
        "hours.html",
        status=status,
        who=who,
        zone_words=zone_label(now.astimezone(ZoneInfo(who.timezone)), who.timezone, page.locale),
        weekly=[
            (slot, names[slot.weekday - 1].capitalize())
            for slot in sorted(weekly, key=lambda slot: (slot.weekday, slot.start_time, slot.valid_from or date.min))
        ],
        weekdays=[(number, names[number - 1].capitalize()) for number in range(1, 8)],
        openings=[(slot, _span(page, slot, who)) for slot in openings],
        blocks=[(slot, _span(page, slot, who)) for slot in blocks],
        forms=forms,
        can_edit=await _may_edit(page, who),
    )


def _span(page: StaffPage, slot: TimeSlot | BlockedTimeSlot, who: Practitioner) -> tuple[str, str]:
    begin = describe(slot.starts_at, who.timezone, page.locale)
    end = describe(slot.ends_at, who.timezone, page.locale)
    return f"{begin.day}, {begin.time}", end.time if end.day == begin.day else f"{end.day}, {end.time}"
