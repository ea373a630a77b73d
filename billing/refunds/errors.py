"""What may go wrong with a refund."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class RefundExceedsPaymentError(ProblemError):
    """More was asked for than what is left of the payment. Amounts are texts for a reader."""

    status = 422
    code = "refund_exceeds_payment"
    title = "Refund exceeds the payment"
    messages: ClassVar[dict[str, str]] = {
        "en": "At most {available} of this payment can still be refunded.",
        "es": "De este pago se pueden devolver como máximo {available}.",
    }


class RefundNotFailedError(ProblemError):
    """Only a refund that failed is tried again."""

    status = 409
    code = "refund_not_failed"
    title = "Nothing to try again"
    messages: ClassVar[dict[str, str]] = {
        "en": "This refund has not failed.",
        "es": "Esta devolución no ha fallado.",
    }


class RefundNotToHandOverError(ProblemError):
    """It is done already, or it is a provider's to do."""

    status = 409
    code = "refund_not_to_hand_over"
    title = "Nothing to hand over"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is no money to hand over for this refund.",
        "es": "No hay dinero que entregar por esta devolución.",
    }


class PaymentNotRefundableError(ProblemError):
    """Nothing was received, all of it was given back or is being given back, or it is disputed."""

    status = 409
    code = "payment_not_refundable"
    title = "Nothing to refund"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is nothing to refund on this payment ({status}).",
        "es": "No hay nada que devolver de este pago ({status}).",
    }
