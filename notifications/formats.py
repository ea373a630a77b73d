"""Dates and times as a reader says them: their language, their time zone, and which zone it is."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, get_timezone_location

LANGUAGES = ("es", "en")
_ZONE = {"es": "hora de {city}, {offset}", "en": "{city} time, {offset}"}


@dataclass(frozen=True, slots=True)
class When:
    """An instant, or a stretch of time, in words: ``day``, ``time`` (with the end, if there is one), ``zone``."""

    day: str
    time: str
    zone: str


def language_of(locale: str, default: str = "es") -> str:
    """The one of our languages that ``locale`` (``es``, ``es-MX``, ``en_GB``) is of, or ``default``."""
    language = locale.replace("_", "-").split("-")[0].lower()
    return language if language in LANGUAGES else default


def describe(starts_at: datetime, timezone: str, locale: str, *, ends_at: datetime | None = None) -> When:
    """``starts_at`` (to ``ends_at``) on the wall clock of ``timezone``, in the words of ``locale``."""
    zone = ZoneInfo(timezone)
    local = starts_at.astimezone(zone)
    day = format_date(local, "full", locale=locale)
    time = format_time(local, "short", tzinfo=zone, locale=locale)
    if ends_at is not None:
        time += "–" + format_time(ends_at.astimezone(zone), "short", tzinfo=zone, locale=locale)
    return When(day, time, zone_label(local, timezone, locale))


def zone_label(local: datetime, timezone: str, locale: str) -> str:
    """The zone by its city and its offset at that instant: ``hora de Madrid, UTC+1``."""
    offset = _offset(local)
    if "/" not in timezone or timezone.startswith("Etc/"):
        return offset
    # CLDR knows some cities only by their older zone name, and Babel then answers a path: its end is the city.
    city = get_timezone_location(ZoneInfo(timezone), locale=locale, return_city=True).rpartition("/")[2]
    return _ZONE[language_of(locale)].format(city=city, offset=offset)


def _offset(local: datetime) -> str:
    delta = local.utcoffset()
    minutes = round(delta.total_seconds() / 60) if delta is not None else 0
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02d}" if rest else "")
