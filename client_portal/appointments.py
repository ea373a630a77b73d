"""A client's own appointments: list, details, paying, moving, cancelling, calendar entry."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from billing.checkout.errors import AppointmentNotPayableError, HoldExpiredError
from billing.checkout.schemas import Purpose
from billing.documents.services.reading import list_of_payments
from billing.packages.errors import NoCreditLeftError, PackageExpiredError, PackageNotForServiceError
from billing.packages.services.credits import list_usable, uses_of
from billing.payments.errors import AlreadyPaidError, MethodNotOfferedError, ProviderUnavailableError
from client_portal.booking import read_choice, read_day, read_instant, render_times
from client_portal.cards import offer_card
from client_portal.page import ClientPage, SignedIn
from client_portal.paying import settle_payments, start_paying
from client_portal.terms import terms_now
from client_portal.views import (
    method_choices,
    payments_of,
    view_appointment,
)
from client_portal.waitlist import view_waiting
from notifications.formats import describe
from scheduling.appointments.errors import (
    AppointmentStateError,
    MoveTooLateError,
    OfferOverError,
    SlotNotOfferedError,
    SlotTakenError,
)
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.repository import AppointmentFilter
from scheduling.appointments.schemas import CancelRequest
from scheduling.appointments.services import cancelling, moving, reading
from scheduling.appointments.services.balances import PAYABLE, cost_minor, find_standing
from scheduling.appointments.services.exporting import export_appointment
from scheduling.appointments.services.quoting import quote_cancellation, refusal_to_move
from scheduling.appointments.services.reading import effective_status
from scheduling.appointments.terms import Terms
from scheduling.catalogue.service import get_offered_service
from scheduling.checkout.credit import pay_with_credit
from scheduling.checkout.endpoints import CreditPayment
from scheduling.group_sessions.errors import AlreadyBookedError
from scheduling.waitlist.service import find_offered_entry
from tenants.settings.service import get_practice_settings, usable_methods
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/appointments", include_in_schema=False)

_LONGEST_VISIT = timedelta(days=1)
_PROBLEMS: dict[str, type[ProblemError]] = {
    problem.code: problem
    for problem in (
        AlreadyPaidError,
        AppointmentNotPayableError,
        HoldExpiredError,
        ProviderUnavailableError,
        AppointmentStateError,
        MoveTooLateError,
        OfferOverError,
        NoCreditLeftError,
        PackageExpiredError,
        PackageNotForServiceError,
    )
}


async def _own(page: ClientPage, appointment_id: UUID) -> Appointment:
    return await reading.get_appointment(page.session, appointment_id, client_id=page.client.id)


@router.get("")
async def list_own(
    page: SignedIn,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    problem: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """What is to come, what they wait for, and what was."""
    now = clock.now()
    wanted = AppointmentFilter(client_id=page.client.id, starts=now - _LONGEST_VISIT)
    rows, following = await reading.list_appointments(page.session, wanted, limit=50, cursor=cursor)
    upcoming = [row for row in rows if row.ends_at > now and not _was_only_offered(row)]
    past, _cursor = await reading.list_appointments(
        page.session, AppointmentFilter(client_id=page.client.id, ends=now), limit=100
    )
    over = [row for row in past if row.ends_at <= now and not _was_only_offered(row)]
    known = _PROBLEMS.get(problem)
    return page.render(
        "appointments.html",
        upcoming=[await view_appointment(page, row) for row in upcoming],
        past=[await view_appointment(page, row) for row in reversed(over)],
        following=following,
        waiting=await view_waiting(page),
        problem=known().detail(page.locale) if known is not None else None,
    )


def _was_only_offered(row: Appointment) -> bool:
    """Whether it is, or was, a time from the waiting list that they have not taken: it stands there."""
    return row.hold_kind == HoldKind.OFFER and row.status not in reading.KEPT


@router.get("/{appointment_id}")
async def show(page: SignedIn, appointment_id: UUID, problem: Annotated[str, Query(max_length=60)] = "") -> Response:
    """How one appointment stands, and what can be done with it now."""
    return await _render(page, await _own(page, appointment_id), problem=problem)


async def _render(page: ClientPage, row: Appointment, *, problem: str = "") -> Response:
    settings = await get_practice_settings(page.session)
    methods = usable_methods(page.runtime.settings, settings)
    view = await view_appointment(page, row)
    payments = await payments_of(page, row.id)
    standing = await find_standing(page.session, row)
    can_pay_rest = view.status in PAYABLE and standing.balance > 0
    usable = await _usable_credits(page, row)
    online = [one for one in method_choices(page, methods) if one[0] != "offline"]
    terms = terms_now(page, row, await quote_cancellation(page.session, row))
    card = await offer_card(page, Terms.of(row).no_show_fee_minor, row.currency, methods)
    known = _PROBLEMS.get(problem)
    if problem == MethodNotOfferedError.code:
        sentence: str | None = page.t("Choose one of the ways to pay.")
    else:
        sentence = known().detail(page.locale) if known is not None else None
    return page.render(
        "appointment.html",
        view=view,
        problem=sentence,
        paid_minor=sum(payment.captured_minor for payment in payments),
        back_minor=sum(payment.refunded_minor + payment.refund_pending_minor for payment in payments),
        has_tried=any(payment.method != "offline" for payment in payments),
        methods=method_choices(page, methods),
        form=page.blank_form(method=methods[0] if methods else None),
        terms=[*terms, *card.told] if terms else [],
        card=card,
        offer_entry=await find_offered_entry(page.session, row.id) if view.is_offer else None,
        fee_minor=row.no_show_fee_minor,
        documents=await list_of_payments(page.session, [one.id for one in payments]),
        balance_minor=standing.balance if view.status in PAYABLE else 0,
        rest_methods=online if can_pay_rest else [],
        fee_methods=online,
        credits=usable,
        credit_status=(await uses_of(page.session, [row.id])).get(row.id),
    )


async def _usable_credits(page: ClientPage, row: Appointment) -> list[tuple[str, str]]:
    """The packages with which it could still be paid, for a form; none where money came or nothing is owed."""
    is_to_come = effective_status(row) in reading.MOVABLE and row.starts_at > clock.now()
    if not is_to_come or not cost_minor(row) or (await find_standing(page.session, row)).paid:
        return []
    usable = await list_usable(page.session, row.client_id, row.service_id, row.starts_at)
    return [(str(one.id), page.t("%(package)s (%(count)s left)", package=one.name, count=left)) for one, left in usable]


@router.post("/{appointment_id}/use-package")
async def use_package(page: SignedIn, appointment_id: UUID) -> Response:
    """Pay for it with a session of a package."""
    form = await page.read_form()
    await _own(page, appointment_id)
    try:
        wanted = form.parse(CreditPayment, form.optional("package_purchase_id"))
        async with page.session.begin_nested():
            await pay_with_credit(
                page.session,
                appointment_id,
                actor=Actor.client(page.client.id),
                client_id=page.client.id,
                purchase_id=wanted.package_purchase_id,
            )
    except ProblemError as problem:
        return see_other(f"/appointments/{appointment_id}?problem={problem.code}")
    return see_other(f"/appointments/{appointment_id}")


@router.post("/{appointment_id}/pay")
async def pay(page: SignedIn, appointment_id: UUID) -> Response:
    """Pay for a time that is still kept."""
    form = await page.read_form()
    await _own(page, appointment_id)
    wanted = form.get("purpose")
    purpose = Purpose(wanted) if wanted in list(Purpose) else Purpose.BOOKING
    return await start_paying(page, appointment_id, form, purpose)


@router.get("/{appointment_id}/return")
async def come_back(page: SignedIn, appointment_id: UUID) -> Response:
    """Back from the provider: what it says is settled now, then how things stand."""
    undecided = await settle_payments(page, (await _own(page, appointment_id)).id)
    row = await _own(page, appointment_id)
    if undecided and effective_status(row) in (AppointmentStatus.HELD, AppointmentStatus.EXPIRED):
        return page.render("processing.html", view=await view_appointment(page, row))
    return see_other(f"/appointments/{appointment_id}")


@router.get("/{appointment_id}/calendar.ics")
async def download(page: SignedIn, appointment_id: UUID) -> Response:
    """The appointment as an iCalendar file."""
    row = await _own(page, appointment_id)
    return Response(
        await export_appointment(page.session, row, page.timezone),
        media_type="text/calendar; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{row.id}.ics"',
            "Cache-Control": "no-store",
        },
    )


@router.get("/{appointment_id}/cancel")
async def ask_to_cancel(page: SignedIn, appointment_id: UUID) -> Response:
    """Is that so, and what would come back."""
    return await _render_cancelling(page, await _own(page, appointment_id), page.blank_form())


async def _render_cancelling(
    page: ClientPage, row: Appointment, form: Form, problem: ProblemError | None = None
) -> Response:
    view = await view_appointment(page, row)
    quote = await quote_cancellation(page.session, row)
    refund = quote.refund if quote.paid.amount else None
    values: dict[str, Any] = {
        "view": view,
        "pays_back": None if refund is None else refund.amount > 0,
        "refund": refund.format(page.locale) if refund is not None else None,
        "terms": terms_now(page, row, quote),
        "credit_back": quote.credit_back,
    }
    if problem is not None:
        return page.render_refused("cancel.html", form, problem, **values)
    return page.render("cancel.html", form=form, **values)


@router.post("/{appointment_id}/cancel")
async def cancel(page: SignedIn, appointment_id: UUID) -> Response:
    """Cancel; what goes back is decided by the terms of the booking."""
    form = await page.read_form()
    row = await _own(page, appointment_id)
    try:
        wish = form.parse(CancelRequest, form.optional("reason"))
        async with page.session.begin_nested():
            await cancelling.cancel_appointment(
                page.session,
                appointment_id,
                actor=Actor.client(page.client.id),
                client_id=page.client.id,
                reason=wish.reason,
            )
    except ProblemError as problem:
        return await _render_cancelling(page, row, form, problem)
    return see_other(f"/appointments/{appointment_id}")


@router.get("/{appointment_id}/move")
async def show_other_times(
    page: SignedIn,
    appointment_id: UUID,
    first_day: Annotated[str, Query(alias="from", max_length=40)] = "",
) -> Response:
    """The free times to move to."""
    row = await _own(page, appointment_id)
    return await _render_times(page, row, first_day)


async def _render_times(
    page: ClientPage, row: Appointment, first_day: str, problem: ProblemError | None = None
) -> Response:
    view = await view_appointment(page, row)
    refusal = refusal_to_move(row, clock.now(), by_client=True)
    if refusal is not None:
        return see_other(f"/appointments/{row.id}?problem={refusal.code}")
    offered = await get_offered_service(page.session, row.service_id)
    choice = read_choice(page, page.request.query_params)
    return await render_times(
        page,
        offered,
        choice,
        read_day(first_day),
        address=f"/appointments/{row.id}/move",
        problem=problem,
        moving=view,
    )


@router.get("/{appointment_id}/move/confirm")
async def ask_to_move(page: SignedIn, appointment_id: UUID) -> Response:
    """From when to when; is this right."""
    row = await _own(page, appointment_id)
    starts_at = read_instant(page.request.query_params.get("starts_at", ""))
    if starts_at is None:
        raise NotFoundError
    choice = read_choice(page, page.request.query_params)
    offered = await get_offered_service(page.session, row.service_id)
    ends_at = starts_at + timedelta(minutes=offered.duration_minutes)
    return page.render(
        "move.html",
        view=await view_appointment(page, row),
        starts_at=starts_at,
        choice=choice,
        when=describe(starts_at, choice.timezone, page.locale, ends_at=ends_at),
        times_address=f"/appointments/{row.id}/move?{choice.query()}",
    )


@router.post("/{appointment_id}/move/confirm")
async def move(page: SignedIn, appointment_id: UUID) -> Response:
    """Move it; the old time is kept if the new one can't be had."""
    form = await page.read_form()
    row = await _own(page, appointment_id)
    starts_at = read_instant(form.get("starts_at"))
    if starts_at is None:
        raise NotFoundError
    choice = read_choice(page, {"practitioner_id": form.get("practitioner_id"), "timezone": form.get("timezone")})
    try:
        async with page.session.begin_nested():
            await moving.reschedule_appointment(
                page.session,
                appointment_id,
                starts_at,
                practitioner_id=choice.practitioner_id,
                client_id=page.client.id,
            )
    except (SlotTakenError, SlotNotOfferedError, AlreadyBookedError) as problem:
        return await _render_times(page, row, form.get("from"), problem)
    except (AppointmentStateError, MoveTooLateError, PackageExpiredError) as problem:
        return see_other(f"/appointments/{appointment_id}?problem={problem.code}")
    return see_other(f"/appointments/{appointment_id}")
