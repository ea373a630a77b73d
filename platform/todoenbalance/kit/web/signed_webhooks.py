"""What every endpoint that a provider calls does alike: a bounded body, and one answer to a wrong signature."""

from typing import ClassVar

from fastapi import Request

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


async def read_limited(request: Request, limit: int) -> bytes:
    """The raw body, as it was signed. Raises :class:`WebhookTooLargeError` as soon as it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise WebhookTooLargeError(limit=limit)
    return bytes(body)
