"""Signing in by Google and Facebook, over HTTP on all sides: the way there and back, and who may not take it."""

import asyncio
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from tenants.accounts.models import SignIn
from tenants.registry.models import Domain
from tenants.social.flows import FLOW_LIFETIME, HANDOFF_LIFETIME, STATE_AUDIENCE
from tenants.social.models import OAuthFlow
from tests.conftest import HttpFactory
from tests.support.oauth_provider import OAuthProvider, Person
from tests.support.practices import make_client
from tests.support.problems import assert_problem
from tests.support.social import (
    ANA,
    CALLBACK,
    PROVIDERS,
    authorize,
    exchange,
    fetch_handoff,
    parameter,
    return_from,
    visit,
)
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.service import suspend_tenant

FACEBOOK_ANA = Person("10223344556677889", "ana@example.com", first_name="Ana", last_name="Arce")


@pytest.fixture
def browser(http: HttpFactory, practice: TenantContext) -> httpx.AsyncClient:
    """A front end in somebody's browser, on the practice's host."""
    return http(practice)


@pytest.fixture
def platform(http: HttpFactory) -> httpx.AsyncClient:
    """The same browser on the platform's host."""
    return http()


class TestTheWayThereAndBack:
    async def test_google_gets_everything_that_protects_the_code(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        url = await authorize(browser, "google", "/front/end?tab=2#part")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{provider.base}/o/oauth2/v2/auth?")
        assert asked["redirect_uri"] == CALLBACK.format("google")
        assert asked["response_type"] == "code"
        assert asked["scope"] == "openid email profile"
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["nonce"]) >= 43
        location = await return_from(platform, await visit(url))
        parts = urlsplit(location)
        assert (parts.netloc, parts.path, parts.fragment) == (browser.base_url.netloc.decode(), "/front/end", "part")
        assert parse_qs(parts.query)["tab"] == ["2"]
        answer = await exchange(browser, parameter(location, "handoff"))
        assert answer.status_code == 200, answer.text
        pair = answer.json()
        assert pair["token_type"] == "bearer"
        me = await browser.get("/api/v1/users/me", headers={"Authorization": f"Bearer {pair['access_token']}"})
        assert (me.json()["email"], me.json()["first_name"], me.json()["is_verified"]) == (ANA.email, "Ana", True)

    async def test_secrets_stay_out_of_addresses_and_facebooks_token_too(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = FACEBOOK_ANA
        await fetch_handoff(browser, platform, "facebook")
        targets = [target for _, target, _ in provider.requests]
        assert not any("secret-of" in target or "access_token=" in target for target in targets)
        assert any(target.startswith("/v23.0/me?") and "appsecret_proof=" in target for target in targets)

    async def test_the_sign_in_says_how_it_was_made_and_by_which_device(
        self,
        browser: httpx.AsyncClient,
        platform: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        provider.wishes.person = ANA
        await exchange(browser, await fetch_handoff(browser, platform, "google"), headers={"User-Agent": "Test/1"})
        async with runtime.database.tenant(practice) as session:
            row = (await session.scalars(select(SignIn))).one()
        assert (row.method, row.user_agent) == ("google", "Test/1")

    async def test_the_browsers_cookie_is_for_this_host_and_no_script(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.get("/api/v1/auth/oauth/google/authorize")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("social=")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Domain" not in cookie

    @pytest.mark.parametrize("name", PROVIDERS)
    async def test_whoever_declines_comes_back_with_that(
        self, name: str, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.denies = True
        location = await return_from(platform, await visit(await authorize(browser, name)))
        assert urlsplit(location).path == "/front/end"
        assert urlsplit(location).query == "social=denied"

    @pytest.mark.parametrize("name", PROVIDERS)
    async def test_a_provider_in_trouble_is_a_sentence_and_no_failure_of_ours(
        self, name: str, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        for status in (500, 503, 400, 429):
            provider.wishes.token_status = status
            location = await return_from(platform, await visit(await authorize(browser, name)))
            assert urlsplit(location).query == "social=unavailable"

    @pytest.mark.parametrize("name", PROVIDERS)
    async def test_answers_that_can_not_be_read_are_no_failure_of_ours(
        self, name: str, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        tokens: tuple[object, ...] = (
            [],
            "text",
            {},
            {"access_token": 5},
            {"access_token": "é"},
            {"access_token": "x", "expires_in": "?"},
        )
        profiles: tuple[object, ...] = (
            [],
            "text",
            {},
            {"sub": "", "id": ""},
            {"sub": "x" * 300, "id": "x" * 300},
            {"sub": 7, "id": 7},
        )
        for kind, bodies in (("token_body", tokens), ("profile_body", profiles)):
            for body in bodies:
                setattr(provider.wishes, kind, body)
                location = await return_from(platform, await visit(await authorize(browser, name)))
                assert urlsplit(location).query == "social=unavailable"
            setattr(provider.wishes, kind, None)

    async def test_a_provider_that_is_not_there_is_no_failure_of_ours(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider, runtime: Runtime
    ) -> None:
        provider.wishes.person = ANA
        url = await visit(await authorize(browser, "google"))
        runtime.settings.providers.google.base = "http://127.0.0.1:1"
        assert urlsplit(await return_from(platform, url)).query == "social=unavailable"

    async def test_a_custom_domain_comes_back_to_itself(
        self,
        runtime: Runtime,
        practice: TenantContext,
        browser: httpx.AsyncClient,
        platform: httpx.AsyncClient,
        provider: OAuthProvider,
    ) -> None:
        host = f"citas-{practice.slug}.example.com"
        async with runtime.database.platform() as session:
            session.add(
                Domain(
                    id=new_id(),
                    tenant_id=practice.id,
                    hostname=host,
                    verification_token="x",
                    verified_at=clock.now(),
                    created_at=clock.now(),
                )
            )
        browser.base_url = httpx.URL(f"http://{host}:8000")
        provider.wishes.person = ANA
        location = await return_from(platform, await visit(await authorize(browser, "google", "/citas")))
        assert location.startswith(f"http://{host}:8000/citas?handoff=")
        assert (await exchange(browser, parameter(location, "handoff"))).status_code == 200

    async def test_a_domain_that_was_taken_away_meanwhile_gets_nothing(
        self,
        runtime: Runtime,
        practice: TenantContext,
        browser: httpx.AsyncClient,
        platform: httpx.AsyncClient,
        provider: OAuthProvider,
    ) -> None:
        provider.wishes.person = ANA
        url = await visit(await authorize(browser, "google"))
        async with runtime.database.platform() as session:
            flow = await session.get_one(OAuthFlow, state_id(runtime, url))
            flow.hostname = "citas.gone.example.com"
        assert_problem(await platform.get(url), 404, "practice_not_found")

    async def test_a_practice_that_is_suspended_meanwhile_gets_nothing(
        self,
        runtime: Runtime,
        practice: TenantContext,
        browser: httpx.AsyncClient,
        platform: httpx.AsyncClient,
        provider: OAuthProvider,
    ) -> None:
        provider.wishes.person = ANA
        url = await visit(await authorize(browser, "google"))
        async with runtime.database.platform() as session:
            await suspend_tenant(session, uuid4(), practice.id, "unpaid", None)
        assert_problem(await platform.get(url), 403, "practice_suspended")


def state_id(runtime: Runtime, url: str) -> UUID:
    return runtime.signer.verify(parameter(url, "state"), STATE_AUDIENCE).subject


class TestState:
    async def test_a_callback_works_once(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        url = await visit(await authorize(browser, "google"))
        await return_from(platform, url)
        assert_problem(await platform.get(url), 400, "invalid_state")

    async def test_of_two_callbacks_at_once_one_is_let_through(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        url = await visit(await authorize(browser, "google"))
        answers = await asyncio.gather(*(platform.get(url) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400]

    async def test_no_state_a_made_up_one_and_a_tampered_one_are_refused_before_the_code_is_exchanged(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider, runtime: Runtime
    ) -> None:
        provider.wishes.person = ANA
        url = await visit(await authorize(browser, "google"))
        state, code = parameter(url, "state"), parameter(url, "code")
        access = runtime.signer.issue(state_id(runtime, url), "client:t_aaaaaaaaaa", timedelta(minutes=5))
        unknown = runtime.signer.issue(uuid4(), STATE_AUDIENCE, timedelta(minutes=5), provider="google")
        for wrong in ("", "nonsense", state[:-4] + "AAAA", access, unknown):
            answer = await platform.get(CALLBACK.format("google"), params={"state": wrong, "code": code})
            assert_problem(answer, 400, "invalid_state")
        assert not any(target == "/token" for _, target, _ in provider.requests)

    async def test_a_state_of_one_provider_is_none_of_the_other(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        url = await visit(await authorize(browser, "google"))
        answer = await platform.get(url.replace("/google/", "/facebook/"))
        assert_problem(answer, 400, "invalid_state")
        assert (await platform.get(url)).status_code == 303  # and it was not spent by that

    async def test_a_state_is_valid_for_ten_minutes(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        url = await visit(await authorize(browser, "google"))
        with clock.at(clock.now() + FLOW_LIFETIME + timedelta(seconds=1)):
            assert_problem(await platform.get(url), 400, "invalid_state")

    async def test_a_browser_sees_a_page(self, platform: httpx.AsyncClient) -> None:
        answer = await platform.get(CALLBACK.format("google"), headers={"Accept": "text/html"})
        assert answer.status_code == 400
        assert "<h1>" in answer.text

    @pytest.mark.parametrize(
        "return_to",
        [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "evil",
            "javascript:alert(1)",
            "/ok\r\nX: y",
            "",
            "/\t/evil.example",
        ],
    )
    async def test_a_way_back_to_another_host_is_refused(self, return_to: str, browser: httpx.AsyncClient) -> None:
        answer = await browser.get("/api/v1/auth/oauth/google/authorize", params={"return_to": return_to})
        assert_problem(answer, 422, "validation_error")
        assert "set-cookie" not in answer.headers


class TestIdToken:
    @pytest.mark.parametrize(
        "changed",
        [
            {"nonce": "another"},
            {"aud": "somebody-else"},
            {"aud": ["platform-google", "somebody-else"]},
            {"iss": "https://evil.example"},
            {"exp": 1_000_000_000},
            {"sub": "another"},
        ],
    )
    async def test_one_that_is_not_for_this_sign_in_is_refused(
        self,
        changed: dict[str, object],
        browser: httpx.AsyncClient,
        platform: httpx.AsyncClient,
        provider: OAuthProvider,
    ) -> None:
        provider.wishes.person = ANA
        provider.wishes.changed_claims = changed
        location = await return_from(platform, await visit(await authorize(browser, "google")))
        assert urlsplit(location).query == "social=unavailable"

    async def test_a_code_injected_from_another_sign_in_is_refused(
        self, http: HttpFactory, practice: TenantContext, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        theirs = await visit(await authorize(http(practice), "google"))
        mine = await visit(await authorize(http(practice), "google"))
        mixed = {"state": parameter(mine, "state"), "code": parameter(theirs, "code")}
        answer = await platform.get(CALLBACK.format("google"), params=mixed)
        assert urlsplit(answer.headers["location"]).query == "social=unavailable"

    async def test_userinfo_about_somebody_else_is_refused(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        provider.wishes.userinfo_subject = "another"
        location = await return_from(platform, await visit(await authorize(browser, "google")))
        assert urlsplit(location).query == "social=unavailable"


class TestHandoff:
    async def test_it_works_once(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        handoff = await fetch_handoff(browser, platform, "google")
        assert (await exchange(browser, handoff)).status_code == 200
        assert_problem(await exchange(browser, handoff), 400, "invalid_handoff")

    async def test_of_two_exchanges_at_once_one_signs_in(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        handoff = await fetch_handoff(browser, platform, "google")
        answers = await asyncio.gather(*(exchange(browser, handoff) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]

    async def test_it_is_valid_for_a_minute(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        handoff = await fetch_handoff(browser, platform, "google")
        with clock.at(clock.now() + HANDOFF_LIFETIME + timedelta(seconds=1)):
            assert_problem(await exchange(browser, handoff), 400, "invalid_handoff")

    async def test_another_browser_can_not_use_it_and_spends_it_by_trying(
        self,
        browser: httpx.AsyncClient,
        platform: httpx.AsyncClient,
        provider: OAuthProvider,
        http: HttpFactory,
        practice: TenantContext,
    ) -> None:
        provider.wishes.person = ANA
        handoff = await fetch_handoff(browser, platform, "google")
        other = http(practice)
        await authorize(other, "google")  # it has a cookie of its own
        assert_problem(await exchange(other, handoff), 400, "oauth_browser_mismatch")
        assert_problem(await exchange(browser, handoff), 400, "invalid_handoff")

    async def test_a_browser_without_the_cookie_can_not_use_it(
        self,
        browser: httpx.AsyncClient,
        platform: httpx.AsyncClient,
        provider: OAuthProvider,
        http: HttpFactory,
        practice: TenantContext,
    ) -> None:
        provider.wishes.person = ANA
        handoff = await fetch_handoff(browser, platform, "google")
        assert_problem(await exchange(http(practice), handoff), 400, "oauth_browser_mismatch")

    async def test_it_is_worth_nothing_at_another_practice(
        self,
        browser: httpx.AsyncClient,
        platform: httpx.AsyncClient,
        provider: OAuthProvider,
        http: HttpFactory,
        other_practice: TenantContext,
    ) -> None:
        provider.wishes.person = ANA
        handoff = await fetch_handoff(browser, platform, "google")
        elsewhere = http(other_practice, cookies=dict(browser.cookies))
        assert_problem(await exchange(elsewhere, handoff), 400, "invalid_handoff")
        assert (await exchange(browser, handoff)).status_code == 200

    async def test_two_windows_may_each_begin_and_both_finish(
        self, browser: httpx.AsyncClient, platform: httpx.AsyncClient, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        first, second = await authorize(browser, "google"), await authorize(browser, "google")
        for url in (first, second):
            location = await return_from(platform, await visit(url))
            assert (await exchange(browser, parameter(location, "handoff"))).status_code == 200


class TestOffered:
    async def test_without_a_registration_there_is_nothing_to_begin(
        self, browser: httpx.AsyncClient, runtime: Runtime
    ) -> None:
        assert (await browser.get("/api/v1/auth/oauth/providers")).json() == {"items": ["google", "facebook"]}
        runtime.settings.providers.google.client_id = ""
        assert (await browser.get("/api/v1/auth/oauth/providers")).json() == {"items": ["facebook"]}
        answer = await browser.get("/api/v1/auth/oauth/google/authorize")
        assert_problem(answer, 404, "provider_not_offered")
        assert (await browser.get("/api/v1/auth/oauth/myspace/authorize")).status_code == 422

    async def test_the_account_of_one_practice_is_nobody_at_another(
        self,
        browser: httpx.AsyncClient,
        platform: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        http: HttpFactory,
        other_practice: TenantContext,
    ) -> None:
        provider.wishes.person = ANA
        pair = (await exchange(browser, await fetch_handoff(browser, platform, "google"))).json()
        there = http(other_practice)
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        assert_problem(await there.get("/api/v1/users/me", headers=headers), 401, "invalid_token")
        stranger = await make_client(runtime, other_practice, ANA.email)
        again = (await exchange(there, await fetch_handoff(there, platform, "google"))).json()
        headers = {"Authorization": f"Bearer {again['access_token']}"}
        assert (await there.get("/api/v1/users/me", headers=headers)).json()["id"] == str(stranger.id)
