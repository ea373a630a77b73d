"""From a template to a mail. One template makes both bodies, so text and HTML always say the same.

A template is ``<language>/<name>.jinja`` in a folder that its feature registered. It has two blocks,
``subject`` and ``body``; the body is made of four things that each body format draws in its own way:
``{% filter p %}…{% endfilter %}``, ``facts([(label, value), …])``, ``button(url, label)`` and ``link(url)``.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from notifications.formats import language_of

SUBJECT_LIMIT = 250
_TEXT_WIDTH = 76
_P = "margin:0 0 16px;font-size:16px;line-height:24px;color:#1f2933;"
_LABEL = "padding:6px 16px 6px 0;font-size:15px;line-height:22px;color:#52606d;vertical-align:top;white-space:nowrap;"
_VALUE = "padding:6px 0;font-size:15px;line-height:22px;color:#1f2933;font-weight:bold;vertical-align:top;"
_BUTTON = (
    "display:inline-block;padding:12px 24px;border-radius:6px;background-color:#1f6f54;color:#ffffff;"
    "font-size:16px;line-height:24px;font-weight:bold;text-decoration:none;"
)
_TABLE = "margin:0 0 16px;border-collapse:collapse;"
_LINK = "color:#1f6f54;word-break:break-all;"


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


def render_mail(name: str, locale: str, practice_name: str, values: dict[str, Any]) -> Rendered:
    """The mail called ``name`` in the language of ``locale``.

    Raises ``jinja2.UndefinedError`` for a value that the template needs and ``values`` has not, and
    ``jinja2.TemplateNotFound``.
    """
    language = language_of(locale)
    path = f"{language}/{name}.jinja"
    given = values | {"practice_name": practice_name, "language": language}
    # One line and no control characters: what a person named something must not become a header.
    subject = " ".join(_block(_text, path, "subject", given).split())
    subject = "".join(c for c in subject if c.isprintable())[:SUBJECT_LIMIT]
    text = _text.get_template("layout.txt.jinja").render(given | {"body": _block(_text, path, "body", given)})
    html = _html.get_template("layout.html.jinja").render(
        given | {"subject": subject, "body": Markup(_block(_html, path, "body", given))}  # noqa: S704 - escaped by its own environment
    )
    return Rendered(subject, re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", html)


def render_page(name: str, values: dict[str, Any]) -> str:
    """A page of our own (the development mailbox), escaped as the mails are."""
    return _html.get_template(name).render(values)


def _block(environment: ImmutableSandboxedEnvironment, path: str, block: str, values: dict[str, Any]) -> str:
    template = environment.get_template(path)
    return "".join(template.blocks[block](template.new_context(values)))


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        loader=_loader,
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["p"] = _html_paragraph if html else _text_paragraph
    made.filters["linked"] = linked
    made.globals["facts"] = _html_facts if html else _text_facts
    made.globals["button"] = _html_button if html else _text_button
    made.globals["link"] = _html_link if html else str
    return made


def _text_paragraph(content: str) -> str:
    return "\n" + textwrap.fill(content, _TEXT_WIDTH, break_long_words=False, break_on_hyphens=False) + "\n\n"


def _text_facts(rows: list[tuple[str, str | None]]) -> str:
    return "\n" + "".join(f"{label}: {value}\n" for label, value in rows if value) + "\n"


def _text_button(url: str, label: str) -> str:
    return f"\n{label}:\n{url}\n\n"


def _html_paragraph(content: str) -> Markup:
    return Markup('<p style="{}">{}</p>\n').format(_P, escape(content.strip()))


def _html_facts(rows: list[tuple[str, str | None]]) -> Markup:
    row = Markup('<tr><th scope="row" align="left" style="{}font-weight:normal;">{}</th><td style="{}">{}</td></tr>\n')
    lines = Markup("").join(row.format(_LABEL, label, _VALUE, value) for label, value in rows if value)
    return Markup('<table cellpadding="0" cellspacing="0" border="0" style="{}">\n{}</table>\n').format(_TABLE, lines)


def _html_button(url: str, label: str) -> Markup:
    return Markup('<p style="margin:24px 0;"><a href="{}" style="{}">{}</a></p>\n').format(url, _BUTTON, label)


def _html_link(url: str) -> Markup:
    """A link for an address that people typed in; anything but a web address stays text."""
    if not url.lower().startswith(("https://", "http://")):
        return escape(url)
    return Markup('<a href="{}" style="{}">{}</a>').format(url, _LINK, url)


def linked(content: str) -> Markup:
    """Plain text with its web addresses as links, escaped, for showing a text body on a page."""
    parts = re.split(r"(https?://[^\s<>\"]+)", content)
    pieces = [
        Markup('<a href="{}">{}</a>').format(part, part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    ]
    return Markup("").join(pieces)


_text = _environment(html=False)
_html = _environment(html=True)
