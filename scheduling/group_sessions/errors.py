"""What may go wrong with group sessions and their seats."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class AlreadyBookedError(ProblemError):
    """The same person has a seat in the session; a dependant may have another."""

    status = 409
    code = "already_booked"
    title = "Already booked"
    messages: ClassVar[dict[str, str]] = {
        "en": "This person already has a place in this session.",
        "es": "Esta persona ya tiene plaza en esta sesión.",
    }


class SeatsTakenError(ProblemError):
    """The session can't have fewer seats than are taken."""

    status = 409
    code = "seats_taken"
    title = "Seats taken"
    messages: ClassVar[dict[str, str]] = {
        "en": "{taken} places are taken; the session can't have fewer.",
        "es": "Hay {taken} plazas ocupadas; la sesión no puede tener menos.",
    }


class GroupSessionStateError(ProblemError):
    """The session is cancelled, or somebody's visit to it is recorded already."""

    status = 409
    code = "invalid_session_state"
    title = "Not possible any more"
    messages: ClassVar[dict[str, str]] = {
        "en": "This can't be done with the session as it is now.",
        "es": "Esto no es posible con la sesión en su estado actual.",
    }


class SessionsConflictError(ProblemError):
    """Some of the dates that were to be planned at once can't be had; none was."""

    status = 409
    code = "sessions_conflict"
    title = "Dates not free"
    messages: ClassVar[dict[str, str]] = {
        "en": "Nothing was planned, because these dates are not free: {dates}.",
        "es": "No se ha planificado nada, porque estas fechas no están libres: {dates}.",
    }
