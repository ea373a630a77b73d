"""The one table of permissions: the pages have words for all of it, and the documentation says the same."""

from pathlib import Path

from admin_portal.pages.team import PERMISSION_WORDS, ROLE_WORDS
from tenants.accounts.models import StaffRole
from tenants.accounts.permissions import PERMISSIONS, Permission, may

DOCUMENT = Path(__file__).parents[2] / "docs" / "permissions.md"


def table() -> str:
    """As the documentation shows it."""
    head = f"| Permission | What it lets one do | {' | '.join(f'`{role}`' for role in StaffRole)} |"
    lines = [head, "| --- | --- |" + " :-: |" * len(StaffRole)]
    for permission, words in PERMISSION_WORDS.items():
        cells = " | ".join("yes" if may(role, permission) else "–" for role in StaffRole)
        lines.append(f"| `{permission}` | {words} | {cells} |")
    return "\n".join(lines)


def test_every_permission_and_role_has_words() -> None:
    assert set(PERMISSION_WORDS) == set(Permission)
    assert set(ROLE_WORDS) == set(StaffRole) == set(PERMISSIONS)


def test_the_document_shows_the_table_that_is_enforced() -> None:
    assert table() in DOCUMENT.read_text(), table()


def test_an_unknown_role_may_nothing() -> None:
    assert not any(may("janitor", permission) for permission in Permission)
