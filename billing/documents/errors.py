"""What may go wrong with documents."""

from typing import Any, ClassVar

from todoenbalance.kit.errors import InvalidInputError, ProblemError

_TAX_ID = {
    "en": "This is not a valid tax id of that country. Check the letters and digits.",
    "es": "No es un identificador fiscal válido de ese país. Comprueba letras y cifras.",
}


class InvalidTaxIdError(InvalidInputError):
    """The check character is wrong, or the form is not one of that country's."""

    def __init__(self) -> None:
        super().__init__(["body", "tax_id"], _TAX_ID["en"], "tax_id_invalid")

    def sentence_for(self, error: dict[str, Any], locale: str) -> str:
        """In the reader's language."""
        del error
        return _TAX_ID.get(locale, _TAX_ID["en"])


class IssuerMissingError(ProblemError):
    """The practice has not said as who it issues invoices."""

    status = 409
    code = "issuer_missing"
    title = "No issuer"
    messages: ClassVar[dict[str, str]] = {
        "en": "The practice has not filled in its tax details yet.",
        "es": "La consulta aún no ha rellenado sus datos fiscales.",
    }


class NothingToDocumentError(ProblemError):
    """No money of the payment is with the practice."""

    status = 409
    code = "nothing_to_document"
    title = "No money to document"
    messages: ClassVar[dict[str, str]] = {
        "en": "No money of this payment is with the practice, so there is nothing to issue a document for.",
        "es": "La consulta no tiene dinero de este pago, así que no hay nada que documentar.",
    }


class DocumentWaitsError(ProblemError):
    """The invoice can't be issued as things are; ``reason`` is what is kept of it (a :class:`PendingReason`)."""

    status = 409
    reason: ClassVar[str] = ""


class ClientDataNeededError(DocumentWaitsError):
    """More than a simplified invoice may be of, or a full one was asked for, and the client's details are missing."""

    code = "client_data_needed"
    reason = "client_data_needed"
    title = "The client's tax details are needed"
    messages: ClassVar[dict[str, str]] = {
        "en": "A full invoice is needed, and the client's name, tax id and address for it.",
        "es": "Hace falta una factura completa y, para ella, el nombre, el NIF y el domicilio del cliente.",
    }


class RateMissingError(DocumentWaitsError):
    """Nobody has said which rate a taxed service has on that day."""

    code = "rate_missing"
    reason = "rate_missing"
    title = "No tax rate"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is no tax rate for this service. Set it in the invoicing settings.",
        "es": "No hay tipo impositivo para este servicio. Indícalo en los ajustes de facturación.",
    }


class NotDescribedError(DocumentWaitsError):
    """What was paid for can't be described any more (its kind is not known here)."""

    code = "not_described"
    reason = "not_described"
    title = "Nothing to print"
    messages: ClassVar[dict[str, str]] = {
        "en": "What was paid for can't be described on an invoice.",
        "es": "Lo que se pagó no se puede describir en una factura.",
    }


class CurrencyNotSupportedError(DocumentWaitsError):
    """Spanish invoices need their tax in euros (RD 1619/2012, art. 12), and we know no exchange rates."""

    code = "currency_not_supported"
    reason = "currency_not_supported"
    title = "Only euros"
    messages: ClassVar[dict[str, str]] = {
        "en": "Spanish invoices are issued in euros here; this payment is in {currency}.",
        "es": "Las facturas españolas se expiden aquí en euros; este pago está en {currency}.",
    }


class NotCorrectableError(ProblemError):
    """A receipt, or an invoice that another one stands for already."""

    status = 409
    code = "document_not_correctable"
    title = "Not correctable"
    messages: ClassVar[dict[str, str]] = {
        "en": "This document can't be corrected: it is a receipt, or another one stands in its place.",
        "es": "Este documento no se puede rectificar: es un justificante o hay otro que lo sustituye.",
    }


class DocumentCorrectedError(ProblemError):
    """A full invoice was asked for in exchange for one that no longer comes to what it says."""

    status = 409
    code = "document_corrected"
    title = "Corrected meanwhile"
    messages: ClassVar[dict[str, str]] = {
        "en": "This invoice was corrected, so it can't be exchanged for a full one. Ask the practice.",
        "es": "Esta factura se ha rectificado, así que no se puede canjear por una completa. Pregunta en la consulta.",
    }


class CorrectionExceedsDocumentError(ProblemError):
    """More is to be taken off than what the invoices of the payment come to."""

    status = 422
    code = "correction_exceeds_document"
    title = "More than was invoiced"
    messages: ClassVar[dict[str, str]] = {
        "en": "At most {available} can be taken off.",
        "es": "Se pueden descontar como máximo {available}.",
    }


class NothingChangedError(ProblemError):
    """A correction of the recipient's details was asked for, and they are as they were."""

    status = 409
    code = "nothing_changed"
    title = "Nothing to correct"
    messages: ClassVar[dict[str, str]] = {
        "en": "The client's details are the same as on the invoice.",
        "es": "Los datos del cliente son los mismos que los de la factura.",
    }


class RenderingTimeoutError(ProblemError):
    """The PDF took too long to set."""

    status = 503
    code = "rendering_timeout"
    title = "Took too long"
    messages: ClassVar[dict[str, str]] = {
        "en": "The document could not be drawn in time. Try again in a moment.",
        "es": "El documento no se ha podido generar a tiempo. Inténtalo de nuevo en un momento.",
    }
