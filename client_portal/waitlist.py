"""The waiting list on the booking site: asking to be told of a time, and answering what is offered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, get_day_names
from fastapi import APIRouter
from starlette.responses import Response

from client_portal.booking import read_choice
from client_portal.page import ClientPage, SignedIn
from client_portal.views import place_words
from notifications.formats import When, describe
from scheduling.appointments.errors import OfferOverError
from scheduling.appointments.history import Actor
from scheduling.catalogue.models import Service
from scheduling.catalogue.service import get_offered_service, get_practitioner, get_service, list_practitioners
from scheduling.waitlist import service as waitlist
from scheduling.waitlist.schemas import LONGEST_WAIT_DAYS, WaitlistEntryRead, WaitlistWish
from tenants.accounts.names import name_of
from tenants.accounts.services.dependants import find_dependant, list_dependants
from todoenbalance.kit import clock
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.ratelimit import BOOKING
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account

router = APIRouter(include_in_schema=False)

_MOST_ON_A_PAGE = 100
_SHOWN_DAYS = 30
_FIELDS = ("practitioner_id", "location_kind", "first_day", "last_day", "earliest", "latest", "dependant_id")


@dataclass(frozen=True, slots=True)
class WaitingView:
    """One entry, ready to be shown. ``offered`` and what follows it are None while nothing is."""

    entry: WaitlistEntryRead
    service_name: str
    practitioner_name: str | None
    for_whom: str | None
    days: str
    hours: str | None
    offered: When | None
    kept_until: When | None


async def view_waiting(page: ClientPage) -> list[WaitingView]:
    """What the client waits for, in their language; offered times are in their zone, wishes in the practice's."""
    rows = await waitlist.list_live_entries(page.session, page.client.id)
    reads = await waitlist.describe_entries(page.session, rows, WaitlistEntryRead)
    return [await _view(page, read) for read in reads]


async def _view(page: ClientPage, read: WaitlistEntryRead) -> WaitingView:
    who = read.offer.practitioner_id if read.offer else read.practitioner_id
    dependant = await find_dependant(page.session, read.dependant_id)
    offer = read.offer
    return WaitingView(
        entry=read,
        service_name=(await get_service(page.session, read.service_id)).name,
        practitioner_name=(await get_practitioner(page.session, who)).name if who else None,
        for_whom=name_of(dependant, page.locale) if dependant else None,
        days=_days_words(page, read),
        hours=_hours_words(page, read),
        offered=describe(offer.starts_at, page.timezone, page.locale, ends_at=offer.ends_at) if offer else None,
        kept_until=describe(offer.expires_at, page.timezone, page.locale) if offer else None,
    )


def _days_words(page: ClientPage, read: WaitlistEntryRead) -> str:
    first, last = (format_date(day, "long", locale=page.locale) for day in (read.first_day, read.last_day))
    days = first if first == last else page.t("%(first)s to %(last)s", first=first, last=last)
    if read.weekdays is None:
        return days
    names = get_day_names("wide", locale=page.locale)
    return f"{days} ({', '.join(names[day - 1] for day in read.weekdays)})"


def _hours_words(page: ClientPage, read: WaitlistEntryRead) -> str | None:
    earliest, latest = (
        format_time(hour, "short", locale=page.locale) if hour is not None else None
        for hour in (read.earliest, read.latest)
    )
    if earliest and latest:
        return page.t("Starts from %(earliest)s to %(latest)s", earliest=earliest, latest=latest)
    if earliest:
        return page.t("Starts from %(earliest)s on", earliest=earliest)
    return page.t("Starts until %(latest)s", latest=latest) if latest else None


# ---- joining


@router.get("/book/{service_id}/waitlist")
async def ask_to_join(page: SignedIn, service_id: UUID) -> Response:
    """What to wait for."""
    service = await get_offered_service(page.session, service_id)
    choice = read_choice(page, page.request.query_params)
    today = _today(page)
    last = today + timedelta(days=min(_SHOWN_DAYS, service.horizon_days))
    form = page.blank_form(practitioner_id=choice.practitioner_id, first_day=today, last_day=last)
    return await _render(page, service, form)


