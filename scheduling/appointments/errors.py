"""What may go wrong with appointments."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class TooManyHoldsError(ProblemError):
    """The client holds as many unpaid times as one may; the others' calendar must not be held by one."""

    status = 409
    code = "too_many_holds"
    title = "Too many unpaid bookings"
    messages: ClassVar[dict[str, str]] = {
        "en": "Pay for or cancel one of your unpaid bookings first.",
        "es": "Paga o cancela antes alguna de tus reservas sin pagar.",
    }


class SlotTakenError(ProblemError):
    """The time is one of the practice's, and somebody else has it."""

    status = 409
    code = "slot_taken"
    title = "Time taken"
    messages: ClassVar[dict[str, str]] = {
        "en": "This time has just been taken. Please choose another.",
        "es": "Esta hora acaba de ocuparse. Elige otra, por favor.",
    }


class SlotNotOfferedError(ProblemError):
    """Not a time that the service is offered at: outside hours, off the grid, too soon, too far away, nobody's."""

    status = 422
    code = "slot_not_offered"
    title = "Time not offered"
    messages: ClassVar[dict[str, str]] = {
        "en": "This time is not offered. Please choose one of the free times.",
        "es": "Esta hora no se ofrece. Elige una de las horas libres, por favor.",
    }


class AppointmentStateError(ProblemError):
    """The appointment is past, cancelled or otherwise beyond what was asked."""

    status = 409
    code = "invalid_appointment_state"
    title = "Not possible any more"
    messages: ClassVar[dict[str, str]] = {
        "en": "This can't be done with the appointment as it is now.",
        "es": "Esto no es posible con la cita en su estado actual.",
    }
