"""Booking a time for a client again every week or every other one, and what was booked together."""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from admin_portal.appointment_series import (
    book_series_as_staff,
    cancel_series_as_staff,
    check_series,
    check_whole_series,
    visible_series,
)
from admin_portal.calendar_access import CalendarEditor, look_of
from admin_portal.pages.appointments import entries_of
from admin_portal.pages.booking import Wanted, chosen_time, find_client, render_booking, repetitions
from admin_portal.pages.page import SignedIn, StaffPage
from notifications.formats import describe
from scheduling.appointments.models import Appointment
from scheduling.appointments.schemas import CancelRequest
from scheduling.appointments.series_schemas import StaffSeriesRequest
from scheduling.appointments.services.outcomes import set_meeting_url
from scheduling.appointments.services.series import Item, Plan, preview_series
from scheduling.appointments.services.series_keeping import is_to_come
from scheduling.availability.rules import Rule
from scheduling.catalogue.service import get_practitioner, list_all_services
from scheduling.fields import WebAddress
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission
from tenants.accounts.services.dependants import list_dependants
from todoenbalance.kit.errors import ForbiddenError, NotFoundError, ProblemError, ServiceUnavailableError
from todoenbalance.kit.idempotency.service import claim_key, request_digest, store_answer
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)

_MOST = 100
_OPERATION = "pages.admin.series"
_HERE = frozenset({"", "frequency", "count", "skip"})
"""The fields that can be put right on the page of the dates; the others are the booking page's."""
_CARRIED = (
    "client_id",
    "service_id",
    "practitioner_id",
    "day",
    "dependant_id",
    "location_kind",
    "meeting_url",
    "notes",
)
_LIBERTIES = ("outside_hours", "overlapping")


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


RULE_WORDS = {
    Rule.NOT_OFFERED: _("Not offered"),
    Rule.MINIMUM_NOTICE: _("Too soon"),
    Rule.HORIZON: _("Too far ahead"),
    Rule.GRID: _("Not a time to begin"),
    Rule.PUBLIC_HOLIDAY: _("Public holiday"),
    Rule.OPENING_HOURS: _("Outside the hours"),
    Rule.BLOCKED: _("Blocked"),
    Rule.EXTERNAL_CALENDAR: _("Busy in another calendar"),
    Rule.DAY_CAP: _("The day is full"),
    Rule.WEEK_CAP: _("The week is full"),
    Rule.TAKEN: _("Taken"),
}


class _Wish(StaffSeriesRequest):
    """With where online dates take place, which the booking page asks as well."""

    meeting_url: WebAddress | None = None


class _Booked(BaseModel):
    """What is kept of a booking for the same form sent again."""

    series_id: UUID


def _wish(
    page: StaffPage, form: Form, editor: CalendarEditor, *, skip: Sequence[str] = (), final: bool = False
) -> _Wish:
    """What is asked for; ``final``: with whom the dates were shown. Raises :class:`ForbiddenError` for what they may
    not, and as :meth:`Form.parse`."""
    given = form.optional(*_CARRIED, "frequency", "count", "with_id")
    given.pop("day", None)
    with_id = given.pop("with_id", None)
    if final and with_id:
        given["practitioner_id"] = with_id
    wish = form.parse(_Wish, {**given, **chosen_time(page, form), "skip": list(skip)})
    check_series(wish, editor)
    return wish


@router.post("/book/repeat")
async def show_dates(page: SignedIn) -> Response:
    """Which dates it would be, with whom, and which can't be had. A form, so that notes stay out of addresses;
    it writes nothing."""
    form = await page.read_form()
    editor = await page.need_editor()
    page.need(Permission.VIEW_CLIENTS)
    return await _render(page, editor, form)


async def _render(page: StaffPage, editor: CalendarEditor, form: Form, problem: ProblemError | None = None) -> Response:
    wanted = Wanted.read(page, form.optional("client_id", "service_id", "practitioner_id", "day"))
    values: dict[str, Any] = {"plan": None, "time": form.get("time")}
    try:
        wish = _wish(page, form, editor)
        plan = await preview_series(
            page.session,
            wish.service_id,
            wish.wish(wish.client_id),
            wish.pattern,
            by_client=False,
            liberties=wish.liberties,
        )
        values |= {"time": wish.starts_at.isoformat(), **await _described(page, form, plan)}
    except ProblemError as refused:
        problem = problem or refused
    if problem is not None:
        form.refuse(problem, page.locale)
    if wanted.client_id is None or form.errors.keys() - _HERE:
        return await render_booking(page, editor, wanted, form, problem)
    values |= await _chosen(page, wanted, form)
    if problem is not None:
        return page.render_refused("repeat.html", form, problem, **values)
    return page.render("repeat.html", form=form, **values)


