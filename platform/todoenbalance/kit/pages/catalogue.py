"""The words of the pages: English is written in the templates, other languages in ``locale/<language>.po``.

The files are read as they are when the process starts; there is no compile step to forget.
"""

from collections.abc import Iterable
from pathlib import Path

from babel.messages.pofile import read_po

from todoenbalance.kit.web.context import LOCALES


class Catalogue:
    """Translations of several folders of ``.po`` files; what is missing stays English."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._texts: dict[str, dict[str, str]] = {locale: {} for locale in LOCALES}
        self._plurals: dict[str, dict[str, tuple[str, ...]]] = {locale: {} for locale in LOCALES}
        for folder in folders:
            for locale in LOCALES:
                path = folder / f"{locale}.po"
                if path.exists():
                    self._read(path, locale)

    def _read(self, path: Path, locale: str) -> None:
        with path.open("rb") as file:
            for message in read_po(file, locale=locale):
                if isinstance(message.id, str):
                    if message.id and isinstance(message.string, str) and message.string:
                        self._texts[locale][message.id] = message.string
                elif isinstance(message.string, tuple) and all(message.string):
                    self._plurals[locale][message.id[0]] = message.string

    def text(self, locale: str, message: str) -> str:
        """``message`` in the language of ``locale``."""
        return self._texts.get(locale, {}).get(message, message)

    def plural(self, locale: str, singular: str, plural: str, count: int) -> str:
        """The form for ``count``; our languages have two, one for 1 and one for everything else."""
        forms = self._plurals.get(locale, {}).get(singular, (singular, plural))
        return forms[0 if count == 1 else 1]
