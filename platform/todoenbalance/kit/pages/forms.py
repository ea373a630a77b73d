"""What was typed into a form, and what is wrong with it in sentences for the one who typed it."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from todoenbalance.kit.errors import InvalidInputError, ProblemError
from todoenbalance.kit.money import MAX_MINOR, currency_exponent

ModelT = TypeVar("ModelT", bound=BaseModel)
Sentence = Callable[[str, Mapping[str, Any]], str | None]
"""From a kind of error and its numbers to a sentence in the reader's language, or None for an unknown kind."""


# Exponents, signs within and digits of other scripts are for programs, not for people.
_MONEY = re.compile(r"[0-9]{1,12}([.,][0-9]{1,3})?")
_WHOLE = re.compile(r"-?[0-9]{1,9}")


class FormRefusedError(ProblemError):
    """The form has errors, which it knows itself."""

    status = 422
    code = "validation_error"
    title = "Invalid input"
    messages: ClassVar[dict[str, str]] = {
        "en": "Some of the input is not valid.",
        "es": "Hay datos que no son válidos.",
    }


class Form:
    """The values of one form, as text, and its errors by field (``""`` for the form as a whole)."""

    def __init__(self, sentence: Sentence, values: Mapping[str, Sequence[str]] | None = None) -> None:
        self._sentence = sentence
        self._values = {name: list(given) for name, given in (values or {}).items()}
        self.errors: dict[str, str] = {}

    @classmethod
    def sent(cls, sentence: Sentence, data: FormData) -> "Form":
        """As a browser sent it; files are left out, and NUL characters, which nothing of ours can hold."""
        values: dict[str, list[str]] = {}
        for name, value in data.multi_items():
            if isinstance(value, str):
                values.setdefault(name, []).append(value.replace("\x00", ""))
        return cls(sentence, values)

    def get(self, name: str, default: str = "") -> str:
        """The (last) value of a field, without the spaces around it."""
        return self._values.get(name, [default])[-1].strip()

    def password(self, name: str) -> str:
        """A field whose spaces count."""
        return self._values.get(name, [""])[-1]

    def all(self, name: str) -> list[str]:
        """Every value of a field of which several may be chosen."""
        return self._values.get(name, [])

    def optional(self, *names: str) -> dict[str, str]:
        """Those of the fields that were filled in."""
        return {name: value for name in names if (value := self.get(name))}

    def error(self, name: str) -> str | None:
        """What is wrong with a field."""
        return self.errors.get(name)

    def add_error(self, name: str, kind: str, **numbers: Any) -> None:
        """Say what is wrong with a field by its kind (``email.value_error`` before ``value_error``).

        The first error of a field stays.
        """
        kinds = (f"{name.rpartition('.')[2]}.{kind}", kind, "value_error")
        found = (sentence for one in kinds if (sentence := self._sentence(one, numbers)))
        self.errors.setdefault(name, next(found, kind))

    def raise_errors(self) -> None:
        """Raises :class:`FormRefusedError` if there are any."""
        if self.errors:
            raise FormRefusedError

    def parse(self, model: type[ModelT], values: Mapping[str, Any]) -> ModelT:
        """``values`` as a ``model``. Raises :class:`FormRefusedError` with the errors noted."""
        try:
            parsed = model.model_validate(dict(values))
        except ValidationError as refusal:
            for error in refusal.errors(include_url=False, include_input=False):
                self.add_error(self._field(error["loc"]), error["type"], **error.get("ctx", {}))
            raise FormRefusedError from refusal
        self.raise_errors()
        return parsed

    def refuse(self, problem: ProblemError, locale: str) -> int:
        """Note what a service had against it; answers the status of the page that shows it.

        A wrong password is 422 there: 401 would have to name a way to authenticate (RFC 9110, 15.5.2).
        """
        if isinstance(problem, InvalidInputError):
            for error in problem.errors:
                name = self._field(error["loc"][1:])
                self.errors.setdefault(name, self._sentence(error["type"], {}) or problem.sentence_for(error, locale))
        elif not isinstance(problem, FormRefusedError):
            self.errors.setdefault("", problem.detail(locale))
        return 422 if problem.status == 401 else problem.status

    def _field(self, location: Sequence[str | int]) -> str:
        """The field that a place in a model stands for: ``owner.email``, or its first part."""
        names = [part for part in location if isinstance(part, str)]
        whole = ".".join(names)
        return whole if whole in self._values or not names else names[0]

    # ---- what browsers send in forms of their own

    def money(self, name: str, currency: str) -> int | None:
        """An amount such as ``45``, ``45.5`` or ``45,50`` in minor units; None if empty, noting what is no amount."""
        text = self.get(name).replace("\u00a0", "").replace(" ", "")
        if not text:
            return None
        exponent = currency_exponent(currency)
        try:
            if not _MONEY.fullmatch(text):
                raise InvalidOperation
            minor = Decimal(text.replace(",", ".")).scaleb(exponent)
            if not 0 <= minor <= MAX_MINOR or minor != minor.to_integral_value():
                raise InvalidOperation
        except InvalidOperation:
            self.add_error(name, "money")
            return None
        return int(minor)

    def whole(self, name: str) -> int | None:
        """A whole number; None if empty, noting what is none."""
        text = self.get(name)
        if not text:
            return None
        if not _WHOLE.fullmatch(text):
            self.add_error(name, "int_parsing")
            return None
        return int(text)

    def local_time(self, name: str, zone: ZoneInfo) -> datetime | None:
        """The instant of a ``datetime-local`` input on the wall clock of ``zone``; None with the error noted.

        A time that the clocks skip is an error; of one that comes twice the first is meant.
        """
        text = self.get(name)
        try:
            naive = datetime.fromisoformat(text)
            if naive.tzinfo is not None or not 2000 <= naive.year < 2200:
                raise ValueError(text)
        except ValueError:
            self.add_error(name, "missing" if not text else "datetime_parsing")
            return None
        instant = naive.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) != naive:
            self.add_error(name, "time_skipped")
            return None
        return instant
