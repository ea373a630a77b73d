"""The terms of an appointment as its mails say them."""

from datetime import datetime, timedelta
from typing import Any

from notifications.formats import When, describe
from scheduling.appointments.models import Appointment
from scheduling.appointments.terms import Terms
from todoenbalance.kit import clock
from todoenbalance.kit.money import Money


def terms_values(appointment: Appointment, timezone: str, locale: str) -> dict[str, Any]:
    """``refund_steps``: percentages with their last instants, longest notice first, of what costs something;
    ``cancel_until`` and ``move_until`` where the client may not do it until the beginning; ``no_show_fee``."""
    terms = Terms.of(appointment)

    def before(hours: int) -> When:
        return describe(_last_instant(appointment, hours), timezone, locale)

    reached = [
        one for one in terms.tiers if one.percent and _last_instant(appointment, one.hours_before) >= clock.now()
    ]
    steps = [{"percent": one.percent, "until": before(one.hours_before)} for one in reached]
    fee = terms.no_show_fee_minor
    return {
        "refund_steps": steps if appointment.price_minor else [],
        "cancel_until": before(terms.cancel_notice_hours) if terms.cancel_notice_hours else None,
        "move_until": before(terms.move_notice_hours) if terms.move_notice_hours else None,
        "no_show_fee": Money(fee, appointment.currency).format(locale) if fee else None,
    }


def _last_instant(appointment: Appointment, hours_before: int) -> datetime:
    return appointment.starts_at - timedelta(hours=hours_before)
