"""When practitioners work: weekly hours, one-off openings, blocked periods."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import get_day_names
from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.pages.catalogue import PLACES
from admin_portal.pages.page import SignedIn, StaffPage
from admin_portal.pages.rule_words import rule_in_words
from notifications.formats import describe, zone_label
from scheduling.catalogue import service
from scheduling.catalogue.hours_schemas import (
    BlockedTimeSlotCreate,
    RecurringBlockedTimeSlotCreate,
    RecurringTimeSlotCreate,
    TimeSlotCreate,
)
from scheduling.catalogue.models import BlockedTimeSlot, Practitioner, RecurringTimeSlot, TimeSlot
from scheduling.catalogue.services import hours
from scheduling.catalogue.services.hours import Slot
from tenants.accounts.models import StaffRole
from tenants.accounts.permissions import Permission
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, NotFoundError, ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/hours", include_in_schema=False)

_MOST = 100
_LONGEST_LIST = timedelta(days=365)
"""The page of appointments shows no more at once."""


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


_OWN_RULE = "own"
_WEEKLY_RULES = {
    "": _("Every week"),
    "FREQ=WEEKLY;INTERVAL=2": _("Every other week"),
    _OWN_RULE: _("By a rule of your own"),
}
_BLOCK_RULES = {
    "FREQ=WEEKLY": _("Every week"),
    "FREQ=WEEKLY;INTERVAL=2": _("Every other week"),
    "FREQ=DAILY": _("Every day"),
    "FREQ=MONTHLY": _("Every month, on the same date"),
    "FREQ=YEARLY": _("Every year, on the same date"),
    _OWN_RULE: _("By a rule of your own"),
}


@router.get("")
async def choose(page: SignedIn) -> Response:
    """Whose hours; with one practitioner, theirs."""
    page.need(Permission.VIEW_CALENDAR)
    people, _cursor = await service.list_practitioners(page.session, limit=_MOST)
    if len(people) == 1:
        return see_other(f"/admin/hours/{people[0].id}")
    return page.render("hours_of.html", people=people)


@router.get("/{practitioner_id}")
async def show(
    page: SignedIn,
    practitioner_id: UUID,
    inside: Annotated[str, Query(max_length=6)] = "",
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    last: Annotated[str, Query(alias="to", max_length=10)] = "",
) -> Response:
    """Everything that says when one practitioner works; after a change, how many appointments it leaves standing."""
    page.need(Permission.VIEW_CALENDAR)
    standing = int(inside) if inside.isascii() and inside.isdigit() else 0
    link = f"/admin/appointments?{urlencode({'from': first, 'to': last})}"
    who = await service.get_practitioner(page.session, practitioner_id)
    return await _render(page, who, standing=(standing, link) if standing else None)


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
                values |= form.optional("valid_from", "valid_until") | _rule(form)
                if values.get("rrule") is None:
                    values.pop("anchor_date", None)
                values["location_kinds"] = form.all("location_kinds") or None
                await hours.create_weekly_hours(page.session, form.parse(RecurringTimeSlotCreate, values))
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
            await hours.create_opening(page.session, body)
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
            block = await hours.create_block(page.session, body)
    except ProblemError as problem:
        return await _render(page, who, problem, block=form)
    return await _see_standing(page, block, "blocks")


@router.post("/{practitioner_id}/recurring-blocks")
async def add_recurring_block(page: SignedIn, practitioner_id: UUID) -> Response:
    """Time in which nothing is offered, again and again; appointments in it stand."""
    form = await page.read_form()
    who = await _editable(page, practitioner_id)
    try:
        values = {"practitioner_id": who.id, **_texts(form, "start_time"), **_rule(form)}
        values["duration_minutes"] = form.whole("duration_minutes")
        values |= form.optional("valid_until", "reason")
        body = form.parse(RecurringBlockedTimeSlotCreate, values)
        async with page.session.begin_nested():
            block = await hours.create_recurring_block(page.session, body)
    except ProblemError as problem:
        return await _render(page, who, problem, recurring=form)
    return await _see_standing(page, block, "recurring-blocks")


_FINDERS: dict[str, Callable[[TenantSession, UUID], Awaitable[Slot]]] = {
    "weekly": hours.get_weekly_hours,
    "openings": hours.get_opening,
    "blocks": hours.get_block,
    "recurring-blocks": hours.get_recurring_block,
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
    is_work = kind in ("weekly", "openings")
    answer = await _see_standing(page, slot, kind) if is_work else see_other(f"/admin/hours/{who.id}#{kind}")
    await hours.remove_slot(page.session, slot)
    return answer


async def _see_standing(page: StaffPage, slot: Slot, section: str) -> Response:
    """Back to the hours, which say how many appointments stand in time that is not offered any more, if any."""
    address = f"/admin/hours/{slot.practitioner_id}"
    count = await hours.count_appointments_inside(page.session, slot)
    if not count:
        return see_other(f"{address}#{section}")
    first, last = _shown_days(slot, clock.now().astimezone(page.zone), page.zone)
    return see_other(f"{address}?{urlencode({'inside': count, 'from': first, 'to': last})}")


def _shown_days(slot: Slot, now: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """The days on the practice's calendar where these appointments are listed."""
    today = now.date()
    if isinstance(slot, TimeSlot | BlockedTimeSlot):
        return max(slot.starts_at.astimezone(zone).date(), today), slot.ends_at.astimezone(zone).date()
    return today, today + _LONGEST_LIST


