"""The failure of this package, and any failure as one line for a terminal."""

import os
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

DEBUG_VARIABLE = "TODOENBALANCE_DEBUG"


class DevstackError(Exception):
    """The embedded stack can't do what was asked; its text is one line that says what and why."""


def describe(error: BaseException) -> str:
    """One line for a person, never a traceback, unless ``TODOENBALANCE_DEBUG=1`` asks for it."""
    if os.environ.get(DEBUG_VARIABLE) == "1":  # a switch of the terminal, not a setting of the application
        return "".join(traceback.format_exception(error)).rstrip()
    return _sentence(error)


def _sentence(error: BaseException) -> str:
    # Imported here: describing a failure must not make every command load a database driver.
    import psycopg
    import redis
    import sqlalchemy.exc
    from pydantic import ValidationError

    from todoenbalance.kit.errors import ProblemError

    match error:
        case DevstackError():
            return _one_line(str(error))
        case ProblemError():
            return _one_line(error.detail())
        case ValidationError():
            return _validation_sentence(error)
        case sqlalchemy.exc.DBAPIError(orig=BaseException() as cause):
            return _sentence(cause)
        case psycopg.OperationalError():
            return f"can't work with PostgreSQL: {_one_line(str(error))}"
        case psycopg.Error():
            return f"PostgreSQL refused: {_one_line(str(error))}"
        case redis.RedisError():
            return f"can't work with Redis: {_one_line(str(error))}"
        case ExceptionGroup():
            return _sentence(error.exceptions[0])
        case OSError():
            return _one_line(str(error))
    text = _one_line(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _validation_sentence(error: "ValidationError") -> str:
    """What is missing, then what is wrong; settings are named as the variables that set them."""
    is_settings = error.title.endswith("Settings")
    missing, wrong = [], []
    for entry in error.errors():
        path = [str(part) for part in entry["loc"]]
        name = "TODOENBALANCE_" + "__".join(path).upper() if is_settings else ".".join(path)
        message = entry["msg"].removeprefix("Value error, ")
        if entry["type"] == "missing":
            missing.append(name)
        else:
            wrong.append(f"{name}: {message}" if path else message)
    parts = [f"missing: {', '.join(missing)}"] if missing else []
    return _one_line(("settings: " if is_settings else "") + "; ".join(parts + wrong))


def _one_line(text: str) -> str:
    """``text`` without line breaks; a server's DETAIL and HINT lines stay, they say what to do."""
    return " ".join(text.split())
