"""The platform's fee: by table, and by what holds for any amounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.plans.fees import fee_for, fee_share_minor, platform_fee_minor
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import MAX_MINOR, Money
from todoenbalance.kit.tenancy import TenantContext, new_key

AMOUNTS = st.integers(min_value=0, max_value=MAX_MINOR)
BASIS_POINTS = st.integers(min_value=0, max_value=10_000)
FIXED = st.integers(min_value=0, max_value=100_000)


def practice(currency: str = "EUR", basis_points: int = 150, fixed: int = 25) -> TenantContext:
    """A practice on a plan with a fee."""
    return TenantContext(
        id=new_id(),
        key=new_key(),
        slug="fees",
        name="Fees",
        status="active",
        country="ES",
        timezone="Europe/Madrid",
        locale="es",
        currency=currency,
        fee_basis_points=basis_points,
        fee_fixed_minor=fixed,
    )


class TestTheFee:
    @pytest.mark.parametrize(
        ("amount", "basis_points", "fixed", "fee"),
        [
            (4500, 150, 0, 67),  # 67.5: down, to the practice's good
            (4500, 150, 25, 92),
            (4500, 0, 0, 0),
            (4500, 0, 25, 25),
            (10, 150, 25, 10),  # never more than the amount
            (66, 150, 0, 0),
            (67, 150, 0, 1),
            (4500, 10_000, 0, 4500),
            (0, 150, 25, 0),
            (MAX_MINOR, 150, 0, 1_499_999_999),
        ],
    )
    def test_by_the_table(self, amount: int, basis_points: int, fixed: int, fee: int) -> None:
        assert platform_fee_minor(basis_points, fixed, Money(amount, "EUR"), "stripe") == fee

    @pytest.mark.parametrize(("currency", "amount", "fee"), [("JPY", 5000, 75), ("KWD", 12_345, 185), ("EUR", 1, 0)])
    def test_counts_minor_units_whatever_their_number_of_decimals(self, currency: str, amount: int, fee: int) -> None:
        assert platform_fee_minor(150, 0, Money(amount, currency), "paypal") == fee

    @pytest.mark.parametrize(("method", "has_fee"), [("stripe", True), ("paypal", True), ("sandbox", True),
                                                     ("offline", False), ("credit", False)])  # fmt: skip
    def test_is_of_online_payments_only(self, method: str, has_fee: bool) -> None:
        assert (platform_fee_minor(150, 25, Money(4500, "EUR"), method) > 0) is has_fee

    def test_has_no_fixed_part_in_another_currency_than_the_practices(self) -> None:
        assert fee_for(practice(), Money(4500, "EUR"), "stripe") == 92
        assert fee_for(practice(), Money(4500, "USD"), "stripe") == 67

    @given(AMOUNTS, BASIS_POINTS, FIXED)
    def test_is_never_negative_and_never_more_than_the_amount(self, amount: int, points: int, fixed: int) -> None:
        assert 0 <= platform_fee_minor(points, fixed, Money(amount, "EUR"), "stripe") <= amount

    @given(AMOUNTS, AMOUNTS, BASIS_POINTS, FIXED)
    def test_grows_with_the_amount(self, one: int, other: int, points: int, fixed: int) -> None:
        less, more = sorted((one, other))
        fees = [platform_fee_minor(points, fixed, Money(amount, "EUR"), "stripe") for amount in (less, more)]
        assert fees[0] <= fees[1]


class TestTheShareOfARefund:
    @pytest.mark.parametrize(
        ("fee", "captured", "before", "refund", "share"),
        [(67, 4500, 0, 4500, 67), (67, 4500, 0, 2250, 33), (67, 4500, 2250, 2250, 34), (67, 4500, 0, 1, 0),
         (0, 4500, 0, 4500, 0), (67, 0, 0, 0, 0)],
    )  # fmt: skip
    def test_by_the_table(self, fee: int, captured: int, before: int, refund: int, share: int) -> None:
        assert fee_share_minor(fee, captured, before, refund) == share

    @given(st.data())
    def test_of_any_sequence_of_refunds_adds_up_to_the_whole_fee(self, data: st.DataObject) -> None:
        captured = data.draw(st.integers(min_value=1, max_value=MAX_MINOR))
        fee = data.draw(st.integers(min_value=0, max_value=captured))
        cuts = sorted(set(data.draw(st.lists(st.integers(min_value=1, max_value=captured), max_size=12))) | {captured})
        returned = refunded = 0
        for cut in cuts:
            share = fee_share_minor(fee, captured, refunded, cut - refunded)
            assert 0 <= share <= min(fee, cut - refunded)
            refunded, returned = cut, returned + share
        assert returned == fee

    @given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
    def test_is_taken_back_exactly_when_the_refund_is(self, captured: int, fee: int, refund: int) -> None:
        there = fee_share_minor(fee, captured, 0, refund)
        assert there + fee_share_minor(fee, captured, refund, -refund) == 0
