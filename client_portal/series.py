"""Booking a time again every week or every other one: the dates with their conflicts, then all of them at once."""

import secrets
from hashlib import sha256
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from client_portal.booking import for_whom_choices, read_choice, read_instant
from client_portal.page import ClientPage, SignedIn
from client_portal.terms import terms_before
from client_portal.views import place_words, view_appointment
from notifications.formats import describe
from scheduling.appointments.history import Actor
from scheduling.appointments.schemas import CancelRequest
from scheduling.appointments.series import LEAST_DATES, MOST_DATES, Frequency
from scheduling.appointments.series_schemas import SeriesRead, SeriesRequest
from scheduling.appointments.services.series import Plan, book_series, preview_series
from scheduling.appointments.services.series_keeping import cancel_series, list_series
from scheduling.appointments.terms import Terms
from scheduling.catalogue.models import Service
from scheduling.catalogue.service import get_offered_service, get_practitioner
from tenants.settings.service import get_practice_settings
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.idempotency.service import claim_key, request_digest, store_answer
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.ratelimit import BOOKING
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account

router = APIRouter(include_in_schema=False)

_USUAL_COUNT = 4
_OPTIONAL = ("practitioner_id", "location_kind", "notes", "dependant_id")


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


FREQUENCY_WORDS = {Frequency.WEEKLY: _("every week"), Frequency.FORTNIGHTLY: _("every two weeks")}
CONFLICT_WORDS = {"slot_taken": _("Taken"), "slot_not_offered": _("Not offered")}


@router.get("/book/{service_id}/repeat")
async def show_dates(page: SignedIn, service_id: UUID) -> Response:
    """Which dates it would be, with whom, and which of them can't be had. Reading it writes nothing."""
    await give_connection_back(page.session)
    await limit_account(page.runtime, context_of(page.request), BOOKING, str(page.client.id))
    service = await get_offered_service(page.session, service_id)
    asked = page.request.query_params
    form = page.blank_form(
        key=secrets.token_urlsafe(16),
        starts_at=asked.get("starts_at"),
        practitioner_id=asked.get("practitioner_id") or None,
        timezone=asked.get("timezone"),
        frequency=asked.get("frequency") or Frequency.WEEKLY,
        count=asked.get("count") or _USUAL_COUNT,
        location_kind=service.location_kinds[0],
    )
    return await _render(page, service, form)


async def _render(page: ClientPage, service: Service, form: Form, problem: ProblemError | None = None) -> Response:
    starts_at = read_instant(form.get("starts_at"))
    if starts_at is None:
        raise NotFoundError
    choice = read_choice(page, {name: form.get(name) for name in ("practitioner_id", "timezone")})
    values: dict[str, Any] = {
        "service": service,
        "starts_at": starts_at,
        "choice": choice,
        "when": describe(starts_at, choice.timezone, page.locale),
        "frequencies": [(one.value, page.t(words)) for one, words in FREQUENCY_WORDS.items()],
        "counts": [(number, str(number)) for number in range(LEAST_DATES, MOST_DATES + 1)],
        "for_whom": await for_whom_choices(page),
        "places": [(kind, place_words(page, kind)) for kind in service.location_kinds],
        "back": f"/book/{service.id}/confirm?{choice.query(starts_at=starts_at.isoformat())}",
        "plan": None,
        "dates": [],
    }
    try:
        wish = form.parse(SeriesRequest, _wished(service, form))
        plan = await preview_series(page.session, service.id, wish.wish(page.client.id), wish.pattern, by_client=True)
        values |= await _described(page, service, plan, choice.timezone)
    except ProblemError as refused:
        problem = problem or refused
    if problem is not None:
        return page.render_refused("repeat.html", form, problem, **values)
    return page.render("repeat.html", form=form, **values)


def _wished(service: Service, form: Form) -> dict[str, Any]:
    """What is asked for, without the dates to leave out: those are found anew."""
    return {
        "service_id": service.id,
        **form.optional("starts_at", "frequency", "count", *_OPTIONAL),
    }


async def _described(page: ClientPage, service: Service, plan: Plan, timezone: str) -> dict[str, Any]:
    settings = await get_practice_settings(page.session)
    free = [one for one in plan.items if one.is_free]
    price = plan.price_minor
    return {
        "plan": plan,
        "practitioner": await get_practitioner(page.session, plan.practitioner_id),
        "dates": [
            (
                describe(one.starts_at, timezone, page.locale, ends_at=one.ends_at),
                page.t(CONFLICT_WORDS[one.code]) if one.code else None,
            )
            for one in plan.items
        ],
        "free_count": len(free),
        "skip": [one.starts_at.isoformat() for one in plan.conflicts],
        "total": plan.total_of(len(free)).format(page.locale) if price else None,
        "terms": terms_before(page, Terms.offered(service, settings), service.currency, has_price=price > 0),
        "needs_approval": service.requires_approval,
    }


@router.post("/book/{service_id}/repeat")
async def book(page: SignedIn, service_id: UUID) -> Response:
    """Book the dates that were shown as free, all of them or none; once however often the button is pressed."""
    form = await page.read_form()
    await give_connection_back(page.session)
    await limit_account(page.runtime, context_of(page.request), BOOKING, str(page.client.id))
    service = await get_offered_service(page.session, service_id)
    try:
        wish = form.parse(SeriesRequest, {**_wished(service, form), "skip": form.all("skip")})
        async with page.session.begin_nested():
            await _book_once(page, form.get("key"), wish)
    except ProblemError as problem:
        return await _render(page, service, form, problem)
    return see_other("/appointments")


async def _book_once(page: ClientPage, key: str, wish: SeriesRequest) -> None:
    """The form's key and content are the idempotency key."""
    digest = request_digest(wish)
    name = f"page:{sha256(f'{key}:{digest}'.encode()).hexdigest()}"
    claim = await claim_key(page.session, account_id=page.client.id, key=name, operation="pages.repeat", digest=digest)
    if not claim.is_first:
        return
    rows = await book_series(
        page.session, wish.service_id, wish.wish(page.client.id), wish.pattern, Actor.client(page.client.id)
    )
    await store_answer(page.session, account_id=page.client.id, key=name, status_code=201, response=SeriesRead.of(rows))


@router.get("/series/{series_id}")
async def show_series(page: SignedIn, series_id: UUID) -> Response:
    """The appointments that were booked together, and what cancelling those to come would do."""
    return await _render_series(page, series_id, page.blank_form())


async def _render_series(
    page: ClientPage, series_id: UUID, form: Form, problem: ProblemError | None = None
) -> Response:
    rows = await list_series(page.session, series_id, client_id=page.client.id)
    views = [await view_appointment(page, row) for row in rows]
    values: dict[str, Any] = {
        "views": views,
        "series_id": series_id,
        "to_cancel": [one for one in views if one.can_cancel],
    }
    if problem is not None:
        return page.render_refused("series.html", form, problem, **values)
    return page.render("series.html", form=form, **values)


@router.post("/series/{series_id}/cancel")
async def cancel(page: SignedIn, series_id: UUID) -> Response:
    """Cancel what is to come, each appointment by its own terms."""
    form = await page.read_form()
    try:
        wish = form.parse(CancelRequest, form.optional("reason"))
        async with page.session.begin_nested():
            await cancel_series(
                page.session,
                series_id,
                actor=Actor.client(page.client.id),
                client_id=page.client.id,
                reason=wish.reason,
            )
    except NotFoundError:
        raise
    except ProblemError as problem:
        return await _render_series(page, series_id, form, problem)
    return see_other(f"/series/{series_id}")
