"""From the list of services to a booked time: what there is, when it is free, is this right, done."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.responses import Response

from billing.checkout.schemas import Purpose
from billing.discounts.service import MAX_CODE
from billing.providers.offline import NAME as OFFLINE
from client_portal.cards import offer_card
from client_portal.page import SignedIn, Visitor, VisitorPage
from client_portal.paying import start_paying
from client_portal.terms import terms_before
from client_portal.times import find_week
from client_portal.views import AppointmentView, cancellation_terms, method_choices, place_words, price_words
from notifications.formats import describe, zone_label
from scheduling.appointments.errors import SlotNotOfferedError, SlotTakenError
from scheduling.appointments.placement import Prospect, foresee
from scheduling.appointments.schemas import AppointmentRead, BookingRequest
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.moving import within_reach
from scheduling.appointments.services.pricing import Means, Price, due_of
from scheduling.appointments.terms import Terms
from scheduling.availability.rules import Rules, load_rules
from scheduling.catalogue.models import Practitioner, Service
from scheduling.catalogue.schemas import PractitionerRead
from scheduling.catalogue.service import (
    get_offered_practitioner,
    get_offered_service,
    list_practitioners,
    list_services,
)
from scheduling.group_sessions.availability import list_open_sessions
from scheduling.quotes.service import Answer, quote_listed
from tenants.accounts.names import name_of
from tenants.accounts.services.dependants import list_dependants
from tenants.settings.service import get_practice_settings, usable_methods
from todoenbalance.kit import clock
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.idempotency.service import claim_key, request_digest, store_answer
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.pages.zones import zone_choices
from todoenbalance.kit.ratelimit import BOOKING, DISCOUNT
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account
from todoenbalance.kit.zones import is_zone

router = APIRouter(include_in_schema=False)

_MOST_ON_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class Choice:
    """What a visitor has chosen so far, as it travels in addresses. Unknown zones and dates are left out."""

    practitioner_id: UUID | None
    timezone: str

    def query(self, **more: str | None) -> str:
        """As a query string."""
        given = {"practitioner_id": self.practitioner_id and str(self.practitioner_id), "timezone": self.timezone}
        return urlencode({name: value for name, value in (given | more).items() if value})


def read_choice(page: VisitorPage, values: Mapping[str, str]) -> Choice:
    """From an address or a form; what makes no sense counts as not chosen."""
    zone = values.get("timezone", "")
    return Choice(_uuid(values.get("practitioner_id", "")), zone if is_zone(zone) else page.timezone)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def read_day(text: str) -> date | None:
    """A date of an address, or None."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_instant(text: str) -> datetime | None:
    """An instant of an address or form, or None without an offset or out of range."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    if instant.tzinfo is None or not 2000 <= instant.year < 2200:
        return None
    return instant.astimezone(UTC)


@router.get("/")
async def show_services(page: Visitor) -> Response:
    """What the practice offers."""
    services, _cursor = await list_services(page.session, limit=_MOST_ON_A_PAGE)
    settings = await get_practice_settings(page.session)
    shown = [
        {
            "service": one,
            "price": price_words(page, one.price.amount, one.price.currency),
            "deposit": one.deposit and price_words(page, one.deposit.amount, one.deposit.currency),
            "places": [place_words(page, kind) for kind in one.location_kinds],
        }
        for one in services
        if one.practitioner_ids
    ]
    return page.render(
        "landing.html",
        services=shown,
        tagline=settings.branding.get("tagline"),
        terms=cancellation_terms(page, settings.cancellation_notice_hours),
    )


@router.get("/book/{service_id}")
async def show_times(
    page: Visitor,
    service_id: UUID,
    first_day: Annotated[str, Query(alias="from", max_length=40)] = "",
    practitioner_id: Annotated[str, Query(max_length=40)] = "",
    timezone: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The free times of a week."""
    service = await get_offered_service(page.session, service_id)
    choice = read_choice(page, {"practitioner_id": practitioner_id, "timezone": timezone})
    return await render_times(page, service, choice, read_day(first_day), address=f"/book/{service.id}")


