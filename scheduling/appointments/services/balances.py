"""What is paid of an appointment, and what is still owed: from its price and the money that is here."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.refunds.service import Paid, paid_for_payable, paid_for_payables
from scheduling.appointments.events import MONEY_KINDS
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.reading import effective_status
from todoenbalance.kit.database import TenantSession

OWED = (AppointmentStatus.HELD, AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED)
"""The statuses in which the price is owed. Who did not come owes the fee instead; what was cancelled, nothing."""
PAYABLE = (AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED)
"""The statuses in which the balance can be paid. What is held is paid for first as it stands."""


@dataclass(frozen=True, slots=True)
class Standing:
    """In minor units of the appointment's currency. ``paid``: money that is here; ``balance``: what is owed yet."""

    paid: int
    balance: int


def cost_minor(appointment: Appointment) -> int:
    """What the client has to pay in money, sooner or later."""
    if appointment.package_purchase_id is not None:
        return 0
    return appointment.price_minor - appointment.discount_minor


def standing_of(appointment: Appointment, paid: Paid | None) -> Standing:
    """From the appointment and its money (None: nobody began to pay)."""
    held = paid.held if paid is not None else 0
    is_owed = effective_status(appointment) in OWED
    return Standing(held, max(cost_minor(appointment) - held, 0) if is_owed else 0)


async def find_standing(session: TenantSession, appointment: Appointment) -> Standing:
    """How one appointment stands; certain only under the locks of its payments."""
    return standing_of(appointment, await paid_for_payable(session, MONEY_KINDS, appointment.id))


async def find_standings(session: TenantSession, rows: Sequence[Appointment]) -> dict[UUID, Standing]:
    """The same of several, in one query."""
    paid = await paid_for_payables(session, MONEY_KINDS, [row.id for row in rows]) if rows else {}
    return {row.id: standing_of(row, paid.get(row.id)) for row in rows}
