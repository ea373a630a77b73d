"""Which mails a practice may write in its own words, and what those may say: every variable of every kind, once.

A feature declares its kinds here beside registering their composers. What it declares is what its composer delivers
and what its built-in template uses; tests hold the three against each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from notifications.formats import describe
from todoenbalance.kit.money import Money

Words = Mapping[str, str]
"""The same in each language: ``{"es": …, "en": …}``."""


class Shape(StrEnum):
    """What a variable is made of, and so what may be done with it."""

    TEXT = "text"
    LINK = "link"
    NUMBER = "number"
    FLAG = "flag"
    WHEN = "when"
    WHENS = "whens"
    STEPS = "steps"


PARTS: Mapping[Shape, tuple[str, ...]] = {Shape.WHEN: ("day", "time", "zone")}
"""What is asked of a value with a dot: ``when.day``."""
PARTS_OF_EACH: Mapping[Shape, tuple[str, ...]] = {
    Shape.WHENS: PARTS[Shape.WHEN],
    Shape.STEPS: ("percent", "until"),
}
"""What each one of a list has."""


@dataclass(frozen=True, slots=True)
class Variable:
    """``example`` makes a value as the composer would, in a language. ``is_optional``: it may be empty or missing.

    ``choices``: the words of ours that it may be, none of which is for readers.
    """

    name: str
    shape: Shape
    meaning: Words
    example: Callable[[str], Any]
    is_optional: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A ready-made piece of our own, for a line of its own: ``expression`` calls a macro of the feature's templates."""

    name: str
    meaning: Words
    expression: str


@dataclass(frozen=True, slots=True)
class OverridableKind:
    """A mail that a practice may write itself.

    ``must_say``: of each group at least one value has to be in the mail where there is one (``when.day``).
    """

    kind: str
    title: Words
    variables: tuple[Variable, ...]
    must_say: tuple[tuple[str, ...], ...] = ()
    blocks: tuple[Block, ...] = ()
    names: Mapping[str, Variable] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """All variables by name, with those that every mail has."""
        object.__setattr__(self, "names", {one.name: one for one in (*COMMON, *self.variables)})

    def examples(self, language: str) -> Iterator[dict[str, Any]]:
        """Sets of values that may come together: everything there is, only what always is, and each choice."""
        full = {name: one.example(language) for name, one in self.names.items()}
        yield full
        yield {name: _nothing(one, full[name]) if one.is_optional else full[name] for name, one in self.names.items()}
        for name, one in self.names.items():
            if one.shape is Shape.FLAG:
                yield full | {name: not full[name]}
            for choice in one.choices:
                yield full | {name: choice}


def _nothing(variable: Variable, example: Any) -> Any:
    """How a composer says that there is none: an empty list, an empty name, or None."""
    if isinstance(example, list):
        return []
    return "" if variable.name == "first_name" else None


_kinds: dict[str, OverridableKind] = {}


def register_overridable(*kinds: OverridableKind) -> None:
    """Let practices write these mails; called once at start-up by the feature that owns them. Safe to repeat."""
    for one in kinds:
        _kinds[one.kind] = one


def overridable_kinds() -> Sequence[OverridableKind]:
    """All of them, in the order in which they were declared."""
    return tuple(_kinds.values())


def find_kind(kind: str) -> OverridableKind | None:
    """The declaration of a kind, or None: its words are ours alone."""
    return _kinds.get(kind)


# ---- examples

_STARTS = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)
_ZONE = "Europe/Madrid"
_HOST = "https://nora.example.com"
_NO_ID = "01900000-0000-7000-8000-000000000000"


def always(value: Any) -> Callable[[str], Any]:
    """The same in every language."""
    return lambda _language: value


def said(es: str, en: str) -> Callable[[str], Any]:
    """A word in each language."""
    return lambda language: es if language == "es" else en


def money(minor: int, currency: str = "EUR") -> Callable[[str], Any]:
    """An amount as the reader's language writes it."""
    return lambda language: Money(minor, currency).format(language)


def moment(*, days: int = 0, hours: int = 0, minutes_long: int = 0, timezone: str = _ZONE) -> Callable[[str], Any]:
    """An instant so long after (or before) the example's appointment; with ``minutes_long`` its end, too."""
    starts_at = _STARTS + timedelta(days=days, hours=hours)
    ends_at = starts_at + timedelta(minutes=minutes_long) if minutes_long else None
    return lambda language: describe(starts_at, timezone, language, ends_at=ends_at)


def page(path: str) -> Callable[[str], Any]:
    """An address on the practice's host; ``{id}`` is some id."""
    return always(_HOST + path.format(id=_NO_ID))


# ---- shorthands for declarations


def text(name: str, es: str, en: str, example: Callable[[str], Any], *, optional: bool = False) -> Variable:
    """Words."""
    return Variable(name, Shape.TEXT, {"es": es, "en": en}, example, optional)


def choice(name: str, es: str, en: str, *choices: str, optional: bool = False) -> Variable:
    """One of our own words, to decide by."""
    return Variable(name, Shape.TEXT, {"es": es, "en": en}, always(choices[0]), optional, choices)


def url(name: str, es: str, en: str, path: str, *, optional: bool = False) -> Variable:
    """An address on the practice's host."""
    return Variable(name, Shape.LINK, {"es": es, "en": en}, page(path), optional)


def when(name: str, es: str, en: str, example: Callable[[str], Any], *, optional: bool = False) -> Variable:
    """A moment, or a stretch of time."""
    return Variable(name, Shape.WHEN, {"es": es, "en": en}, example, optional)


def flag(name: str, es: str, en: str, *, example: bool = True) -> Variable:
    """Yes or no, to decide by."""
    return Variable(name, Shape.FLAG, {"es": es, "en": en}, always(example))


def number(name: str, es: str, en: str, example: int) -> Variable:
    """A whole number."""
    return Variable(name, Shape.NUMBER, {"es": es, "en": en}, always(example))


COMMON: tuple[Variable, ...] = (
    text(
        "first_name",
        "Nombre de pila de quien lo recibe; vacío si no se conoce",
        "First name of the reader; empty if it is not known",
        always("Ana"),
        optional=True,
    ),
    text("practice_name", "Nombre de tu consulta", "Your practice's name", always("Nutrición Nora")),
    text("language", "Idioma del correo (es, en)", "The mail's language (es, en)", lambda language: language),
    flag(
        "can_reply",
        "Si una respuesta llega a tu consulta (hay un correo de contacto)",
        "Whether an answer reaches your practice (there is a contact address)",
    ),
)
"""What every mail has."""
