"""What the mails to clients about money may say, each variable once."""

from billing.documents.mails import DOCUMENT_ISSUED_MAIL
from billing.documents.models import DocumentKind
from billing.packages.mails import BOUGHT, EXPIRING
from billing.refunds.mails import REFUND_SETTLED
from billing.refunds.service import RefundCause
from notifications.overrides.variables import (
    OverridableKind,
    always,
    choice,
    flag,
    money,
    number,
    register_overridable,
    said,
    text,
    url,
)

_OF_A_PACKAGE = (
    text("package", "Nombre del bono", "Name of the package", said("Bono de 5 sesiones", "Five sessions")),
    number("sessions", "Sesiones del bono", "Sessions of the package", 5),
    number("left", "Sesiones que quedan", "Sessions that are left", 5),
    text("price", "Precio; vacío si fue un regalo", "The price; empty if it was given", money(20000), optional=True),
    text(
        "expires_on",
        "Hasta qué día vale; vacío si no caduca",
        "Until which day it is valid; empty if it does not run out",
        said("miércoles, 3 de marzo de 2027", "Wednesday, 3 March 2027"),
        optional=True,
    ),
    flag("has_run_out", "Si ya ha caducado", "Whether it has run out", example=False),
    url("package_url", "Página del bono", "The package's page", "/packages/mine/{id}"),
    url("booking_url", "Página de reservas", "The booking page", ""),
)

_KINDS = (
    OverridableKind(
        BOUGHT,
        {"es": "Bono comprado", "en": "Package bought"},
        _OF_A_PACKAGE,
        (("package",), ("package_url", "booking_url")),
    ),
    OverridableKind(
        EXPIRING,
        {"es": "Bono que caduca pronto", "en": "Package about to run out"},
        _OF_A_PACKAGE,
        (("package",), ("expires_on",), ("package_url", "booking_url")),
    ),
    OverridableKind(
        REFUND_SETTLED,
        {"es": "Devolución", "en": "Refund"},
        (
            text("amount", "Importe devuelto", "What was given back", money(4500)),
            choice(
                "cause",
                "Por qué: " + ", ".join(RefundCause),
                "Why: " + ", ".join(RefundCause),
                *(cause.value for cause in RefundCause),
            ),
            text("what", "Concepto del pago", "What was paid for", said("Primera visita", "First visit")),
            flag("by_hand", "Si se devolvió en la consulta", "Whether it was given back at the desk", example=False),
            text("client", "Nombre completo de quien pagó", "Full name of who paid", always("Ana Gil"), optional=True),
            url("booking_url", "Página de reservas", "The booking page", ""),
            url(
                "admin_url",
                "Página del pago en el panel (no es para clientes)",
                "The payment in the portal (not for clients)",
                "/admin/payments/{id}",
            ),
        ),
        (("amount",),),
    ),
    OverridableKind(
        DOCUMENT_ISSUED_MAIL,
        {"es": "Factura o justificante", "en": "Invoice or receipt"},
        (
            choice(
                "kind",
                "Qué es: receipt (justificante), simplified, full o rectifying (rectificativa)",
                "What it is: receipt, simplified, full or rectifying",
                DocumentKind.RECEIPT.value,
                DocumentKind.SIMPLIFIED.value,
                DocumentKind.FULL.value,
                DocumentKind.RECTIFYING.value,
            ),
            text(
                "title", "Nombre del documento", "Name of the document", said("Justificante de pago", "Payment receipt")
            ),
            text("number", "Número", "Its number", always("J-2026-0001")),
            text("day", "Fecha", "Its date", said("3 de marzo de 2026", "3 March 2026")),
            text("amount", "Total", "The total", money(4500)),
            text(
                "corrects",
                "Número de la factura que rectifica",
                "Number of the invoice that it corrects",
                always("F-2026-0001"),
                optional=True,
            ),
            url("url", "Página de sus documentos", "The page of their documents", "/account/documents"),
        ),
        (("number",), ("url",)),
    ),
)


def register_billing_variables() -> None:
    """Called at start-up. Safe to repeat."""
    register_overridable(*_KINDS)
