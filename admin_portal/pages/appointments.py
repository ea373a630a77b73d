"""The portal's start page, and the practice's appointments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.appointment_money import DeskReceipt, receive_at_desk, use_package_as_staff
from admin_portal.appointment_terms import history_for, waive_as_staff
from admin_portal.appointments import cancel_as_staff, note_as_staff
from admin_portal.calendar_access import look_of
from admin_portal.pages.catalogue import PLACES
from admin_portal.pages.history_words import history_lines
from admin_portal.pages.mail_words import MailLine, mail_lines
from admin_portal.pages.page import SignedIn, StaffPage
from admin_portal.pages.payments import KIND_WORDS
from billing.accounts.overview import has_account
from billing.cards.service import find_chargeable, has_cards_page
from billing.packages.services.credits import list_usable
from billing.payments.models import Payment
from billing.payments.receipts import ReceiptKind
from billing.payments.service import list_payments
from notifications.formats import When, describe
from notifications.mail_tasks.service import count_open_tasks
from notifications.service import MailFilter, list_email_logs
from scheduling.appointments.errors import AppointmentStateError, SlotTakenError
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.repository import AppointmentFilter
from scheduling.appointments.schemas import AppointmentPatch, DeclineRequest, StaffCancelRequest, WaiverRequest
from scheduling.appointments.services import approving, confirming, outcomes, reading
from scheduling.appointments.services.balances import PAYABLE, Standing, find_standing
from scheduling.appointments.services.confirming import ConfirmOutcome
from scheduling.appointments.services.quoting import quote_cancellation
from scheduling.appointments.services.reading import awaits_approval, effective_status
from scheduling.appointments.terms import Terms
from scheduling.catalogue.schemas import LocationKind
from scheduling.catalogue.service import (
    find_practitioner_of_staff,
    list_all_practitioners,
    list_all_services,
)
from scheduling.catalogue.services.hours import list_weekly_hours
from scheduling.checkout.endpoints import CreditPayment
from scheduling.fields import midnight
from tenants.accounts.models import Client
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission
from tenants.accounts.services.client_accounts import find_clients, get_client
from tenants.accounts.services.dependants import find_dependants
from todoenbalance.kit import clock
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)

_MOST = 100
_SHOWN_DAYS = 14
_LONGEST_SPAN = timedelta(days=366)


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATUS_WORDS = {
    AppointmentStatus.HELD: _("Waiting for payment"),
    AppointmentStatus.CONFIRMED: _("Confirmed"),
    AppointmentStatus.COMPLETED: _("Took place"),
    AppointmentStatus.CANCELLED: _("Cancelled"),
    AppointmentStatus.NO_SHOW: _("Did not come"),
    AppointmentStatus.EXPIRED: _("Expired without payment"),
}
HOLD_WORDS = {
    (AppointmentStatus.HELD, HoldKind.APPROVAL): _("Waiting for the practice's answer"),
    (AppointmentStatus.HELD, HoldKind.OFFER): _("Offered from the waiting list"),
    (AppointmentStatus.EXPIRED, HoldKind.APPROVAL): _("Not answered in time"),
    (AppointmentStatus.EXPIRED, HoldKind.OFFER): _("Offer not taken"),
}
"""Of what waits, or waited, for something other than a payment."""
STATUS_TAGS = {
    AppointmentStatus.HELD: "waiting",
    AppointmentStatus.CONFIRMED: "good",
    AppointmentStatus.NO_SHOW: "bad",
    AppointmentStatus.CANCELLED: "bad",
    AppointmentStatus.EXPIRED: "bad",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One appointment, ready to be shown."""

    row: Appointment
    when: When
    client: Client
    client_name: str
    for_whom: str | None
    service_name: str
    practitioner_name: str
    place: str
    status: AppointmentStatus
    status_words: str
    status_tag: str
    awaits_answer: bool
    hold_until: When | None


