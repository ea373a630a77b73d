"""Every template in every language, with every branch that it has."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from notifications.formats import LANGUAGES, describe
from notifications.rendering import linked, register_templates, render_mail
from notifications.service import composed_kinds
from tests.support.mails import ROOT, assert_speaks, links_in

FOLDERS = [
    ROOT / "notifications/templates",
    ROOT / "notifications/texting/templates",
    ROOT / "scheduling/appointments/templates",
    ROOT / "scheduling/group_sessions/templates",
    ROOT / "scheduling/waitlist/templates",
    ROOT / "scheduling/external_calendars/templates",
    ROOT / "billing/refunds/templates",
    ROOT / "billing/accounts/templates",
    ROOT / "billing/disputes/templates",
    ROOT / "billing/documents/templates",
    ROOT / "billing/reconciliation/templates",
    ROOT / "billing/platform_fees/templates",
    ROOT / "billing/packages/templates",
]
PARTIALS = {"appointment_facts", "appointment_terms"}
PRACTICE = "Clínica Nuria"
NAMES = (PRACTICE, "Ana", "Marta Gil", "Leo Gil", "Pilar Ruiz", "Nutrición deportiva")


def names_in(language: str) -> set[str]:
    return {path.stem for folder in FOLDERS for path in (folder / language).glob("*.jinja")} - PARTIALS


KINDS = sorted(names_in("es"))


def values(language: str, **changed: Any) -> dict[str, Any]:
    starts_at, ends_at = datetime(2026, 3, 3, 9, 30, tzinfo=UTC), datetime(2026, 3, 3, 10, 15, tzinfo=UTC)
    when = describe(starts_at, "Europe/Madrid", language, ends_at=ends_at)
    base = "https://nuria.example.com"
    return {
        "first_name": "Ana",
        "can_reply": True,
        "email": "ana@example.com",
        "verification_url": f"{base}/verify-email?token=a",
        "reset_url": f"{base}/reset-password?token=a",
        "invitation_url": f"{base}/admin/accept-invitation?token=a",
        "sign_in_url": f"{base}/sign-in",
        "forgotten_url": f"{base}/forgot-password",
        "magic_url": f"{base}/magic-link?token=a",
        "confirm_url": f"{base}/confirm-email?token=a",
        "cancel_url": f"{base}/cancel-email?token=a",
        "move_url": f"{base}/a/move",
        "appointments_url": f"{base}/appointments",
        "dates": [when, when],
        "total": "90,00 €",
        "new_email": "new@example.com",
        "who": "Pilar Ruiz",
        "is_taken": False,
        "staff_url": f"{base}/admin/staff/1",
        "valid_minutes": 15,
        "security_url": f"{base}/admin/security",
        "connections_url": f"{base}/account/connections",
        "provider": "Google",
        "title": "Nutrición deportiva",
        "number": "F-2026-0001",
        "kind": "simplified",
        "corrects": "F-2026-0001",
        "day": "3/3/26",
        "url": f"{base}/documents/1",
        "fee_owed": "20,00 €",
        "practice_name": "Nutrición deportiva",
        "until": "3/3/26",
        "plan_url": f"{base}/admin/plan",
        "outcome": "lost",
        "is_withdrawn": True,
        "due_on": "3/3/26",
        "count": 2,
        "package": "Nutrición deportiva",
        "expires_on": "3/3/27",
        "left": "5",
        "package_url": f"{base}/packages/mine/1",
        "takes_payments": False,
        "reason": "",
        "wanted": ["IBAN"],
        "deadline": "3",
        "page_url": f"{base}/admin/payment-accounts",
        "code": "1234 5678",
        "booking_url": f"{base}/",
        "appointment_url": f"{base}/appointments/1",
        "admin_url": f"{base}/admin/appointments/1",
        "valid_days": 3,
        "valid_hours": 2,
        "valid_until": when,
        "service": "Nutrición deportiva",
        "practitioner": "Pilar Ruiz",
        "client": "Marta Gil",
        "for_whom": "Leo Gil",
        "when": when,
        "before": when,
        "local_when": describe(starts_at, "America/Bogota", language, ends_at=ends_at),
        "was_confirmed": True,
        "location_kind": "online",
        "meeting_url": "https://meet.example.com/x",
        "price": "45,00 €",
        "free_until": when,
        "refund_steps": [{"percent": 100, "until": when}, {"percent": 50, "until": when}],
        "cancel_until": when,
        "move_until": when,
        "no_show_fee": "20,00 €",
        "held_until": when,
        "amount_due": "45,00 €",
        "cancelled_by": "client",
        "amount": "45,00 €",
        "cause": "late_slot_taken",
        "what": "Nutrición deportiva",
        "by_hand": False,
        "waitlist_url": f"{base}/appointments",
        "kept_until": when,
        "due": "45,00 €",
        "is_unanswered": True,
        "former_practitioner": "Pilar Ruiz",
        "seats_taken": 3,
        "capacity": 10,
        "last_four": "4242",
        "lines": [{"subject": "Pilar Ruiz", "url": f"{base}/admin/appointments/1"}, {"subject": "Ana", "url": ""}],
        "choices_url": f"{base}/admin/my-mails",
        "preferences_url": f"{base}/mail-preferences/a",
        "browser": "Firefox, Windows",
        "calendar": "Nutrición deportiva",
        "read_at": when,
        "calendars_url": f"{base}/admin/external-calendars/1",
        "limit": 500,
        "fresh": 2,
        "waiting": 3,
        "can_raise": True,
        "is_codes": False,
        "whose": None,
        "is_taken_away": False,
        "own_address": "citas@nuria.example",
        "own_domain": "nuria.example",
        "platform_address": "no-reply@todoenbalance.example",
        "is_refused": False,
        "broken_at": when,
        "sender_url": f"{base}/admin/mail-sender",
    } | changed


VARIANTS: list[dict[str, Any]] = [
    {},
    {
        "first_name": "",
        "browser": None,
        "read_at": None,
        "is_taken": True,
        "is_taken_away": True,
        "is_refused": True,
        "whose": "Pilar Ruiz",
        "cancelled_by": "staff",
        "cause": "paid_twice",
        "location_kind": "home",
    },
    {"cancelled_by": "system", "cause": "appointment_cancelled", "by_hand": True, "location_kind": "phone"},
    {
        "cause": "cancellation",
        "was_confirmed": False,
        "refund_steps": [],
        "cancel_until": None,
        "move_until": None,
        "no_show_fee": None,
        "free_until": None,
        "due": None,
        "is_unanswered": False,
        "local_when": None,
        "former_practitioner": None,
        "seats_taken": 0,
        "last_four": None,
        "price": None,
        "location_kind": "home",
    },
    {"cause": "staff", "can_reply": False, "meeting_url": None, "before": None, "location_kind": "practice"},
]


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "form")
        self.found += [value or "" for name, value in attrs if name == "href"]


def test_every_mail_exists_in_every_language() -> None:
    assert {language: names_in(language) for language in LANGUAGES} == {language: set(KINDS) for language in LANGUAGES}
    assert set(KINDS) == composed_kinds()


@pytest.mark.parametrize("variant", range(len(VARIANTS)))
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_speaks_one_language_and_carries_the_same_links_in_both_bodies(
    kind: str, language: str, variant: int
) -> None:
    mail = render_mail(kind, language, PRACTICE, values(language, **VARIANTS[variant]))
    assert_speaks(language, mail, *NAMES)
    assert mail.subject
    assert "\n" not in mail.subject
    assert "None" not in mail.text + mail.html + mail.subject
    assert not re.search(r"[{}]|Undefined", mail.text)
    links = Links()
    links.feed(mail.html)
    assert links.found == links_in(mail.text)
    assert f'<html lang="{language}">' in mail.html
    if kind not in ("refund_settled", "social_code", "mail_template_test"):
        assert links.found


def test_a_verified_client_is_welcomed_without_a_link_to_verify() -> None:
    mail = render_mail("client_welcome", "es", PRACTICE, values("es", verification_url=None, preferences_url=None))
    assert links_in(mail.text) == ["https://nuria.example.com/"]


def test_a_reader_without_a_name_is_greeted_all_the_same() -> None:
    mail = render_mail("appointment_confirmed_practice", "es", PRACTICE, values("es", first_name=""))
    assert mail.text.startswith("Hola:\n")


def test_what_people_typed_is_escaped_in_html_and_only_there() -> None:
    given = values("es", service="<b>Rock & Roll</b>", meeting_url="javascript:alert(1)")
    mail = render_mail("appointment_confirmed", "es", "<Salud>", given)
    assert "<b>Rock & Roll</b>" in mail.text
    assert "<b>Rock" not in mail.html
    assert "&lt;b&gt;Rock &amp; Roll&lt;/b&gt;" in mail.html
    assert "&lt;Salud&gt;" in mail.html
    assert 'href="javascript' not in mail.html


def test_a_name_can_not_break_out_of_the_subject() -> None:
    given = values("es", service="Visita\r\nBcc: everyone@example.com\x00")
    mail = render_mail("appointment_confirmed", "es", PRACTICE, given)
    assert "\n" not in mail.subject
    assert "\r" not in mail.subject
    assert "\x00" not in mail.subject


def test_a_missing_value_is_an_error_and_not_a_gap() -> None:
    given = values("es")
    del given["service"]
    with pytest.raises(UndefinedError):
        render_mail("appointment_confirmed", "es", PRACTICE, given)


def test_an_unknown_language_falls_back_to_spanish() -> None:
    assert_speaks("es", render_mail("client_verification", "fr", PRACTICE, values("es")), *NAMES)


def test_a_feature_may_register_its_folder_twice(tmp_path: Path) -> None:
    (tmp_path / "es").mkdir()
    (tmp_path / "es/probe.jinja").write_text("{% block subject %}S{% endblock %}{% block body %}C{% endblock %}")
    register_templates(tmp_path)
    register_templates(tmp_path)
    assert render_mail("probe", "es", PRACTICE, {"can_reply": False}).subject == "S"


def test_plain_text_becomes_links_without_becoming_markup() -> None:
    assert linked("<i> https://a.example/?x=1&y=2 ok") == (
        '&lt;i&gt; <a href="https://a.example/?x=1&amp;y=2">https://a.example/?x=1&amp;y=2</a> ok'
    )
