"""Plans in a reader's words, for the pages of owners and operators alike."""

from datetime import date

from babel.dates import format_skeleton
from babel.numbers import format_percent

from tenants.plans.models import Plan
from todoenbalance.kit.money import Money

_A_MONTH = {"es": "{amount} al mes", "en": "{amount} a month"}
_OF_PAYMENTS = {"es": "{fee} de cada pago en línea", "en": "{fee} of each online payment"}


def price_words(plan: Plan, locale: str) -> str | None:
    """``29,00 € al mes``; None for a plan without a price."""
    if plan.price_minor is None or plan.price_currency is None:
        return None
    return _A_MONTH[locale].format(amount=Money(plan.price_minor, plan.price_currency).format(locale))


def fee_words(plan: Plan, locale: str) -> str | None:
    """``1,5 % + 0,25 € de cada pago en línea``; None for a plan without a fee."""
    parts = []
    if plan.fee_basis_points:
        parts.append(format_percent(plan.fee_basis_points / 10_000, format="#,##0.##%", locale=locale))
    if plan.fee_fixed_minor and plan.fee_fixed_currency:
        parts.append(Money(plan.fee_fixed_minor, plan.fee_fixed_currency).format(locale))
    return _OF_PAYMENTS[locale].format(fee=" + ".join(parts)) if parts else None


def month_words(month: date, locale: str) -> str:
    """``noviembre de 2026``."""
    text: str = format_skeleton("yMMMM", month, locale=locale)
    return text
