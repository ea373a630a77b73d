"""Time zones by their IANA names."""

from functools import lru_cache
from zoneinfo import available_timezones

# Files of the zone database that are no places, and that PostgreSQL does not know.
_NO_PLACES = {"localtime", "Factory", "posixrules"}


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_PLACES)


def is_zone(name: str) -> bool:
    """Whether ``name`` is an IANA time zone."""
    return name in _zone_names()
