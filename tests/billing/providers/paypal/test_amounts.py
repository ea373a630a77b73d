"""Money in PayPal's form and back."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.providers import registry
from billing.providers.paypal.amounts import (
    CURRENCIES,
    WHOLE_CURRENCIES,
    from_amount,
    refusal_of,
    step_minor,
    to_amount,
)
from billing.providers.port import ProviderMisconfiguredError
from billing.refunds.service import share_minor
from todoenbalance.kit.money import Money, currency_exponent


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(1, 10**9))
def test_what_paypal_takes_comes_back_as_it_went(currency: str, amount: int) -> None:
    money = Money(amount, currency)
    if refusal_of(money) is not None:
        with pytest.raises(ProviderMisconfiguredError):
            to_amount(money)
        return
    written = to_amount(money)
    assert from_amount(written) == money
    assert Decimal(written["value"]) == Decimal(amount).scaleb(-currency_exponent(currency))
    assert ("." in written["value"]) is (currency not in WHOLE_CURRENCIES)


@pytest.mark.parametrize(
    ("amount", "currency", "value"),
    [
        (4500, "EUR", "45.00"),
        (5, "EUR", "0.05"),
        (4500, "JPY", "4500"),
        (450000, "HUF", "4500"),
        (450000, "TWD", "4500"),
        (999_999_999, "EUR", "9999999.99"),
    ],
)
def test_each_currency_has_paypals_own_decimals(amount: int, currency: str, value: str) -> None:
    assert to_amount(Money(amount, currency)) == {"currency_code": currency, "value": value}


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (0, "EUR", "too_little"),
        (1_000_000_000, "EUR", "too_much"),
        (450050, "HUF", "not_whole"),
        (450001, "TWD", "not_whole"),
        (100, "KWD", "currency_not_supported"),
    ],
)
def test_what_paypal_would_not_take_is_known_beforehand(amount: int, currency: str, code: str) -> None:
    assert refusal_of(Money(amount, currency)) == code


def test_the_least_step_is_one_unit_where_there_are_no_decimals() -> None:
    assert (step_minor("EUR"), step_minor("JPY"), step_minor("HUF")) == (1, 1, 100)


@pytest.mark.parametrize(
    "value", [None, "", "1,00", "1e3", "NaN", "1.001", " 1.00", "1.", ".5", "--1", "\uff11", {"value": "1"}]
)
def test_what_is_no_amount_is_not_guessed(value: Any) -> None:
    amount = value if isinstance(value, dict) else {"currency_code": "EUR", "value": value}
    with pytest.raises(ProviderMisconfiguredError):
        from_amount(amount)


@pytest.mark.parametrize(
    ("method", "currency", "amount", "percent", "back"),
    [
        ("paypal", "HUF", 100_100, 50, 50_100),
        ("paypal", "HUF", 100_100, 33, 33_000),
        ("paypal", "EUR", 1001, 50, 501),
        ("paypal", "JPY", 1001, 50, 501),
        ("stripe", "HUF", 100_100, 50, 50_050),
    ],
)
def test_a_share_that_goes_back_is_one_that_the_provider_can_tell(
    method: str, currency: str, amount: int, percent: int, back: int
) -> None:
    share = share_minor(amount, percent, registry.step_minor(method, currency))
    assert share == back
    assert refusal_of(Money(share, currency)) is None or method != "paypal"


@given(st.integers(1, 10**9), st.integers(0, 100), st.sampled_from([1, 100]))
def test_a_share_is_never_more_than_the_whole(amount: int, percent: int, step: int) -> None:
    assert 0 <= share_minor(amount, percent, step) <= amount
    assert share_minor(amount, 100, 1) == amount