@router.post("/book/{service_id}/waitlist")
async def join(page: SignedIn, service_id: UUID) -> Response:
    """Stand in line; pressed twice, the second one finds the first."""
    form = await page.read_form()
    await give_connection_back(page.session)
    await limit_account(page.runtime, context_of(page.request), BOOKING, str(page.client.id))
    service = await get_offered_service(page.session, service_id)
    try:
        values: dict[str, Any] = {"service_id": service.id, **form.optional(*_FIELDS)}
        weekdays = form.all("weekdays")
        if weekdays and len(weekdays) < 7:
            values["weekdays"] = weekdays
        wish = form.parse(WaitlistWish, values)
        async with page.session.begin_nested():
            await waitlist.join_line(page.session, page.client.id, wish)
    except ProblemError as problem:
        return await _render(page, service, form, problem)
    return see_other("/appointments#waiting")


async def _render(page: ClientPage, service: Service, form: Form, problem: ProblemError | None = None) -> Response:
    everyone, _cursor = await list_practitioners(page.session, limit=_MOST_ON_A_PAGE)
    people = [one for one in everyone if service.id in one.service_ids]
    today, names = _today(page), get_day_names("wide", locale=page.locale)
    values: dict[str, Any] = {
        "service": service,
        "people": _choices(page.t("Whoever is free"), [(str(one.id), one.name) for one in people]),
        "places": _choices(page.t("Anywhere"), [(kind, place_words(page, kind)) for kind in service.location_kinds]),
        "for_whom": _choices(
            page.t("For me"),
            [(str(one.id), name_of(one)) for one in await list_dependants(page.session, page.client.id)],
        ),
        "weekdays": [(day, names[day - 1].capitalize()) for day in range(1, 8)],
        "first": today.isoformat(),
        "last": (today + timedelta(days=min(LONGEST_WAIT_DAYS, service.horizon_days))).isoformat(),
    }
    if problem is not None:
        return page.render_refused("waitlist.html", form, problem, **values)
    return page.render("waitlist.html", form=form, **values)


def _choices(any_one: str, choices: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """With a first choice that stands for all; empty where there is nothing to choose."""
    return [("", any_one), *choices] if choices else []


def _today(page: ClientPage) -> date:
    return clock.now().astimezone(ZoneInfo(page.tenant.timezone)).date()


# ---- answering


@router.post("/waitlist/{entry_id}/accept")
async def accept(page: SignedIn, entry_id: UUID) -> Response:
    """Take the time; where something is due, its page goes on to paying."""
    await page.read_form()
    try:
        async with page.session.begin_nested():
            entry = await waitlist.accept(page.session, entry_id, client_id=page.client.id)
    except OfferOverError as problem:
        return see_other(f"/appointments?problem={problem.code}")
    return see_other(f"/appointments/{entry.appointment_id}" if entry.appointment_id else "/appointments")


@router.post("/waitlist/{entry_id}/decline")
async def decline(page: SignedIn, entry_id: UUID) -> Response:
    """Let the next one have it, and wait on."""
    await page.read_form()
    try:
        async with page.session.begin_nested():
            await waitlist.decline(page.session, entry_id, client_id=page.client.id, stay=True)
    except OfferOverError as problem:
        return see_other(f"/appointments?problem={problem.code}")
    return see_other("/appointments#waiting")


@router.post("/waitlist/{entry_id}/leave")
async def leave(page: SignedIn, entry_id: UUID) -> Response:
    """Wait no longer."""
    await page.read_form()
    actor = Actor.client(page.client.id)
    await waitlist.leave_line(page.session, entry_id, actor=actor, client_id=page.client.id)
    return see_other("/appointments")
