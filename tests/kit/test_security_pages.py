"""The pages of second factors and sign-ins, in the portal and in the operators' console alike."""

import html
import json
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from tenants.accounts.models import AccountKind
from tenants.accounts.services.sign_ins import end_all
from tests.conftest import HttpFactory
from tests.support.authenticator import Authenticator
from tests.support.pages import HTML, assert_sober, form_of, forms_of, sign_in, submit
from tests.support.practices import PASSWORD, make_practice, make_staff_member
from tests.support.scheduling import set_practice
from tests.support.second_factors import code_of, wrong_code
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.sign_ins import EndReason
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.service import create_operator


@dataclass
class Surface:
    """A browser at a surface whose accounts have second factors, and one account."""

    browser: httpx.AsyncClient
    another: httpx.AsyncClient
    prefix: str
    email: str
    account_id: UUID

    async def sign_in(self, browser: httpx.AsyncClient | None = None) -> httpx.Response:
        return await sign_in(browser or self.browser, f"{self.prefix}/sign-in", self.email, PASSWORD)

    async def get(self, path: str) -> httpx.Response:
        return await self.browser.get(self.prefix + path)

    async def set_up_app(self) -> tuple[str, list[str]]:
        """By the forms; answers the app's secret and the recovery codes."""
        choices = await self.get("/security/second-factor")
        begun = await submit(self.browser, choices, "/second-factor/app")
        shown = await self.browser.get(begun.headers["location"])
        secret = re.search(r"<code>([A-Z2-7]{32})</code>", shown.text)
        assert secret, shown.text
        done = await submit(self.browser, shown, "/activate", code=code_of(secret.group(1)))
        assert done.status_code == 200, done.text
        assert_sober(done)
        return secret.group(1), re.findall(r"<code>([0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4})</code>", done.text)

    async def options(self, page: httpx.Response, action: str, path: str) -> dict[str, object]:
        """What the page's script asks for."""
        data = form_of(page, action).data
        answer = await self.browser.post(self.prefix + path, data=data, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        options: dict[str, object] = answer.json()
        return options


@pytest.fixture
async def practice(runtime: Runtime) -> TenantContext:
    """One whose staff read English, as the operators of these tests do."""
    return await make_practice(runtime, locale="en")


@pytest.fixture(params=["portal", "console"])
async def surface(
    request: pytest.FixtureRequest, http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> AsyncIterator[Surface]:
    if request.param == "portal":
        member = await make_staff_member(runtime, practice)
        async with runtime.database.tenant(practice) as opened:  # the sign-in that comes with it is in nobody's way
            await end_all(opened, AccountKind.STAFF, member.id, EndReason.SIGNED_OUT)
        browsers = http(practice, headers=HTML), http(practice, headers=HTML)
        yield Surface(*browsers, "/admin", member.email, member.id)
        return
    email = f"op-{secrets.token_hex(4)}@example.com"
    async with runtime.database.platform() as session:
        operator = await create_operator(session, email=email, password=PASSWORD)
    yield Surface(http(headers=HTML), http(headers=HTML), "", email, operator.id)


class TestSecondStep:
    async def test_after_the_password_comes_the_code(self, surface: Surface) -> None:
        await surface.sign_in()
        secret, codes = await surface.set_up_app()
        assert len(codes) == 10
        browser = surface.another
        answer = await submit(
            browser, await browser.get(f"{surface.prefix}/sign-in"), email=surface.email, password=PASSWORD,
            next=f"{surface.prefix}/security",
        )  # fmt: skip
        assert answer.headers["location"].startswith(f"{surface.prefix}/sign-in/second-step?next=")
        assert "httponly" in answer.headers["set-cookie"].lower()
        assert (await browser.get(f"{surface.prefix}/security")).status_code == 303  # not in yet
        step = await browser.get(answer.headers["location"])
        assert_sober(step)
        wrong = await submit(browser, step, code=wrong_code(secret))
        assert wrong.status_code == 422
        assert "This code or passkey is not right" in html.unescape(wrong.text)
        done = await submit(browser, wrong, code=code_of(secret, steps=1))
        assert done.status_code == 303
        assert done.headers["location"] == f"{surface.prefix}/security"
        assert (await browser.get(f"{surface.prefix}/security")).status_code == 200
        # The cookie of the first step is gone.
        again = await browser.get(f"{surface.prefix}/sign-in/second-step")
        assert again.headers["location"].startswith(f"{surface.prefix}/sign-in?")

    async def test_a_recovery_code_does_too_and_the_page_is_closed_after_five_minutes(self, surface: Surface) -> None:
        await surface.sign_in()
        _, codes = await surface.set_up_app()
        answer = await surface.sign_in(surface.another)
        step = await surface.another.get(answer.headers["location"])
        with clock.at(clock.now() + timedelta(minutes=6)):
            late = await submit(surface.another, step, code=codes[0])
            assert late.headers["location"].startswith(f"{surface.prefix}/sign-in?")
        done = await submit(surface.another, step, code=codes[0])
        assert done.headers["location"] == (surface.prefix or "/")
        shown = await surface.another.get(f"{surface.prefix}/security")
        assert "You have 9 recovery codes left." in shown.text

    async def test_nobody_is_led_elsewhere(self, surface: Surface) -> None:
        await surface.sign_in()
        _, codes = await surface.set_up_app()
        answer = await surface.sign_in(surface.another)
        step = await surface.another.get(answer.headers["location"])
        done = await submit(surface.another, step, code=codes[0], next="https://evil.example/")
        assert done.headers["location"] == (surface.prefix or "/")

    async def test_without_a_first_step_there_is_none(self, surface: Surface) -> None:
        shown = await surface.get("/sign-in/second-step")
        assert shown.status_code == 303
        assert shown.headers["location"].startswith(f"{surface.prefix}/sign-in?")


class TestPasskeys:
    async def test_one_is_made_and_signs_in(self, surface: Surface) -> None:
        await surface.sign_in()
        key = Authenticator.on(surface.browser.base_url)
        choices = await surface.get("/security/second-factor")
        assert_sober(choices)
        nameless = await submit(surface.browser, choices, "/security/passkeys", name="", credential="{}")
        assert nameless.status_code == 422
        assert "Fill this in." in nameless.text
        options = await surface.options(choices, "/security/passkeys", "/security/passkeys/options")
        made = await submit(
            surface.browser, choices, "/security/passkeys", name="Móvil", credential=json.dumps(key.create(options))
        )
        assert made.status_code == 200
        assert "Recovery codes" in made.text
        shown = await surface.get("/security")
        assert "Móvil" in shown.text
        surface.browser, first = surface.another, surface.browser
        answer = await surface.sign_in()
        step = await surface.browser.get(answer.headers["location"])
        assert_sober(step)
        data = forms_of(step)[0].data
        asked = await surface.browser.post(f"{surface.prefix}/sign-in/second-step/options", data=data)
        credential = json.dumps(key.get(asked.json()))
        done = await surface.browser.post(
            f"{surface.prefix}/sign-in/second-step", data={**data, "credential": credential}
        )
        assert done.status_code == 303
        assert (await surface.get("/security")).status_code == 200
        surface.browser = first

    @pytest.mark.parametrize("credential", ["", "null", "[", "[]", "{}", "x" * 30_000])
    async def test_nonsense_is_refused_in_a_sentence(self, surface: Surface, credential: str) -> None:
        await surface.sign_in()
        choices = await surface.get("/security/second-factor")
        answer = await submit(surface.browser, choices, "/security/passkeys", name="x", credential=credential)
        assert answer.status_code == 422
        assert "This passkey could not be added." in answer.text

    async def test_it_is_renamed_and_removed(self, surface: Surface) -> None:
        await surface.sign_in()
        key = Authenticator.on(surface.browser.base_url)
        choices = await surface.get("/security/second-factor")
        options = await surface.options(choices, "/security/passkeys", "/security/passkeys/options")
        await submit(
            surface.browser, choices, "/security/passkeys", name="x", credential=json.dumps(key.create(options))
        )
        shown = await surface.get("/security")
        assert_sober(shown)
        assert (await submit(surface.browser, shown, "/name", name="Key <ring>")).status_code == 303
        shown = await surface.get("/security")
        assert "Key &lt;ring&gt;" in shown.text
        assert (await submit(surface.browser, shown, "/remove")).status_code == 303
        assert "You have none" in (await surface.get("/security")).text


class TestSecurityPage:
    async def test_sign_ins_are_listed_and_ended_one_by_one(self, surface: Surface) -> None:
        await surface.sign_in()
        await surface.sign_in(surface.another)
        shown = await surface.get("/security")
        assert_sober(shown)
        assert shown.text.count("Signed in on") == 2
        assert shown.text.count("This one") == 1
        assert (await surface.another.get(f"{surface.prefix}/security")).status_code == 200
        assert (await submit(surface.browser, shown, "/end")).status_code == 303
        assert (await surface.another.get(f"{surface.prefix}/security")).status_code == 303
        assert (await surface.get("/security")).text.count("Signed in on") == 1

    async def test_all_others_are_ended_at_once(self, surface: Surface) -> None:
        await surface.sign_in()
        await surface.sign_in(surface.another)
        assert (await submit(surface.browser, await surface.get("/security"), "/end-others")).status_code == 303
        assert (await surface.another.get(f"{surface.prefix}/security")).status_code == 303
        assert (await surface.get("/security")).status_code == 200

    async def test_an_app_is_replaced_and_removed(self, surface: Surface) -> None:
        await surface.sign_in()
        assert (await surface.get("/security/second-factor/app")).status_code == 303  # nothing is being set up
        await surface.set_up_app()
        begun = await submit(surface.browser, await surface.get("/security/second-factor"), "/second-factor/app")
        shown = await surface.browser.get(begun.headers["location"])
        found = re.search(r"<code>([A-Z2-7]{32})</code>", shown.text)
        assert found
        replaced = await submit(surface.browser, shown, "/activate", code=code_of(found.group(1)))
        assert replaced.status_code == 303  # the recovery codes go on to be good
        renewed = await submit(surface.browser, await surface.get("/security"), "/recovery-codes")
        assert renewed.text.count("<code>") == 10
        assert (await submit(surface.browser, await surface.get("/security"), "/app/remove")).status_code == 303
        assert "You have none" in (await surface.get("/security")).text

    async def test_a_wrong_first_code_shows_the_same_qr_code_once_more(self, surface: Surface) -> None:
        await surface.sign_in()
        begun = await submit(surface.browser, await surface.get("/security/second-factor"), "/second-factor/app")
        shown = await surface.browser.get(begun.headers["location"])
        refused = await submit(surface.browser, shown, "/activate", code="12")
        assert refused.status_code == 422
        image = re.search(r'<img class="qr" src="(data:image/svg[^"]+)"', shown.text)
        assert image
        assert image.group(1) in refused.text


class TestConfirm:
    async def test_changing_factors_wants_a_fresh_sign_in_and_leads_on_after_it(self, surface: Surface) -> None:
        await surface.sign_in()
        secret, _ = await surface.set_up_app()
        with clock.at(clock.now() + timedelta(minutes=20)):
            sent = await surface.get("/security/second-factor")
            assert sent.status_code == 303
            assert sent.headers["location"].startswith(f"{surface.prefix}/confirm?next=")
            page = await surface.browser.get(sent.headers["location"])
            assert_sober(page)
            for values in ({"password": "not it"}, {"password": PASSWORD}, {"password": PASSWORD, "code": "000000"}):
                refused = await submit(surface.browser, page, "/confirm", **{"code": "", **values})
                assert refused.status_code == 422
                assert "The password or the second factor is not right." in refused.text
            done = await submit(surface.browser, page, "/confirm", password=PASSWORD, code=code_of(secret))
            assert done.headers["location"] == f"{surface.prefix}/security/second-factor"
            assert (await surface.get("/security/second-factor")).status_code == 200


class TestCompulsory:
    async def test_staff_without_one_are_led_to_set_it_up_and_get_nowhere_else(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        member = await make_staff_member(runtime, practice)
        await set_practice(runtime, practice, second_factor_required=True)
        browser = http(practice, headers=HTML)
        surface = Surface(browser, browser, "/admin", member.email, member.id)
        await surface.sign_in()
        for path in ("", "/security", "/payments", "/staff"):
            answer = await surface.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"] == "/admin/security/second-factor"
        shown = await surface.get("/security/second-factor")
        assert "A second factor is compulsory here." in shown.text
        await surface.set_up_app()
        assert (await surface.get("")).status_code == 200
        refused = await submit(browser, await surface.get("/security"), "/app/remove")
        assert refused.status_code == 409
        assert "this is your last one" in refused.text
        assert "Authenticator app" in (await surface.get("/security")).text

    async def test_who_has_one_gives_it_where_they_had_signed_in_without(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        member = await make_staff_member(runtime, practice)
        old, new = http(practice, headers=HTML), http(practice, headers=HTML)
        surface = Surface(new, old, "/admin", member.email, member.id)
        await surface.sign_in(old)
        await surface.sign_in(new)
        secret, _ = await surface.set_up_app()
        # The older sign-in knows the password only, so it must not touch the factor, fresh as it is.
        assert (await old.get("/admin/security/second-factor")).headers["location"].startswith("/admin/confirm")
        await set_practice(runtime, practice, second_factor_required=True)
        assert (await old.get("/admin")).headers["location"] == "/admin/security/second-factor"
        sent = await old.get("/admin/security/second-factor")
        assert sent.headers["location"] == "/admin/confirm?next=%2Fadmin"
        page = await old.get(sent.headers["location"])
        done = await submit(old, page, "/confirm", password=PASSWORD, code=code_of(secret, steps=1))
        assert done.headers["location"] == "/admin"
        assert (await old.get("/admin")).status_code == 200
