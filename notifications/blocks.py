"""What a mail's body is built of, drawn in text and in HTML.

The styles stand in place, because some mail programs throw a mail's style sheet away. The classes only serve the
sheet's dark colours and narrow screens: without it a mail is light and wide, and nothing is lost.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from markupsafe import Markup, escape

from notifications.look import Look

_TEXT_WIDTH = 76
_FONT = "font-family:Arial,Helvetica,sans-serif;"
_P = _FONT + "margin:0 0 16px;font-size:16px;line-height:24px;color:#1f2933;"
_LABEL = (
    _FONT + "padding:6px 16px 6px 0;font-size:15px;line-height:22px;color:#52606d;font-weight:normal;"
    "text-align:left;vertical-align:top;"
)
_VALUE = _FONT + "padding:6px 0;font-size:15px;line-height:22px;color:#1f2933;font-weight:bold;vertical-align:top;"
_TABLE = "margin:0 0 16px;border-collapse:collapse;"
_BUTTON_TABLE = "margin:24px 0;border-collapse:separate;"
# Outlook draws no padding around a link, only around a cell.
_BUTTON_CELL = "border-radius:6px;background-color:{accent};mso-padding-alt:12px 24px;"
_BUTTON = (
    _FONT + "display:inline-block;padding:12px 24px;border-radius:6px;background-color:{accent};color:{on_accent};"
    "font-size:16px;line-height:24px;font-weight:bold;text-decoration:none;mso-padding-alt:0;"
)
_LINK = "color:{text};text-decoration:underline;word-break:break-word;"

_look: ContextVar[Look] = ContextVar("look")


@contextmanager
def drawn_with(look: Look) -> Iterator[None]:
    """Draw what is drawn inside in these colours."""
    token = _look.set(look)
    try:
        yield
    finally:
        _look.reset(token)


def _colours(style: str) -> str:
    look = _look.get()
    return style.format(accent=look.accent, on_accent=look.on_accent, text=look.text)


def is_web_address(url: object) -> bool:
    """Whether it leads to a page; a mail links to nothing else (no ``javascript:``, no ``data:``)."""
    return str(url).lower().startswith(("https://", "http://"))


def text_paragraph(content: str) -> str:
    """``p``: filled to the usual width; each line that was begun stays one. Nothing of nothing."""
    lines = [line.strip() for line in content.strip().splitlines()]
    filled = [textwrap.fill(line, _TEXT_WIDTH, break_long_words=False, break_on_hyphens=False) for line in lines]
    return "\n" + "\n".join(filled) + "\n\n" if any(filled) else ""


def text_facts(rows: Iterable[tuple[str, str | None]]) -> str:
    """``facts``: a line each; without a value none."""
    return "\n" + "".join(f"{label}: {value}\n" for label, value in rows if value) + "\n"


def text_button(url: str, label: str) -> str:
    """``button``: what it does, and the address below."""
    return f"\n{label}:\n{url}\n\n"


def text_links(rows: Iterable[tuple[str, str | None]]) -> str:
    """``links``: a line each."""
    return text_facts(rows)


def html_paragraph(content: str) -> Markup:
    """``p``."""
    lines = [escape(line) for line in content.strip().splitlines()]
    if not lines:
        return Markup("")
    return Markup('<p class="ink" style="{}">{}</p>\n').format(_P, Markup("<br>\n").join(lines))


def html_facts(rows: Iterable[tuple[str, str | None]]) -> Markup:
    """``facts``."""
    row = Markup(
        '<tr><th scope="row" align="left" class="label soft" style="{}">{}</th>'
        '<td class="value ink" style="{}">{}</td></tr>\n'
    )
    lines = Markup("").join(row.format(_LABEL, label, _VALUE, value) for label, value in rows if value)
    if not lines:
        return Markup("")
    return Markup('<table cellpadding="0" cellspacing="0" border="0" style="{}">\n{}</table>\n').format(_TABLE, lines)


def html_button(url: str, label: str) -> Markup:
    """``button``: a cell of a table, which Outlook fills too."""
    cell = Markup('<td align="center" bgcolor="{}" class="button" style="{}"><a href="{}" style="{}">{}</a></td>')
    drawn = cell.format(_look.get().accent, _colours(_BUTTON_CELL), url, _colours(_BUTTON), label)
    return Markup(
        '<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="{}"><tr>{}</tr></table>\n'
    ).format(_BUTTON_TABLE, drawn)


def html_link(url: str, label: str | None = None) -> Markup:
    """``link``: for an address that people typed in; anything but a web address stays text."""
    if not is_web_address(url):
        return escape(url)
    return Markup('<a href="{}" class="accent" style="{}">{}</a>').format(url, _colours(_LINK), label or url)


def html_links(rows: Iterable[tuple[str, str | None]]) -> Markup:
    """``links``: lesser things to do, side by side."""
    drawn = [html_link(url, label) for label, url in rows if url]
    return html_paragraph(Markup(" &nbsp;·&nbsp; ").join(drawn))


def linked(content: str) -> Markup:
    """Plain text with its web addresses as links, escaped, for showing a text body on a page."""
    parts = re.split(r"(https?://[^\s<>\"]+)", content)
    pieces = [
        Markup('<a href="{}">{}</a>').format(part, part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    ]
    return Markup("").join(pieces)
