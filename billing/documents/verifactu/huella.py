"""The record of an invoice and its hash, as Spain's rules for invoicing software have them.

RD 1007/2023, art. 10 and 12; Orden HAC/1177/2024, art. 13; AEAT, "Detalle de las especificaciones técnicas para
generación de la huella o hash de los registros de facturación", 0.1.2. Pure: texts in, texts out.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from todoenbalance.kit.money import currency_exponent


@dataclass(frozen=True, slots=True)
class Alta:
    """The fields of a *registro de alta* that are hashed, as texts; ``previous_hash`` is empty for a chain's first."""

    issuer_tax_id: str
    number: str
    issued_on: str
    invoice_type: str
    tax_total: str
    total: str
    previous_hash: str
    generated_at: str

    def text(self) -> str:
        """What is hashed: names and values in the official order, values trimmed and otherwise as they are."""
        fields = (
            ("IDEmisorFactura", self.issuer_tax_id),
            ("NumSerieFactura", self.number),
            ("FechaExpedicionFactura", self.issued_on),
            ("TipoFactura", self.invoice_type),
            ("CuotaTotal", self.tax_total),
            ("ImporteTotal", self.total),
            ("Huella", self.previous_hash),
            ("FechaHoraHusoGenRegistro", self.generated_at),
        )
        return "&".join(f"{name}={value.strip()}" for name, value in fields)

    def hash(self) -> str:
        """SHA-256 in capital hexadecimal digits."""
        return hashlib.sha256(self.text().encode()).hexdigest().upper()


def seal_of(previous_seal: str, record_hash: str, content_digest: str) -> str:
    """Chains what the official hash leaves out (lines, issuer, mentions, recipient): SHA-256, capital digits."""
    return hashlib.sha256(f"{previous_seal}|{record_hash}|{content_digest}".encode()).hexdigest().upper()


def date_text(day: date) -> str:
    """``dd-mm-yyyy``."""
    return day.strftime("%d-%m-%Y")


def amount_text(amount_minor: int, currency: str) -> str:
    """A decimal point, as many places as the currency has (euros: two), a minus sign before what is taken off."""
    exponent = currency_exponent(currency)
    sign, digits = ("-" if amount_minor < 0 else ""), str(abs(amount_minor)).rjust(exponent + 1, "0")
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}" if exponent else f"{sign}{digits}"


def instant_text(moment: datetime, timezone: str) -> str:
    """ISO 8601 to the second on the practice's clock, with its offset: ``2024-01-01T19:20:30+01:00``."""
    return moment.astimezone(ZoneInfo(timezone)).isoformat(timespec="seconds")
