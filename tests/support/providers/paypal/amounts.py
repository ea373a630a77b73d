"""What PayPal takes as an amount: decimal text, two digits behind the point or none, by its own table."""

from decimal import Decimal
from typing import Any, Final

from tests.support.providers.paypal.errors import refused

Json = dict[str, Any]

_CURRENCIES: Final = "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS JPY MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD"
CURRENCIES: Final = frozenset(_CURRENCIES.split())
WHOLE: Final = frozenset({"HUF", "JPY", "TWD"})
"""Taken without decimals."""
LARGEST: Final = Decimal("9999999.99")


def parsed(amount: Json, *, whole_issue: str = "DECIMAL_PRECISION") -> Decimal:
    """The value of a request's amount. Raises PayPal's refusals; ``whole_issue`` for decimals of a whole currency."""
    currency, value = amount["currency_code"], Decimal(amount["value"])
    if currency not in CURRENCIES:
        raise refused("INVALID_CURRENCY_CODE")
    if value <= 0:
        raise refused("CANNOT_BE_ZERO_OR_NEGATIVE")
    digits = -int(value.as_tuple().exponent)
    if currency in WHOLE and digits > 0:
        raise refused(whole_issue)
    if digits > 2:
        raise refused("DECIMAL_PRECISION")
    return value


def written(value: Decimal, currency: str) -> Json:
    """An amount as PayPal answers it."""
    text = f"{value:.0f}" if currency in WHOLE else f"{value:.2f}"
    return {"currency_code": currency, "value": text}


def fee(value: Decimal, currency: str) -> Decimal:
    """What PayPal keeps: 2.9 % and 0.35 (35 in a whole currency)."""
    step = Decimal(1) if currency in WHOLE else Decimal("0.01")
    fixed = Decimal(35) if currency in WHOLE else Decimal("0.35")
    return min(value, (value * Decimal("0.029")).quantize(step) + fixed)
