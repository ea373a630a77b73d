"""What may go wrong with keeping a card."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class CardsNotKeptError(ProblemError):
    """The practice's way of taking payments keeps no cards."""

    status = 409
    code = "cards_not_kept"
    title = "No cards are kept"
    messages: ClassVar[dict[str, str]] = {
        "en": "This practice does not keep cards.",
        "es": "Esta consulta no guarda tarjetas.",
    }


class ConsentNeededError(ProblemError):
    """A card is kept only if the client agrees to it."""

    status = 422
    code = "consent_needed"
    title = "Consent needed"
    messages: ClassVar[dict[str, str]] = {
        "en": "A card is kept only if you agree to it.",
        "es": "Una tarjeta solo se guarda si estás de acuerdo.",
    }
