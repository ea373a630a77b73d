"""What is asked of every mail, whatever it says."""

import base64
import html
import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from typing import Protocol

from babel import Locale
from email_validator import EmailNotValidError, validate_email

from notifications.catalogue import CATALOGUE, Audience
from notifications.formats import LANGUAGES
from tests.notifications.every_mail.snapshots import entries_of
from tests.notifications.every_mail.world import CANARY, NAMES, Letter, other
from tests.support.mails import ENGLISH, ROOT, SPANISH, links_in
from todoenbalance.kit.runtime import Runtime

_WORD = re.compile(r"[^\W\d_]{2,}")
_LEFT_OVER = re.compile(r"{{|}}|{%|%\(|\bNone\b|\bnull\b|undefined|\bUndefined\b|\bTrue\b|\bFalse\b|<built-in|\bnan\b")
_OF_BOTH = {"no"}
_HEADERS = {"Message-ID", "Auto-Submitted", "Content-Language", "From", "Reply-To"}
_UNSUBSCRIBE = {"List-Unsubscribe", "List-Unsubscribe-Post"}
_FOREIGN_FORMATS = {
    # A price or a time of day as the other language writes it.
    "es": re.compile(r"€\d|\d\.\d\d\s?€|\b\d{1,2}:\d\d\s?[AP]M\b"),
    "en": re.compile(r"\d\s?€|\b\d,\d\d\b|\d\s?[ap]\.\s?m\."),
}
COLLEAGUES = {"reception", "manager"}
_QUIET_TAGS = {"head", "style", "title", "script"}
_FETCHING_TAGS = {"img", "script", "link", "iframe", "object", "embed", "video", "audio", "form", "base", "source"}


class _Page(HTMLParser):
    """What a reader sees of a mail's HTML, and what their program would fetch."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.languages: list[str] = []
        self.said: list[str] = []
        self._quiet = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.languages.append(given.get("lang", ""))
        if tag == "a":
            self.links.append(given.get("href", ""))
        self._quiet += tag in _QUIET_TAGS
        style = given.get("style", "")
        if tag in _FETCHING_TAGS or "background" in given or "src" in given or "url(" in style or "@import" in style:
            self.fetched.append(self.get_starttag_text() or tag)

    def handle_endtag(self, tag: str) -> None:
        self._quiet -= tag in _QUIET_TAGS

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.said.append(data)


class Place(Protocol):
    """Where a mail was sent: a practice, or the platform."""

    runtime: Runtime


def faults_of(place: Place, letter: Letter) -> list[str]:
    """What is wrong with it, in words; nothing, one hopes."""
    mail = letter.mail
    page = _Page(mail.html)
    entries = [_said_by_entries(letter)] if mail.attachments["items"] else []
    found = [
        *_faults_of_language(letter, [mail.subject, mail.text, " ".join(page.said), *entries]),
        *_faults_of_text(letter),
        *_faults_of_html(letter, page),
        *_faults_of_headers(place, letter),
        *_faults_of_privacy(letter),
    ]
    return [f"{letter.name}: {fault}" for fault in found]


# ---- one language


@cache
def words_of_templates(language: str) -> Counter[str]:
    """Every word that our templates have in a language, and how often."""
    said: Counter[str] = Counter()
    for path in ROOT.glob(f"*/**/templates/{language}/*.jinja"):
        if ".venv" not in path.parts:
            source = re.sub(r"{%.*?%}|{#.*?#}|{{.*?}}", _literals_in, path.read_text(), flags=re.DOTALL)
            said.update(_WORD.findall(source.lower()))
    return said


def _literals_in(found: re.Match[str]) -> str:
    """What is written out inside a tag: the labels of facts."""
    written = re.findall(r'"([^"]*)"', found[0]) if found[0].startswith("{{") else []
    return f" {' '.join(written)} "


@cache
def words_of_calendars(language: str) -> frozenset[str]:
    """Months and days of the week."""
    locale = Locale(language)
    names = [*locale.months["format"]["wide"].values(), *locale.days["format"]["wide"].values()]
    return frozenset(name.lower() for name in names)


@cache
def words_of_no_other(language: str) -> frozenset[str]:
    """Those that a mail in the other language can't have.

    A sentence that slipped into the other language's templates does not become one of its own by that: its words are
    still far more frequent here.
    """
    mine, theirs = words_of_templates(language), words_of_templates(other(language))
    assert min(len(mine), len(theirs)) > 300, "the templates are somewhere else"
    found = {word for word, count in mine.items() if count >= 3 * theirs[word]} - _OF_BOTH
    found |= words_of_calendars(language) - words_of_calendars(other(language))
    return frozenset(found) | (ENGLISH if language == "en" else SPANISH)


def _faults_of_language(letter: Letter, parts: list[str]) -> list[str]:
    found = []
    for part in parts:
        said = re.sub(r"https?://\S+|\S+@\S+", " ", " ".join(part.split()))
        for name in NAMES:
            said = said.replace(name, " ")
        words = set(_WORD.findall(said.lower()))
        foreign = words & words_of_no_other(other(letter.language))
        if foreign:
            found.append(f"has words of the other language: {sorted(foreign)}")
        formats = _FOREIGN_FORMATS[letter.language].findall(said)
        if formats:
            found.append(f"writes as the other language does: {formats}")
    if not set(_WORD.findall(letter.mail.text.lower())) & words_of_no_other(letter.language):
        found.append("has no word of its own language")
    return found


def _said_by_entries(letter: Letter) -> str:
    """The words of the calendar entries."""
    fields = ("SUMMARY", "DESCRIPTION", "LOCATION", "COMMENT")
    events = [event for calendar in entries_of(letter) for event in calendar.events]
    return " ".join(str(event[name]) for event in events for name in fields if name in event)


# ---- both bodies


def _faults_of_text(letter: Letter) -> list[str]:
    mail, found = letter.mail, []
    for name, part in (("subject", mail.subject), ("text", mail.text)):
        if left_over := _LEFT_OVER.findall(part):
            found.append(f"{name} has {left_over}")
        if re.search(r"\S {2,}\S|\s[,.;](\s|$)|,,|\(\s*\)|«\s*»|\"\s*\"", part):
            found.append(f"{name} has a gap: {part!r}")
    if not mail.subject or mail.subject != mail.subject.strip():
        found.append("a subject that is none")
    lines = mail.text.splitlines()
    # Of what ends in a colon something comes below: an address, or (of the greeting) the mail.
    for number, line in enumerate(lines):
        if line.rstrip().endswith(":") and not any(lines[number + 1 : number + 3]):
            found.append(f"nothing follows {line!r}")
    if re.search(r"\n{3,}", mail.text) or any(line != line.rstrip() for line in lines):
        found.append("empty space at the end of a line, or too many lines of it")
    return found


def _faults_of_html(letter: Letter, page: _Page) -> list[str]:
    mail, found = letter.mail, []
    if page.languages != [letter.language]:
        found.append(f"lang is {page.languages}")
    if page.fetched or re.search(r"@font-face|@import|url\(", mail.html):
        found.append(f"fetches {page.fetched}")
    shown = " ".join(page.said)
    if left_over := _LEFT_OVER.findall(shown):
        found.append(f"HTML has {left_over}")
    if page.links != links_in(mail.text):
        found.append(f"links of HTML {page.links} and of the text {links_in(mail.text)}")
    words = {part: set(re.findall(r"\w+", re.sub(r"https?://\S+", " ", said))) for part, said in
             (("text", mail.text), ("html", html.unescape(shown)))}  # fmt: skip
    if missing := words["text"] - words["html"]:
        found.append(f"only the text says {sorted(missing)}")
    if more := words["html"] - words["text"]:
        found.append(f"only the HTML says {sorted(more)}")
    return found


# ---- headers, and what is nobody's business


def may_be_switched_off(letter: Letter) -> bool:
    """By its reader: the catalogue's word, and only who has an account; colleagues may leave what they only watch."""
    row = CATALOGUE[letter.kind]
    if letter.role == "contact":
        return False
    return row.is_optional or (row.watch is not None and letter.role in COLLEAGUES)