async def entries_of(page: StaffPage, rows: Sequence[Appointment]) -> list[Entry]:
    """With the names behind the ids, on the practice's clock."""
    services, _cursor = await list_all_services(page.session, limit=_MOST)
    people, _cursor = await list_all_practitioners(page.session, limit=_MOST)
    clients = await find_clients(page.session, {row.client_id for row in rows})
    dependants = await find_dependants(page.session, [row.dependant_id for row in rows])
    service_names = {one.id: one.name for one in services}
    names = {one.id: one.name for one in people}
    return [
        Entry(
            row=row,
            when=describe(row.starts_at, page.tenant.timezone, page.locale, ends_at=row.ends_at),
            client=clients[row.client_id],
            client_name=name_of(clients[row.client_id], page.locale),
            for_whom=name_of(dependants[row.dependant_id], page.locale) if row.dependant_id in dependants else None,
            service_name=service_names.get(row.service_id, "–"),
            practitioner_name=names.get(row.practitioner_id, "–"),
            place=_place(page, row.location_kind),
            status=(status := effective_status(row)),
            status_words=page.t(
                (HOLD_WORDS.get((status, HoldKind(row.hold_kind))) if row.hold_kind else None) or STATUS_WORDS[status]
            ),
            status_tag=STATUS_TAGS.get(status, ""),
            awaits_answer=awaits_approval(row),
            hold_until=describe(row.hold_expires_at, page.tenant.timezone, page.locale)
            if row.hold_expires_at
            else None,
        )
        for row in rows
    ]


def _place(page: StaffPage, kind: str) -> str:
    known = {place.value: words for place, words in PLACES.items()}
    return page.t(known[kind]) if kind in list(LocationKind) else kind


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a practice needs before it can be booked."""

    label: str
    address: str
    is_done: bool


async def _next_steps(page: StaffPage) -> list[Step]:
    """What is missing for the first booking, in order; empty when nothing is, or for those who can't help it."""
    if not page.may(Permission.MANAGE_CATALOGUE):
        return []
    people, _cursor = await list_all_practitioners(page.session, limit=1)
    services, _cursor = await list_all_services(page.session, limit=_MOST)
    hours, _cursor = await list_weekly_hours(page.session, limit=1)
    offered = any(one.practitioner_ids and not one.archived for one in services)
    steps = [
        Step(page.t("Add a practitioner"), "/admin/practitioners/new", bool(people)),
        Step(page.t("Add a service that they offer"), "/admin/services/new", offered),
        Step(page.t("Say when they work"), "/admin/hours", bool(hours)),
    ]
    return [] if all(step.is_done for step in steps) else steps


@router.get("")
async def show_start(page: SignedIn) -> Response:
    """Today and the next days, and what a new practice should do first."""
    zone = ZoneInfo(page.tenant.timezone)
    today = clock.now().astimezone(zone).date()
    wanted = AppointmentFilter(
        statuses=(AppointmentStatus.HELD, AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED),
        starts=midnight(today, zone),
        ends=midnight(today + timedelta(days=7), zone),
    )
    sight = await look_of(page.staff, page.session)
    rows, _cursor = await reading.list_appointments(page.session, sight.narrow(wanted), limit=50)
    rows = [row for row in rows if effective_status(row) is not AppointmentStatus.EXPIRED]
    return page.render(
        "start.html",
        **await _requests(page),
        steps=await _next_steps(page),
        lacks_account=page.may(Permission.MANAGE_PAYMENT_ACCOUNTS) and not await has_account(page.session),
        entries=await entries_of(page, rows),
        booking_url=page.runtime.settings.practice_url(page.tenant.slug),
        to_call=await count_open_tasks(page.session) if page.may(Permission.VIEW_EMAILS) else 0,
    )


async def _requests(page: StaffPage) -> dict[str, Any]:
    """The requests that wait for an answer, soonest first, and whose of them may be answered here."""
    sight = await look_of(page.staff, page.session)
    wanted = AppointmentFilter(awaiting_approval=True)
    rows, _cursor = await reading.list_appointments(page.session, sight.narrow(wanted), limit=_MOST)
    edits_all = page.may(Permission.MANAGE_CALENDAR)
    own = None if edits_all or not rows else await find_practitioner_of_staff(page.session, page.staff.id)
    return {
        "requests": await entries_of(page, rows),
        "answerable": {row.id for row in rows if edits_all or (own is not None and own.id == row.practitioner_id)},
    }


