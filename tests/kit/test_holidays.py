"""Public holidays by country and region."""

from datetime import date

import pytest

from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.holidays import (
    check_country_region,
    countries_in,
    holidays_between,
    is_country_known,
    public_holidays,
    regions_of,
)


def test_spains_are_known_with_their_names_in_both_languages() -> None:
    spanish, english = (public_holidays("ES", None, [2026], locale) for locale in ("es", "en"))
    assert spanish[date(2026, 12, 25)] == "Natividad del Señor"
    assert english[date(2026, 12, 25)] == "Christmas Day"
    assert list(spanish) == sorted(english)


def test_another_countrys_names_are_in_its_own_language_where_ours_is_missing() -> None:
    assert public_holidays("FR", None, [2026], "es")[date(2026, 7, 14)] == "Fête nationale"
    assert public_holidays("FR", None, [2026], "en")[date(2026, 7, 14)] == "National Day"


def test_a_region_has_its_own_on_top() -> None:
    second_of_may = date(2026, 5, 2)
    assert second_of_may in public_holidays("ES", "MD", [2026])
    assert second_of_may not in public_holidays("ES", None, [2026])
    assert second_of_may not in public_holidays("ES", "CT", [2026])


@pytest.mark.parametrize(("country", "region"), [(None, None), ("ZZ", None), ("es", None)])
def test_without_a_known_country_there_are_none(country: str | None, region: str | None) -> None:
    assert public_holidays(country, region, [2026]) == {}
    assert holidays_between(country, region, date(2026, 1, 1), date(2027, 1, 1)) == frozenset()


def test_a_region_that_is_not_known_any_more_leaves_the_countrys() -> None:
    assert public_holidays("ES", "gone", [2026]) == public_holidays("ES", None, [2026])


def test_a_span_of_days_includes_both_ends_and_crosses_years() -> None:
    found = holidays_between("ES", None, date(2026, 12, 25), date(2027, 1, 6))
    assert found == {date(2026, 12, 25), date(2027, 1, 1), date(2027, 1, 6)}
    assert holidays_between("ES", None, date(2026, 12, 24), date(2026, 12, 24)) == frozenset()
    assert holidays_between("ES", None, date(2026, 12, 26), date(2026, 12, 24)) == frozenset()


def test_the_language_of_the_machine_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "uk")
    assert public_holidays("AR", None, [2027], "es")[date(2027, 1, 1)] == "Año Nuevo"


def test_the_choice_is_checked() -> None:
    for country, region in ((None, None), ("ES", None), ("ES", "MD"), ("US", "CA")):
        check_country_region(country, region)
    for country, region, place in (
        ("ZZ", None, "holidays_country"),
        ("es", None, "holidays_country"),
        ("ESP", None, "holidays_country"),
        ("ES", "CA", "holidays_region"),
        ("ES", "Madrid", "holidays_region"),
        ("ES", "", "holidays_region"),
        (None, "MD", "holidays_region"),
    ):
        with pytest.raises(InvalidInputError) as refused:
            check_country_region(country, region)
        assert refused.value.errors[0]["loc"] == ["body", place]


def test_what_can_be_chosen_can_be_stored_and_used() -> None:
    for country, _name in countries_in("es"):
        assert is_country_known(country)
        assert len(country) == 2
        assert all(len(region) <= 10 for region in regions_of(country))
        public_holidays(country, None, [2026], "es")
    assert regions_of("ES")["MD"] == "Madrid"
    assert ("ES", "España") in countries_in("es")
