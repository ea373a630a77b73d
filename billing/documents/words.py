"""The fixed words of documents in each language: titles, labels, and the mentions that the law wants printed."""

from billing.documents.models import CorrectionMethod, DocumentKind, TaxArea
from billing.documents.port import Part
from billing.documents.taxes import TAXED, TaxTreatment

LANGUAGES = ("es", "en")

TITLES: dict[str, dict[str, str]] = {
    DocumentKind.SIMPLIFIED: {"es": "Factura simplificada", "en": "Simplified invoice"},
    DocumentKind.FULL: {"es": "Factura", "en": "Invoice"},
    DocumentKind.RECTIFYING: {"es": "Factura rectificativa", "en": "Rectifying invoice"},
    DocumentKind.RECEIPT: {"es": "Justificante de pago", "en": "Payment receipt"},
}
LABELS: dict[str, dict[str, str]] = {
    "number": {"es": "Número", "en": "Number"},
    "issued_on": {"es": "Fecha de expedición", "en": "Date of issue"},
    "operation_on": {"es": "Fecha de la operación", "en": "Date of supply"},
    "issuer": {"es": "Emisor", "en": "Issued by"},
    "recipient": {"es": "Cliente", "en": "Bill to"},
    "tax_id": {"es": "NIF", "en": "Tax id"},
    "description": {"es": "Concepto", "en": "Description"},
    "quantity": {"es": "Cant.", "en": "Qty"},
    "base": {"es": "Base", "en": "Net"},
    "rate": {"es": "Tipo", "en": "Rate"},
    "tax": {"es": "Cuota", "en": "Tax"},
    "gross": {"es": "Importe", "en": "Amount"},
    "total": {"es": "Total", "en": "Total"},
    "totals": {"es": "Desglose de impuestos", "en": "Tax summary"},
    "paid": {"es": "Pagado", "en": "Paid"},
    "corrects": {"es": "Rectifica a", "en": "Corrects"},
    "replaces": {"es": "Sustituye a", "en": "Replaces"},
    "reason": {"es": "Motivo", "en": "Reason"},
    "page": {"es": "Página", "en": "Page"},
    "blocked": {
        "es": "Datos del destinatario bloqueados (art. 32 LOPDGDD)",
        "en": "Recipient's details blocked (LOPDGDD, art. 32)",
    },
    "dated": {"es": "de", "en": "of"},
}
TREATMENTS: dict[str, dict[str, str]] = {
    TaxTreatment.EXEMPT_HEALTH: {"es": "Exenta", "en": "Exempt"},
    TaxTreatment.GENERAL: {"es": "General", "en": "Standard"},
    TaxTreatment.REDUCED: {"es": "Reducido", "en": "Reduced"},
    TaxTreatment.NONE: {"es": "No sujeta", "en": "Outside scope"},
}
RATED = frozenset(TAXED)
"""The treatments that have a rate to show."""
TAX_NAMES: dict[str, dict[str, str]] = {
    TaxArea.ES_COMMON: {"es": "IVA", "en": "VAT"},
    TaxArea.ES_FORAL: {"es": "IVA", "en": "VAT"},
    TaxArea.ES_CANARY: {"es": "IGIC", "en": "IGIC"},
    TaxArea.OTHER: {"es": "IVA", "en": "VAT"},
}
EXEMPT_HEALTH: dict[str, dict[str, str]] = {
    TaxArea.ES_COMMON: {
        "es": "Operación exenta de IVA: asistencia sanitaria (art. 20.Uno.3.º de la Ley 37/1992).",
        "en": "Exempt from VAT: health care (art. 20.Uno.3.º of Spanish Law 37/1992).",
    },
    TaxArea.ES_FORAL: {
        "es": "Operación exenta de IVA: asistencia sanitaria (art. 20.Uno.3.º de la norma foral del IVA).",
        "en": "Exempt from VAT: health care (art. 20.Uno.3.º of the regional VAT act).",
    },
    TaxArea.ES_CANARY: {
        "es": "Operación exenta de IGIC: asistencia sanitaria (art. 50.Uno.3.º de la Ley 4/2012, de Canarias).",
        "en": "Exempt from IGIC: health care (art. 50.Uno.3.º of Canary Islands Law 4/2012).",
    },
    TaxArea.OTHER: {"es": "Operación exenta: asistencia sanitaria.", "en": "Exempt supply: health care."},
}
NOT_SUBJECT: dict[str, dict[str, str]] = {
    TaxArea.ES_COMMON: {
        "es": "Importe no sujeto a IVA.",
        "en": "Amount outside the scope of VAT.",
    },
    TaxArea.ES_FORAL: {"es": "Importe no sujeto a IVA.", "en": "Amount outside the scope of VAT."},
    TaxArea.ES_CANARY: {"es": "Importe no sujeto a IGIC.", "en": "Amount outside the scope of IGIC."},
    TaxArea.OTHER: {"es": "Importe no sujeto al impuesto.", "en": "Amount outside the scope of the tax."},
}
COMPENSATION: dict[str, str] = {
    "es": "Indemnización, sin contraprestación de servicio: no sujeta a IVA (art. 78.Tres.1.º de la Ley 37/1992).",
    "en": "Compensation, not the price of a service: outside the scope of VAT (art. 78.Tres.1.º of Law 37/1992).",
}
"""The mention of a fee for not coming: a describer's :attr:`~billing.documents.port.Line.mention`."""
PARTS: dict[Part, dict[str, str]] = {
    Part.WHOLE: {"es": "{}", "en": "{}"},
    Part.ADVANCE: {"es": "{} (pago anticipado)", "en": "{} (advance payment)"},
    Part.BALANCE: {"es": "{} (resto del precio)", "en": "{} (balance)"},
}
METHODS: dict[str, dict[str, str]] = {
    CorrectionMethod.DIFFERENCES: {"es": "Rectificación por diferencias", "en": "Correction by differences"},
    CorrectionMethod.SUBSTITUTION: {"es": "Rectificación por sustitución", "en": "Correction by substitution"},
}
REASONS: dict[str, dict[str, str]] = {
    "refund": {
        "es": "Devolución total o parcial del importe (art. 80 de la Ley 37/1992)",
        "en": "Refund of all or part of the price (art. 80 of Law 37/1992)",
    },
    "amount": {"es": "Corrección del importe", "en": "Correction of the amount"},
    "recipient": {"es": "Corrección de los datos del destinatario", "en": "Correction of the recipient's details"},
}
PAYMENT_METHODS: dict[str, dict[str, str]] = {
    "stripe": {"es": "tarjeta", "en": "card"},
    "paypal": {"es": "PayPal", "en": "PayPal"},
    "sandbox": {"es": "proveedor de prueba", "en": "test provider"},
    "offline": {"es": "en la consulta", "en": "at the practice"},
    "receipt_cash": {"es": "efectivo", "en": "cash"},
    "receipt_transfer": {"es": "transferencia", "en": "bank transfer"},
    "receipt_card": {"es": "tarjeta en la consulta", "en": "card at the practice"},
}
QR_TITLE = "QR tributario:"
"""Printed above the code as it stands, whatever the language (AEAT, QR specification, 3)."""
QR_VERIFIABLE = "Factura verificable en la sede electrónica de la AEAT · VERI*FACTU"
"""Printed below it, only where records are transmitted (Orden HAC/1177/2024, art. 20.1.b)."""


def say(words: dict[str, str], language: str) -> str:
    """The words in ``language``, or in Spanish."""
    return words.get(language, words["es"])
