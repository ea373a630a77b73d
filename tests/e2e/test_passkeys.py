"""Passkeys in a real browser, with an authenticator of the browser's own making (WebAuthn level 3, 11)."""

import os
import secrets
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.second_factors import code_of
from tests.support.stack import RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.xdist_group("stack")]

OWNER = ("owner@demo.example.com", "owner-demo-1")
NEW_PASSWORD = f"violet {secrets.token_hex(8)} harbour"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; see ``test_browser``."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        reason = "NO BROWSER: install Chromium to run the browser tests"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A window whose device unlocks passkeys by itself; nothing may go wrong in it."""
    context = chromium.new_context(locale="en-GB")
    context.set_default_timeout(20_000)
    window = context.new_page()
    troubles: list[str] = []
    window.on("pageerror", lambda error: troubles.append(str(error)))
    window.on(
        "console",
        lambda message: (
            troubles.append(message.text)
            if message.type == "error" and "the server responded with a status" not in message.text
            else None
        ),
    )
    devtools = context.new_cdp_session(window)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield window
    context.close()
    assert troubles == []


def invite(stack: RunningStack) -> str:
    """Have the demo's owner invite someone who reads English; answers the invitation."""
    with stack.http("demo") as client:
        login = client.post("/api/v1/admin/auth/login", data={"username": OWNER[0], "password": OWNER[1]})
        headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        person = {"first_name": "Marta", "last_name": "Manager", "role": "manager", "locale": "en"}
        email = f"marta-{secrets.token_hex(4)}@example.com"
        made = client.post("/api/v1/admin/staff", headers=headers, json={"email": email, **person})
        assert made.status_code == 201, made.text
        invitation: str = made.json()["invitation_url"]
        return f"{email} {invitation}"


def give_password(page: Page, stack: RunningStack, email: str) -> None:
    page.goto(stack.url("demo", "/admin/sign-in"))
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_passkey_is_made_and_signs_in_and_so_does_an_app(stack: RunningStack, page: Page) -> None:
    email, invitation = invite(stack).split(" ")
    page.goto(invitation)
    page.get_by_label("Password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Open my account").click()
    page.get_by_role("contentinfo").get_by_role("link", name="Security").click()
    page.get_by_role("link", name="Add a second factor").click()
    page.get_by_label("What to call it").fill("My laptop")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    expect(page.locator(".codes li")).to_have_count(10)
    recovery_code = page.locator(".codes li").first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("button", name="Sign out").click()

    give_password(page, stack, email)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/admin")
    page.get_by_role("contentinfo").get_by_role("link", name="Security").click()
    expect(page.get_by_role("main")).to_contain_text("My laptop")

    page.get_by_role("link", name="Add or replace one").click()
    page.get_by_role("button", name="Set up an app").click()
    picture = page.get_by_role("img", name="QR code for the authenticator app")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
    page.get_by_text("I can't scan it").click()
    secret = page.locator("details code").inner_text()
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("main")).to_contain_text("Authenticator app")
    page.get_by_role("button", name="Sign out").click()

    give_password(page, stack, email)
    page.get_by_label("Code").fill(recovery_code)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin")
    page.set_viewport_size({"width": 320, "height": 640})
    for path in ("/admin/security", "/admin/security/second-factor", "/admin/confirm"):
        page.goto(stack.url("demo", path))
        # WCAG 2.2, 1.4.10: content reflows at a width of 320 CSS pixels
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_a_passkey_that_is_refused_says_so_and_leaves_the_code(stack: RunningStack, page: Page) -> None:
    email, invitation = invite(stack).split(" ")
    page.goto(invitation)
    page.get_by_label("Password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Open my account").click()
    page.goto(stack.url("demo", "/admin/security/second-factor"))
    page.get_by_label("What to call it").fill("Gone soon")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    give_password(page, stack, email)
    refuse = "() => { navigator.credentials.get = () => Promise.reject(new DOMException('no', 'NotAllowedError')); }"
    page.evaluate(refuse)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The passkey was not used.")
    expect(page.get_by_label("Code")).to_be_visible()
