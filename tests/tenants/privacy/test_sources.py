"""No table with personal data can be forgotten; the document says what the code does."""

from pathlib import Path

import pytest
from sqlalchemy import Table, Uuid

import todoenbalance.registry  # noqa: F401 - every table must be known
from tenants.privacy.port import Action, DataClass, Reason, personal_data_sources, register_personal_data
from tenants.privacy.retention import practice_rules
from tenants.privacy.words import ACTIONS, CLASSES, REASONS
from todoenbalance.kit.database import TenantBase
from todoenbalance.operators.housekeeping import PLATFORM_RULES

DOCUMENT = Path(__file__).parents[3] / "docs" / "privacy.md"

# What holds nothing of clients; a table that refers to one can't be in here.
NOT_ABOUT_CLIENTS = {
    "services", "practitioners", "service_practitioners", "recurring_time_slots", "time_slots", "blocked_time_slots",
    "practice_settings", "staff", "totp_authenticators", "recovery_codes", "passkeys", "social_provider_accounts",
    "recurring_blocked_time_slots", "external_calendars", "external_busy_times", "group_sessions", "payment_accounts",
    "reconciliations", "issuer_profiles", "tax_rates", "document_series", "packages", "discount_codes",
    "mail_digest_choices",
    "mail_templates", "mail_template_tests", "mail_sender", "text_choices", "text_stops",
}  # fmt: skip


def refers_to_a_client(table: Table) -> bool:
    """Whether a column names a client, or an account that may be one's; staff's own tables name staff."""
    for column in table.columns:
        targets = {key.column.table.name for key in column.foreign_keys}
        if "clients" in targets or "dependants" in targets:
            return True
        is_id = isinstance(column.type, Uuid)
        if column.name.endswith("client_id") and is_id:
            return True
        if column.name == "account_id" and "staff" not in targets:
            return True
        if column.name in ("recipient", "subject_id"):
            return True
    return False


def test_every_table_is_claimed_by_one_source_or_is_not_about_clients() -> None:
    claimed = [table for source in personal_data_sources() for table in source.tables]
    assert len(claimed) == len(set(claimed))
    tables = set(TenantBase.metadata.tables)
    assert set(claimed) | NOT_ABOUT_CLIENTS == tables, "claim new tables in a source of tenants.privacy.port"
    assert set(claimed) & NOT_ABOUT_CLIENTS == set()


def test_nothing_that_refers_to_a_client_is_left_out() -> None:
    referring = {name for name, table in TenantBase.metadata.tables.items() if refers_to_a_client(table)}
    assert {"appointments", "payments", "sign_ins", "email_logs", "idempotency_keys", "consents"} <= referring
    assert referring & NOT_ABOUT_CLIENTS == set()
    followers = {
        name
        for name, table in TenantBase.metadata.tables.items()
        for column in table.columns
        for key in column.foreign_keys
        if key.column.table.name in referring
    }
    assert followers & NOT_ABOUT_CLIENTS == set()


def test_every_class_belongs_to_one_source_and_is_said_in_both_languages() -> None:
    classes = [one for source in personal_data_sources() for one in source.classes]
    assert sorted(classes) == sorted(DataClass)
    for words, codes in ((CLASSES, DataClass), (ACTIONS, Action), (REASONS, Reason)):
        assert set(words) == set(codes)
        assert all(set(sentence) == {"en", "es"} for sentence in words.values())


def test_a_table_can_not_be_claimed_twice() -> None:
    class Impostor:
        name = "impostor"
        tables = frozenset({"clients"})
        classes: frozenset[DataClass] = frozenset()

    with pytest.raises(ValueError, match="both claim"):
        register_personal_data(Impostor())  # type: ignore[arg-type]  # refused before anything else is asked of it
    assert "impostor" not in {source.name for source in personal_data_sources()}


def test_the_document_lists_every_class_and_table() -> None:
    text = DOCUMENT.read_text()
    for source in personal_data_sources():
        for one in source.classes:
            row = next((line for line in text.splitlines() if line.startswith(f"| `{one}` |")), None)
            assert row is not None, one
            assert CLASSES[one]["en"] in row, one
        for table in source.tables:
            assert f"`{table}`" in text, table


def test_the_document_lists_every_period() -> None:
    text = DOCUMENT.read_text()
    for rule in (*practice_rules(), *PLATFORM_RULES):
        row = f"| `{rule.table}` | {rule.what} | {rule.keep.days} days |".replace(" 1 days", " 1 day")
        assert row in text, row
