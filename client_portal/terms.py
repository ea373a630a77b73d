"""The terms of a booking in a client's words: before it is made, and while it stands."""

from datetime import datetime, timedelta

from client_portal.page import VisitorPage
from notifications.formats import describe
from scheduling.appointments.errors import CancellationTooLateError, MoveTooLateError
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.quoting import Quote
from scheduling.appointments.terms import Terms
from todoenbalance.kit import clock
from todoenbalance.kit.money import Money


def terms_before(page: VisitorPage, terms: Terms, currency: str, *, has_price: bool) -> list[str]:
    """What somebody who books now agrees to."""
    said = _refund_steps(page, terms) if has_price else []
    if terms.cancel_notice_hours:
        said.append(
            page.t(
                "You can cancel it yourself until %(time)s before it begins.",
                time=_long(page, terms.cancel_notice_hours),
            )
        )
    if terms.move_notice_hours:
        said.append(
            page.t(
                "You can move it yourself until %(time)s before it begins.", time=_long(page, terms.move_notice_hours)
            )
        )
    if terms.no_show_fee_minor:
        fee = Money(terms.no_show_fee_minor, currency).format(page.locale)
        said.append(page.t("If you don't come, you owe %(amount)s; what you paid counts towards it.", amount=fee))
    return said


def _refund_steps(page: VisitorPage, terms: Terms) -> list[str]:
    said = []
    for tier in terms.tiers:
        if not tier.percent:
            continue
        if tier.hours_before == 0:
            said.append(page.t("If you cancel before it begins, %(percent)s %% comes back.", percent=tier.percent))
        else:
            long = _long(page, tier.hours_before)
            said.append(
                page.t(
                    "If you cancel at least %(time)s before, %(percent)s %% comes back.",
                    time=long,
                    percent=tier.percent,
                )
            )
    if not said:
        return [page.t("If you cancel, nothing of what you paid comes back.")]
    if terms.tiers[-1].hours_before or not terms.tiers[-1].percent:
        said.append(page.t("If you cancel later, nothing comes back."))
    return said


def _long(page: VisitorPage, hours: int) -> str:
    if hours % 24 == 0 and hours > 24:
        return page.t("%(days)s days", days=hours // 24)
    return page.t("%(hours)s hours", hours=hours) if hours > 1 else page.t("an hour")


def terms_now(page: VisitorPage, appointment: Appointment, quote: Quote) -> list[str]:
    """What cancelling now gives back, until when that holds, and until when one may do what."""
    if appointment.status != AppointmentStatus.CONFIRMED or appointment.starts_at <= clock.now():
        return []
    said = _money_now(page, quote) if quote.can_cancel else []
    if quote.terms.cancel_notice_hours and quote.cancel_until is not None:
        said.append(
            page.t("You can cancel it yourself until %(when)s.", when=_when(page, quote.cancel_until))
            if quote.can_cancel
            else CancellationTooLateError().detail(page.locale)
        )
    if quote.terms.move_notice_hours and quote.move_until is not None:
        said.append(
            page.t("You can move it yourself until %(when)s.", when=_when(page, quote.move_until))
            if quote.can_move
            else MoveTooLateError().detail(page.locale)
        )
    if quote.no_show_fee is not None and quote.no_show_fee.amount:
        fee = quote.no_show_fee.format(page.locale)
        said.append(page.t("If you don't come, you owe %(amount)s; what you paid counts towards it.", amount=fee))
    return said


def _money_now(page: VisitorPage, quote: Quote) -> list[str]:
    if not quote.paid.amount:
        return []
    if not quote.refund.amount:
        return [page.t("If you cancel now, nothing of what you paid is returned.")]
    paid, refund = (amount.format(page.locale) for amount in (quote.paid, quote.refund))
    said = [
        page.t("If you cancel now, %(refund)s of the %(paid)s you paid goes back to you.", refund=refund, paid=paid)
    ]
    falls_at = quote.changes_at
    if falls_at is not None and falls_at != quote.cancel_until:
        said.append(page.t("That holds until %(when)s; later, you get less back.", when=_when(page, falls_at)))
    return said


def _when(page: VisitorPage, instant: datetime) -> str:
    told = describe(instant, page.timezone, page.locale)
    return f"{told.day}, {told.time}"


def hold_words(page: VisitorPage, appointment: Appointment) -> str | None:
    """Until when its time is kept: the time of day, with the day where that is not soon."""
    until = appointment.hold_expires_at
    if until is None:
        return None
    is_soon = until - clock.now() < timedelta(hours=2)
    return describe(until, page.timezone, page.locale).time if is_soon else _when(page, until)
