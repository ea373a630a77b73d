"""The time zones to choose from."""

from functools import lru_cache
from zoneinfo import available_timezones

from babel.core import get_global


@lru_cache(maxsize=1)
def zone_choices() -> tuple[str, ...]:
    """IANA zones by name, one for each place (CLDR's, without old names for the same), and UTC."""
    territories: dict[str, str] = dict(get_global("zone_territories"))
    places = {name for name, territory in territories.items() if "/" in name and territory != "001"}
    return (*sorted(places & available_timezones()), "UTC")
