"""Every kind of mail to operators, as it is really made and sent, in both languages."""

from collections import defaultdict
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from notifications.catalogue import CATALOGUE, Audience
from notifications.formats import LANGUAGES
from tests.conftest import HttpFactory
from tests.notifications.every_mail import checks, snapshots
from tests.notifications.every_mail.operators import (
    SCENARIOS,
    Platform,
    make_practice_of_interest,
    shown_kinds,
    start_anew,
)
from tests.notifications.every_mail.world import NOW, Letter, other
from tests.support.mails import links_in
from tests.support.pages import HTML, sign_in
from tests.support.practices import PASSWORD
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.operators.models import Operator


@pytest.fixture
async def runtime(fresh_runtime: Runtime) -> Runtime:
    """A platform of the test's own: whoever operates it hears of every other one."""
    return fresh_runtime


def speaking(runtime: Runtime, language: str) -> Runtime:
    """The same deployment, in another language than its operators."""
    mails = runtime.settings.operator_mails.model_copy(update={"locale": other(language)})
    return replace(runtime, settings=runtime.settings.model_copy(update={"operator_mails": mails}))


async def faults_of_links(platform: Platform, letter: Letter) -> list[str]:
    """A stranger is asked to sign in and led on from there; reading changes nothing."""
    found = []
    for url in dict.fromkeys(links_in(letter.mail.text)):
        if urlsplit(url).netloc != urlsplit(platform.runtime.settings.platform_url()).netloc:
            found.append(f"{letter.name}: leads elsewhere: {url}")
            continue
        stranger = platform.http(headers=HTML, follow_redirects=True)
        page = await stranger.get(url)
        path = urlsplit(url).path
        wanted = "/my-mails" if path.startswith("/mail-preferences/") else path
        onward = parse_qs(page.url.query.decode()).get("next", ["/"])
        if page.status_code != 200 or page.url.path != "/sign-in" or onward != [wanted]:
            found.append(f"{letter.name}: {url} leads a stranger to {page.url}")
        found += await _faults_for_reader(platform, letter, wanted)
    return found


async def _faults_for_reader(platform: Platform, letter: Letter, path: str) -> list[str]:
    """Whoever can still sign in with the usual password sees the page, in the language of the mail."""
    headers = HTML | {"Accept-Language": letter.language}
    browser = platform.http(headers=headers, follow_redirects=False)
    if letter.kind in ("operator_locked_out", "operator_password_changed", "operator_password_reset"):
        return []
    await sign_in(browser, "/sign-in", letter.mail.recipient, PASSWORD)
    page = await browser.get(path)
    if page.headers.get("location", "").startswith("/sign-in"):  # a second factor is asked for first
        return []
    if page.status_code != 200 or f'<html lang="{letter.language}"' not in page.text:
        return [f"{letter.name}: {path} answers {page.status_code} to its reader"]
    return []


async def assert_unchanged(platform: Platform) -> None:
    """Following links switched nothing off."""
    async with platform.runtime.database.platform() as session:
        assert all((await session.scalars(select(Operator.wants_news))).all())


async def test_every_mail_to_operators(runtime: Runtime, http: HttpFactory) -> None:
    by_kind: dict[str, list[tuple[str, Letter]]] = defaultdict(list)
    faults: list[str] = []
    practice = await make_practice_of_interest(runtime)
    for language in LANGUAGES:
        for kinds, play in SCENARIOS:
            await start_anew(runtime)
            platform = Platform(speaking(runtime, language), http, practice, language)
            with clock.at(NOW):
                await play(platform)
                letters = await platform.letters()
                faults += [f"{play.__name__}: nobody got {kind}" for kind in set(kinds) - {it.kind for it in letters}]
                for letter in letters:
                    faults += checks.faults_of(platform, letter)
                    faults += await faults_of_links(platform, letter)
                    if letter.kind in kinds:
                        by_kind[letter.kind].append((play.__name__, letter))
                await assert_unchanged(platform)
    for kind in sorted(shown_kinds()):
        faults += snapshots.faults_of_kind(kind, snapshots.snapshot_of(by_kind[kind]))
    assert not faults, "\n\n".join(faults)


def test_every_kind_for_operators_is_shown() -> None:
    assert shown_kinds() == {kind for kind, row in CATALOGUE.items() if row.audience is Audience.OPERATOR}


async def test_who_chose_no_language_is_written_to_in_the_deployments(runtime: Runtime, http: HttpFactory) -> None:
    with clock.at(NOW):
        platform = Platform(speaking(runtime, "es"), http, await make_practice_of_interest(runtime), "en")
        operator = await platform.operator()
        async with runtime.database.platform() as session:
            (await session.get_one(Operator, operator.id)).locale = None
        body = {"current_password": PASSWORD, "new_password": "a wholly different phrase"}
        done = await http().post("/api/v1/platform/auth/password", json=body, headers=operator.headers)
        assert done.status_code == 204
        await platform.run()
        [letter] = await platform.letters()
    assert letter.mail.headers["Content-Language"] == "en"
