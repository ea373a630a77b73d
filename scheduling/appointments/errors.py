"""What may go wrong with appointments."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

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


class CancellationTooLateError(ProblemError):
    """The client has less notice left than the appointment's terms ask for to cancel it themselves."""

    status = 409
    code = "cancellation_too_late"
    title = "Too late to cancel"
    messages: ClassVar[dict[str, str]] = {
        "en": "It is too late to cancel this appointment online. Please call the practice.",
        "es": "Ya es tarde para cancelar esta cita por internet. Llama a la consulta, por favor.",
    }


class MoveTooLateError(ProblemError):
    """The client has less notice left than the appointment's terms ask for to move it themselves."""

    status = 409
    code = "move_too_late"
    title = "Too late to move"
    messages: ClassVar[dict[str, str]] = {
        "en": "It is too late to move this appointment online. Please call the practice.",
        "es": "Ya es tarde para cambiar esta cita por internet. Llama a la consulta, por favor.",
    }


class SeriesConflictsError(ProblemError):
    """Some of a series' dates can't be had, so nothing was booked; the document lists them as ``conflicts``."""

    status = 409
    code = "series_conflicts"
    title = "Some dates can't be had"
    messages: ClassVar[dict[str, str]] = {
        "en": "Some of these dates can't be had. Leave them out, or choose another time.",
        "es": "Algunas de estas fechas no están libres. Quítalas o elige otra hora.",
    }

    def __init__(self, conflicts: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.extension = {"conflicts": list(conflicts)}


class SeriesNotOfferedError(ProblemError):
    """The service is given in sessions, which are booked one by one."""

    status = 422
    code = "series_not_offered"
    title = "Not in series"
    messages: ClassVar[dict[str, str]] = {
        "en": "This service can't be booked as a series.",
        "es": "Este servicio no se puede reservar en serie.",
    }


class SeriesNeedsPaymentError(ProblemError):
    """Each date would have to be paid within minutes, because the practice takes no payment at the visit."""

    status = 409
    code = "series_needs_payment"
    title = "To be paid one by one"
    messages: ClassVar[dict[str, str]] = {
        "en": "This service is paid when it is booked, so book its dates one by one, or ask the practice.",
        "es": "Este servicio se paga al reservar: reserva las fechas una a una o pregunta a la consulta.",
    }


class OfferOverError(ProblemError):
    """The time is not kept for the client any more, or never was: it ran out, or they gave it up."""

    status = 409
    code = "offer_over"
    title = "Offer over"
    messages: ClassVar[dict[str, str]] = {
        "en": "This time is no longer kept for you.",
        "es": "Ya no te guardamos esta hora.",
    }


class LinkEndedError(ProblemError):
    """A link of a mail is unknown, used, too old, or its appointment has changed since: all answered alike."""

    status = 404
    code = "link_ended"
    title = "This link no longer works"
    messages: ClassVar[dict[str, str]] = {
        "en": "This link no longer works.",
        "es": "Este enlace ya no funciona.",
    }
