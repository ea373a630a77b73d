"""The terms of an appointment: until when it may be cancelled or moved, and what comes back.

They are the service's (or, where it has none of its own, the practice's) at the moment of booking and are kept on
the appointment: what a client agreed to does not change under them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from scheduling.appointments.models import Appointment
from scheduling.catalogue.models import Service
from tenants.settings.models import PracticeSettings

WHOLE = 100
"""Percent."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Who cancels at least ``hours_before`` the start gets ``percent`` of what they paid back."""

    hours_before: int
    percent: int


@dataclass(frozen=True, slots=True)
class Terms:
    """``cancel_notice_hours`` and ``move_notice_hours``: until when a client may (0: until it begins).

    ``tiers`` are ordered, the longest notice first; with less notice than the last one nothing comes back.
    ``no_show_fee_minor``: what a client who doesn't come owes, in minor units of the appointment's currency.
    """

    tiers: Sequence[Tier]
    cancel_notice_hours: int = 0
    move_notice_hours: int = 0
    no_show_fee_minor: int | None = None

    @classmethod
    def offered(cls, service: Service, settings: PracticeSettings) -> Self:
        """What somebody who books now agrees to."""
        kept = service.refund_tiers
        if kept is None:
            kept = [{"hours_before": settings.cancellation_notice_hours, "percent": WHOLE}]
        return cls(
            tiers=tuple(Tier(one["hours_before"], one["percent"]) for one in kept),
            cancel_notice_hours=service.cancel_notice_hours,
            move_notice_hours=service.move_notice_hours,
            no_show_fee_minor=service.no_show_fee_minor,
        )

    @classmethod
    def of(cls, appointment: Appointment) -> Self:
        """What was agreed to when this was booked."""
        kept = appointment.terms
        if kept is None:  # booked before terms were kept: everything until the notice, then nothing
            return cls(tiers=(Tier(appointment.cancellation_notice_hours, WHOLE),))
        return cls(
            tiers=tuple(Tier(one["hours_before"], one["percent"]) for one in kept["tiers"]),
            cancel_notice_hours=kept["cancel_notice_hours"],
            move_notice_hours=kept["move_notice_hours"],
            no_show_fee_minor=kept["no_show_fee_minor"],
        )

    def to_json(self) -> dict[str, Any]:
        """As an appointment keeps it."""
        return {
            "tiers": [{"hours_before": one.hours_before, "percent": one.percent} for one in self.tiers],
            "cancel_notice_hours": self.cancel_notice_hours,
            "move_notice_hours": self.move_notice_hours,
            "no_show_fee_minor": self.no_show_fee_minor,
        }

    @property
    def whole_until_hours(self) -> int:
        """The notice with which everything comes back; more than any if nothing ever does."""
        whole = [one.hours_before for one in self.tiers if one.percent == WHOLE]
        return min(whole, default=100_000)


def percent_back(appointment: Appointment, now: datetime) -> int:
    """What share of the money comes back if the client cancels at ``now``."""
    if appointment.refund_deadline is not None:  # moved late, before caps were kept
        return WHOLE if now <= appointment.refund_deadline else 0
    tiers = Terms.of(appointment).tiers
    reached = [one.percent for one in tiers if now <= appointment.starts_at - timedelta(hours=one.hours_before)]
    percent = max(reached, default=0)
    cap = appointment.refund_cap_percent
    return percent if cap is None else min(percent, cap)


def falls_at(appointment: Appointment, now: datetime) -> datetime | None:
    """The last instant at which as much comes back as at ``now``; None if it stays so until the end."""
    if appointment.refund_deadline is not None:
        ends = [appointment.refund_deadline]
    else:
        ends = [appointment.starts_at - timedelta(hours=one.hours_before) for one in Terms.of(appointment).tiers]
    percent, instant = percent_back(appointment, now), timedelta(microseconds=1)
    falls = [end for end in ends if end >= now and percent_back(appointment, end + instant) < percent]
    return min(falls, default=None)


def whole_until(appointment: Appointment) -> datetime | None:
    """Until when a client's cancelling gives everything back; None if it never does."""
    if appointment.refund_deadline is not None:
        return appointment.refund_deadline
    cap = appointment.refund_cap_percent
    terms = Terms.of(appointment)
    hours = max(terms.whole_until_hours, terms.cancel_notice_hours)
    if (cap is not None and cap < WHOLE) or hours >= 100_000:
        return None
    return appointment.starts_at - timedelta(hours=hours)
