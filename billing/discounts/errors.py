"""What may go wrong with discount codes."""

from enum import StrEnum
from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class Refusal(StrEnum):
    """Why a code does not lower a price.

    ``UNKNOWN`` is said of codes that are not there or are switched off: who guesses learns nothing.
    """

    UNKNOWN = "unknown"
    NOT_YET = "not_yet"
    OVER = "over"
    USED_UP = "used_up"
    USED_BY_YOU = "used_by_you"
    FIRST_VISIT_ONLY = "first_visit_only"
    BELOW_MINIMUM = "below_minimum"
    NOT_FOR_THIS = "not_for_this"
    NOTHING_TO_PAY = "nothing_to_pay"


SENTENCES: dict[Refusal, dict[str, str]] = {
    Refusal.UNKNOWN: {"en": "There is no such code.", "es": "Este código no existe."},
    Refusal.NOT_YET: {"en": "This code is not valid yet.", "es": "Este código todavía no es válido."},
    Refusal.OVER: {"en": "This code is no longer valid.", "es": "Este código ha caducado."},
    Refusal.USED_UP: {
        "en": "This code has been used as often as it can be.",
        "es": "Este código ya se ha usado todas las veces posibles.",
    },
    Refusal.USED_BY_YOU: {"en": "You have used this code already.", "es": "Ya has usado este código."},
    Refusal.FIRST_VISIT_ONLY: {
        "en": "This code is for first visits only.",
        "es": "Este código es solo para la primera visita.",
    },
    Refusal.BELOW_MINIMUM: {
        "en": "The price is too low for this code.",
        "es": "El precio es demasiado bajo para este código.",
    },
    Refusal.NOT_FOR_THIS: {"en": "This code can't be used for this.", "es": "Este código no sirve para esto."},
    Refusal.NOTHING_TO_PAY: {
        "en": "There is nothing to pay, so no code is needed.",
        "es": "No hay nada que pagar, así que no hace falta ningún código.",
    },
}
"""What a person is told."""


class DiscountNotUsableError(ProblemError):
    """The code does not lower this price; ``reason`` (in the document, too) says why."""

    status = 422
    code = "discount_not_usable"
    title = "Code not usable"
    messages: ClassVar[dict[str, str]] = {"en": "This code can't be used.", "es": "Este código no se puede usar."}

    def __init__(self, reason: Refusal) -> None:
        super().__init__()
        self.reason = reason
        self.extension = {"reason": reason.value}

    def detail(self, locale: str = "en") -> str:
        """Why, for a person."""
        return SENTENCES[self.reason].get(locale) or SENTENCES[self.reason]["en"]


class CodeTakenError(ProblemError):
    """There is a code of that name already; capitals make no difference."""

    status = 409
    code = "code_taken"
    title = "Code taken"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is a code of that name already.",
        "es": "Ya existe un código con ese nombre.",
    }