def read_day(text: str, default: date) -> date:
    """A date of an address; what makes no sense is the default."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return default
    return day if 2000 <= day.year < 2199 else default


@router.get("/appointments")
async def list_appointments(
    page: SignedIn,
    first: Annotated[str, Query(alias="from", max_length=20)] = "",
    last: Annotated[str, Query(alias="to", max_length=20)] = "",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Appointments from one day to another, both included, on the practice's calendar."""
    page.need(Permission.VIEW_CALENDAR)
    zone = ZoneInfo(page.tenant.timezone)
    first_day = read_day(first, clock.now().astimezone(zone).date())
    last_day = read_day(last, first_day + timedelta(days=_SHOWN_DAYS - 1))
    last_day = min(max(last_day, first_day), first_day + _LONGEST_SPAN)
    wanted = AppointmentFilter(starts=midnight(first_day, zone), ends=midnight(last_day + timedelta(days=1), zone))
    sight = await look_of(page.staff, page.session)
    rows, following = await reading.list_appointments(page.session, sight.narrow(wanted), limit=_MOST, cursor=cursor)
    return page.render(
        "appointments.html",
        **await _requests(page),
        entries=await entries_of(page, rows),
        first_day=first_day.isoformat(),
        last_day=last_day.isoformat(),
        following=following,
    )


@router.get("/appointments/{appointment_id}")
async def show_appointment(page: SignedIn, appointment_id: UUID) -> Response:
    """One appointment, and what can be done with it."""
    page.need(Permission.VIEW_CALENDAR)
    row = await reading.get_appointment(page.session, appointment_id)
    (await look_of(page.staff, page.session)).check(row.practitioner_id)
    return await _render(page, row, page.blank_form(refund=""))


async def _render(page: StaffPage, row: Appointment, form: Form, problem: ProblemError | None = None) -> Response:
    entry = (await entries_of(page, [row]))[0]
    status = entry.status
    has_begun = row.starts_at <= clock.now()
    payments: list[Payment] = []
    standing: Standing | None = None
    if page.may(Permission.VIEW_PAYMENTS):
        payments, _cursor = await list_payments(page.session, payable_id=row.id, limit=_MOST)
        standing = await find_standing(page.session, row)
    values: dict[str, Any] = {
        "entry": entry,
        "email": (await get_client(page.session, row.client_id)).email,
        "payments": payments,
        "standing": standing,
        "kept_card": await _kept_card(page, row),
        "receipt": page.blank_form(kind=ReceiptKind.CASH),
        "kinds": [(kind.value, page.t(words)) for kind, words in KIND_WORDS.items()],
        "can_receive": page.may(Permission.RECORD_PAYMENTS)
        and standing is not None
        and standing.balance > 0
        and status in PAYABLE,
        "packages": await _packages(page, row, standing),
        "shows_notes": page.may(Permission.VIEW_NOTES),
        "can_cancel": status in (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED),
        "can_confirm": status is AppointmentStatus.HELD
        and row.hold_kind != HoldKind.OFFER
        and row.amount_due_minor > 0,
        "details": page.blank_form(meeting_url=row.meeting_url, private_notes=row.private_notes),
        "quote": await quote_cancellation(page.session, row, by_client=False),
        "may_decide": page.may(Permission.REFUND_PAYMENTS),
        "mails": await _mails(page, row),
        "history": history_lines(page, await history_for(page.session, page.staff, row)),
        "can_record": has_begun
        and status in (AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW),
        "can_edit": await _may_edit(page, row),
    }
    if problem is not None:
        return page.render_refused("appointment.html", form, problem, **values)
    return page.render("appointment.html", form=form, **values)


async def _mails(page: StaffPage, row: Appointment) -> list[MailLine]:
    """What was mailed about it, newest first, to those who may see that."""
    if not page.may(Permission.VIEW_EMAILS):
        return []
    logs, _cursor = await list_email_logs(page.session, MailFilter(subject_id=row.id), limit=_MOST)
    return await mail_lines(page, logs)


async def _kept_card(page: StaffPage, row: Appointment) -> str | None:
    """The client's card for this appointment's no-show fee, in words; None where it has none, or nobody keeps cards."""
    settings = page.runtime.settings
    if not page.may(Permission.VIEW_PAYMENTS) or not Terms.of(row).no_show_fee_minor:
        return None
    if not await has_cards_page(page.session, settings, row.client_id):
        return None
    card = await find_chargeable(page.session, settings, row.client_id)
    if card is None:
        return page.t("None kept")
    return page.t("%(card)s (expired)", card=card.label) if card.is_expired(clock.now()) else card.label


async def _packages(page: StaffPage, row: Appointment, standing: Standing | None) -> list[tuple[str, str]]:
    """The client's packages with which it could be paid; none where money came or nothing is owed."""
    is_to_come = effective_status(row) in reading.MOVABLE and row.starts_at > clock.now()
    if standing is None or standing.paid or not standing.balance or not is_to_come:
        return []
    usable = await list_usable(page.session, row.client_id, row.service_id, row.starts_at)
    return [(str(one.id), page.t("%(package)s (%(count)s left)", package=one.name, count=left)) for one, left in usable]