async def render_times(
    page: VisitorPage,
    service: Service,
    choice: Choice,
    first_day: date | None,
    *,
    address: str,
    problem: ProblemError | None = None,
    moving: AppointmentView | None = None,
) -> Response:
    """The page of free times: to book at, or, with another ``address``, to move an appointment to (``moving``)."""
    rules = await load_rules(page.session, service.id)
    if moving is not None:
        rules = within_reach(rules, moving.row)
    everyone, _cursor = await list_practitioners(page.session, limit=_MOST_ON_A_PAGE)
    people: list[PractitionerRead] = [one for one in everyone if one.id in rules.people]
    if choice.practitioner_id is not None:
        await get_offered_practitioner(page.session, choice.practitioner_id)
    zone = ZoneInfo(choice.timezone)
    week = await find_week(page.session, rules, zone, first_day, choice.practitioner_id, page.locale)
    return page.render(
        "times.html",
        status=problem.status if problem is not None else 200,
        problem=problem.detail(page.locale) if problem is not None else None,
        service=service,
        price=price_words(page, service.price_minor, service.currency),
        people=people,
        choice=choice,
        week=week,
        first_day=week.days[0].date,
        zone_words=zone_label(clock.now().astimezone(zone), choice.timezone, page.locale),
        zones=list(dict.fromkeys([choice.timezone, *zone_choices()])),
        address=address,
        moving=moving,
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """A time that somebody wants to book."""

    service: Service
    practitioner: Practitioner | None
    starts_at: datetime
    choice: Choice


async def _read_wish(page: VisitorPage, service_id: UUID, values: Mapping[str, str]) -> Wish:
    """Raises :class:`NotFoundError` for a service, practitioner or time that can't be."""
    service = await get_offered_service(page.session, service_id)
    choice = read_choice(page, values)
    practitioner = None
    if choice.practitioner_id is not None:
        practitioner = await get_offered_practitioner(page.session, choice.practitioner_id)
    starts_at = read_instant(values.get("starts_at", ""))
    if starts_at is None:
        raise NotFoundError
    return Wish(service, practitioner, starts_at, choice)


@router.get("/book/{service_id}/confirm")
async def show_confirmation(page: Visitor, service_id: UUID) -> Response:
    """What is about to be booked, on which terms; anonymous visitors are asked to sign in here."""
    code = page.request.query_params.get("discount_code", "").strip()[:MAX_CODE]
    if code and page.client is not None:
        await give_connection_back(page.session)
        await limit_account(page.runtime, context_of(page.request), DISCOUNT, str(page.client.id))
    wish = await _read_wish(page, service_id, page.request.query_params)
    form = page.blank_form(
        key=secrets.token_urlsafe(16), location_kind=wish.service.location_kinds[0], discount_code=code
    )
    return await _render_confirmation(page, wish, form)


async def _render_confirmation(
    page: VisitorPage, wish: Wish, form: Form, problem: ProblemError | None = None
) -> Response:
    service = wish.service
    settings = await get_practice_settings(page.session)
    methods = usable_methods(page.runtime.settings, settings)
    rules = await load_rules(page.session, service.id)
    prospect = None
    if service.capacity is None:
        prospect = await foresee(page.session, rules, wish.starts_at, wish.choice.practitioner_id)
    price_minor = prospect.person.price_minor if prospect else service.price_minor
    quoted = await _quote(page, wish, price_minor, form.get("discount_code"))
    cost = quoted.price
    due = cost.due_minor
    length = prospect.person.duration if prospect else timedelta(minutes=service.duration_minutes)
    ends_at = wish.starts_at + length
    practitioner = wish.practitioner
    if prospect is not None and practitioner is None:
        practitioner = await get_offered_practitioner(page.session, prospect.person.id)
    if methods and problem is None:
        names = ("key", "location_kind", "discount_code")
        form = page.blank_form(**{name: form.get(name) for name in names}, method=methods[0], package_purchase_id="")
    terms = Terms.offered(service, settings)
    card = await offer_card(page, terms.no_show_fee_minor, service.currency, methods)
    values: dict[str, Any] = {
        "service": service,
        "practitioner": practitioner,
        "assigned_id": practitioner.id if practitioner and wish.practitioner is None else None,
        "starts_at": wish.starts_at,
        "choice": wish.choice,
        "when": describe(wish.starts_at, wish.choice.timezone, page.locale, ends_at=ends_at),
        "price": price_words(page, price_minor, service.currency),
        "due": price_words(page, due, service.currency) if due else None,
        "quote": quoted,
        "discount": price_words(page, cost.discount_minor, service.currency) if cost.discount_minor else None,
        "cost": price_words(page, cost.cost_minor, service.currency),
        "later": price_words(page, cost.later_minor, service.currency) if cost.later_minor else None,
        "code": form.get("discount_code") if quoted.problem is None else "",
        "code_problem": quoted.problem.detail(page.locale) if quoted.problem else None,
        "packages": package_choices(page, quoted) if cost.cost_minor else [],
        "is_deposit": service.deposit_minor is not None,
        "hold_minutes": settings.hold_minutes,
        "terms": [*terms_before(page, terms, service.currency, has_price=price_minor > 0), *card.told],
        "card": card,
        "needs_approval": service.requires_approval,
        "may_repeat": service.capacity is None and (not due or service.requires_approval or OFFLINE in methods),
        "for_whom": await for_whom_choices(page),
        "places": [(kind, place_words(page, kind)) for kind in await _places_of(page, wish, rules, prospect)],
        "methods": method_choices(page, methods),
        "times_address": f"/book/{service.id}?{wish.choice.query(**{'from': _local_day(wish)})}",
        "here": page.request.url.path + "?" + wish.choice.query(starts_at=wish.starts_at.isoformat()),
    }
    if problem is not None:
        return page.render_refused("confirm.html", form, problem, **values)
    return page.render("confirm.html", form=form, **values)


async def _quote(page: VisitorPage, wish: Wish, price_minor: int, code: str) -> Answer:
    """By the rule of booking; of an anonymous visitor nothing is known but the price that is listed."""
    service = wish.service
    if page.client is None:
        due = due_of(service, price_minor)
        return Answer(Price(currency=service.currency, listed_minor=price_minor, due_minor=due))
    means = Means(code=code or None)
    return await quote_listed(page.session, page.client.id, service, price_minor, wish.starts_at, means)


def package_choices(page: VisitorPage, quoted: Answer) -> list[tuple[str, str]]:
    """To pay with money, or with a session of one of one's packages; empty where there is nothing to choose."""
    if not quoted.usable:
        return []
    choices = [
        (str(one.id), page.t("%(package)s (%(count)s left)", package=one.name, count=left))
        for one, left in quoted.usable
    ]
    return [("", page.t("With money")), *choices]


async def _places_of(page: VisitorPage, wish: Wish, rules: Rules, prospect: Prospect | None) -> list[str]:
    """Where it may take place then; a group's session is where it is."""
    kinds = list(wish.service.location_kinds)
    if wish.service.capacity is None:
        return list(prospect.location_kinds) if prospect else kinds
    then = wish.starts_at, wish.starts_at + timedelta(seconds=1)
    found = await list_open_sessions(page.session, rules, *then, wish.choice.practitioner_id)
    return [kind for kind in kinds if kind in {one.location_kind for one in found}] or kinds[:1]


async def for_whom_choices(page: VisitorPage) -> list[tuple[str, str]]:
    """Oneself and one's dependants; empty where there is nobody to choose."""
    if page.client is None:
        return []
    people = await list_dependants(page.session, page.client.id)
    if not people:
        return []
    return [("", page.t("For me")), *((str(one.id), name_of(one)) for one in people)]


def _local_day(wish: Wish) -> str:
    return wish.starts_at.astimezone(ZoneInfo(wish.choice.timezone)).date().isoformat()


@router.post("/book/{service_id}/confirm")
async def book(page: SignedIn, service_id: UUID) -> Response:
    """Book it, once however often the button is pressed, and go on to pay where something is due."""
    form = await page.read_form()
    await give_connection_back(page.session)
    await limit_account(page.runtime, context_of(page.request), BOOKING, str(page.client.id))
    names = ("starts_at", "practitioner_id", "timezone")
    # Whom the page named, where the client chose nobody: the price and the length were theirs.
    assigned_id = _uuid(form.get("assigned_id"))
    wish = await _read_wish(page, service_id, {name: form.get(name) for name in names})
    try:
        body = form.parse(
            BookingRequest,
            {
                "service_id": wish.service.id,
                "starts_at": wish.starts_at,
                "practitioner_id": wish.choice.practitioner_id or assigned_id,
                **form.optional("location_kind", "notes", "dependant_id", "package_purchase_id"),
                **({} if form.get("package_purchase_id") else form.optional("discount_code")),
            },
        )
        async with page.session.begin_nested():
            was_assigned = assigned_id is not None and wish.choice.practitioner_id is None
            appointment_id, due = await _book_once(page, form.get("key"), body, assigned=was_assigned)
    except (SlotTakenError, SlotNotOfferedError) as problem:
        day = date.fromisoformat(_local_day(wish))
        address = f"/book/{wish.service.id}"
        return await render_times(page, wish.service, wish.choice, day, address=address, problem=problem)
    except ProblemError as problem:
        return await _render_confirmation(page, wish, form, problem)
    if not due:
        return see_other(f"/appointments/{appointment_id}")
    return await start_paying(page, appointment_id, form, Purpose.BOOKING)


async def _book_once(page: SignedIn, key: str, body: BookingRequest, *, assigned: bool) -> tuple[UUID, bool]:
    """The appointment's id, and whether something is due. The form's key and content are the idempotency key."""
    digest = request_digest(body)
    name = f"page:{sha256(f'{key}:{digest}'.encode()).hexdigest()}"
    operation = "pages.book"
    claim = await claim_key(page.session, account_id=page.client.id, key=name, operation=operation, digest=digest)
    if not claim.is_first:
        answer = AppointmentRead.model_validate(claim.response)
        return answer.id, _is_to_pay(answer)
    appointment = await book_appointment(
        page.session,
        client_id=page.client.id,
        service_id=body.service_id,
        starts_at=body.starts_at,
        practitioner_id=body.practitioner_id,
        location_kind=body.location_kind,
        notes=body.notes,
        dependant_id=body.dependant_id,
        assigned=assigned,
        means=body.means,
    )
    answer = AppointmentRead.of(appointment)
    await store_answer(page.session, account_id=page.client.id, key=name, status_code=201, response=answer)
    return answer.id, _is_to_pay(answer)


def _is_to_pay(answer: AppointmentRead) -> bool:
    """Whether paying comes next; a request is paid for once it is granted."""
    return answer.amount_due.amount > 0 and not answer.awaiting_approval
