"""The security document points to things that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
POINTERS = sorted(set(re.findall(r"`([\w./]+/[\w./]+\.\w+(?:::\w+)?)`", TEXT)))


@pytest.mark.parametrize("pointer", POINTERS)
def test_what_it_points_to_is_there(pointer: str) -> None:
    path, _, name = pointer.partition("::")
    place = ROOT / (path if not path.startswith("kit/") else f"platform/todoenbalance/{path}")
    assert place.exists(), path
    assert not name or f"def {name}(" in place.read_text(), pointer


def test_every_line_of_the_tables_says_whether_it_is_met_and_where() -> None:
    rows = [line for line in TEXT.splitlines() if re.match(r"\| \d+\.\d+\.\d+ \|", line)]
    assert len(rows) > 50
    for row in rows:
        _, _number, what, met, evidence, _ = row.split("|")
        assert what.strip(), row
        assert met.strip(), row
        assert evidence.strip() or "not used" in met, row


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w/.-]+\.md)\)", TEXT))))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
