"""When reminders go out, as people write it: ``2 d; 24 h; 30 min``."""

import re
from collections.abc import Iterable

from todoenbalance.kit.pages.forms import Form

_MINUTES = {"": 60, "h": 60, "d": 24 * 60, "min": 1, "m": 1}
_TIME = re.compile(r"([0-9]{1,6})\s*(d|h|min|m|)")
_BETWEEN = re.compile(r"\s*[;,]\s*")


def write_reminders(minutes: Iterable[int] | None) -> str:
    """Minutes before a visit in the largest unit that divides them; hours up to two days, as people say it."""
    return "; ".join(_write(one) for one in minutes or ())


def _write(minutes: int) -> str:
    if minutes % 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes <= 48 * 60 or minutes % 1440 else f"{minutes // 1440} d"


def read_reminders(form: Form, name: str) -> list[int]:
    """The other way round; a number alone is hours. What is no time is noted as the field's error."""
    found = []
    for part in _BETWEEN.split(form.get(name).lower().strip(" ;,")):
        if not part:
            continue
        match = _TIME.fullmatch(part)
        if match is None:
            form.add_error(name, "value_error")
            return []
        found.append(int(match[1]) * _MINUTES[match[2]])
    return found
