"""Sending records to the tax agency: the interface, and the adapter that sends nothing.

Whether records are transmitted changes what is printed ("VERI*FACTU", another address in the QR code), so an invoice
remembers how it was when it was issued. Another adapter is one file here, a line in :func:`transmitter_for` and a
value of the setting ``documents.transmission``.
"""

from dataclasses import dataclass
from typing import Protocol

from billing.documents.verifactu.huella import Alta
from todoenbalance.kit.settings import DocumentSettings


@dataclass(frozen=True, slots=True)
class TaxBreakdown:
    """One line of the record's *desglose*, amounts as texts; ``treatment`` is a ``TaxTreatment``."""

    treatment: str
    rate: str
    base: str
    tax: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A record with what is sent beside what is hashed: whose it is, how it is taxed, which one comes before."""

    alta: Alta
    hash: str
    issuer_name: str
    description: str
    breakdown: tuple[TaxBreakdown, ...]
    corrects: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    recipient_name: str | None = None
    recipient_tax_id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the agency said. ``note``: its words where it refused, safe to show to staff."""

    is_accepted: bool
    reference: str | None = None
    note: str | None = None


class TransmissionUnavailableError(Exception):
    """The agency did not answer, or asked us to wait: send the same record again later."""


class Transmitter(Protocol):
    """Sends records. ``transmits`` False: nothing is ever sent, and nothing may be printed as verifiable."""

    transmits: bool

    async def submit(self, submission: Submission) -> Receipt:
        """Send one record; sending it again is answered as the first time.

        Raises :class:`TransmissionUnavailableError`.
        """


class NoTransmission:
    """Nothing is sent: a system that isn't *VERI\\*FACTU*, whose records are kept here and shown on demand."""

    transmits = False

    async def submit(self, submission: Submission) -> Receipt:
        """Refuses: asking for it is a fault of ours."""
        raise RuntimeError(f"transmission is off; {submission.alta.number} was to be sent")


_transmitters: dict[str, Transmitter] = {"off": NoTransmission()}


def register_transmitter(name: str, transmitter: Transmitter) -> None:
    """Make ``transmitter`` the one of the setting's value ``name``; called at start-up."""
    _transmitters[name] = transmitter


def transmitter_for(settings: DocumentSettings) -> Transmitter:
    """The adapter of the settings. Raises ``KeyError`` for one that nobody registered."""
    return _transmitters[settings.transmission]
