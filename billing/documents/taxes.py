"""Tax treatments, the law's rates as dated data, and splitting a gross amount so that the parts sum exactly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from billing.documents.models import TaxArea


class TaxTreatment(StrEnum):
    """How a service is taxed. ``none``: outside the tax altogether (a compensation)."""

    EXEMPT_HEALTH = "exempt_health"
    GENERAL = "general"
    REDUCED = "reduced"
    NONE = "none"


TAXED = (TaxTreatment.GENERAL, TaxTreatment.REDUCED)
TENTH_OF_A_MILLE = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate in hundredths of a percent (2100 is 21 %), in force from a day on."""

    treatment: TaxTreatment
    valid_from: date
    rate_bp: int


_IVA = (
    # Ley 37/1992, art. 90.Uno and 91.Uno, as of Real Decreto-ley 20/2012, art. 23.
    Rate(TaxTreatment.GENERAL, date(2012, 9, 1), 2100),
    Rate(TaxTreatment.REDUCED, date(2012, 9, 1), 1000),
)
_IGIC = (
    # Ley 4/2012 (Canarias), art. 51: general 7 %, but 6.5 % in 2019; reduced 3 %.
    Rate(TaxTreatment.GENERAL, date(2012, 7, 1), 700),
    Rate(TaxTreatment.GENERAL, date(2019, 1, 1), 650),
    Rate(TaxTreatment.GENERAL, date(2020, 1, 1), 700),
    Rate(TaxTreatment.REDUCED, date(2012, 7, 1), 300),
)
LEGAL_RATES: dict[TaxArea, Sequence[Rate]] = {
    TaxArea.ES_COMMON: _IVA,
    TaxArea.ES_FORAL: _IVA,
    TaxArea.ES_CANARY: _IGIC,
    TaxArea.OTHER: (),
}


def rate_on(treatment: TaxTreatment, day: date, area: TaxArea, own: Iterable[Rate] = ()) -> int | None:
    """The rate in hundredths of a percent on ``day``: the practice's own before the law's; None if there is none.

    What is exempt or outside the tax has a rate of 0.
    """
    if treatment not in TAXED:
        return 0
    for rates in (own, LEGAL_RATES[area]):
        known = [one for one in rates if one.treatment == treatment and one.valid_from <= day]
        if known:
            return max(known, key=lambda one: one.valid_from).rate_bp
    return None


def split_gross(gross_minor: int, rate_bp: int) -> tuple[int, int]:
    """Base and tax of an amount with the tax in it, in minor units; they sum to it exactly.

    The base is rounded to the nearest unit, half a unit up (away from zero for negative amounts, so that a
    correction undoes to the unit what it corrects); the tax is what is left.
    """
    sign = -1 if gross_minor < 0 else 1
    whole = TENTH_OF_A_MILLE + rate_bp
    base = (abs(gross_minor) * TENTH_OF_A_MILLE * 2 + whole) // (2 * whole)
    return sign * base, gross_minor - sign * base


def allocate(total_minor: int, weights: Sequence[int]) -> list[int]:
    """``total_minor`` in parts in proportion to ``weights``, whose sum it is exactly (largest remainder first).

    All weights 0: everything falls to the first.
    """
    whole = sum(weights)
    if whole == 0:
        return [total_minor, *(0 for _ in weights[1:])]
    sign, amount = (-1, -total_minor) if total_minor < 0 else (1, total_minor)
    parts = [amount * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda index: (-(amount * weights[index] % whole), index))
    for index in order[: amount - sum(parts)]:
        parts[index] += 1
    return [sign * part for part in parts]
