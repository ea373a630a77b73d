"""Who somebody at a provider is here: recognised, joined, new, or asked first; and the attempts to be somebody else."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event, select, update

from tenants.accounts.models import AccountKind, Client, SignIn
from tenants.accounts.services import sign_ins
from tenants.accounts.services.links import PASSWORD_RESET, RESET_LIFETIME, renew_one_time_token
from tenants.accounts.services.vouched_clients import lock_client
from tenants.privacy.models import Consent
from tenants.social.exchange import redeem_handoff
from tenants.social.models import SocialIdentity
from tests.conftest import HttpFactory
from tests.support.blocked import until_blocked
from tests.support.mails import links_in
from tests.support.oauth_provider import OAuthProvider, Person
from tests.support.practices import PASSWORD, make_client
from tests.support.problems import assert_problem
from tests.support.social import ANA, FACEBOOK_ANA, Visit, exchange, fetch_handoff, parameter
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.sign_ins import EndReason
from todoenbalance.kit.tenancy import TenantContext


class TestSomebodyNew:
    async def test_an_address_that_google_vouches_for_opens_a_verified_account_without_a_password(
        self, visit: Visit, runtime: Runtime, practice: TenantContext
    ) -> None:
        me = await visit.me(await visit.sign_in("google", ANA))
        async with runtime.database.tenant(practice) as session:
            client = await session.get_one(Client, UUID(me["id"]))
            consent = (await session.scalars(select(Consent))).one()
        assert (client.email, client.is_verified, client.hashed_password) == (ANA.email, True, None)
        assert (client.timezone, client.locale) == (practice.timezone, practice.locale)
        assert consent.client_id == client.id
        [mail] = await visit.mails("ana@example.com")
        assert "verify-email" not in mail.text  # a welcome, with nothing left to do

    async def test_the_second_time_they_are_recognised(self, visit: Visit) -> None:
        first = await visit.me(await visit.sign_in("google", ANA))
        again = await visit.me(await visit.sign_in("google", ANA))
        assert again["id"] == first["id"]
        assert await visit.count(Client) == 1

    async def test_the_person_counts_and_not_the_address(self, visit: Visit) -> None:
        first = await visit.me(await visit.sign_in("google", ANA))
        moved = Person(ANA.subject, "ana.arce@example.org", first_name="Ana", last_name="Arce")
        assert (await visit.me(await visit.sign_in("google", moved)))["id"] == first["id"]
        unverified = Person(ANA.subject, None)
        assert (await visit.me(await visit.sign_in("google", unverified)))["id"] == first["id"]

    async def test_whoever_gets_the_address_next_at_google_does_not_get_the_account(self, visit: Visit) -> None:
        await visit.sign_in("google", ANA)
        heir = Person("555", ANA.email)
        assert_problem(await visit.sign_in("google", heir), 409, "already_connected")

    async def test_two_sign_ins_of_one_new_person_at_once_make_one_account(
        self, visit: Visit, http: HttpFactory, practice: TenantContext, provider: OAuthProvider
    ) -> None:
        provider.wishes.person = ANA
        browsers = [http(practice) for _ in range(4)]
        handoffs = [await fetch_handoff(browser, http(), "google") for browser in browsers]
        pairs = await asyncio.gather(*map(exchange, browsers, handoffs))
        people = {(await visit.me(pair))["id"] for pair in pairs}
        assert len(people) == 1
        assert await visit.count(SocialIdentity) == 1

    async def test_names_that_pose_as_something_else_are_left_out(self, visit: Visit) -> None:
        odd = Person("77", "odd@example.com", first_name="Win at www.evil.example", last_name="x" * 300)
        me = await visit.me(await visit.sign_in("google", odd))
        assert (me["first_name"], me["last_name"]) == ("", "x" * 100)
        nameless = Person("78", "nameless@example.com", first_name="", last_name="")
        assert (await visit.me(await visit.sign_in("google", nameless)))["first_name"] == "nameless"


class TestJoining:
    async def test_a_verified_account_is_joined_and_its_owner_hears_of_it(
        self, visit: Visit, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice, "ana@example.com")
        assert (await visit.me(await visit.sign_in("google", ANA)))["id"] == str(client.id)
        [mail] = await visit.mails("ana@example.com")
        assert "Google" in mail.subject
        assert any("/account/connections" in link for link in links_in(mail.text))

    async def test_an_account_that_was_never_confirmed_is_not_joined_and_the_addresss_owner_takes_it_over(
        self, visit: Visit, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        attacker = http(practice)
        body = {
            "email": "ana@example.com",
            "password": "attacker's password 77",
            "first_name": "Mal",
            "last_name": "Vado",
            "accept_privacy": True,
        }
        assert (await attacker.post("/api/v1/auth/register", json=body)).status_code == 201
        credentials = {"username": body["email"], "password": body["password"]}
        theirs = (await attacker.post("/api/v1/auth/login", data=credentials)).json()
        assert_problem(await visit.sign_in("google", ANA), 409, "account_unconfirmed")
        assert await visit.count(SocialIdentity) == 0
        mails = await visit.mails("ana@example.com")
        [reset] = [link for mail in mails for link in links_in(mail.text) if "/reset-password" in link]
        token = parameter(reset, "token")
        new = {"token": token, "password": "ana's own long password"}
        assert (await http(practice).post("/api/v1/auth/password/reset", json=new)).status_code == 204
        refresh = await attacker.post("/api/v1/auth/refresh", json={"refresh_token": theirs["refresh_token"]})
        assert refresh.status_code == 401
        assert (await attacker.post("/api/v1/auth/login", data=credentials)).status_code == 401
        assert (await visit.me(await visit.sign_in("google", ANA)))["email"] == "ana@example.com"

    async def test_an_address_that_google_does_not_vouch_for_joins_nothing(
        self, visit: Visit, runtime: Runtime, practice: TenantContext
    ) -> None:
        await make_client(runtime, practice, "ana@example.com")
        answer = await visit.sign_in("google", Person("1", "ana@example.com", is_verified=False))
        assert answer.json()["email_required"] is True
        assert await visit.count(SocialIdentity) == 0

    async def test_facebook_claiming_somebodys_address_joins_nothing(
        self, visit: Visit, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        await make_client(runtime, practice, "ana@example.com")
        browser = http(practice)
        answer = (await visit.sign_in("facebook", FACEBOOK_ANA, browser)).json()
        assert answer["email_required"] is True
        body = {"signup_token": answer["signup_token"], "email": "ana@example.com"}
        assert (await browser.post("/api/v1/auth/oauth/email", json=body)).status_code == 202
        [mail] = await visit.mails("ana@example.com")
        assert not re.search(r"\b\d{4} ?\d{4}\b", mail.text)
        assert "/sign-in?next=%2Faccount%2Fconnections" in mail.text
        assert await visit.count(SocialIdentity) == 0

    async def test_a_closed_account_stays_closed(self, visit: Visit, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice, "ana@example.com")
        await visit.sign_in("google", ANA)
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Client, client.id)).is_active = False
        assert_problem(await visit.sign_in("google", ANA), 401, "sign_in_refused")
        assert_problem(await visit.sign_in("google", Person("9", ANA.email)), 401, "sign_in_refused")


class TestConnecting:
    async def connect(
        self, http: HttpFactory, browser: httpx.AsyncClient, provider: OAuthProvider, person: Person, headers: Any
    ) -> str:
        provider.wishes.person = person
        begun = await browser.post("/api/v1/users/me/identities/google", headers=headers, json={"return_to": "/mine"})
        assert begun.status_code == 200, begun.text
        async with httpx.AsyncClient(trust_env=False) as there:
            back = (await there.get(begun.json()["authorization_url"])).headers["location"]
        location = (await http().get(back)).headers["location"]
        assert "/mine?handoff=" in location
        return parameter(location, "handoff")

    async def test_a_client_connects_lists_and_disconnects(
        self,
        visit: Visit,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        client = await make_client(runtime, practice)
        handoff = await self.connect(http, browser, provider, ANA, client.headers)
        answer = await exchange(browser, handoff, headers=client.headers)
        assert answer.json()["connected"]["provider"] == "google"
        [item] = (await browser.get("/api/v1/users/me/identities", headers=client.headers)).json()["items"]
        assert item["email"] == ANA.email
        assert (await visit.me(await visit.sign_in("google", ANA)))["id"] == str(client.id)
        [mail] = await visit.mails(client.email)
        assert "Google" in mail.subject
        gone = await browser.delete(f"/api/v1/users/me/identities/{item['id']}", headers=client.headers)
        assert gone.status_code == 204
        assert (await visit.me(await visit.sign_in("google", ANA)))["id"] != str(client.id)

    async def test_only_whoever_began_it_can_finish_it(
        self,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        client, other = await make_client(runtime, practice), await make_client(runtime, practice)
        handoff = await self.connect(http, browser, provider, ANA, client.headers)
        assert_problem(await exchange(browser, handoff), 401, "not_authenticated")
        assert_problem(await exchange(browser, handoff, headers=other.headers), 401, "not_authenticated")
        assert (await exchange(browser, handoff, headers=client.headers)).status_code == 200

    @pytest.mark.parametrize("unused", [timedelta(), timedelta(minutes=5)])
    async def test_a_sign_in_that_is_being_ended_leaves_no_way_back_in(
        self,
        unused: timedelta,
        visit: Visit,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        client = await make_client(runtime, practice)
        handoff = await self.connect(http, browser, provider, ANA, client.headers)
        async with runtime.database.tenant(practice) as session:  # the use of an old one is noted, in between
            await session.execute(update(SignIn).values(last_seen_at=clock.now() - unused))
        async with TenantSession(runtime.database.engine, practice) as owner:
            await lock_client(owner, client.id)
            await sign_ins.end_all(owner, AccountKind.CLIENT, client.id, EndReason.REVOKED)
            thief = asyncio.create_task(exchange(browser, handoff, headers=client.headers))
            await until_blocked(owner)
            await owner.commit()
        assert_problem(await thief, 401, "invalid_token")
        assert await visit.count(SocialIdentity) == 0

    async def test_the_account_stays_locked_from_the_last_look_at_the_sign_in_on(
        self,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        client = await make_client(runtime, practice)
        handoff = await self.connect(http, browser, provider, ANA, client.headers)
        commits: list[object] = []
        with clock.at(clock.now() + timedelta(seconds=50)):
            async with TenantSession(runtime.database.engine, practice) as session:
                [row] = await session.scalars(select(SignIn).where(SignIn.account_id == client.id))
                row.last_seen_at -= timedelta(minutes=5)
                await session.commit()
                caller = await sign_ins.get_signed_in_client(session, runtime.settings.auth, client.id, row.id)
                event.listen(runtime.database.engine.sync_engine, "commit", commits.append)
                await redeem_handoff(
                    session, runtime.settings.auth, handoff, browser.cookies.get("social"), caller=caller
                )
                assert commits == []

    async def test_an_identity_of_another_client_is_refused(
        self,
        visit: Visit,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        owner = await visit.me(await visit.sign_in("google", ANA))
        client = await make_client(runtime, practice)
        handoff = await self.connect(http, browser, provider, ANA, client.headers)
        assert_problem(await exchange(browser, handoff, headers=client.headers), 409, "identity_taken")
        assert (await visit.me(await visit.sign_in("google", ANA)))["id"] == owner["id"]

    async def test_one_of_each_provider_is_enough(
        self,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        provider: OAuthProvider,
        runtime: Runtime,
        practice: TenantContext,
    ) -> None:
        client = await make_client(runtime, practice)
        pending = await self.connect(http, browser, provider, Person("2", None), client.headers)
        first = await self.connect(http, browser, provider, ANA, client.headers)
        assert (await exchange(browser, first, headers=client.headers)).status_code == 200
        assert_problem(await exchange(browser, pending, headers=client.headers), 409, "already_connected")
        again = await browser.post("/api/v1/users/me/identities/google", headers=client.headers)
        assert_problem(again, 409, "already_connected")

    async def test_an_account_whose_address_is_not_confirmed_can_not_be_given_a_back_door(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice, is_verified=False)
        answer = await browser.post("/api/v1/users/me/identities/google", headers=client.headers)
        assert_problem(answer, 409, "address_unconfirmed")

    async def test_an_old_sign_in_has_to_be_confirmed_first(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        with clock.at(clock.now() - timedelta(minutes=16)):
            client = await make_client(runtime, practice)
        pair = await browser.post("/api/v1/auth/refresh", json={"refresh_token": client.refresh_token})
        headers = {"Authorization": f"Bearer {pair.json()['access_token']}"}
        answer = await browser.post("/api/v1/users/me/identities/google", headers=headers)
        assert_problem(answer, 403, "fresh_sign_in_required")

    async def test_the_last_way_in_stays(
        self, visit: Visit, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        pair = await visit.sign_in("google", ANA)
        me = await visit.me(pair)
        headers = {"Authorization": f"Bearer {pair.json()['access_token']}"}
        [item] = (await browser.get("/api/v1/users/me/identities", headers=headers)).json()["items"]
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Client, UUID(me["id"]))).is_verified = False
        path = f"/api/v1/users/me/identities/{item['id']}"
        assert_problem(await browser.delete(path, headers=headers), 409, "last_way_in")
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Client, UUID(me["id"]))).is_verified = True
        assert (await browser.delete(path, headers=headers)).status_code == 204

    async def test_somebody_elses_identity_is_not_there(
        self, visit: Visit, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        await visit.sign_in("google", ANA)
        async with runtime.database.tenant(practice) as session:
            identity = (await session.scalars(select(SocialIdentity))).one()
        other = await make_client(runtime, practice)
        answer = await browser.delete(f"/api/v1/users/me/identities/{identity.id}", headers=other.headers)
        assert_problem(answer, 404, "not_found")


async def test_a_password_still_works_beside_it(
    visit: Visit, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    client = await make_client(runtime, practice, ANA.email)
    await visit.sign_in("google", ANA)
    answer = await browser.post("/api/v1/auth/login", data={"username": client.email, "password": PASSWORD})
    assert answer.status_code == 200


async def test_a_reset_by_mail_throws_out_whoever_connected_an_account_of_theirs(
    visit: Visit, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
) -> None:
    client = await make_client(runtime, practice, ANA.email)
    async with runtime.database.tenant(practice) as session:
        session.add(
            SocialIdentity(
                id=new_id(),
                client_id=client.id,
                provider="facebook",
                subject="somebody else",
                email=None,
                created_at=clock.now(),
                last_used_at=clock.now(),
            )
        )
        token = await renew_one_time_token(session, PASSWORD_RESET, AccountKind.CLIENT, client.id, RESET_LIFETIME)
    body = {"token": token, "password": "lantern orbit velvet 7"}
    assert (await browser.post("/api/v1/auth/password/reset", json=body)).status_code == 204
    async with runtime.database.tenant(practice) as session:
        assert (await session.scalars(select(SocialIdentity))).all() == []
    # Whose provider vouches for the address is joined again by itself.
    assert (await visit.me(await visit.sign_in("google", ANA)))["id"] == str(client.id)
