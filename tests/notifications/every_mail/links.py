"""Every link is followed: by a stranger, whom reading changes nothing for, and by the mail's reader, signed in."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.notifications.every_mail.checks import may_be_switched_off
from tests.notifications.every_mail.world import CONTACT, Letter, World
from tests.support.credentials import NEW
from tests.support.mails import links_in
from tests.support.pages import HTML, form_of, forms_of, submit
from tests.support.practices import PASSWORD

ELSEWHERE = {"https://meet.example.com/pilar"}
"""Addresses that people of the scenarios typed in."""
EXAMPLE_HOSTS = {"mail_template_test": ("nora.example.com", "meet.example.com")}
"""Of kinds that are about nothing real: a draft with example values."""
SIGN_IN_PATHS = ("/sign-in", "/admin/sign-in")
ACTIONS: dict[str, dict[str, str]] = {
    r"/verify-email": {},
    r"/magic-link": {},
    r"(/admin)?/reset-password": {"password": NEW},
    r"/admin/accept-invitation": {"password": NEW},
    r"(/admin)?/confirm-email": {},
    r"(/admin)?/cancel-email": {},
    r"/a/[^/]+": {},
}
"""Links that do one thing, once: their paths, and what their forms ask for."""
_SHOWN_ONLY = r"/mail-preferences/[^/]+"


def fields_of(url: str) -> dict[str, str] | None:
    """What the form of a link that does one thing asks for; None for any other link."""
    path = urlsplit(url).path
    return next((fields for pattern, fields in ACTIONS.items() if re.fullmatch(pattern, path)), None)


def _has_token(url: str) -> bool:
    return fields_of(url) is not None or re.fullmatch(_SHOWN_ONLY, urlsplit(url).path) is not None


class Follower:
    """Somebody who reads the mails of one scenario."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hosts = {urlsplit(world.runtime.settings.practice_url(world.practice.slug)).netloc}

    def _fresh(self, language: str) -> httpx.AsyncClient:
        return self._world.http(
            self._world.practice, headers=HTML | {"Accept-Language": language}, follow_redirects=True
        )

    def _browser(self, whose: str, language: str) -> httpx.AsyncClient:
        """Theirs, with the cookies that they have from before."""
        browsers = self._world.browsers
        key = f"{whose} {language}"
        if key not in browsers:
            browsers[key] = self._fresh(language)
        return browsers[key]

    async def faults(self, letters: list[Letter]) -> list[str]:
        """What is wrong with the links of these mails. Links with tokens are good for another look afterwards."""
        found: list[str] = []
        behind_a_door: list[tuple[Letter, str]] = []
        seen: dict[tuple[str, str], tuple[str, bool]] = {}
        tokens = any(_has_token(url) for letter in letters for url in links_in(letter.mail.text))
        before = await self._world.fingerprint() if tokens else ""
        for letter in letters:
            for url in dict.fromkeys(links_in(letter.mail.text)):
                if url in ELSEWHERE or urlsplit(url).netloc in EXAMPLE_HOSTS.get(letter.kind, ()):
                    continue
                if urlsplit(url).netloc not in self._hosts:
                    found.append(f"{letter.name}: leads elsewhere: {url}")
                    continue
                if (url, letter.language) not in seen:
                    seen[url, letter.language] = await self._as_stranger(letter, url)
                fault, wants_sign_in = seen[url, letter.language]
                found += [f"{letter.name}: {url}: {fault}"] if fault else []
                if wants_sign_in:
                    behind_a_door.append((letter, url))
        if tokens and await self._world.fingerprint() != before:
            found.append(f"{', '.join({letter.name for letter in letters})}: following links changed something")
        by_account = {(self._account_of(letter), url): letter for letter, url in reversed(behind_a_door)}
        for (_, url), letter in by_account.items():
            fault = await self._as_reader(letter, url)
            found += [f"{letter.name}: {url}: {fault}"] if fault else []
        return found

    async def _as_stranger(self, letter: Letter, url: str) -> tuple[str, bool]:
        page = await self._browser("a stranger's", letter.language).get(url)
        path, landed = urlsplit(url).path, page.url.path
        if page.status_code != 200:
            return f"answers {page.status_code}", False
        if landed in SIGN_IN_PATHS and path not in SIGN_IN_PATHS:
            onward = parse_qs(page.url.query.decode()).get("next", [])
            asked = urlsplit(url)
            wanted = asked.path + (f"?{asked.query}" if asked.query else "")
            return ("" if onward == [wanted] else f"signing in leads on to {onward}"), True
        posting = [form for form in forms_of(page) if form.method == "post"]
        if _has_token(url) and not posting and not await self._is_choice(page, url):
            return "shows nothing to do", False
        return _faults_of_page(page, letter.language), False

    async def _is_choice(self, page: httpx.Response, url: str) -> bool:
        """Of moving: the page offers times."""
        times = re.findall(rf'href="({re.escape(urlsplit(url).path)}/confirm\?[^"]+)"', page.text)
        return bool(times)

    def _account_of(self, letter: Letter) -> str:
        """Whoever reads the practice's contact address signs in as somebody who works there."""
        return self._world.owner.email if letter.mail.recipient == CONTACT else letter.mail.recipient

    async def _as_reader(self, letter: Letter, url: str) -> str:
        address = self._account_of(letter)
        browser = self._browser(address, letter.language)
        page = await browser.get(url)
        if page.url.path in SIGN_IN_PATHS:
            password = self._world.passwords.get(address, PASSWORD)
            page = await submit(browser, page, page.url.path, email=address, password=password)
            if codes := self._world.recovery_codes.get(address):
                [form] = [form for form in forms_of(page) if "code" in form.data]
                page = await browser.post(form.action, data=form.data | {"code": codes.pop()})
        if page.status_code != 200:
            return f"answers {page.status_code} to its reader"
        if page.url.path != urlsplit(url).path:
            return f"leads its reader to {page.url.path}"
        return _faults_of_page(page, "" if letter.mail.recipient == CONTACT else letter.language)

    async def act(self, letter: Letter, leave: str) -> list[str]:
        """Do what the links of a mail are for, but for paths that end in ``leave``: each works, and works once."""
        found = []
        for url in dict.fromkeys(links_in(letter.mail.text)):
            fields = fields_of(url)
            if fields is None or (leave and urlsplit(url).path.endswith(leave)):
                continue
            browser = self._fresh(letter.language)
            page = await browser.get(url)
            if page.status_code != 200:
                continue  # another link of this mail ended it
            if await self._is_choice(page, url):
                continue
            done = await submit(browser, page, **fields)
            if done.status_code != 200:
                found.append(f"{letter.name}: {url}: acting answers {done.status_code}")
            again = await submit(browser, page, **fields)
            says_one_comes = form_of(page).data.get("action") == "confirm"  # pressing twice is one confirmation
            if again.status_code < 400 and not says_one_comes:
                found.append(f"{letter.name}: {url}: works twice")
        if may_be_switched_off(letter) and letter.role == "client":
            url = str(letter.mail.headers["List-Unsubscribe"]).strip("<>")
            answer = await self._fresh(letter.language).post(url, data={"List-Unsubscribe": "One-Click"})
            if answer.status_code != 200:
                found.append(f"{letter.name}: one click answers {answer.status_code}")
        return found


def _faults_of_page(page: httpx.Response, language: str) -> str:
    if "<h1" not in page.text or not page.headers["content-type"].startswith("text/html"):
        return "is no page"
    if language and f'<html lang="{language}"' not in page.text:
        return f"is not in {language}"
    return ""
