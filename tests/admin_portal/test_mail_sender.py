"""The sender of a practice's mails, by the portal's page and by the API."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from notifications.sender.service import get_sender
from tenants.accounts.models import StaffRole
from tests.admin_portal.test_pages import owner, staff_browser
from tests.conftest import HttpFactory
from tests.notifications.sender.conftest import asking
from tests.support.dns_server import DnsServer, dns_server
from tests.support.events import run_due_events
from tests.support.pages import assert_sober, form_of, submit
from tests.support.practices import make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.app import Surfaces, create_app
from todoenbalance.kit import clock
from todoenbalance.kit.ratelimit import RateLimiter
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import RateLimitSettings
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

__all__ = ["owner"]

PATH, API = "/admin/mail-sender", "/api/v1/admin/mail-sender"
FRESH_MINUTES = 20


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    """Knows nothing yet."""
    async with dns_server() as server:
        yield server


@pytest.fixture
def runtime(runtime: Runtime, dns: DnsServer) -> Runtime:
    """Mails into the mailbox, from domains that the operator's mail server would sign for."""
    settings = asking(runtime.settings, dns, dkim_selector="teb", dkim_target="teb.dkim.relay.example")
    return replace(runtime, settings=settings)


async def test_an_owner_enters_an_address_its_records_and_looks_again(
    owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, dns: DnsServer
) -> None:
    domain = f"{practice.slug}.nuria.example"
    assert "/admin/mail-sender" in (await owner.get("/admin/settings")).text
    page = await owner.get(PATH)
    assert_sober(page)
    assert "no-reply@todoenbalance.example" in page.text
    refused = await submit(owner, page, PATH, address="nuria@gmail.com", name="TODOenBALANCE")
    assert refused.status_code == 422
    assert_sober(refused)
    assert "This is the platform's name." in refused.text.replace("&#39;", "'")
    assert form_of(refused, PATH).data["address"] == "nuria@gmail.com"
    refused = await submit(owner, page, PATH, address="nuria@gmail.com")
    assert "This domain belongs to a mail provider. Use one of your own." in refused.text
    saved = await submit(owner, page, PATH, address=f"citas@{domain}", name="Nuria <b>Núñez</b>", reply_to="")
    assert saved.status_code == 303, saved.text
    page = await owner.get(PATH)
    assert "The records are being looked at." in page.text
    await run_due_events(runtime, practice)
    page = await owner.get(PATH)
    assert_sober(page)
    assert "<b>Núñez" not in page.text
    assert page.text.count(">Missing</span>") == 3
    assert f'value="teb._domainkey.{domain}"' in page.text
    assert f"Mails go out from citas@{domain} once all but the advice are found." in page.text

    async with runtime.database.tenant(practice) as session:
        wanted = (await get_sender(session, runtime)).records
    for one in wanted:
        dns.zone[one.type, one.name] = [one.value]
    again = await submit(owner, page, f"{PATH}/check")
    assert again.status_code == 303
    await run_due_events(runtime, practice)
    page = await owner.get(PATH)
    assert_sober(page)
    assert page.text.count(">Right</span>") == 3
    assert "In use</span>" in page.text
    assert f"<code>citas@{domain}</code>" in page.text

    with clock.at(clock.now() + timedelta(minutes=FRESH_MINUTES)):
        stale = await submit(owner, page, PATH, address="")
        assert stale.status_code == 303
        assert stale.headers["location"].startswith("/admin/confirm?next=")


async def test_only_those_who_keep_the_settings(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
) -> None:
    manager = await staff_browser(http, runtime, practice, StaffRole.MANAGER)
    assert (await manager.get(PATH)).status_code == 403
    stranger = await make_staff_member(runtime, other_practice)
    assert_problem(await http(practice, headers=stranger.headers).get(API), 401, "invalid_token")


async def test_other_peoples_dns_is_not_ours_to_hammer(
    runtime: Runtime, surfaces: Surfaces, practice: TenantContext
) -> None:
    member = await make_staff_member(runtime, practice)
    limiter = RateLimiter(RateLimitSettings(), runtime.settings.redis_url.get_secret_value(), runtime.signer)
    app = create_app(replace(runtime, limiter=limiter), surfaces)
    host = f"http://{practice.slug}.localhost:8000"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=host, headers=member.headers) as api:
        said = [(await api.post(f"{API}/check")).status_code for _ in range(7)]
        assert said == [202] * 6 + [429]
        assert (await api.put(API, json={})).status_code == 429
    await limiter.close()


async def test_the_api_can_do_the_same(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
    member = await make_staff_member(runtime, practice, StaffRole.OWNER)
    api = http(practice, headers=member.headers | {"Accept-Language": "en"})
    first = (await api.get(API)).json()
    assert (first["status"], first["is_offered"], first["records"]) == ("platform", True, [])
    assert first["current"]["name"] == practice.name
    wish = {"name": "Nuria", "reply_to": "nuria@gmail.com", "address": f"citas@{practice.slug}.ñ.example"}
    changed = (await api.put(API, json=wish)).json()
    assert (changed["status"], changed["is_being_checked"]) == ("pending", True)
    assert (changed["domain"], changed["domain_shown"]) == (f"{practice.slug}.xn--ida.example", wish["address"][6:])
    assert changed["current"] == {
        "name": "Nuria", "address": "no-reply@todoenbalance.example", "reply_to": "nuria@gmail.com",
    }  # fmt: skip
    assert (await api.post(f"{API}/check")).status_code == 202
    await run_due_events(runtime, practice)
    token = next(one["value"] for one in (await api.get(API)).json()["records"] if one["purpose"] == "ownership")
    assert len(token.removeprefix("practice=")) == 32
    for field, wrong, kind in (
        ("address", "citas@balance.localhost", "value_error"),
        ("address", "citas@todoenbalance.example", "sender_domain_platform"),
        ("address", "citas@x.example\r\nBcc: a@x.example", "value_error"),
        ("reply_to", "a@x.example\nBcc: b@x.example", "value_error"),
        ("name", "x" * 101, "string_too_long"),
        ("name", "a\u2028\u200b", "sender_name_malformed"),
        ("domain", "x.example", "extra_forbidden"),
    ):
        refused = await api.put(API, json=wish | {field: wrong})
        assert_problem(refused, 422, "validation_error")
        assert [(one["loc"][-1], one["type"]) for one in refused.json()["errors"]] == [(field, kind)]
    [last, *_] = (await api.get("/api/v1/admin/audit")).json()["items"]
    assert (last["action"], last["detail"]["name"]) == ("mail_sender.changed", "Nuria")
