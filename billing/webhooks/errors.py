"""Why a webhook is turned away."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class InvalidWebhookSignatureError(ProblemError):
    """The provider did not sign this, or too long ago. Nothing of it is kept."""

    status = 400
    code = "invalid_signature"
    title = "Invalid signature"
    messages: ClassVar[dict[str, str]] = {
        "en": "The signature does not fit the body.",
        "es": "La firma no corresponde al contenido.",
    }


class WebhookTooLargeError(ProblemError):
    """No provider's event is this large."""

    status = 413
    code = "too_large"
    title = "Too large"
    messages: ClassVar[dict[str, str]] = {
        "en": "A webhook may have at most {limit} bytes.",
        "es": "Un webhook puede tener como máximo {limit} bytes.",
    }
