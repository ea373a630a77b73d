"""Why a webhook is turned away."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class ParkedEventDecidedError(ProblemError):
    """Somebody has decided about this event already."""

    status = 409
    code = "parked_event_decided"
    title = "Decided already"
    messages: ClassVar[dict[str, str]] = {
        "en": "This event is no longer waiting.",
        "es": "Este evento ya no está pendiente.",
    }


class WebhookBytesGoneError(ProblemError):
    """The event's bytes can't be read any more: they were dropped, or the key that sealed them is gone."""

    status = 409
    code = "webhook_bytes_gone"
    title = "Bytes gone"
    messages: ClassVar[dict[str, str]] = {
        "en": "What the provider sent can't be read any more. Have the provider send it again.",
        "es": "Lo que envió el proveedor ya no se puede leer. Pide al proveedor que lo envíe de nuevo.",
    }