def _faults_of_headers(place: Place, letter: Letter) -> list[str]:
    mail, found = letter.mail, []
    headers = mail.headers
    # Of operators' mails nobody reads answers.
    expected = _HEADERS - ({"Reply-To"} if CATALOGUE[letter.kind].audience is Audience.OPERATOR else set())
    expected |= _UNSUBSCRIBE if may_be_switched_off(letter) else set()
    if set(headers) != expected:
        found.append(f"headers {sorted(set(headers) ^ expected)}")
    domain = place.runtime.settings.mail.sender_address.partition("@")[2]
    if headers.get("Message-ID") != f"<{mail.id}@{domain}>":
        found.append(f"Message-ID {headers.get('Message-ID')}")
    if (headers.get("Auto-Submitted"), headers.get("Content-Language")) != ("auto-generated", letter.language):
        found.append(f"{headers}")
    if may_be_switched_off(letter):
        url = headers.get("List-Unsubscribe", "")
        if url.strip("<>") not in links_in(mail.text) or headers.get("List-Unsubscribe-Post") != (
            "List-Unsubscribe=One-Click"
        ):
            found.append(f"unsubscribing by {url}")
    try:
        validate_email(mail.recipient, check_deliverability=False)
    except EmailNotValidError:
        found.append(f"goes to {mail.recipient}")
    return found


def _faults_of_privacy(letter: Letter) -> list[str]:
    mail = letter.mail
    files = [base64.b64decode(item["content_base64"]).decode() for item in mail.attachments["items"]]
    unfolded = [re.sub(r"\r?\n[ \t]", "", content) for content in files]
    parts = [mail.subject, mail.text, mail.html, *map(str, mail.headers.values()), *unfolded]
    words = [word for word in CANARY.split() if any(word in part.lower() for part in parts)]
    return [f"tells what a client wrote: {words}"] if words else []


assert set(LANGUAGES) == {"es", "en"}, "another language: words_of_no_other compares two"
