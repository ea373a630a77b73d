"""Mails in the practice's own words, by the portal's pages and by the API."""

import re
from datetime import timedelta

import httpx
import pytest

from notifications.overrides.variables import overridable_kinds
from tenants.accounts.models import StaffRole
from tests.admin_portal.test_pages import owner, staff_browser
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.pages import assert_sober, form_of, submit
from tests.support.practices import make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

__all__ = ["owner"]

PATH = "/admin/mails/appointment_reminder/en"
API = "/api/v1/admin/mail-templates"
GOOD = "Dear {{ first_name }},\n\nSee you.\n\n{{ appointment_details }}\n{{ appointment_actions }}\n"


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


async def preview(browser: httpx.AsyncClient, page: httpx.Response, **values: str) -> httpx.Response:
    """The button that shows what is typed in the frame."""
    form = form_of(page, PATH)
    return await browser.post(f"{PATH}/preview", data=form.data | values)


async def test_an_owner_changes_a_mail_sees_it_tries_it_and_returns(
    owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    listed = await owner.get("/admin/mails")
    assert_sober(listed)
    assert listed.text.count("Built-in words</a>") == 2 * len(overridable_kinds())
    page = await owner.get(PATH)
    assert_sober(page)
    assert "We remind you" in page.text or "{{ appointment_details }}" in page.text
    assert form_of(page, PATH).data["body"].startswith("{% if first_name %}Hello {{ first_name }},")

    shown = await preview(owner, page, subject="Soon: {{ service }}", body=GOOD, view="html")
    assert shown.status_code == 200
    assert "Dear Ana," in shown.text
    policy = shown.headers["content-security-policy"]
    assert policy.endswith("sandbox")
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")
    assert shown.headers["x-frame-options"] == "SAMEORIGIN"
    plain = await preview(owner, page, subject="Soon: {{ service }}", body=GOOD, view="text")
    assert "<b>Soon: First visit</b>" in plain.text
    wrong = await preview(owner, page, subject="x", body="Hello\n{{ nme }}", view="html")
    assert wrong.status_code == 422
    assert "Line 2: There is no variable" in wrong.text
    evil = await preview(owner, page, subject="x", body=f"{GOOD}<script>alert(1)</script>", view="html")
    assert "<script" not in evil.text

    refused = await submit(owner, page, PATH, body="Nothing of use")
    assert refused.status_code == 422
    assert_sober(refused)
    assert "The mail has to say {{ when.day }}, whatever the values are." in refused.text
    assert "can't be written like this" not in refused.text.replace("&#39;", "'")
    assert form_of(refused, PATH).data["body"] == "Nothing of use"
    saved = await submit(owner, page, PATH, subject="Soon: {{ service }}", body=GOOD.replace("\n", "\r\n"))
    assert saved.status_code == 303, saved.text
    again = await owner.get(PATH)
    assert_sober(again)
    assert "Your words are sent." in again.text
    assert "changed it" in again.text
    assert form_of(again, PATH).data["body"] == GOOD.rstrip("\n")
    assert (await owner.get("/admin/mails")).text.count("Your words</a>") == 1

    tested = await owner.post(f"{PATH}/test", data=form_of(again, PATH).data | {"subject": "Only tried"})
    assert tested.status_code == 200
    assert "A test is on its way to" in tested.text
    await run_due_events(runtime, practice)
    [mail] = [one for one in await mails_of(runtime, practice) if one.subject.startswith("[Test]")]
    assert mail.subject == "[Test] Only tried"
    assert mail.recipient in tested.text

    back = await submit(owner, again, f"{PATH}/default")
    assert back.status_code == 303
    last = await owner.get(PATH)
    assert "The built-in words are sent." in last.text
    assert "went back to the built-in words" in last.text


async def test_what_was_typed_outlives_a_sign_in_that_grew_stale(owner: httpx.AsyncClient) -> None:
    page = await owner.get(PATH)
    with clock.at(clock.now() + timedelta(minutes=20)):
        kept = await submit(owner, page, PATH, body=GOOD)
        assert kept.status_code == 403
        assert form_of(kept, PATH).data["body"] == GOOD.rstrip("\n")
        assert re.search(r'href="/admin/confirm\?next=/admin/mails/[^"]+" target="_blank"', kept.text)
        assert (await owner.get(PATH)).status_code == 303
    assert "The built-in words are sent." in (await owner.get(PATH)).text


async def test_only_those_who_keep_the_settings_and_only_such_mails(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, owner: httpx.AsyncClient
) -> None:
    manager = await staff_browser(http, runtime, practice, StaffRole.MANAGER)
    for path in ("/admin/mails", PATH, f"{PATH}/preview"):
        assert (await manager.get(path)).status_code == 403
    for kind in ("client_password_reset", "staff_invitation", "appointment_reminder_", "..%2Fx"):
        assert (await owner.get(f"/admin/mails/{kind}/en")).status_code == 404
        assert (await owner.get(f"/admin/mails/{kind}/en/preview")).status_code == 404
    assert (await owner.get("/admin/mails/appointment_reminder/fr")).status_code == 404


async def test_the_api_can_do_the_same(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
    member = await make_staff_member(runtime, practice, StaffRole.OWNER)
    api = http(practice, headers=member.headers | {"Accept-Language": "en"})
    items = (await api.get(API)).json()["items"]
    assert len(items) == 2 * len(overridable_kinds())
    assert not any(one["is_own"] for one in items)
    path = f"{API}/appointment_reminder/es"
    known = (await api.get(path)).json()
    assert known["subject"] == known["builtin_subject"]
    assert {"name": "cancel_url"}.items() <= next(
        one for one in known["variables"] if one["name"] == "cancel_url"
    ).items()
    assert ["cancel_url", "appointment_url"] in known["must_say"]
    body = {"subject": "Hasta {{ when.day }}", "body": GOOD}
    shown = (await api.post(f"{path}/preview", json=body)).json()
    assert shown["subject"] == "Hasta martes, 3 de marzo de 2026"
    assert "Dear Ana," in shown["text"]
    assert shown["html"].startswith("<!DOCTYPE html>")
    refused = await api.put(path, json=body | {"body": "{{ nme }}"})
    assert_problem(refused, 422, "template_refused")
    [error] = refused.json()["errors"]
    assert (error["loc"], error["type"]) == (["body", "body"], "template_unknown_variable")
    assert error["msg"].startswith("Line 1: ")
    assert_problem(await api.put(path, json=body | {"body": "x" * 20_001}), 422, "validation_error")
    assert_problem(await api.put(f"{API}/client_password_reset/es", json=body), 404, "not_found")
    assert (await api.put(path, json=body)).json()["is_own"] is True
    assert (await api.post(f"{path}/test", json=body)).status_code == 202
    actions = [one["action"] for one in (await api.get("/api/v1/admin/audit")).json()["items"]]
    assert actions[:2] == ["mail_template.tested", "mail_template.changed"]
    assert (await api.delete(path)).status_code == 204
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(path)).json()["is_own"] is False
