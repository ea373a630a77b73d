"""Appointments and services in the words of a client's page."""

from dataclasses import dataclass
from datetime import datetime

from billing.payments.models import Payment
from billing.payments.service import list_payments
from billing.refunds.service import refundable_minor, share_minor
from client_portal.page import VisitorPage
from notifications.formats import When, describe
from scheduling.appointments.history import ActorKind
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.cancelling import share_back
from scheduling.appointments.services.reading import effective_status
from scheduling.appointments.terms import whole_until
from scheduling.catalogue.service import get_practitioner, get_service
from tenants.accounts.names import name_of
from tenants.accounts.services.dependants import find_dependant
from todoenbalance.kit import clock
from todoenbalance.kit.money import Money


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATUS_WORDS = {
    AppointmentStatus.HELD: _("Waiting for payment"),
    AppointmentStatus.CONFIRMED: _("Confirmed"),
    AppointmentStatus.COMPLETED: _("Took place"),
    AppointmentStatus.CANCELLED: _("Cancelled"),
    AppointmentStatus.NO_SHOW: _("Missed"),
    AppointmentStatus.EXPIRED: _("Expired without payment"),
}
STATUS_TAGS = {
    AppointmentStatus.HELD: "waiting",
    AppointmentStatus.CONFIRMED: "good",
    AppointmentStatus.EXPIRED: "bad",
    AppointmentStatus.CANCELLED: "bad",
}
PLACE_WORDS = {
    "practice": _("At the practice"),
    "online": _("Online"),
    "phone": _("By telephone"),
    "home": _("At your home"),
}
METHOD_WORDS = {
    "offline": _("Pay at the practice"),
    "sandbox": _("Pay now with the test provider (no real money)"),
    "stripe": _("Pay now by card"),
    "paypal": _("Pay now with PayPal"),
}


@dataclass(frozen=True, slots=True)
class AppointmentView:
    """One appointment, ready to be shown."""

    row: Appointment
    status: AppointmentStatus
    status_words: str
    status_tag: str
    service_name: str
    for_whom: str | None
    practitioner_name: str
    place: str
    when: When
    price: str
    due: str | None
    hold_until: str | None
    can_change: bool
    is_past: bool


async def view_appointment(page: VisitorPage, row: Appointment) -> AppointmentView:
    """With the names behind its ids, in the client's language and zone."""
    status = effective_status(row)
    is_past = row.ends_at <= clock.now()
    movable = status in (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED) and row.starts_at > clock.now()
    return AppointmentView(
        row=row,
        status=status,
        status_words=page.t(STATUS_WORDS[status]),
        status_tag=STATUS_TAGS.get(status, ""),
        service_name=(await get_service(page.session, row.service_id)).name,
        for_whom=await find_for_whom(page, row),
        practitioner_name=(await get_practitioner(page.session, row.practitioner_id)).name,
        place=place_words(page, row.location_kind),
        when=describe(row.starts_at, page.timezone, page.locale, ends_at=row.ends_at),
        price=price_words(page, row.price_minor, row.currency),
        due=Money(row.amount_due_minor, row.currency).format(page.locale) if row.amount_due_minor else None,
        hold_until=_time_words(page, row.hold_expires_at) if status is AppointmentStatus.HELD else None,
        can_change=movable,
        is_past=is_past,
    )


async def find_for_whom(page: VisitorPage, row: Appointment) -> str | None:
    """The name of the person that the client booked for; None if it is the client themselves."""
    dependant = await find_dependant(page.session, row.dependant_id)
    return name_of(dependant, page.locale) if dependant else None


def _time_words(page: VisitorPage, instant: datetime | None) -> str | None:
    return describe(instant, page.timezone, page.locale).time if instant is not None else None


def price_words(page: VisitorPage, amount_minor: int, currency: str) -> str:
    """An amount, or that there is none."""
    return Money(amount_minor, currency).format(page.locale) if amount_minor else page.t("Free")


def place_words(page: VisitorPage, kind: str) -> str:
    """Where a consultation takes place."""
    return page.t(PLACE_WORDS[kind]) if kind in PLACE_WORDS else kind


def method_choices(page: VisitorPage, methods: list[str]) -> list[tuple[str, str]]:
    """Ways to pay, for a form."""
    return [(method, page.t(METHOD_WORDS.get(method, method))) for method in methods]


def cancellation_terms(page: VisitorPage, notice_hours: int) -> str:
    """What cancelling costs, by the practice's notice."""
    if notice_hours == 0:
        return page.t("You can cancel free of charge until it begins.")
    if notice_hours % 24 == 0 and notice_hours > 24:
        return page.t(
            "Cancel at least %(days)s days before and you get everything back; later, nothing.", days=notice_hours // 24
        )
    return page.t(
        "Cancel at least %(hours)s hours before and you get everything back; later, nothing.", hours=notice_hours
    )


def deadline_words(page: VisitorPage, appointment: Appointment) -> str | None:
    """Until when cancelling this appointment gives everything back; None where nothing has to be paid."""
    if not appointment.amount_due_minor:
        return None
    whole = whole_until(appointment)
    if whole is None or clock.now() > whole:
        return page.t("If you cancel now, nothing of what you paid is returned.")
    until = describe(whole, page.timezone, page.locale)
    return page.t(
        "Cancel until %(day)s, %(time)s, and you get everything back; later, nothing.", day=until.day, time=until.time
    )


async def payments_of(page: VisitorPage, appointment: Appointment) -> list[Payment]:
    """The client's payments of an appointment, newest first."""
    found, _cursor = await list_payments(
        page.session, payable_id=appointment.id, client_id=appointment.client_id, limit=100
    )
    return found


@dataclass(frozen=True, slots=True)
class WayOut:
    """What cancelling now would give back; None if nothing was paid."""

    refund: Money | None


async def look_at_cancelling(page: VisitorPage, appointment: Appointment) -> WayOut:
    """The same rule as the cancellation itself, for the page that asks whether one is sure."""
    payments = await payments_of(page, appointment)
    paid = sum(refundable_minor(payment) for payment in payments)
    if not paid:
        return WayOut(None)
    percent = share_back(appointment, ActorKind.CLIENT)
    back = sum(share_minor(refundable_minor(payment), percent) for payment in payments)
    return WayOut(Money(back, appointment.currency))