async def _may_edit(page: StaffPage, row: Appointment) -> bool:
    if page.may(Permission.MANAGE_CALENDAR):
        return True
    own = await find_practitioner_of_staff(page.session, page.staff.id)
    return own is not None and own.id == row.practitioner_id


@router.post("/appointments/{appointment_id}/{action}")
async def act(page: SignedIn, appointment_id: UUID, action: str) -> Response:
    """Answer a request, confirm what is paid at the practice, cancel, say how the visit went, note something."""
    form = await page.read_form()
    editor = await page.need_editor()
    row = await reading.get_appointment(page.session, appointment_id)
    editor.check(row.practitioner_id)
    try:
        async with page.session.begin_nested():
            await _act(page, row, action, form)
    except ProblemError as problem:
        return await _render(page, await reading.get_appointment(page.session, appointment_id), form, problem)
    return see_other(f"/admin/appointments/{appointment_id}")


async def _act(page: StaffPage, row: Appointment, action: str, form: Form) -> None:
    actor = Actor.staff(page.staff.id)
    if action == "cancel":
        sent = form.optional("reason", "refund") | {"on_behalf_of_client": bool(form.get("on_behalf_of_client"))}
        wish = form.parse(StaffCancelRequest, sent)
        await cancel_as_staff(page.session, page.staff, row.id, wish, request_id=page.request_id)
    elif action in ("approve", "decline"):
        await _answer_request(page, row, action, form)
    elif action == "waive-no-show-fee":
        waiver = form.parse(WaiverRequest, form.optional("reason"))
        await waive_as_staff(page.session, page.staff, row.id, waiver.reason, request_id=page.request_id)
    elif action == "use-package":
        wanted = form.parse(CreditPayment, form.optional("package_purchase_id"))
        editor = await page.need_editor()
        await use_package_as_staff(page.session, editor, row.id, wanted, request_id=page.request_id)
    elif action == "receipt":
        await _receive(page, row, form)
    elif action == "details":
        await _change_details(page, row, form)
    elif action == "confirm":
        outcome = await confirming.confirm_offline(page.session, row.id, actor=actor)
        if outcome is ConfirmOutcome.SLOT_TAKEN:
            raise SlotTakenError
        if outcome is ConfirmOutcome.NOT_BOOKABLE:
            raise AppointmentStateError
    elif action in ("completed", "no_show"):
        await outcomes.record_outcome(page.session, row.id, AppointmentStatus(action), actor=actor)
    else:
        raise AppointmentStateError


async def _receive(page: StaffPage, row: Appointment, form: Form) -> None:
    """Money that was received at the desk."""
    page.need(Permission.RECORD_PAYMENTS)
    minor = form.money("amount", row.currency)
    form.raise_errors()
    amount = None if minor is None else MoneySchema.of(minor, row.currency)
    body = form.parse(DeskReceipt, {"kind": form.get("kind"), "amount": amount, **form.optional("note")})
    settings = page.runtime.settings
    await receive_at_desk(page.session, settings, page.staff, row.id, body, request_id=page.request_id)


async def _answer_request(page: StaffPage, row: Appointment, action: str, form: Form) -> None:
    actor, is_open = Actor.staff(page.staff.id), awaits_approval(row)
    if action == "approve":
        await approving.approve_request(page.session, row.id, actor=actor)
    else:
        refusal = form.parse(DeclineRequest, form.optional("reason"))
        await approving.decline_request(page.session, row.id, actor=actor, reason=refusal.reason)
    if is_open:
        page.record("appointment.approved" if action == "approve" else "appointment.declined", row.id)


async def _change_details(page: StaffPage, row: Appointment, form: Form) -> None:
    """The fields that were on the page: an empty one empties it."""
    names = [name for name in ("meeting_url", "private_notes") if form.all(name)]
    changes = form.parse(AppointmentPatch, {name: form.get(name) or None for name in names}).changes()
    if "meeting_url" in changes:
        actor = Actor.staff(page.staff.id)
        await outcomes.set_meeting_url(page.session, row.id, changes["meeting_url"], actor=actor)
    if "private_notes" in changes:
        notes = changes["private_notes"]
        await note_as_staff(page.session, page.staff, row.id, notes, request_id=page.request_id)
