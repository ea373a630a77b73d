"""How hard a new password is to guess: zxcvbn, offline, and no composition rules (NIST SP 800-63B, 3.1.1.2).

What its owner's name and address give away counts as known, and so do the words that people here begin with.
"""

import asyncio
import re
from collections.abc import Iterable
from typing import Any, ClassVar

from zxcvbn import zxcvbn  # type: ignore[import-untyped]  # it ships no types

from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.settings import PasswordSettings

_SCORED = 72
"""Characters that are looked at: zxcvbn's time grows faster than the length, and so many hold already."""
_SYMBOLS = frozenset("@({[<!|$+%€")
_SYMBOLS_SCORED = 3
"""Kinds of symbols that may stand for letters: all of them at once cost zxcvbn seconds of processor time."""
_NOT_A_LETTER = "~"
_KNOWN_WORDS = ("todoenbalance", "balance", "contraseña", "contrasena", "clave", "secreta", "secreto", "nutricion")

DEFAULT_RULES = PasswordSettings()
"""For callers that have no settings in hand: as strict as the settings are by default."""
GENERAL = "general"
_SENTENCES = {
    GENERAL: (
        "This password is easy to guess. Add another word or two; uncommon ones are better.",
        "Esta contraseña es fácil de adivinar. Añade una o dos palabras más, mejor si son poco comunes.",
    ),
    "common": (
        "This is one of the passwords that are tried first, or nearly. Add another word or two.",
        "Es una de las contraseñas que se prueban primero, o casi. Añade una o dos palabras más.",
    ),
    "word": (
        "A word by itself is easy to guess. Add another word or two.",
        "Una sola palabra es fácil de adivinar. Añade una o dos más.",
    ),
    "name": (
        "Names are easy to guess. Add another word or two.",
        "Los nombres son fáciles de adivinar. Añade una o dos palabras más.",
    ),
    "repeat": (
        "Repeated words and characters are easy to guess. Add something different.",
        "Las palabras y los caracteres repetidos son fáciles de adivinar. Añade algo distinto.",
    ),
    "sequence": (
        "Sequences such as abc or 6543 are easy to guess. Add another word or two.",
        "Las secuencias como abc o 6543 son fáciles de adivinar. Añade una o dos palabras más.",
    ),
    "keyboard": (
        "Rows and patterns of keys are easy to guess. Add another word or two.",
        "Las filas y los dibujos de teclas son fáciles de adivinar. Añade una o dos palabras más.",
    ),
    "date": (
        "Dates and years are easy to guess. Add another word or two.",
        "Las fechas y los años son fáciles de adivinar. Añade una o dos palabras más.",
    ),
}
_REASONS = (
    ("keyboard", ("rows of keys", "keyboard")),
    ("repeat", ("Repeats",)),
    ("sequence", ("Sequences",)),
    ("date", ("years", "Dates")),
    ("common", ("common password", "commonly used password")),
    ("name", ("surnames",)),
    ("word", ("word by itself",)),
)
"""Our reasons and the words of zxcvbn's warnings that mean them."""


class WeakPasswordError(InvalidInputError):
    """The password would be guessed; ``reason`` is one of the module's."""

    code = "password_too_weak"
    title = "Password too weak"
    messages: ClassVar[dict[str, str]] = {}

    def __init__(self, location: list[str | int], reason: str) -> None:
        super().__init__(location, _SENTENCES[reason][0], "password_too_weak")
        self.reason = reason

    def detail(self, locale: str = "en") -> str:
        """What is wrong with it and what would help."""
        english, spanish = _SENTENCES[self.reason]
        return spanish if locale == "es" else english

    def sentence_for(self, error: dict[str, Any], locale: str) -> str:
        """The same, beside the field."""
        del error
        return self.detail(locale)


async def check_strength(
    password: str, settings: PasswordSettings, about: Iterable[str] = (), *, field: str = "password"
) -> None:
    """Raises :class:`WeakPasswordError` for a password that is too easy to guess.

    ``about``: what the owner gives away, their address and names. Takes processor time, so it runs in a thread
    and wants no connection in hand.
    """
    score, warning = await asyncio.to_thread(_estimate, password, tuple(about))
    if score < settings.least_score:
        raise WeakPasswordError(["body", field], _reason(warning))


def _estimate(password: str, about: tuple[str, ...]) -> tuple[int, str]:
    known = [*_KNOWN_WORDS, *(part for text in about for part in (text, *re.split(r"[\W_]+", text)) if len(part) > 2)]
    result = zxcvbn(_tame(password), user_inputs=known)
    return result["score"], result["feedback"]["warning"]


def _tame(password: str) -> str:
    """What is scored of a password: its beginning, with few kinds of symbols that could stand for letters."""
    kept: set[str] = set()
    characters = []
    for character in password[:_SCORED]:
        if character in _SYMBOLS and len(kept) < _SYMBOLS_SCORED:
            kept.add(character)
        characters.append(_NOT_A_LETTER if character in _SYMBOLS - kept else character)
    return "".join(characters)


def _reason(warning: str) -> str:
    matching = (reason for reason, words in _REASONS if any(word in warning for word in words))
    return next(matching, GENERAL)
