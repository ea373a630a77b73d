"""Amounts as Stripe writes them: its own table of decimals, minimums and limits (docs.stripe.com/currencies).

Our amounts are in ISO 4217's minor units. Where Stripe's differ (it writes kronas of Iceland with two decimals that
must be zero) they are converted here, and nowhere else.
"""

from typing import Final

from billing.providers.port import ProviderMisconfiguredError
from todoenbalance.kit.money import Money, currency_exponent

LARGEST: Final = 99_999_999
ZERO_DECIMAL: Final = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Their last digit must be zero."""
WHOLE_ONLY: Final = frozenset({"ISK", "UGX"})
"""Written with two decimals that must be zero, for the sake of older callers."""
_SMALLEST: Final = {
    "AED": 200,
    "AUD": 50,
    "BGN": 100,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "CZK": 1500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17_500,
    "INR": 50,
    "JPY": 50,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "NZD": 50,
    "PLN": 200,
    "RON": 200,
    "SEK": 300,
    "SGD": 50,
    "THB": 1000,
    "USD": 50,
}


def stripe_exponent(currency: str) -> int:
    """Decimal places of an amount of this currency at Stripe."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def to_stripe(amount: Money) -> int:
    """Our amount in Stripe's units. Raises :class:`ProviderMisconfiguredError` for one that it has no units for."""
    shift = stripe_exponent(amount.currency) - currency_exponent(amount.currency)
    if shift >= 0:
        return int(amount.amount * 10**shift)
    whole, rest = divmod(amount.amount, 10**-shift)
    if rest:
        raise ProviderMisconfiguredError("amount_not_writable")
    return int(whole)


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's amount in our minor units. Raises :class:`ProviderMisconfiguredError` where that would lose money."""
    code = currency.upper()
    shift = currency_exponent(code) - stripe_exponent(code)
    if shift >= 0:
        return int(amount * 10**shift)
    whole, rest = divmod(amount, 10**-shift)
    if rest:
        raise ProviderMisconfiguredError("amount_not_writable")
    return int(whole)


def refusal_of(amount: Money) -> str | None:
    """Why Stripe would not charge this amount; None if it would."""
    try:
        wanted = to_stripe(amount)
    except ProviderMisconfiguredError as error:
        return error.code
    if wanted > LARGEST:
        return "amount_too_large"
    if wanted < _SMALLEST.get(amount.currency, 1):
        return "amount_too_small"
    if (amount.currency in THREE_DECIMAL and wanted % 10) or (amount.currency in WHOLE_ONLY and wanted % 100):
        return "amount_not_writable"
    return None
