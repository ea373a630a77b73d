"""What mails said when somebody last read and approved it: a file for each kind."""

import base64
import difflib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from icalendar import Calendar

from tests.notifications.every_mail.world import Letter

FOLDER = Path(__file__).parents[1] / "snapshots"
VARIABLE, WRITE = "TODOENBALANCE_SNAPSHOTS", "write"
_SUBSTITUTES = (
    (r"\bp[0-9a-f]{12}\b", "nuria"),  # the practice's host
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"(?<=/a/)[\w.~-]+", "<token>"),
    (r"(?<=/mail-preferences/)[\w.~-]+", "<token>"),
    (r"(?<=token=)[\w.~%-]+", "<token>"),
    (r"\b\d{4} \d{4}\b", "<code>"),
)


def is_writing() -> bool:
    """Whether somebody asked for new files."""
    return os.environ.get(VARIABLE) == WRITE


def with_stable_names(text: str) -> str:
    """``text`` without what is another one each time."""
    for pattern, name in _SUBSTITUTES:
        text = re.sub(pattern, name, text)
    return text


def entries_of(letter: Letter) -> list[Calendar]:
    """The calendar entries that a mail carries."""
    found = []
    for item in letter.mail.attachments["items"]:
        calendar = Calendar.from_ical(base64.b64decode(item["content_base64"]))
        assert isinstance(calendar, Calendar)
        assert item["content_type"] == f"text/calendar; method={calendar['METHOD']}; charset=utf-8", item
        found.append(calendar)
    return found


def _section(scenario: str, letter: Letter) -> str:
    lines = [f"=== {letter.language} · {letter.role} · {scenario}", f"Subject: {letter.mail.subject}"]
    for item, calendar in zip(letter.mail.attachments["items"], entries_of(letter), strict=True):
        said = " · ".join(str(event["SUMMARY"]) for event in calendar.events)
        lines.append(f"Attached: {item['filename']} ({calendar['METHOD']}): {said}")
    return with_stable_names("\n".join([*lines, "", letter.mail.text]))


def snapshot_of(letters: Sequence[tuple[str, Letter]]) -> str:
    """All mails of one kind, each with the scenario that it is from."""
    ordered = sorted(letters, key=lambda one: (one[1].language != "es",))
    sections = Counter(_section(scenario, letter) for scenario, letter in ordered)
    return "\n".join(
        section.replace("\n", f" · {count} times\n" if count > 1 else "\n", 1) for section, count in sections.items()
    )


def faults_of_kind(kind: str, said: str) -> list[str]:
    """How what is said differs from the file; writes it where somebody asked for that."""
    path = FOLDER / f"{kind}.txt"
    if is_writing():
        FOLDER.mkdir(exist_ok=True)
        path.write_text(said)
        return []
    if not path.exists():
        return [f"{kind} has no snapshot ({VARIABLE}={WRITE} writes it)"]
    known = path.read_text()
    if known == said:
        return []
    return [f"{path.name} says something else\n{_difference(known, said)}"]


def _difference(known: str, said: str) -> str:
    lines = difflib.unified_diff(known.splitlines(), said.splitlines(), "approved", "now", lineterm="", n=2)
    return "\n".join(lines)


def stale_files(kinds: Mapping[str, object]) -> list[str]:
    """Files of kinds that there are no more."""
    return sorted(path.name for path in FOLDER.glob("*") if path.stem not in kinds or path.suffix != ".txt")
