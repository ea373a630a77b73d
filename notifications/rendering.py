"""From a template to a mail. One template makes both bodies, so text and HTML always say the same.

A template is ``<language>/<name>.jinja`` in a folder that its feature registered. It has two blocks,
``subject`` and ``body``; the body is made of five things that each body format draws in its own way
(``notifications.blocks``): ``{% filter p %}…{% endfilter %}``, ``facts([(label, value), …])``,
``button(url, label)``, ``links([(label, url), …])`` and ``link(url)``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from notifications import blocks
from notifications.blocks import linked
from notifications.formats import language_of
from notifications.look import Look

__all__ = ["Rendered", "builtin_source", "frame", "linked", "register_templates", "render_mail", "render_page"]

SUBJECT_LIMIT = 250
_PREHEADER_LIMIT = 110
_GREETING_LIMIT = 60
_FOOTER: dict[str, Any] = {"can_reply": False, "preferences_url": None}
"""What the layouts' footers ask for, where whoever renders says nothing of it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's words. ``subject`` is one line."""

    subject: str
    text: str
    html: str


_loader = FileSystemLoader(Path(__file__).parent / "templates")


def register_templates(folder: Path) -> None:
    """Look for templates in ``folder`` too. Doing it twice changes nothing."""
    if str(folder) not in _loader.searchpath:
        _loader.searchpath.append(str(folder))


def builtin_source(name: str, language: str) -> tuple[str, str]:
    """What stands between the tags of the two blocks, subject and body. Raises ``jinja2.TemplateNotFound``."""
    source, _path, _is_current = _loader.get_source(_text, f"{language}/{name}.jinja")
    found = dict(re.findall(r"{% block (subject|body) %}\n?(.*?){% endblock %}", source, re.DOTALL))
    return found["subject"], found["body"]


def render_mail(
    name: str, locale: str, practice_name: str, values: dict[str, Any], colour: str | None = None
) -> Rendered:
    """The mail called ``name`` in the language of ``locale``; ``colour`` is the practice's own, like ``#1f6f54``.

    Raises ``jinja2.UndefinedError`` for a value that the template needs and ``values`` has not, and
    ``jinja2.TemplateNotFound``.
    """
    language = language_of(locale)
    path = f"{language}/{name}.jinja"
    given = values | {"practice_name": practice_name, "language": language}
    look = Look.of(colour)
    with blocks.drawn_with(look):
        subject, text = _block(_text, path, "subject", given), _block(_text, path, "body", given)
        html = Markup(_block(_html, path, "body", given))  # noqa: S704 - escaped by its own environment
    return frame(subject, text, html, given, look)


def frame(subject: str, text: str, html: Markup, values: dict[str, Any], look: Look) -> Rendered:
    """Subject and bodies in the two layouts. ``values`` has the mail's values, ``practice_name`` and ``language``."""
    # One line and no control characters: what a person named something must not become a header.
    subject = "".join(c for c in " ".join(subject.split()) if c.isprintable())[:SUBJECT_LIMIT].strip()
    given = _FOOTER | values | {"subject": subject, "look": look, "preheader": _preheader(text)}
    plain = _text.get_template("layout.txt.jinja").render(given | {"body": text})
    page = _html.get_template("layout.html.jinja").render(given | {"body": html})
    return Rendered(subject, re.sub(r"\n{3,}", "\n\n", plain).strip() + "\n", page)


def render_page(name: str, values: dict[str, Any]) -> str:
    """A page of our own (the development mailbox), escaped as the mails are."""
    return _html.get_template(name).render(values)


def render_expression(expression: str, values: dict[str, Any], *, html: bool) -> str:
    """A call of our own templates' macros (``appointment_facts.for_client(…)``), whose file has the macro's name."""
    module = expression.partition(".")[0]
    source = f'{{% import language ~ "/{module}.jinja" as {module} %}}{{{{ {expression} }}}}'
    environment = _html if html else _text
    return environment.from_string(source).render(values)


def _preheader(text: str) -> str:
    """The sentence that a list of mails shows beside the subject: the first one after the greeting."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    said = [part for part in paragraphs if part]
    if len(said) > 1 and len(said[0]) < _GREETING_LIMIT and said[0].endswith((":", ",")):
        said = said[1:]
    first = said[0] if said else ""
    return first if len(first) <= _PREHEADER_LIMIT else first[:_PREHEADER_LIMIT].rpartition(" ")[0] + "…"


def _block(environment: ImmutableSandboxedEnvironment, path: str, block: str, values: dict[str, Any]) -> str:
    template = environment.get_template(path)
    return "".join(template.blocks[block](template.new_context(values)))


def install_blocks(environment: ImmutableSandboxedEnvironment, *, html: bool) -> None:
    """Give an environment what bodies are built of."""
    environment.globals["facts"] = blocks.html_facts if html else blocks.text_facts
    environment.globals["button"] = blocks.html_button if html else blocks.text_button
    environment.globals["links"] = blocks.html_links if html else blocks.text_links
    environment.globals["link"] = blocks.html_link if html else str


def paragraph_filter(*, html: bool) -> Any:
    """The ``p`` of a body's format."""
    return blocks.html_paragraph if html else blocks.text_paragraph


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        loader=_loader,
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["p"] = paragraph_filter(html=html)
    made.filters["linked"] = linked
    install_blocks(made, html=html)
    return made


_text = _environment(html=False)
_html = _environment(html=True)
