"""A browser without a screen: follows links, fills in the forms of a page, keeps cookies."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
from fastapi import APIRouter
from fastapi.routing import APIRoute

NO_SUCH_ID = "01900000-0000-7000-8000-000000000000"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en"}


@dataclass
class PageForm:
    """A form as a browser would send it if nobody touched it."""

    method: str
    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    @property
    def data(self) -> dict[str, Any]:
        """Names to values; several values of one name as a list."""
        found: dict[str, Any] = {}
        for name, value in self.fields:
            if name in found:
                before = found[name]
                found[name] = [*(before if isinstance(before, list) else [before]), value]
            else:
                found[name] = value
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self._select: str | None = None
        self._choice: str | None = None
        self._textarea: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(PageForm(given.get("method", "get").lower(), given.get("action", "")))
        if not self.forms:
            return
        form = self.forms[-1]
        name = given.get("name", "")
        if tag == "input" and name:
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                return
            form.fields.append((name, given.get("value", "")))
        elif tag == "select":
            self._select, self._choice = name, None
        elif tag == "option" and self._select is not None and (self._choice is None or "selected" in given):
            self._choice = given.get("value", "")
        elif tag == "textarea":
            self._textarea, self._text = name, ""

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select is not None:
            self.forms[-1].fields.append((self._select, self._choice or ""))
            self._select = None
        elif tag == "textarea" and self._textarea is not None:
            self.forms[-1].fields.append((self._textarea, self._text.removeprefix("\n")))
            self._textarea = None


def forms_of(page: httpx.Response) -> list[PageForm]:
    """Every form on a page."""
    reader = _Reader()
    reader.feed(page.text)
    return reader.forms


def form_of(page: httpx.Response, action: str = "") -> PageForm:
    """The one form that posts to ``action`` (by default: any that is not for signing out)."""
    found = [
        form
        for form in forms_of(page)
        if form.method == "post" and (form.action.endswith(action) if action else "sign-out" not in form.action)
    ]
    assert len(found) == 1, (action, [form.action for form in found], page.text)
    return found[0]


async def submit(
    browser: httpx.AsyncClient, page: httpx.Response, action: str = "", /, **values: Any
) -> httpx.Response:
    """Fill in ``values`` (``__`` stands for a dot) and send the form; None leaves a field out."""
    form = form_of(page, action)
    given = {name.replace("__", "."): value for name, value in values.items()}
    data = {name: value for name, value in (form.data | given).items() if value is not None}
    return await browser.post(form.action or str(page.url), data=data)


async def sign_in(browser: httpx.AsyncClient, path: str, email: str, password: str) -> httpx.Response:
    """Sign in by the form at ``path``; the answer redirects."""
    answer = await submit(browser, await browser.get(path), email=email, password=password)
    assert answer.status_code == 303, answer.text
    return answer


def posting_paths(routers: Iterable[APIRouter], prefix: str = "") -> list[str]:
    """Every address that takes a form, with made-up ids."""
    return sorted(
        re.sub(r"\{\w+\}", NO_SUCH_ID, prefix + route.path)
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ())
    )


def assert_sober(page: httpx.Response) -> None:
    """A page that needs nothing but our own files: no inline script or style, nothing from elsewhere."""
    assert page.headers["content-type"] == "text/html; charset=utf-8", page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert "<style" not in page.text
    assert not re.search(r"<[^>]+\sstyle=", page.text)
    assert not re.search(r"<[^>]+\son\w+=", page.text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page.text))
    assert all(
        address.startswith("/static/")
        for address in re.findall(r'(?:<(?!iframe)[^>]*\ssrc|<link rel="[^"]*" href)="([^"]+)"', page.text)
    )
    assert re.search(r'<html lang="(es|en)">', page.text)
    assert page.text.count("<h1") == 1
    assert page.text.count("<main") == 1
    labelled = set(re.findall(r'<label for="([^"]+)"', page.text))
    for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", page.text):
        if 'type="hidden"' not in tag:
            found = re.search(r'id="([^"]+)"', tag)
            assert found, tag
            assert found.group(1) in labelled, tag
