"""What an invoice says of what was paid for: each feature that sells something registers a describer of it.

Billing knows a payable by kind and id only. A describer reads in the caller's transaction and calls nothing outside.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from billing.documents.taxes import TaxTreatment
from todoenbalance.kit.database import TenantSession

Words = str | Mapping[str, str]
"""A text for every language, or one for each (``es``, ``en``)."""


class Part(StrEnum):
    """What of the price this payment is: all of it, some in advance, or what was left of it."""

    WHOLE = "whole"
    ADVANCE = "advance"
    BALANCE = "balance"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without health information: ``description`` is the practice's own name of what it sells.

    ``gross_minor``: its share of the payment, tax included, in minor units; shares are brought to the money that
    arrived. ``operation_on``: the day of the service, on the practice's calendar (None: that of the payment).
    ``mention``: the sentence that explains the treatment, where it is not the usual one.
    """

    description: Words
    gross_minor: int
    treatment: TaxTreatment
    operation_on: date | None = None
    quantity: int = 1
    part: Part = Part.WHOLE
    mention: Words | None = None


Describer = Callable[[TenantSession, UUID], Awaitable[list[Line]]]

_describers: dict[str, Describer] = {}


def register_describer(payable_kind: str, describer: Describer) -> None:
    """Have ``describer`` say what a payable of ``payable_kind`` is; called once at start-up by its owner.

    Raises ``ValueError`` if another one has the kind already.
    """
    if _describers.setdefault(payable_kind, describer) is not describer:
        raise ValueError(f"two describers for {payable_kind!r}")


async def describe_payable(session: TenantSession, payable_kind: str, payable_id: UUID) -> list[Line]:
    """The lines of a payable, none if nobody can say what it is."""
    describer = _describers.get(payable_kind)
    return await describer(session, payable_id) if describer is not None else []


def in_language(words: Words, language: str) -> str:
    """The text in ``language``, or in the first there is."""
    if isinstance(words, str):
        return words
    return words.get(language) or next(iter(words.values()), "")
