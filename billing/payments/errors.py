"""What may go wrong with a payment."""

from typing import Any, ClassVar

from todoenbalance.kit.errors import InvalidInputError, ProblemError, ServiceUnavailableError

_MORE_THAN_OWED = {"en": "At most {available} is owed.", "es": "Se deben como máximo {available}."}


class MethodNotOfferedError(ProblemError):
    """The practice does not take this method of payment, or it does not work in this deployment."""

    status = 422
    code = "method_not_offered"
    title = "Method not offered"
    messages: ClassVar[dict[str, str]] = {
        "en": "This practice does not take payments by “{method}”.",
        "es": "Esta consulta no acepta pagos por «{method}».",
    }


class AlreadyPaidError(ProblemError):
    """What was to be paid is paid."""

    status = 409
    code = "already_paid"
    title = "Already paid"
    messages: ClassVar[dict[str, str]] = {
        "en": "This has been paid already.",
        "es": "Esto ya está pagado.",
    }


class PaymentNotOpenError(ProblemError):
    """The payment is not in a state in which this can be done with it."""

    status = 409
    code = "payment_not_open"
    title = "Payment not open"
    messages: ClassVar[dict[str, str]] = {
        "en": "The payment is {status}; that does not allow this.",
        "es": "El pago está en estado {status}; no se permite esto.",
    }


class NotAnOfflinePaymentError(ProblemError):
    """Only money that was taken at the practice itself is recorded by hand."""

    status = 409
    code = "not_an_offline_payment"
    title = "Not an offline payment"
    messages: ClassVar[dict[str, str]] = {
        "en": "Receipts are recorded for payments at the practice only.",
        "es": "Solo se registran cobros de los pagos en la consulta.",
    }


class MoreThanOwedError(InvalidInputError):
    """More is to be recorded as received than what is missing; ``available`` is what is, as it is read."""

    def __init__(self, available: str) -> None:
        super().__init__(["body", "amount"], _MORE_THAN_OWED["en"].format(available=available), "more_than_owed")
        self._available = available

    def sentence_for(self, error: dict[str, Any], locale: str) -> str:
        """In the reader's language."""
        del error
        return _MORE_THAN_OWED.get(locale, _MORE_THAN_OWED["en"]).format(available=self._available)


class NoReceiptToUndoError(ProblemError):
    """No receipt was recorded, each was undone, or its money was given back since."""

    status = 409
    code = "no_receipt_to_undo"
    title = "No receipt to undo"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is no receipt that can be undone.",
        "es": "No hay ningún cobro que se pueda deshacer.",
    }


class ProviderUnavailableError(ServiceUnavailableError):
    """The provider gave no clear answer; the same request (with the same key) carries on where this one stopped."""

    code = "payment_provider_unavailable"
    title = "Payment provider unavailable"
    messages: ClassVar[dict[str, str]] = {
        "en": "The payment provider does not answer. Try again in a moment.",
        "es": "El proveedor de pagos no responde. Inténtalo de nuevo en un momento.",
    }


class AmountNotAcceptedError(ProblemError):
    """The provider takes no payment of this amount: too little, too much, or not in this currency."""

    status = 422
    code = "amount_not_accepted"
    title = "Amount not accepted"
    messages: ClassVar[dict[str, str]] = {
        "en": "“{method}” does not take payments of {amount}. Choose another way to pay.",
        "es": "«{method}» no admite pagos de {amount}. Elige otra forma de pago.",
    }


class FlowNotOfferedError(ProblemError):
    """The provider has no form of its own for our pages."""

    status = 422
    code = "flow_not_offered"
    title = "Flow not offered"
    messages: ClassVar[dict[str, str]] = {
        "en": "“{method}” takes payments on its own page only.",
        "es": "«{method}» solo cobra en su propia página.",
    }
