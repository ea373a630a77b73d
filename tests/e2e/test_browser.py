"""The whole story in a real browser: onboard, set up, register, book with the keyboard alone, pay, be told."""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.support.stack import OPERATOR, RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.xdist_group("stack")]

PASSWORD = "a long enough password"
CLIENT = ("client@demo.example.com", "client-demo-1")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Visit:
    """A browser window and what went wrong in it."""

    page: Page
    troubles: list[str] = field(default_factory=list)

    def listen(self) -> "Visit":
        """Note every script error, refused resource and request to another host."""
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", self._on_request)
        return self

    def _on_console(self, message: ConsoleMessage) -> None:
        # Chromium reports pages with a status of 4xx as well; those are asked for on purpose here.
        if message.type == "error" and "the server responded with a status" not in message.text:
            self.troubles.append(message.text)

    def _on_request(self, request: Request) -> None:
        host = request.url.split("/")[2].split(":")[0] if "//" in request.url else "localhost"
        if host != "localhost" and not host.endswith(".localhost"):
            self.troubles.append(f"asked {request.url}")


OpenWindow = Callable[..., Visit]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; without one the browser tests are skipped, unless CI says that it must be there.

    Ends with this module: while it lasts Playwright keeps an event loop running in this thread, and no
    asynchronous test could start its own.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        reason = "NO BROWSER: install Chromium to run the browser tests"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def window(chromium: Browser) -> Iterator[OpenWindow]:
    """``window()`` opens a window with a jar of its own; at the end nothing may have gone wrong in any."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_window(width: int = 1280, height: int = 800, locale: str = "en-GB", **options: object) -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            timezone_id="Europe/Madrid",
            **options,  # type: ignore[arg-type]  # whatever Playwright takes
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        visits.append(Visit(context.new_page()).listen())
        return visits[-1]

    yield open_window
    for context in contexts:
        context.close()
    assert [visit.troubles for visit in visits if visit.troubles] == []


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go, for whoever wants to look."""
    return Path(os.environ.get("TODOENBALANCE_TEST_SHOTS") or tmp_path_factory.mktemp("shots"))


def press_until(page: Page, name: str, *, limit: int = 200) -> None:
    """Walk with the Tab key to the element of that name; it must show that it has the focus."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                const one = document.activeElement;
                const style = getComputedStyle(one);
                const label = one.labels && one.labels.length ? one.labels[0].textContent : one.textContent;
                return [label.replace(/\\s+/g, " ").trim(), style.outlineStyle, style.outlineWidth];
            }"""
        )
        if re.search(name, found[0]):
            assert found[1] != "none", f"{name}: no visible focus"
            assert found[2] != "0px", f"{name}: no visible focus"
            return
    pytest.fail(f"{name} is not reached with the keyboard")


def onboard(stack: RunningStack, visit: Visit, slug: str) -> str:
    """As operator, make the practice by the console; answers the owner's invitation."""
    page = visit.page
    page.goto(stack.url())
    page.get_by_label("E-mail").fill(OPERATOR[0])
    page.get_by_label("Password").fill(OPERATOR[1])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("main").get_by_role("link", name="New practice").click()
    page.get_by_label("Name", exact=True).fill("Green Table Nutrition")
    page.get_by_label("Address").fill(slug)
    page.get_by_label("Country").select_option("ES")
    page.get_by_label("Time zone").select_option("Europe/Madrid")
    page.get_by_label("Language").select_option("en")
    page.get_by_label("Currency").fill("EUR")
    page.get_by_label("First name").fill("Olivia")
    page.get_by_label("Last name").fill("Owner")
    page.get_by_label("E-mail").fill(f"olivia@{slug}.example.com")
    page.get_by_role("button", name="Make the practice").click()
    expect(page.get_by_role("status")).to_contain_text("The practice is there.")
    return page.get_by_role("link", name="accept-invitation").inner_text()


def set_up(visit: Visit, invitation: str) -> None:
    """As owner, go from the invitation through the next steps."""
    page = visit.page
    page.goto(invitation)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Open my account").click()
    page.get_by_role("link", name="Add a practitioner").click()
    page.get_by_label("Name", exact=True).fill("Pilar Practitioner")
    page.get_by_role("button", name="Save").click()
    for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"):
        page.get_by_label(day, exact=True).check()
    page.get_by_label("From").first.fill("09:00")
    page.get_by_label("Until").first.fill("13:00")
    page.get_by_role("button", name="Add these hours").click()
    expect(page.get_by_role("row", name=re.compile("Friday 09:00–13:00"))).to_be_visible()
    page.get_by_role("link", name="Start").click()
    page.get_by_role("link", name="Add a service").click()
    page.get_by_label("Name", exact=True).fill("First visit")
    page.get_by_label("Description").fill("We get to know each other and make a plan.")
    page.get_by_label("Price in EUR", exact=True).fill("45")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name=re.compile("First visit"))).to_contain_text("€45.00")
    page.get_by_role("link", name="Start").click()
    expect(page.get_by_text("Next steps")).to_have_count(0)


