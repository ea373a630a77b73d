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
