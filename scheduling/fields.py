"""Types of fields that several features of the area take and give: instants, wall times, zones, text."""

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    field_validator,
)

from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.zones import is_zone

_INSTANT = re.compile(r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})?$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_WALL_TIME = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
"""The days that we reckon with; beyond them zones and sums of times overflow and nobody books."""


def _only_rfc3339(value: Any) -> Any:
    # pydantic would take numbers and numeric text for seconds since 1970.
    if isinstance(value, datetime) or (isinstance(value, str) and _INSTANT.match(value)):
        return value
    raise ValueError("an instant is written like 2026-03-29T09:00:00+02:00")


def _reckonable(value: datetime) -> datetime:
    if not FIRST_DAY.year <= value.year <= LAST_DAY.year:
        raise ValueError(f"a year from {FIRST_DAY.year} to {LAST_DAY.year}")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_only_rfc3339), AfterValidator(_reckonable)]
"""RFC 3339 with an offset (RFC 3339, 5.6); kept as UTC. A naive one is refused."""


def _only_iso_date(value: Any) -> Any:
    # pydantic would take numbers for seconds since 1970, and instants at midnight.
    if (isinstance(value, date) and not isinstance(value, datetime)) or (
        isinstance(value, str) and _DATE.fullmatch(value)
    ):
        return value
    raise ValueError("a date is written YYYY-MM-DD")


Day = Annotated[date, BeforeValidator(_only_iso_date), Field(ge=FIRST_DAY, le=LAST_DAY)]
"""A date, ``YYYY-MM-DD``."""


def _wall_time(value: Any) -> Any:
    if isinstance(value, time):
        return value
    if isinstance(value, str) and _WALL_TIME.match(value):
        return time.fromisoformat(value)
    raise ValueError("a local time is written HH:MM")


WallTime = Annotated[
    time,
    BeforeValidator(_wall_time),
    PlainSerializer(lambda value: value.strftime("%H:%M"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": _WALL_TIME.pattern, "examples": ["09:00"]}),
]
"""Local time of day, ``HH:MM``."""


def _closing_time(value: Any) -> Any:
    return time() if value == "24:00" else _wall_time(value)


ClosingTime = Annotated[
    time,
    BeforeValidator(_closing_time),
    PlainSerializer(lambda value: "24:00" if value == time() else value.strftime("%H:%M"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$", "examples": ["17:00"]}),
]
"""Local time at which a day's hours end, ``HH:MM``; ``24:00`` is the end of the day, kept as ``00:00``."""


def _printable(value: str) -> str:
    if "\x00" in value:  # the one character that PostgreSQL's text can't hold
        raise ValueError("must not contain NUL")
    return value


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_printable)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000), AfterValidator(_printable)]
WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\x00]+$", max_length=2000)]


def check_zone(name: str, location: list[str | int]) -> ZoneInfo:
    """The zone of that name. Raises :class:`InvalidInputError`."""
    if not is_zone(name):
        raise InvalidInputError(location, "not an IANA time zone", "timezone_unknown")
    return ZoneInfo(name)


def _zone_name(value: str) -> str:
    if not is_zone(value):
        raise ValueError("not an IANA time zone")
    return value


ZoneName = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone_name)]


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which the local ``day`` begins, in UTC; where a change skips midnight, the change itself."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def parse_bound(text: str | None, zone: ZoneInfo, name: str) -> datetime | None:
    """A bound of a query: an instant, or a date, which stands for its beginning in ``zone``.

    Raises :class:`InvalidInputError`, also for an instant without an offset.
    """
    if text is None:
        return None
    location: list[str | int] = ["query", name]
    try:
        if _DATE.match(text):
            day = date.fromisoformat(text)
            if FIRST_DAY <= day <= LAST_DAY:
                return midnight(day, zone)
        elif _INSTANT.match(text):
            moment = datetime.fromisoformat(text.upper())
            if moment.tzinfo is not None:
                return _reckonable(moment)
    except ValueError as error:
        raise InvalidInputError(location, "not a date or an instant", "bound_malformed") from error
    raise InvalidInputError(location, "a date, or an instant with an offset", "bound_malformed")


class Patch(BaseModel):
    """Changes to something: what is left out stays; ``null`` only where a field may be empty."""

    model_config = {"extra": "forbid"}

    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def refuse_null(*fields: str) -> Any:
    """A validator for a :class:`Patch`: these fields may be left out, but not be null."""

    def check(value: Any) -> Any:
        if value is None:
            raise ValueError("must not be null")
        return value

    return field_validator(*fields)(check)
