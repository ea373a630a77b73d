"""What the API takes and answers about practices' own mails."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from notifications.overrides.sandbox import BODY_MOST, SUBJECT_MOST, Draft
from notifications.overrides.service import MailState
from notifications.overrides.variables import PARTS, PARTS_OF_EACH, OverridableKind, Variable
from notifications.rendering import Rendered

Language = Literal["es", "en"]


class DraftBody(BaseModel):
    """A mail as the practice writes it: paragraphs between blank lines, `- Label: value` for tables, `{{ variable }}`,
    and on lines of their own `{{ button(link, "Label") }}` and the ready-made pieces.
    """

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[str, StringConstraints(min_length=1, max_length=SUBJECT_MOST)]
    body: Annotated[str, StringConstraints(min_length=1, max_length=BODY_MOST)]

    def draft(self) -> Draft:
        """With the line ends of one sort (browsers send CRLF)."""
        return Draft(self.subject, self.body.replace("\r\n", "\n").replace("\r", "\n"))


class VariableRead(BaseModel):
    """A value that the mail may say. `parts`: what is asked of it with a dot; of a list, of each one in it."""

    name: str
    shape: str
    meaning: str
    example: str
    optional: bool
    parts: list[str]
    choices: list[str]

    @classmethod
    def of(cls, variable: Variable, language: str) -> "VariableRead":
        """In words of a language."""
        return cls(
            name=variable.name,
            shape=variable.shape,
            meaning=variable.meaning[language],
            example=shown(variable.example(language), language),
            optional=variable.is_optional,
            parts=list(PARTS.get(variable.shape) or PARTS_OF_EACH.get(variable.shape, ())),
            choices=list(variable.choices),
        )


def shown(value: Any, language: str) -> str:
    """An example in a line."""
    if isinstance(value, bool):
        return {"es": ("no", "sí"), "en": ("no", "yes")}[language][value]
    if isinstance(value, list):
        return "; ".join(shown(one, language) for one in value)
    if isinstance(value, dict):
        return f"{value['percent']} %: {shown(value['until'], language)}"
    return f"{value.day} · {value.time} · {value.zone}" if hasattr(value, "zone") else str(value)


class BlockRead(BaseModel):
    """A ready-made piece: `{{ name }}` on a line of its own."""

    name: str
    meaning: str


class FailureRead(BaseModel):
    """Why the practice's words could not be written for a mail, which went out in the built-in words."""

    part: str
    code: str
    detail: str
    failed_at: datetime


class MailTemplateItem(BaseModel):
    """One mail in one language. `is_own`: the practice's words hold, not the built-in ones."""

    kind: str
    language: Language
    title: str
    is_own: bool
    updated_at: datetime | None
    failure: FailureRead | None

    @classmethod
    def of(cls, state: MailState, language: str) -> "MailTemplateItem":
        """In words of a language."""
        return cls(**item_values(state, language))


def item_values(state: MailState, language: str) -> dict[str, Any]:
    """The fields of an item."""
    failure = state.failure
    return {
        "kind": state.kind.kind,
        "language": state.language,
        "title": state.kind.title[language],
        "is_own": state.is_own,
        "updated_at": state.updated_at,
        "failure": None
        if failure is None or state.failed_at is None
        else FailureRead(
            part=failure.part, code=failure.code, detail=failure.sentence(language), failed_at=state.failed_at
        ),
    }


class MailTemplateList(BaseModel):
    """Every mail that a practice may write, in every language."""

    items: list[MailTemplateItem]


class MailTemplateRead(MailTemplateItem):
    """With the words that hold, the built-in ones, and what may be said. `must_say`: of each group at least one."""

    subject: str
    body: str
    builtin_subject: str
    builtin_body: str
    variables: list[VariableRead]
    blocks: list[BlockRead]
    must_say: list[list[str]]

    @classmethod
    def of(cls, state: MailState, language: str) -> "MailTemplateRead":
        """In words of a language."""
        kind: OverridableKind = state.kind
        return cls(
            **item_values(state, language),
            subject=state.draft.subject,
            body=state.draft.body,
            builtin_subject=state.builtin.subject,
            builtin_body=state.builtin.body,
            variables=[VariableRead.of(one, language) for one in kind.names.values()],
            blocks=[BlockRead(name=one.name, meaning=one.meaning[language]) for one in kind.blocks],
            must_say=[list(group) for group in kind.must_say],
        )


class MailPreview(BaseModel):
    """The mail with example values."""

    subject: str
    text: str
    html: Annotated[str, Field(description="A whole page: show it in a sandboxed frame.")]

    @classmethod
    def of(cls, rendered: Rendered) -> "MailPreview":
        """From what was written."""
        return cls(subject=rendered.subject, text=rendered.text, html=rendered.html)
