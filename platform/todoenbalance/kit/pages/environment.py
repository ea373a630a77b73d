"""From a template to a page, in the reader's language."""

from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from todoenbalance.kit.money import Money
from todoenbalance.kit.pages.catalogue import Catalogue
from todoenbalance.kit.pages.sentences import SENTENCES
from todoenbalance.kit.pages.static import static_url
from todoenbalance.kit.security.devices import describe_user_agent
from todoenbalance.kit.web.context import LOCALES

_HERE = Path(__file__).parent


class Pages:
    """The templates and words of one surface: those in ``folder`` over the shared ones.

    ``sentences`` are what the surface says of its own kinds of errors (``InvalidInputError``'s ``type``).
    """

    def __init__(self, folder: Path = _HERE, *, sentences: Mapping[str, str] | None = None) -> None:
        self._catalogue = Catalogue([_HERE / "locale", folder / "locale"])
        self._sentences = {**SENTENCES, **(sentences or {})}
        loader = ChoiceLoader([FileSystemLoader(folder / "templates"), FileSystemLoader(_HERE / "templates")])
        self._environments = {locale: self._environment(loader, locale) for locale in LOCALES}

    def _environment(self, loader: ChoiceLoader, locale: str) -> Environment:
        environment = Environment(
            loader=loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        catalogue = self._catalogue
        install: Callable[..., None] = environment.install_gettext_callables  # type: ignore[attr-defined]  # the extension adds it
        install(
            lambda message: catalogue.text(locale, message),
            lambda singular, plural, count: catalogue.plural(locale, singular, plural, count),
            newstyle=True,
        )
        environment.globals.update(static_url=static_url, locale=locale)
        environment.filters["device"] = describe_user_agent
        environment.filters["utc"] = lambda moment: moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        environment.filters["money"] = lambda amount, currency: Money(amount, currency).format(locale)
        return environment

    def render(self, template: str, locale: str, values: Mapping[str, Any]) -> str:
        """The page as text. Raises ``jinja2.TemplateNotFound``, and ``UndefinedError`` for a value that is missing."""
        return self._environments[locale].get_template(template).render(values)

    def translate(self, locale: str, message: str, **values: Any) -> str:
        """A sentence that code says; ``values`` go into its ``%(name)s``."""
        text = self._catalogue.text(locale, message)
        return text % values if values else text

    def sentence(self, locale: str, kind: str, numbers: Mapping[str, Any]) -> str | None:
        """What is to be said of an error of that kind, or None if there is nothing ready."""
        known = self._sentences.get(kind)
        if known is None:
            return None
        return self.translate(locale, known, **numbers) if "%(" in known else self.translate(locale, known)