async def _editable(page: StaffPage, practitioner_id: UUID) -> Practitioner:
    """Raises :class:`ForbiddenError` if this calendar is not theirs to change."""
    editor = await page.need_editor()
    editor.check(practitioner_id)
    return await service.get_practitioner(page.session, practitioner_id)


def _texts(form: Form, *names: str) -> dict[str, str]:
    """Times as browsers send them, some with seconds."""
    return {name: form.get(name)[:5] for name in names}


def _rule(form: Form) -> dict[str, Any]:
    """The chosen rule, or the one that was written, and the day it counts from."""
    chosen = form.get("repeats")
    if chosen == _OWN_RULE and not form.get("rrule"):
        form.add_error("rrule", "missing")
    rule = form.get("rrule") if chosen == _OWN_RULE else chosen
    if rule and not form.get("anchor_date"):
        form.add_error("anchor_date", "missing")
    return {"rrule": rule or None, "anchor_date": form.get("anchor_date") or None}


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


async def _render(
    page: StaffPage,
    who: Practitioner,
    problem: ProblemError | None = None,
    standing: tuple[int, str] | None = None,
    **refused: Form,
) -> Response:
    """The page with its four forms, of which one may be refused."""
    session, now = page.session, clock.now()
    weekly, _cursor = await hours.list_weekly_hours(session, who.id, limit=_MOST)
    openings, _cursor = await hours.list_periods(session, TimeSlot, who.id, now, limit=_MOST)
    blocks, _cursor = await hours.list_periods(session, BlockedTimeSlot, who.id, now, limit=_MOST)
    recurring, _cursor = await hours.list_recurring_blocks(session, who.id, limit=_MOST)
    names = get_day_names("wide", locale=page.locale)
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
            (slot, names[slot.weekday - 1].capitalize(), _closes(slot), _conditions(page, slot))
            for slot in sorted(weekly, key=lambda slot: (slot.weekday, slot.start_time, slot.valid_from or date.min))
        ],
        weekdays=[(number, names[number - 1].capitalize()) for number in range(1, 8)],
        openings=[(slot, _span(page, slot, who)) for slot in openings],
        blocks=[(slot, _span(page, slot, who)) for slot in blocks],
        recurring=[(slot, rule_in_words(page, slot.rrule, slot.anchor_date)) for slot in recurring],
        weekly_rules=[(rule, page.t(words)) for rule, words in _WEEKLY_RULES.items()],
        block_rules=[(rule, page.t(words)) for rule, words in _BLOCK_RULES.items()],
        places=[(kind.value, page.t(words)) for kind, words in PLACES.items()],
        forms=_blank_forms(page) | refused,
        standing=standing,
        can_edit=await _may_edit(page, who),
    )


def _blank_forms(page: StaffPage) -> dict[str, Form]:
    return {
        "weekly": page.blank_form(start_time="09:00", end_time="14:00"),
        "opening": page.blank_form(),
        "block": page.blank_form(),
        "recurring": page.blank_form(start_time="14:00", duration_minutes=60),
    }


def _closes(slot: RecurringTimeSlot) -> str:
    return "24:00" if slot.end_time == time() else slot.end_time.strftime("%H:%M")


def _conditions(page: StaffPage, slot: RecurringTimeSlot) -> list[str]:
    """What else holds for weekly hours: which weeks, where."""
    found = []
    if slot.rrule is not None and slot.anchor_date is not None:
        found.append(rule_in_words(page, slot.rrule, slot.anchor_date))
    if slot.location_kinds is not None:
        found.append(", ".join(page.t(words) for kind, words in PLACES.items() if kind in slot.location_kinds))
    return found


def _span(page: StaffPage, slot: TimeSlot | BlockedTimeSlot, who: Practitioner) -> tuple[str, str]:
    begin = describe(slot.starts_at, who.timezone, page.locale)
    end = describe(slot.ends_at, who.timezone, page.locale)
    return f"{begin.day}, {begin.time}", end.time if end.day == begin.day else f"{end.day}, {end.time}"
