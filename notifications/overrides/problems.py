"""What can be wrong with a mail that a practice wrote, in sentences for the one who wrote it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from todoenbalance.kit.errors import ProblemError

Part = Literal["subject", "body"]

SENTENCES: dict[str, dict[str, str]] = {
    "template_syntax": {
        "en": "This can't be read: {reason}",
        "es": "No se puede leer: {reason}",
    },
    "template_too_long": {
        "en": "This is too long: at most {limit} characters.",
        "es": "Es demasiado largo: como mucho {limit} caracteres.",
    },
    "template_too_deep": {
        "en": "Too much is put inside of something else here. Write it more simply.",
        "es": "Hay demasiadas cosas unas dentro de otras. Escríbelo de forma más sencilla.",
    },
    "template_too_much": {
        "en": "With these values the mail becomes too large.",
        "es": "Con estos valores el correo sale demasiado grande.",
    },
    "template_empty": {
        "en": "Nothing is left of this with some of the values.",
        "es": "Con algunos de los valores no queda nada.",
    },
    "template_control_character": {
        "en": "There is an invisible character here that mails can't hold.",
        "es": "Hay un carácter invisible que no puede ir en un correo.",
    },
    "template_number": {
        "en": "There is a number here that is too large.",
        "es": "Hay un número demasiado grande.",
    },
    "template_unknown_variable": {
        "en": "There is no variable “{name}” in this mail.{hint}",
        "es": "En este correo no hay ninguna variable «{name}».{hint}",
    },
    "template_unknown_part": {
        "en": "“{name}” has no “{part}”. It has: {known}.",
        "es": "«{name}» no tiene «{part}». Tiene: {known}.",
    },
    "template_no_words": {
        "en": "“{name}” is not a word by itself. Write one of: {known}.",
        "es": "«{name}» no es una palabra por sí sola. Escribe una de estas: {known}.",
    },
    "template_not_allowed": {
        "en": "“{what}” can't be used in a mail.",
        "es": "«{what}» no se puede usar en un correo.",
    },
    "template_not_alone": {
        "en": "“{name}” needs a line of its own.",
        "es": "«{name}» necesita una línea para él solo.",
    },
    "template_link": {
        "en": "A link has to begin with https://.",
        "es": "Un enlace tiene que empezar por https://.",
    },
    "template_missing": {
        "en": "The mail has to say {names}, whatever the values are.",
        "es": "El correo tiene que decir {names}, sean cuales sean los valores.",
    },
    "template_failed": {
        "en": "With some of the values this can't be written: {reason}",
        "es": "Con algunos de los valores no se puede escribir: {reason}",
    },
}
_HINT = {"en": " Did you mean “{guess}”?", "es": " ¿Querías decir «{guess}»?"}
_LINE = {"en": "Line {line}: ", "es": "Línea {line}: "}
_OR = {"en": " or ", "es": " o "}
_REASONS = (
    ("unexpected end of template", "en", "something is begun and not ended (if, for)"),
    ("unexpected end of template", "es", "hay algo que empieza y no termina (if, for)"),
    ("unknown tag", "es", "hay una etiqueta {% … %} que no se espera"),
    ("unknown tag", "en", "there is a tag {% … %} that is not expected"),
    ("unexpected char", "en", "a character stands where none may"),
    ("unexpected char", "es", "hay un carácter donde no puede ir"),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong. ``code`` is a key of :data:`SENTENCES`; ``line`` counts from 1."""

    part: Part
    code: str
    line: int | None = None
    arguments: dict[str, Any] = field(default_factory=dict)

    def sentence(self, locale: str) -> str:
        """For who wrote it."""
        language = "es" if locale.startswith("es") else "en"
        given = dict(self.arguments)
        guess = given.pop("guess", None)
        given["hint"] = _HINT[language].format(guess=guess) if guess else ""
        if "any_of" in given:
            given["names"] = _OR[language].join(f"{{{{ {name} }}}}" for name in given.pop("any_of"))
        if "reason" in given:
            given["reason"] = _reason(str(given["reason"]), language)
        line = _LINE[language].format(line=self.line) if self.line else ""
        return line + SENTENCES[self.code][language].format(**given)

    def stored(self) -> dict[str, Any]:
        """For the row of the template that failed."""
        return {"part": self.part, "code": self.code, "line": self.line, "arguments": self.arguments}


def _reason(text: str, language: str) -> str:
    """What the template language had against it, in our words where there are any. Never a value."""
    for beginning, spoken, words in _REASONS:
        if text.lower().startswith(beginning) and spoken == language:
            return words
    return text


class TemplateRefusedError(ProblemError):
    """What was written can't be a mail; ``troubles`` say why, in the order of the lines."""

    status = 422
    code = "template_refused"
    title = "The mail can't be written like this"
    messages: ClassVar[dict[str, str]] = {
        "en": "The mail can't be written like this.",
        "es": "El correo no se puede escribir así.",
    }

    def __init__(self, troubles: Sequence[Trouble]) -> None:
        super().__init__()
        self.troubles = tuple(troubles)
        self.errors = [
            {"loc": ["body", one.part], "msg": one.sentence("en"), "type": one.code, "line": one.line}
            for one in self.troubles
        ]
        self.extension = {"errors": self.errors}
