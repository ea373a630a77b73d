"""Why the platform can't be paid just now."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class ChargingNotSetUpError(ProblemError):
    """The platform has no account at the provider here, so nobody is charged."""

    status = 409
    code = "charging_not_set_up"
    title = "Charging is not set up"
    messages: ClassVar[dict[str, str]] = {
        "en": "The platform does not charge for plans here, so there is nothing to pay or to change.",
        "es": "Aquí la plataforma no cobra los planes, así que no hay nada que pagar ni que cambiar.",
    }


class AlreadySubscribedError(ProblemError):
    """There is a subscription: it is changed, not begun once more."""

    status = 409
    code = "already_subscribed"
    title = "Already subscribed"
    messages: ClassVar[dict[str, str]] = {
        "en": "The practice has a subscription already. Reload the page to see it.",
        "es": "La consulta ya tiene una suscripción. Recarga la página para verla.",
    }


class NothingToPayError(ProblemError):
    """The practice was never the provider's customer, so there is no means of payment to change."""

    status = 409
    code = "not_subscribed"
    title = "Not subscribed"
    messages: ClassVar[dict[str, str]] = {
        "en": "The practice has never subscribed, so there are no invoices and no means of payment yet.",
        "es": "La consulta nunca se ha suscrito, así que aún no hay facturas ni medio de pago.",
    }


class ChargingRefusedError(ProblemError):
    """The provider said a definite no to what we asked; operators find why in the logs."""

    status = 502
    code = "charging_refused"
    title = "The provider refused"
    messages: ClassVar[dict[str, str]] = {
        "en": "The payment provider refused this. Nothing was changed; write to the platform's support.",
        "es": "El proveedor de pagos lo ha rechazado. No se ha cambiado nada; escribe al soporte de la plataforma.",
    }


class StatementStateError(ProblemError):
    """The statement is not one that waits to be invoiced."""

    status = 409
    code = "invalid_statement_state"
    title = "Not possible in this state"
    messages: ClassVar[dict[str, str]] = {
        "en": "The statement is {status}; that does not allow this.",
        "es": "La liquidación está en estado {status}; no se permite esto.",
    }
