"""Who changed what of an appointment, and when."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from scheduling.appointments.models import AppointmentChange
from scheduling.appointments.repository import AppointmentRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id


class ActorKind(StrEnum):
    """Whose doing a change is."""

    CLIENT = "client"
    STAFF = "staff"
    SYSTEM = "system"


class ChangeKind(StrEnum):
    """The lines that a history may have."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    MOVED = "moved"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    APPROVED = "approved"
    DECLINED = "declined"
    FEE_WAIVED = "fee_waived"
    """A client who did not come owes nothing after all."""
    FEE_PAID = "fee_paid"
    """A client who did not come paid the fee."""
    MEETING = "meeting"
    """Where an online one takes place was set."""
    NOTED = "noted"
    """The staff's private notes were changed."""
    ACCEPTED = "accepted"
    """The first in line took the time that was offered; it is to be paid now."""
    CREDIT_USED = "credit_used"
    """It is paid for with a session of a package."""
    ATTENDANCE = "attendance"
    """The client said that they will come."""


STAFF_ONLY = frozenset({ChangeKind.NOTED})
"""Lines that the client is not shown."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who acts; the system has no id."""

    kind: ActorKind
    id: UUID | None = None

    @classmethod
    def client(cls, client_id: UUID) -> "Actor":
        """A client, on their own behalf."""
        return cls(ActorKind.CLIENT, client_id)

    @classmethod
    def staff(cls, staff_id: UUID) -> "Actor":
        """A member of staff."""
        return cls(ActorKind.STAFF, staff_id)


SYSTEM = Actor(ActorKind.SYSTEM)


def record_change(
    session: TenantSession, appointment_id: UUID, kind: ChangeKind, actor: Actor = SYSTEM, **detail: Any
) -> None:
    """Add a line to the history of an appointment whose row is written already."""
    AppointmentRepository(session).add_change(
        AppointmentChange(
            id=new_id(),
            appointment_id=appointment_id,
            kind=kind,
            actor_kind=actor.kind,
            actor_id=actor.id,
            detail=detail,
            created_at=clock.now(),
        )
    )
