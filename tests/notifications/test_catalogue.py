"""The one table of mails: composers, templates and the document say the same."""

import re

import pytest

from notifications.catalogue import CATALOGUE, TOPIC_WORDS, Audience, MailKind, Topic, optional_topics
from notifications.composing import composed_kinds, register_composer
from notifications.operator_mails.composing import composed_operator_kinds
from notifications.watching import WATCHES
from tenants.accounts.models import StaffRole
from tests.support.mails import ROOT

DOCUMENT = ROOT / "docs" / "notifications.md"
_COLUMNS = ("is_optional", "can_wait", "is_capped", "in_digest", "on_strangers_request", "is_essential")


def rows() -> list[str]:
    """The table as the document shows it, a line for each kind."""
    return [
        f"| `{row.kind}` | {row.audience} | {row.topic} | {row.en} | {', '.join(row.channels)} | "
        + " | ".join("yes" if getattr(row, name) else "–" for name in _COLUMNS)
        + " |"
        for row in CATALOGUE.values()
    ]


def test_every_row_has_a_composer_and_every_composer_a_row() -> None:
    assert composed_kinds() | composed_operator_kinds() == set(CATALOGUE)
    assert composed_operator_kinds() == {kind for kind, row in CATALOGUE.items() if row.audience is Audience.OPERATOR}


def test_a_kind_without_a_row_is_refused_at_start_up() -> None:
    async def composer(*_arguments: object) -> None:
        return None

    with pytest.raises(LookupError, match="carrier_pigeon"):
        register_composer("carrier_pigeon", composer)
    assert "carrier_pigeon" not in composed_kinds()


def test_the_document_shows_the_table() -> None:
    shown = [line for line in DOCUMENT.read_text().splitlines() if re.match(r"\| `\w+` \| \w+ \| \w+ \|", line)]
    assert shown == rows(), "\n" + "\n".join(rows())


def test_the_document_shows_who_may_watch_what() -> None:
    lines = DOCUMENT.read_text().splitlines()
    for watch in WATCHES.values():
        [shown] = [line for line in lines if line.startswith(f"| `{watch.topic}` |")]
        _, _, kinds, who_may, default, _ = (cell.strip() for cell in shown.split("|"))
        assert re.findall(r"`(\w+)`", kinds) == [row.kind for row in CATALOGUE.values() if row.watch is watch.topic]
        assert f"`{watch.permission}`" in who_may
        assert ("practitioners_see_all" in who_may) == watch.if_seen
        assert {str(role) for role in StaffRole if role in default} == set(watch.by_default)
        assert ("always" in default) == bool(watch.always)


def test_what_guards_or_is_due_can_not_be_switched_off() -> None:
    optional = {kind for kind, row in CATALOGUE.items() if row.is_optional}
    assert optional == {
        "appointment_reminder", "appointment_follow_up", "appointment_missed",
            "waitlist_joined", "waitlist_lapsed", "waitlist_over", "package_expiring",
        "appointment_confirmed_practice", "appointment_moved_practice", "appointment_cancelled_practice",
        "appointment_series_practice", "group_session_moved_practice", "group_session_cancelled_practice",
        "refund_settled_practice", "mail_tasks_practice",
        "operator_news", "operator_alarm",
    }  # fmt: skip


@pytest.mark.parametrize(
    "flags",
    [
        {"topic": Topic.SECURITY, "is_optional": True},
        {"is_essential": True, "can_wait": True},
        {"is_capped": True},
        {"in_digest": True},
    ],
)
def test_a_row_that_contradicts_itself_is_refused(flags: dict[str, object]) -> None:
    values: dict[str, object] = {"audience": Audience.CLIENT, "topic": Topic.BOOKINGS, "en": "x", "es": "x"} | flags
    with pytest.raises(ValueError, match="odd"):
        MailKind("odd", **values)  # type: ignore[arg-type]  # of various types


def test_occasions_and_topics_are_said_in_both_languages() -> None:
    assert set(TOPIC_WORDS) == set(Topic)
    for row in CATALOGUE.values():
        assert row.en != row.es
        assert row.occasion("es") == row.es
        assert row.occasion("en") == row.en
    assert Topic.SECURITY not in {*optional_topics(is_staff=True), *optional_topics(is_staff=False)}
