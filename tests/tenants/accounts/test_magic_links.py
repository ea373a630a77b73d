"""Sign-in links, and the links and sign-ins of an account; what they must never allow."""

import asyncio
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from tenants.accounts.models import Client, OneTimeToken, SignInAttempt
from tenants.social.models import SocialIdentity, SocialProvider
from tests.conftest import HttpFactory
from tests.support.credentials import ACCEPTED, NEW, WRONG, bearer, is_in, login, newest_links, token_in
from tests.support.mails import mails_of
from tests.support.practices import PASSWORD, make_client
from tests.support.problems import assert_problem
from todoenbalance.app import Surfaces, create_app
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import RateLimitSettings, Settings
from todoenbalance.kit.tenancy import TenantContext


class TestMagicLink:
    async def ask(self, here: httpx.AsyncClient, email: str, return_to: str | None = None) -> None:
        body = {"email": email} | ({"return_to": return_to} if return_to else {})
        answer = await here.post("/api/v1/auth/magic-link/request", json=body)
        assert (answer.status_code, answer.json()) == (202, ACCEPTED)

    async def redeem(self, here: httpx.AsyncClient, link: str) -> httpx.Response:
        return await here.post("/api/v1/auth/magic-link", json={"token": token_in(link)})

    async def test_it_signs_in_once(self, http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await self.ask(here, client.email)
        [link] = await newest_links(runtime, practice, client.email)
        answers = await asyncio.gather(*(self.redeem(here, link) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400]
        [pair] = [answer.json() for answer in answers if answer.status_code == 200]
        assert set(pair) == {"access_token", "token_type", "expires_in", "refresh_token"}
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        sessions = (await here.get("/api/v1/users/me/sessions", headers=headers)).json()["items"]
        assert [one["method"] for one in sessions if one["is_current"]] == ["magic_link"]
        assert (await login(here, client.email, PASSWORD)).status_code == 200  # the password stays

    async def test_only_the_newest_works_and_only_for_a_quarter_of_an_hour(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await self.ask(here, client.email)
        [old] = await newest_links(runtime, practice, client.email)
        await self.ask(here, client.email)
        [new] = await newest_links(runtime, practice, client.email)
        assert_problem(await self.redeem(here, old), 400, "invalid_token")
        with clock.at(clock.now() + timedelta(minutes=16)):
            assert_problem(await self.redeem(here, new), 400, "invalid_token")
        assert (await self.redeem(here, new)).status_code == 200

    async def test_nobody_unknown_is_mailed_and_no_other_practice_opens(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await self.ask(here, "nobody@example.com")
        await self.ask(here, client.email)
        [link] = await newest_links(runtime, practice, client.email)
        assert not await mails_of(runtime, practice, "nobody@example.com")
        assert_problem(await self.redeem(http(other_practice), link), 400, "invalid_token")

    @pytest.mark.parametrize(
        ("return_to", "kept"),
        [("/book/1?day=2026-03-02", True), ("https://evil.example.com/", False), ("//evil.example.com", False)],
    )
    async def test_it_leads_back_to_this_host_only(
        self, return_to: str, kept: bool, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await self.ask(here, client.email, return_to)
        [link] = await newest_links(runtime, practice, client.email)
        assert parse_qs(urlsplit(link).query).get("next") == ([return_to] if kept else None)

    @pytest.mark.parametrize("way", ["magic_link", "reset"])
    async def test_the_first_proof_of_an_address_throws_out_whoever_waited_there(
        self, way: str, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        """Account pre-hijacking: opened by somebody else in the owner's name, with ways in left behind."""
        squatter = await make_client(runtime, practice, "victim@example.com", is_verified=False)
        here, now = http(practice), clock.now()
        async with runtime.database.tenant(practice) as session:
            session.add(
                SocialIdentity(
                    id=new_id(),
                    client_id=squatter.id,
                    provider=SocialProvider.GOOGLE,
                    subject="squatter",
                    created_at=now,
                    last_used_at=now,
                )
            )
        pending = await here.post(
            "/api/v1/users/me/email", json={"new_email": "squatter@example.com"}, headers=squatter.headers
        )
        assert pending.status_code == 202
        [confirm] = await newest_links(runtime, practice, "squatter@example.com")
        if way == "magic_link":
            await self.ask(here, "victim@example.com")
            [link] = await newest_links(runtime, practice, "victim@example.com")
            assert (await self.redeem(here, link)).status_code == 200
        else:
            await here.post("/api/v1/auth/password/forgot", json={"email": "victim@example.com"})
            [link] = await newest_links(runtime, practice, "victim@example.com")
            body = {"token": token_in(link), "password": NEW}
            assert (await here.post("/api/v1/auth/password/reset", json=body)).status_code == 204
        assert not await is_in(here, squatter.headers)
        assert (await login(here, "victim@example.com", PASSWORD)).status_code == 401
        refreshed = await here.post("/api/v1/auth/refresh", json={"refresh_token": squatter.refresh_token})
        assert refreshed.status_code == 401
        hijack = await here.post("/api/v1/auth/email/confirm", json={"token": token_in(confirm)})
        assert_problem(hijack, 400, "invalid_token")
        async with runtime.database.tenant(practice) as session:
            client = await session.get_one(Client, squatter.id)
            assert client.is_verified
            assert (await session.scalars(select(SocialIdentity))).all() == []


class TestSessions:
    async def test_they_are_listed_and_ended_one_by_one(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        mine = await bearer(here, client.email)
        items = (await here.get("/api/v1/users/me/sessions", headers=mine)).json()["items"]
        assert [one["is_current"] for one in items] == [True, False]
        ended = await here.delete(f"/api/v1/users/me/sessions/{items[1]['id']}", headers=mine)
        assert ended.status_code == 204
        assert not await is_in(here, client.headers)
        assert await is_in(here, mine)

    async def test_anyone_elses_is_not_there(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, other, here = await make_client(runtime, practice), await make_client(runtime, practice), http(practice)
        [theirs] = (await here.get("/api/v1/users/me/sessions", headers=other.headers)).json()["items"]
        answer = await here.delete(f"/api/v1/users/me/sessions/{theirs['id']}", headers=client.headers)
        assert_problem(answer, 404, "not_found")
        assert await is_in(here, other.headers)

    async def test_everywhere_else_at_once(self, http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        mine = await bearer(here, client.email)
        assert (await here.post("/api/v1/users/me/sessions/end-others", headers=mine)).status_code == 204
        assert await is_in(here, mine)
        assert not await is_in(here, client.headers)

    async def test_sudo_needs_the_password_and_guesses_count(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        for _ in range(5):
            answer = await here.post("/api/v1/auth/sudo", json={"password": WRONG}, headers=client.headers)
            assert_problem(answer, 401, "invalid_credentials")
        answer = await here.post("/api/v1/auth/sudo", json={"password": PASSWORD}, headers=client.headers)
        assert_problem(answer, 429, "too_many_attempts")
        async with runtime.database.tenant(practice) as session:
            assert (await session.scalar(select(SignInAttempt.failures))) == 5


async def test_asking_for_links_leaves_no_trace_of_who_is_known(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    """The mailed token is only made when the mail is: no request writes one."""
    client, here = await make_client(runtime, practice), http(practice)
    for path in ("verify-email/request", "password/forgot", "magic-link/request"):
        answers = [
            await here.post(f"/api/v1/auth/{path}", json={"email": email})
            for email in (client.email, "nobody@example.com")
        ]
        assert [(answer.status_code, answer.json()) for answer in answers] == [(202, ACCEPTED)] * 2
    async with runtime.database.tenant(practice) as session:
        statement = select(OneTimeToken).where(OneTimeToken.account_id == client.id)
        assert (await session.scalars(statement)).all() == []


async def test_links_that_nobody_is_mailed_do_not_use_up_those_that_let_one_in(
    settings: Settings, surfaces: Surfaces, practice: TenantContext
) -> None:
    runtime = Runtime.from_settings(settings.model_copy(update={"rate_limits": RateLimitSettings()}))
    try:
        client = await make_client(runtime, practice)
        transport = httpx.ASGITransport(create_app(runtime, surfaces), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{practice.hostname}:8000") as here:

            async def ask(path: str) -> int:
                return (await here.post(f"/api/v1{path}", json={"email": client.email})).status_code

            asked = [await ask("/auth/verify-email/request") for _ in range(6)]
            assert asked == [202] * 5 + [429]
            for path in ("/auth/password/forgot", "/auth/magic-link/request", "/admin/auth/password/forgot"):
                assert await ask(path) == 202
    finally:
        await runtime.close()
