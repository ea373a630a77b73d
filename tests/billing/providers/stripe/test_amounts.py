"""Amounts as Stripe writes them, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.providers.stripe.amounts import LARGEST, from_stripe, refusal_of, stripe_exponent, to_stripe
from tests.support.providers.stripe.amounts import CURRENCIES
from todoenbalance.kit.money import Money, currency_exponent, is_currency

KNOWN = sorted(code.upper() for code in CURRENCIES if is_currency(code.upper()))


@given(st.sampled_from(KNOWN), st.integers(0, 10**9))
def test_what_can_be_written_comes_back_as_it_was(currency: str, amount: int) -> None:
    money = Money(amount, currency)
    if refusal_of(money) is None:
        assert from_stripe(to_stripe(money), currency) == amount
        # The same money: a hundred times too much is what a wrong table makes of it.
        assert to_stripe(money) * 10 ** currency_exponent(currency) == amount * 10 ** stripe_exponent(currency)


@pytest.mark.parametrize(
    ("money", "written"),
    [
        (Money(4500, "EUR"), 4500),
        (Money(4500, "JPY"), 4500),
        (Money(4500, "KWD"), 4500),
        (Money(45, "ISK"), 4500),
        (Money(450_000, "HUF"), 450_000),
    ],
)
def test_each_kind_of_currency(money: Money, written: int) -> None:
    assert to_stripe(money) == written
    assert refusal_of(money) is None


@pytest.mark.parametrize(
    ("money", "why"),
    [
        (Money(49, "EUR"), "amount_too_small"),
        (Money(LARGEST + 1, "EUR"), "amount_too_large"),
        (Money(4501, "KWD"), "amount_not_writable"),
        (Money(10**9, "ISK"), "amount_too_large"),
    ],
)
def test_what_stripe_would_not_charge_is_known_beforehand(money: Money, why: str) -> None:
    assert refusal_of(money) == why


def test_the_limits_themselves_are_taken() -> None:
    assert refusal_of(Money(50, "EUR")) is None
    assert refusal_of(Money(LARGEST, "EUR")) is None
