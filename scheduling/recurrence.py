"""Days that come back: the part of RFC 5545's recurrence rules that calendars of people need.

A rule is the value of an RRULE (RFC 5545, 3.3.10) without its name, such as ``FREQ=WEEKLY;INTERVAL=2``, counted
from an anchor date, which says which week is "on". Days only: what repeats within a day is not for opening hours.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from dateutil.rrule import rrule, rrulestr

LONGEST_RULE = 200
_FREQUENCIES = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}
_WEEKDAY = r"(?:MO|TU|WE|TH|FR|SA|SU)"
_NTH = rf"(?:[1-5]|-1){_WEEKDAY}"
_PARTS = {
    "FREQ": re.compile("|".join(sorted(_FREQUENCIES))),
    "INTERVAL": re.compile(r"[1-9]\d?"),
    "COUNT": re.compile(r"[1-9]\d{0,2}"),
    "UNTIL": re.compile(r"\d{8}"),
    "WKST": re.compile(_WEEKDAY),
}
_BYDAY = {
    "WEEKLY": re.compile(rf"{_WEEKDAY}(?:,{_WEEKDAY})*"),
    "MONTHLY": re.compile(rf"{_NTH}(?:,{_NTH})*"),
}
_BYMONTHDAY = re.compile(r"(?:[1-9]|[12]\d|3[01]|-1)(?:,(?:[1-9]|[12]\d|3[01]|-1))*")
_CACHED_RULES = 4096


def check_rule(rule: str) -> str:
    """The rule, written as it is kept: capitals, without blanks or its name.

    Taken are FREQ (DAILY to YEARLY), INTERVAL (to 99), COUNT (to 999), UNTIL (a date), WKST; BYDAY in weekly rules,
    in monthly ones with a number (``1MO``, ``-1FR``); BYMONTHDAY in monthly ones. Raises ``ValueError``, saying why.
    """
    text = rule.strip().upper().removeprefix("RRULE:").rstrip(";")
    if len(text) > LONGEST_RULE:
        raise ValueError(f"at most {LONGEST_RULE} characters")
    parts = _split(text)
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise ValueError("needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY")
    for name, value in parts.items():
        pattern = _pattern(name, frequency)
        if pattern is None:
            raise ValueError(f"{name} is not taken in a {frequency.lower()} rule")
        if not pattern.fullmatch(value):
            raise ValueError(f"{name}={value} is not taken")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("COUNT or UNTIL, not both")
    rrulestr(text, dtstart=datetime(2024, 1, 1))  # noqa: DTZ001 - days without a zone
    return text


def _split(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, separator, value = part.partition("=")
        if not separator or name in parts:
            raise ValueError("written like FREQ=WEEKLY;INTERVAL=2")
        parts[name] = value
    return parts


def _pattern(name: str, frequency: str) -> re.Pattern[str] | None:
    if name == "BYDAY":
        return _BYDAY.get(frequency)
    if name == "BYMONTHDAY":
        return _BYMONTHDAY if frequency == "MONTHLY" else None
    return _PARTS.get(name)


def days_of(rule: str, anchor: date, first: date, last: date, *, weekday: int | None = None) -> tuple[date, ...]:
    """The days of a checked rule from ``first`` to ``last``, both inclusive, never before ``anchor``.

    ``weekday`` (ISO) leaves only these days of the week; a weekly rule without BYDAY is then about that weekday,
    in the weeks counted from the anchor's.
    """
    if last < first or last < anchor:
        return ()
    return tuple(_days(rule, anchor, first, last, weekday))


@lru_cache(maxsize=_CACHED_RULES)
def _days(rule: str, anchor: date, first: date, last: date, weekday: int | None) -> list[date]:
    text = rule
    if weekday is not None and "FREQ=WEEKLY" in rule and "BYDAY" not in rule:
        text = f"{rule};BYDAY={('MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU')[weekday - 1]}"
    start = anchor if "COUNT" in rule else _near(text, anchor, first)
    found = rrulestr(text, dtstart=datetime.combine(start, time()))
    assert isinstance(found, rrule)  # noqa: S101 - one rule, no set
    return [day for day in _between(found, first, last) if weekday is None or day.isoweekday() == weekday]


def _between(rule: rrule, first: date, last: date) -> Iterator[date]:
    for moment in rule.xafter(datetime.combine(first, time()), inc=True):
        day = moment.date()
        if day > last:
            return
        yield day


def _near(rule: str, anchor: date, first: date) -> date:
    """A later day to count from that gives the same days: a rule of 2005 is not walked through each time."""
    interval = int(_split(rule).get("INTERVAL", "1"))
    step = interval if "FREQ=DAILY" in rule else 7 * interval if "FREQ=WEEKLY" in rule else 0
    if not step or first <= anchor:
        return anchor
    return anchor + timedelta(days=(first - anchor).days // step * step)
