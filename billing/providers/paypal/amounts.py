"""Amounts as PayPal writes them: decimal text, by PayPal's own table of currencies, made by integer arithmetic only."""

import re
from collections.abc import Mapping
from typing import Any

from billing.providers.port import ProviderMisconfiguredError
from todoenbalance.kit.money import Money, currency_exponent

_CODES = "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS JPY MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD"
CURRENCIES = frozenset(_CODES.split())
"""What PayPal takes (REST reference, "Currency codes"); none of them has three decimals."""

WHOLE_CURRENCIES = frozenset({"HUF", "JPY", "TWD"})
"""What PayPal takes without decimals, although two of them have cents elsewhere."""

MAX_UNITS = 9_999_999
"""The largest amount, in whole units of a currency."""

_VALUE = re.compile(r"(-?)([0-9]{1,20})(?:\.([0-9]{1,10}))?")


def refusal_of(amount: Money) -> str | None:
    """Why PayPal would not take an amount, as a short code; None if it would."""
    if amount.currency not in CURRENCIES:
        return "currency_not_supported"
    if amount.amount <= 0:
        return "too_little"
    if amount.amount % step_minor(amount.currency):
        return "not_whole"
    if amount.amount > (MAX_UNITS + 1) * 10 ** currency_exponent(amount.currency) - step_minor(amount.currency):
        return "too_much"
    return None


def step_minor(currency: str) -> int:
    """The smallest difference between two amounts that PayPal can tell, in our minor units."""
    return int(10 ** (currency_exponent(currency) - _decimals(currency)))


def to_amount(amount: Money) -> dict[str, str]:
    """PayPal's form of an amount. Raises :class:`ProviderMisconfiguredError` for one that it would not take."""
    refusal = refusal_of(amount)
    if refusal is not None:
        raise ProviderMisconfiguredError(f"amount_{refusal}")
    decimals = _decimals(amount.currency)
    whole, rest = divmod(amount.amount // step_minor(amount.currency), 10**decimals)
    value = f"{whole}.{rest:0{decimals}d}" if decimals else str(whole)
    return {"currency_code": amount.currency, "value": value}


def from_amount(amount: Any) -> Money:
    """An amount of PayPal's in minor units. Raises :class:`ProviderMisconfiguredError` for what is none."""
    currency = amount.get("currency_code") if isinstance(amount, Mapping) else None
    match = _VALUE.fullmatch(str(amount.get("value"))) if isinstance(amount, Mapping) else None
    if not isinstance(currency, str) or len(currency) != 3 or match is None:
        raise ProviderMisconfiguredError("unreadable_amount")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    exponent = currency_exponent(currency)
    if fraction[exponent:].strip("0"):
        raise ProviderMisconfiguredError("unreadable_amount")
    minor = int(whole + fraction[:exponent].ljust(exponent, "0"))
    return Money(-minor if sign else minor, currency)


def _decimals(currency: str) -> int:
    return 0 if currency in WHOLE_CURRENCIES else 2
