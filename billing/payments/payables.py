"""What can be paid for, as billing sees it: a kind and an id.

Whoever owns a kind (scheduling its appointments, packages their sales) registers it once. Billing then finds out
through it what is to be paid, and tells it when the money is here; it knows nothing else of appointments.
"""

from enum import StrEnum
from typing import Protocol
from uuid import UUID

from billing.payments.models import Payment
from billing.payments.service import Payable
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.settings import Settings

APPOINTMENT = "appointment"
"""What makes a booking stand: its price, or the deposit."""
APPOINTMENT_BALANCE = "appointment_balance"
"""What is left of an appointment's price. Its id is the appointment's."""
NO_SHOW_FEE = "no_show_fee"
"""What a client who did not come owes. Its id is the appointment's."""
PACKAGE = "package"
"""The sale of a package of sessions. Its id is the purchase's."""

OF_APPOINTMENTS = (APPOINTMENT, APPOINTMENT_BALANCE, NO_SHOW_FEE)


class PaymentOutcome(StrEnum):
    """What became of money that arrived. ``nothing``: it is not all there yet, or was applied before.

    ``confirmed``: what was paid for stands. The others say why it does not, and the money goes back.
    """

    NOTHING = "nothing"
    CONFIRMED = "confirmed"
    SLOT_TAKEN = "slot_taken"
    CANCELLED = "cancelled"
    PAID_TWICE = "paid_twice"


class PayableKind(Protocol):
    """One kind of thing that is paid for. Payments are locked before what they pay for, always."""

    async def claim(self, session: TenantSession, payable_id: UUID, *, client_id: UUID) -> Payable:
        """What is to be paid now. Raises ``NotFoundError`` for another client's, and what says why it can't be."""
        ...

    async def opened(self, session: TenantSession, payment: Payment, *, settings: Settings) -> None:
        """A payment was opened (or an open one found again), in this transaction: draw what follows from that.

        Raises what says why it can't be paid in this way.
        """
        ...

    async def apply(self, session: TenantSession, payment: Payment) -> PaymentOutcome:
        """All the money of a locked payment is here, for the first time: draw the consequences, answer what they are.

        Never ``nothing``. That another payment of the same kind was applied is found out by whoever calls, but for
        kinds that add up (``service.ADDS_UP``); ``paid_twice`` is what was paid in another way.
        """
        ...


_kinds: dict[str, PayableKind] = {}


def register_payable_kind(name: str, kind: PayableKind) -> None:
    """Let payments of ``name`` be made and applied by ``kind``. Safe to repeat."""
    _kinds[name] = kind


def payable_kind(name: str) -> PayableKind:
    """The owner of a kind. Raises ``KeyError`` for one that nobody registered: a fault of ours."""
    return _kinds[name]