def register(stack: RunningStack, visit: Visit, slug: str, email: str) -> None:
    """As client, open an account and sign in."""
    page = visit.page
    page.goto(stack.url(slug))
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("First name").fill("Carla")
    page.get_by_label("Last name").fill("Client")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The practice may keep").check()
    page.get_by_role("button", name="Create the account").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="My appointments")).to_be_visible()


def book_with_the_keyboard(stack: RunningStack, visit: Visit, slug: str, shots: Path) -> None:
    """From the landing page to the provider's, without touching the mouse."""
    page = visit.page
    day = (datetime.now(UTC) + timedelta(days=7)).date()
    page.goto(stack.url(slug))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    press_until(page, "^Book")
    page.keyboard.press("Enter")
    page.wait_for_url("**/book/*")
    press_until(page, "Later")
    page.keyboard.press("Enter")
    page.wait_for_url("**from=*")
    assert str(day) in page.url
    page.screenshot(path=shots / "times.png")
    press_until(page, "9:00")
    page.keyboard.press("Enter")
    page.wait_for_url("**/confirm?**")
    page.screenshot(path=shots / "confirm.png", full_page=True)
    press_until(page, "Anything we should know")
    page.keyboard.type("I am vegetarian.")
    press_until(page, "Book and pay")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sandbox/pay/*")
    page.screenshot(path=shots / "sandbox.png")
    press_until(page, "Approve")
    page.keyboard.press("Enter")
    page.wait_for_url("**/appointments/*")


class TestStory:
    def test_a_practice_is_onboarded_set_up_booked_with_the_keyboard_and_paid(
        self, stack: RunningStack, window: OpenWindow, shots: Path
    ) -> None:
        slug = f"green-{secrets.token_hex(3)}"
        email = f"carla@{slug}.example.com"
        invitation = onboard(stack, window(), slug)
        owner = window()
        set_up(owner, invitation)
        client = window()
        register(stack, client, slug, email)
        book_with_the_keyboard(stack, client, slug, shots)
        page = client.page
        expect(page.get_by_role("status")).to_contain_text("Your appointment is confirmed.")
        expect(page.get_by_role("main")).to_contain_text("€45.00 paid")
        page.screenshot(path=shots / "confirmed.png")
        mail = stack.wait_for_mail(slug, email, "(?i)confirmed")
        assert [item["content_type"].split(";")[0] for item in mail["attachments"]] == ["text/calendar"]
        owner.page.get_by_role("link", name="Appointments", exact=True).click()
        owner.page.get_by_label("To").fill((datetime.now(UTC) + timedelta(days=20)).date().isoformat())
        owner.page.get_by_role("button", name="Show").click()
        expect(owner.page.get_by_role("row", name=re.compile("Carla Client"))).to_contain_text("Confirmed")


class TestConditions:
    def test_it_works_without_scripts_and_in_the_dark_on_a_small_screen(
        self, stack: RunningStack, window: OpenWindow, shots: Path
    ) -> None:
        page = window(320, 640, "es-ES", java_script_enabled=False, color_scheme="dark").page
        page.goto(stack.url("demo"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.get_by_role("link", name="Reservar").last.click()
        page.get_by_text("Cambiar la zona horaria").click()
        page.get_by_label("Zona horaria").select_option("America/Bogota")
        page.get_by_role("button", name="Ver horas").last.click()
        expect(page.get_by_role("main")).to_contain_text("Bogotá")
        page.screenshot(path=shots / "small-dark.png", full_page=True)
        page.locator(".times a").first.click()
        page.get_by_role("main").get_by_role("link", name="Iniciar sesión").click()
        page.get_by_label("Correo electrónico").fill(CLIENT[0])
        page.get_by_label("Contraseña").fill("wrong password")
        page.get_by_role("button", name="Iniciar sesión").click()
        expect(page.get_by_role("alert")).to_contain_text("El correo o la contraseña no son correctos.")
        page.get_by_label("Contraseña").fill(CLIENT[1])
        page.get_by_role("button", name="Iniciar sesión").click()
        expect(page.get_by_role("heading", name="Confirma tu reserva")).to_be_visible()

    def test_no_page_scrolls_sideways_on_a_small_screen(self, stack: RunningStack, window: OpenWindow) -> None:
        page = window(320, 640, "es-ES").page
        page.goto(stack.url("demo", "/admin/sign-in"))
        page.get_by_label("Correo electrónico").fill("owner@demo.example.com")
        page.get_by_label("Contraseña").fill("owner-demo-1")
        page.get_by_role("button", name="Iniciar sesión").click()
        for path in ("/admin", "/admin/appointments", "/admin/services", "/admin/services/new", "/admin/practitioners",
                     "/admin/hours", "/admin/payments", "/", "/register", "/sign-in"):  # fmt: skip
            page.goto(stack.url("demo", path))
            # WCAG 2.2, 1.4.10: content reflows at a width of 320 CSS pixels
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path

    def test_an_error_is_where_the_focus_is(self, stack: RunningStack, window: OpenWindow) -> None:
        page = window().page
        page.goto(stack.url("demo", "/sign-in"))
        page.get_by_label("E-mail").fill(CLIENT[0])
        page.get_by_label("Password").fill("wrong password")
        page.keyboard.press("Enter")
        expect(page).to_have_title(re.compile("^Error: "))
        assert page.evaluate("document.activeElement.className") == "error-summary"
