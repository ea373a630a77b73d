"""Splitting gross amounts, sharing them out, and the rates of the law and of the practice."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from billing.documents.models import TaxArea
from billing.documents.taxes import LEGAL_RATES, Rate, TaxTreatment, allocate, rate_on, split_gross
from todoenbalance.kit.money import MAX_MINOR

AMOUNTS = st.integers(-MAX_MINOR, MAX_MINOR)
RATES = st.sampled_from([0, 300, 400, 650, 700, 1000, 1900, 2100, 2700, 10_000]) | st.integers(0, 10_000)


class TestSplitting:
    @given(AMOUNTS, RATES)
    def test_base_and_tax_are_the_gross_amount_in_every_minor_unit(self, gross: int, rate_bp: int) -> None:
        base, tax = split_gross(gross, rate_bp)
        assert base + tax == gross
        assert abs(base) <= abs(gross)

    @given(AMOUNTS, RATES)
    def test_the_tax_is_the_rate_of_the_base_to_the_nearest_unit(self, gross: int, rate_bp: int) -> None:
        base, tax = split_gross(gross, rate_bp)
        # tax = base * rate, off by less than the rounding of the base carries over.
        assert abs(tax * 10_000 - base * rate_bp) * 2 <= 10_000 + rate_bp

    @given(AMOUNTS, RATES)
    def test_a_correction_undoes_what_it_corrects(self, gross: int, rate_bp: int) -> None:
        base, tax = split_gross(gross, rate_bp)
        assert split_gross(-gross, rate_bp) == (-base, -tax)

    def test_well_known_amounts(self) -> None:
        assert split_gross(12_100, 2100) == (10_000, 2100)
        assert split_gross(4500, 0) == (4500, 0)
        assert split_gross(6050, 2100) == (5000, 1050)
        assert split_gross(1, 2100) == (1, 0)


class TestSharing:
    @given(AMOUNTS, st.lists(st.integers(0, MAX_MINOR), min_size=1, max_size=20))
    def test_the_parts_sum_to_the_whole(self, total: int, weights: list[int]) -> None:
        parts = allocate(total, weights)
        assert sum(parts) == total
        assert len(parts) == len(weights)

    @given(st.lists(st.integers(0, MAX_MINOR), min_size=1, max_size=20), st.data())
    def test_no_part_of_less_is_more_than_its_weight(self, weights: list[int], data: st.DataObject) -> None:
        total = data.draw(st.integers(0, sum(weights)))
        assert all(part <= weight for part, weight in zip(allocate(total, weights), weights, strict=True))

    def test_the_largest_remainder_comes_first(self) -> None:
        assert allocate(100, [1, 1, 1]) == [34, 33, 33]
        assert allocate(-100, [1, 1, 1]) == [-34, -33, -33]
        assert allocate(5, [0, 0]) == [5, 0]


class TestRates:
    def test_the_laws_hold_by_area_and_day(self) -> None:
        today = date(2026, 11, 29)
        for area, general, reduced in (
            (TaxArea.ES_COMMON, 2100, 1000),
            (TaxArea.ES_FORAL, 2100, 1000),
            (TaxArea.ES_CANARY, 700, 300),
        ):
            assert rate_on(TaxTreatment.GENERAL, today, area) == general
            assert rate_on(TaxTreatment.REDUCED, today, area) == reduced
        assert rate_on(TaxTreatment.GENERAL, date(2019, 6, 1), TaxArea.ES_CANARY) == 650

    def test_elsewhere_and_before_the_first_there_is_none(self) -> None:
        assert rate_on(TaxTreatment.GENERAL, date(2026, 1, 1), TaxArea.OTHER) is None
        assert rate_on(TaxTreatment.GENERAL, date(2001, 1, 1), TaxArea.ES_COMMON) is None
        assert LEGAL_RATES.keys() == set(TaxArea)

    def test_the_practices_own_come_first_from_their_day_on(self) -> None:
        own = [Rate(TaxTreatment.GENERAL, date(2026, 7, 1), 1900)]
        assert rate_on(TaxTreatment.GENERAL, date(2026, 6, 30), TaxArea.ES_COMMON, own) == 2100
        assert rate_on(TaxTreatment.GENERAL, date(2026, 7, 1), TaxArea.ES_COMMON, own) == 1900

    def test_what_is_exempt_or_outside_the_tax_has_none(self) -> None:
        for treatment in (TaxTreatment.EXEMPT_HEALTH, TaxTreatment.NONE):
            assert all(rate_on(treatment, date(2026, 1, 1), area) == 0 for area in TaxArea)
