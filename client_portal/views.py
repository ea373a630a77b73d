"""Appointments and services in the words of a client's page."""

from dataclasses import dataclass
from uuid import UUID

from billing.payments.models import Payment
from billing.payments.service import list_payments
from client_portal.page import ClientPage, VisitorPage
from client_portal.terms import hold_words
from notifications.formats import When, describe
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.services.balances import cost_minor
from scheduling.appointments.services.quoting import refusal_to_cancel, refusal_to_move
from scheduling.appointments.services.reading import MOVABLE, awaits_approval, effective_status
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
HOLD_WORDS = {
    (AppointmentStatus.HELD, HoldKind.APPROVAL): _("Waiting for the practice's answer"),
    (AppointmentStatus.HELD, HoldKind.OFFER): _("Kept for you until %(when)s"),
    (AppointmentStatus.EXPIRED, HoldKind.APPROVAL): _("Not answered in time"),
    (AppointmentStatus.EXPIRED, HoldKind.OFFER): _("No longer kept for you"),
}
"""Of what waits, or waited, for something other than a payment."""
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
    cost: str
    discount: str | None
    due: str | None
    hold_until: str | None
    is_offer: bool
    awaits_answer: bool
    can_cancel: bool
    can_move: bool
    can_change: bool
    is_past: bool


async def view_appointment(page: VisitorPage, row: Appointment) -> AppointmentView:
    """With the names behind its ids, in the client's language and zone."""
    status = effective_status(row)
    is_past = row.ends_at <= clock.now()
    now = clock.now()
    can_cancel = status in MOVABLE and refusal_to_cancel(row, now, by_client=True) is None
    return AppointmentView(
        row=row,
        status=status,
        status_words=_status_words(page, row, status),
        status_tag=STATUS_TAGS.get(status, ""),
        service_name=(await get_service(page.session, row.service_id)).name,
        for_whom=await find_for_whom(page, row),
        practitioner_name=(await get_practitioner(page.session, row.practitioner_id)).name,
        place=place_words(page, row.location_kind),
        when=describe(row.starts_at, page.timezone, page.locale, ends_at=row.ends_at),
        price=price_words(page, row.price_minor, row.currency),
        cost=price_words(page, cost_minor(row), row.currency),
        discount=Money(row.discount_minor, row.currency).format(page.locale) if row.discount_minor else None,
        due=Money(row.amount_due_minor, row.currency).format(page.locale) if row.amount_due_minor else None,
        hold_until=hold_words(page, row) if status is AppointmentStatus.HELD else None,
        is_offer=status is AppointmentStatus.HELD and row.hold_kind == HoldKind.OFFER,
        awaits_answer=awaits_approval(row),
        can_cancel=can_cancel,
        can_move=refusal_to_move(row, now, by_client=True) is None,
        can_change=status in MOVABLE and row.starts_at > now,
        is_past=is_past,
    )


async def find_for_whom(page: VisitorPage, row: Appointment) -> str | None:
    """The name of the person that the client booked for; None if it is the client themselves."""
    dependant = await find_dependant(page.session, row.dependant_id)
    return name_of(dependant, page.locale) if dependant else None


def _status_words(page: VisitorPage, row: Appointment, status: AppointmentStatus) -> str:
    words = HOLD_WORDS.get((status, HoldKind(row.hold_kind))) if row.hold_kind else None
    return page.t(words or STATUS_WORDS[status], when=hold_words(page, row) or "")


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


async def payments_of(page: ClientPage, payable_id: UUID) -> list[Payment]:
    """The client's payments of something (an appointment, a package), newest first."""
    found, _cursor = await list_payments(page.session, payable_id=payable_id, client_id=page.client.id, limit=100)
    return found
