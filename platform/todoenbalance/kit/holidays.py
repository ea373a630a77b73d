"""Public holidays by country and region, from the package `holidays`. Pure functions of their arguments, cached."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from types import MappingProxyType

from babel import Locale
from holidays import HolidayBase, country_holidays, list_supported_countries

from todoenbalance.kit.errors import InvalidInputError

_LONGEST_REGION = 10
"""Of a region's code, as it is stored; a handful of cities in the package have longer names and are left out."""
_YEARS_KEPT = 4096
"""Years of calendars in memory, some kilobytes each."""


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    return frozenset(list_supported_countries(include_aliases=False))


def is_country_known(country: str) -> bool:
    """Whether the package knows the public holidays of this country (ISO 3166-1, two letters)."""
    return country in _countries()


@lru_cache(maxsize=512)
def _entity(country: str) -> HolidayBase:
    return country_holidays(country)


@lru_cache(maxsize=512)
def regions_of(country: str) -> Mapping[str, str]:
    """The regions of a country that have holidays of their own: code (as in ISO 3166-2, without the country) and
    name, in order of the names. Empty for a country that is not known."""
    if not is_country_known(country):
        return MappingProxyType({})
    entity = _entity(country)
    names: dict[str, str] = {}
    for alias, code in entity.subdivisions_aliases.items():
        names.setdefault(code, alias)
    codes = [code for code in entity.subdivisions if len(code) <= _LONGEST_REGION]
    return MappingProxyType(dict(sorted(((code, names.get(code, code)) for code in codes), key=lambda pair: pair[1])))


def countries_in(locale: str) -> list[tuple[str, str]]:
    """Code and name of every known country, in order of the names in ``locale``."""
    territories = Locale.parse(locale).territories
    return sorted(((code, territories.get(code, code)) for code in _countries()), key=lambda pair: pair[1])


def check_country_region(country: str | None, region: str | None) -> None:
    """Raises :class:`InvalidInputError` for a country or region that the package does not know."""
    if country is None:
        if region is not None:
            raise InvalidInputError(["body", "holidays_region"], "a region needs its country", "region_without_country")
        return
    if not is_country_known(country):
        raise InvalidInputError(["body", "holidays_country"], "no public holidays are known of it", "country_unknown")
    if region is not None and region not in regions_of(country):
        raise InvalidInputError(["body", "holidays_region"], "not a region of this country", "region_unknown")


@lru_cache(maxsize=_YEARS_KEPT)
def _of_year(country: str, region: str | None, year: int, language: str) -> Mapping[date, str]:
    # A language must be named: without one the package takes that of the process's environment.
    known = country_holidays(country, subdiv=region, years=year, language=language)
    return MappingProxyType({day: name for day, name in sorted(known.items()) if day.year == year})


@lru_cache(maxsize=1024)
def _language_for(country: str, locale: str) -> str:
    """``locale`` where the package has it, else the country's own, else English."""
    entity = _entity(country)
    for language in entity.supported_languages:
        if language.partition("_")[0] == locale:
            return language
    return entity.default_language or "en_US"


def public_holidays(
    country: str | None, region: str | None, years: Sequence[int], locale: str = "en"
) -> Mapping[date, str]:
    """Days and names of the public holidays of these years, in order. Empty without a country.

    The names are in ``locale`` where the package has it, else in the country's own language. A region that the
    package no longer knows (its list may change with an update) gives the country's.
    """
    if country is None or not is_country_known(country):
        return {}
    known_region = region if region in regions_of(country) else None
    language = _language_for(country, locale)
    return {day: name for year in years for day, name in _of_year(country, known_region, year, language).items()}


@lru_cache(maxsize=_YEARS_KEPT)
def holidays_between(country: str | None, region: str | None, first: date, last: date) -> frozenset[date]:
    """The public holidays from ``first`` to ``last``, both included. Empty without a country."""
    days = public_holidays(country, region, range(first.year, last.year + 1))
    return frozenset(day for day in days if first <= day <= last)
