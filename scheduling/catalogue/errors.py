"""What may go wrong with the catalogue."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class StaffAlreadyLinkedError(ProblemError):
    """Another practitioner stands for this member of staff."""

    status = 409
    code = "staff_already_linked"
    title = "Staff already linked"
    messages: ClassVar[dict[str, str]] = {
        "en": "Another practitioner is linked to this member of staff.",
        "es": "Otro profesional ya está vinculado a esta persona del equipo.",
    }


class ServiceWasBookedError(ProblemError):
    """What was booked for one client can't become a seat, nor the other way round."""

    status = 409
    code = "service_was_booked"
    title = "Service was booked"
    messages: ClassVar[dict[str, str]] = {
        "en": "This service was booked already, so it can't become a group service or cease to be one. Add another.",
        "es": "Este servicio ya se ha reservado: no puede pasar a ser de grupo ni dejar de serlo. Añade otro.",
    }