async def _described(page: StaffPage, form: Form, plan: Plan) -> dict[str, Any]:
    """The dates, those ticked that are to be left out or can't be had, and what the others cost."""
    left_out = set(form.all("skip"))
    dates = [
        {
            "value": one.starts_at.isoformat(),
            "when": describe(one.starts_at, page.tenant.timezone, page.locale, ends_at=one.ends_at),
            "conflict": _conflict(page, one),
            "is_ticked": not one.is_free or one.starts_at.isoformat() in left_out,
        }
        for one in plan.items
    ]
    count = sum(not one["is_ticked"] for one in dates)
    return {
        "plan": plan,
        "practitioner": await get_practitioner(page.session, plan.practitioner_id),
        "dates": dates,
        "count": count,
        "total": plan.total_of(count).format(page.locale),
    }


def _conflict(page: StaffPage, item: Item) -> str | None:
    rule = item.judgement.rule
    return None if rule is None else page.t(RULE_WORDS[rule])


async def _chosen(page: StaffPage, wanted: Wanted, form: Form) -> dict[str, Any]:
    """What was chosen on the booking page, in words, and as the form carries it on."""
    assert wanted.client_id is not None  # noqa: S101 - asked before
    client = await find_client(page, wanted.client_id)
    services, _cursor = await list_all_services(page.session, limit=_MOST)
    family = await list_dependants(page.session, client.id)
    query = {name: form.get(name) for name in ("client_id", "service_id", "practitioner_id", "day")}
    return {
        "client": name_of(client, page.locale),
        "for_whom": next((name_of(one) for one in family if str(one.id) == form.get("dependant_id")), None),
        "service_name": next((one.name for one in services if one.id == wanted.service_id), "–"),
        "liberties": [name for name in _LIBERTIES if form.get(name) == "yes"],
        "carried": form.optional(*_CARRIED, *_LIBERTIES, "own_time"),
        "key": form.get("key") or secrets.token_urlsafe(16),
        "query": query,
        **repetitions(page),
    }


@router.post("/book/series")
async def book(page: SignedIn) -> Response:
    """Book the dates that are not ticked, all of them or none; once however often the button is pressed."""
    form = await page.read_form()
    editor = await page.need_editor()
    page.need(Permission.VIEW_CLIENTS)
    try:
        wish = _wish(page, form, editor, skip=form.all("skip"), final=True)
        async with page.session.begin_nested():
            series_id = await _book_once(page, editor, form.get("key"), wish)
    except ProblemError as problem:
        return await _render(page, editor, form, problem)
    return see_other(f"/admin/series/{series_id}")


async def _book_once(page: StaffPage, editor: CalendarEditor, key: str, wish: _Wish) -> UUID:
    """The form's key and content are the idempotency key."""
    digest = request_digest(wish)
    name = f"page:{sha256(f'{key}:{digest}'.encode()).hexdigest()}"
    account_id = editor.staff.id
    claim = await claim_key(page.session, account_id=account_id, key=name, operation=_OPERATION, digest=digest)
    if not claim.is_first:
        if claim.response is None:
            raise ServiceUnavailableError
        return _Booked.model_validate(claim.response).series_id
    rows = await book_series_as_staff(page.session, editor, wish, request_id=page.request_id)
    if wish.meeting_url is not None:
        for row in rows:
            await set_meeting_url(page.session, row.id, wish.meeting_url)
    series_id = rows[0].series_id
    assert series_id is not None  # noqa: S101 - just made with it
    done = _Booked(series_id=series_id)
    await store_answer(page.session, account_id=account_id, key=name, status_code=201, response=done)
    return series_id


@router.get("/series/{series_id}")
async def show_series(page: SignedIn, series_id: UUID) -> Response:
    """The appointments that were booked together, as far as they are theirs to see."""
    page.need(Permission.VIEW_CALENDAR)
    return await _render_series(page, series_id, page.blank_form())


async def _render_series(page: StaffPage, series_id: UUID, form: Form, problem: ProblemError | None = None) -> Response:
    rows = await visible_series(page.session, await look_of(page.staff, page.session), series_id)
    values: dict[str, Any] = {
        "series_id": series_id,
        "entries": await entries_of(page, rows),
        "to_cancel": await _to_cancel(page, series_id, rows),
    }
    if problem is not None:
        return page.render_refused("series.html", form, problem, **values)
    return page.render("series.html", form=form, **values)


async def _to_cancel(page: StaffPage, series_id: UUID, rows: Sequence[Appointment]) -> int:
    """How many of the dates they may cancel here."""
    try:
        await check_whole_series(page.session, await page.need_editor(), series_id)
    except ForbiddenError:
        return 0
    return sum(is_to_come(row) for row in rows)


@router.post("/series/{series_id}/cancel")
async def cancel(page: SignedIn, series_id: UUID) -> Response:
    """Cancel what is to come; whatever was paid goes back in full."""
    form = await page.read_form()
    editor = await page.need_editor()
    await check_whole_series(page.session, editor, series_id)
    try:
        wish = form.parse(CancelRequest, form.optional("reason"))
        async with page.session.begin_nested():
            await cancel_series_as_staff(page.session, editor, series_id, wish, request_id=page.request_id)
    except NotFoundError:
        raise
    except ProblemError as problem:
        return await _render_series(page, series_id, form, problem)
    return see_other(f"/admin/series/{series_id}")
