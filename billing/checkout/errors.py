"""What may go wrong with paying for an appointment."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class HoldExpiredError(ProblemError):
    """The time was kept for too long without being paid for."""

    status = 409
    code = "hold_expired"
    title = "Hold expired"
    messages: ClassVar[dict[str, str]] = {
        "en": "The time is no longer kept for you. Choose a time again.",
        "es": "La hora ya no está reservada para ti. Vuelve a elegir una hora.",
    }


class AppointmentNotPayableError(ProblemError):
    """Nothing is due for the appointment, or it is over or cancelled."""

    status = 409
    code = "appointment_not_payable"
    title = "Nothing to pay"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is nothing to pay for this appointment.",
        "es": "No hay nada que pagar por esta cita.",
    }


class RequestUnansweredError(AppointmentNotPayableError):
    """It is a request that the practice has not granted yet: there may be nothing to pay for."""

    title = "Not granted yet"
    messages: ClassVar[dict[str, str]] = {
        "en": "The practice has not answered your request yet. You can pay once it has said yes.",
        "es": "La consulta aún no ha respondido a tu solicitud. Podrás pagar cuando la acepte.",
    }
