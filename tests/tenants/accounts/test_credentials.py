"""Ways into an account: passwords, sign-in links, changes of address, sign-ins; and what they must never allow."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import bcrypt
import httpx
import pytest
from sqlalchemy import select, update

from tenants.accounts.models import Client, OneTimeToken, SignIn, SignInAttempt, Staff, StaffAuditEntry, StaffRole
from tenants.social.models import SocialIdentity, SocialProvider
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.mails import assert_speaks, links_in, mails_of
from tests.support.practices import PASSWORD, SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.app import Surfaces, create_app
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import RateLimitSettings, Settings
from todoenbalance.kit.tenancy import TenantContext

NEW = "a wholly different phrase"
WRONG = "certainly not that one"
ACCEPTED = {"status": "accepted"}


async def login(here: httpx.AsyncClient, email: str, password: str, *, admin: bool = False) -> httpx.Response:
    path = "/api/v1/admin/auth/login" if admin else "/api/v1/auth/login"
    return await here.post(path, data={"username": email, "password": password})


async def bearer(here: httpx.AsyncClient, email: str, password: str = PASSWORD) -> dict[str, str]:
    answer = await login(here, email, password)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def is_in(here: httpx.AsyncClient, headers: dict[str, str]) -> bool:
    return (await here.get("/api/v1/users/me", headers=headers)).status_code == 200


async def newest_links(runtime: Runtime, practice: TenantContext, to: str) -> list[str]:
    """The links of the newest mail to an address."""
    await run_due_events(runtime, practice)
    return links_in((await mails_of(runtime, practice, to))[-1].text)


def token_in(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


async def set_password(runtime: Runtime, practice: TenantContext, who: SignedIn, hashed: str | None) -> None:
    async with runtime.database.tenant(practice) as session:
        for model in (Client, Staff):
            await session.execute(update(model).where(model.id == UUID(str(who.id))).values(hashed_password=hashed))


async def actions(runtime: Runtime, practice: TenantContext) -> list[str]:
    async with runtime.database.tenant(practice) as session:
        return list((await session.scalars(select(StaffAuditEntry.action).order_by(StaffAuditEntry.id))).all())


async def guess(here: httpx.AsyncClient, email: str, times: int = 5, *, admin: bool = False) -> list[int]:
    return [(await login(here, email, WRONG, admin=admin)).status_code for _ in range(times)]


class TestLockout:
    async def test_after_five_wrong_passwords_also_the_right_one_waits(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        assert await guess(here, client.email) == [401] * 5
        answer = await login(here, client.email.upper(), PASSWORD)
        assert_problem(answer, 429, "too_many_attempts")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        with clock.at(clock.now() + timedelta(seconds=31)):
            assert (await login(here, client.email, PASSWORD)).status_code == 200
            assert await guess(here, client.email, 4) == [401] * 4

    async def test_an_unknown_address_locks_exactly_like_a_known_one(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        known: list[tuple[int, dict[str, Any]]] = []
        unknown: list[tuple[int, dict[str, Any]]] = []
        for _ in range(7):
            for email, answers in ((client.email, known), ("nobody@example.com", unknown)):
                answer = await login(here, email, WRONG)
                body = {name: value for name, value in answer.json().items() if name not in ("request_id", "detail")}
                answers.append((answer.status_code, body))
        assert known == unknown
        assert [status for status, _body in known] == [401] * 5 + [429] * 2

    async def test_parallel_guesses_are_no_way_around_it(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        answers = await asyncio.gather(*(login(here, client.email, WRONG) for _ in range(12)))
        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7

    async def test_a_client_is_told_once_and_a_reset_lifts_the_lock(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await guess(here, client.email, 8)
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, client.email)
        assert_speaks("es", mail, practice.name)
        body = {"token": token_in(links_in(mail.text)[0]), "password": NEW}
        assert (await here.post("/api/v1/auth/password/reset", json=body)).status_code == 204
        assert (await login(here, client.email, NEW)).status_code == 200

    async def test_of_staff_the_person_the_owners_and_the_audit_trail_hear(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        owner = await make_staff_member(runtime, practice)
        member, here = await make_staff_member(runtime, practice, StaffRole.RECEPTION), http(practice)
        assert await guess(here, member.email, 6, admin=True) == [401] * 5 + [429]
        await run_due_events(runtime, practice)
        [theirs] = await mails_of(runtime, practice, member.email)
        [owners] = await mails_of(runtime, practice, owner.email)
        assert token_in(links_in(theirs.text)[0])
        assert all("token" not in link for link in links_in(owners.text))
        assert member.email in owners.text
        assert (await actions(runtime, practice)).count("staff.locked_out") == 1

    async def test_clients_and_staff_with_one_address_do_not_lock_each_other(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        here = http(practice)
        await make_client(runtime, practice, "both@example.com")
        await make_staff_member(runtime, practice, email="both@example.com")
        await guess(here, "both@example.com", 6)
        assert (await login(here, "both@example.com", PASSWORD, admin=True)).status_code == 200

    async def test_another_practice_is_not_concerned(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        await make_client(runtime, other_practice, "ana@example.com")
        await guess(http(practice), "ana@example.com", 6)
        assert (await login(http(other_practice), "ana@example.com", PASSWORD)).status_code == 200


class TestImportedHashes:
    @pytest.mark.parametrize("prefix", ["$2b$", "$2y$", "$2a$"])
    @pytest.mark.parametrize("admin", [False, True])
    async def test_a_bcrypt_hash_opens_and_is_upgraded(
        self, prefix: str, admin: bool, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        who = await (make_staff_member if admin else make_client)(runtime, practice)
        imported = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        await set_password(runtime, practice, who, prefix + imported[4:])
        here = http(practice)
        assert (await login(here, who.email, WRONG, admin=admin)).status_code == 401
        assert (await login(here, who.email, PASSWORD, admin=admin)).status_code == 200
        async with runtime.database.tenant(practice) as session:
            model: type[Staff] | type[Client] = Staff if admin else Client
            account: Staff | Client = await session.get_one(model, UUID(str(who.id)))
            assert account.hashed_password is not None
            assert account.hashed_password.startswith("$argon2id$")
        assert (await login(here, who.email, PASSWORD, admin=admin)).status_code == 200

    async def test_passwords_longer_than_bcrypt_reads_work_as_they_did(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        """The old system's library cut at 72 bytes, within a character if need be."""
        client, here = await make_client(runtime, practice), http(practice)
        long = "contraseña muy larga " * 5
        await set_password(runtime, practice, client, bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode())
        assert (await login(here, client.email, "x" * 100)).status_code == 401
        assert (await login(here, client.email, long)).status_code == 200
        assert (await login(here, client.email, long)).status_code == 200

    async def test_a_hash_that_nobody_knows_opens_nothing(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        for broken in ("", "!", "plain text", "$2b$04$short"):
            await set_password(runtime, practice, client, broken)
            assert (await login(here, client.email, broken or PASSWORD)).status_code == 401

    async def test_hashing_does_not_stop_the_event_loop(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await set_password(runtime, practice, client, bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(13)).decode())
        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        waiting = asyncio.create_task(take_turns())
        assert (await login(here, client.email, PASSWORD)).status_code == 200
        waiting.cancel()
        # Half a second of hashing: if the loop stood still meanwhile, the request's own steps were some dozens.
        assert turns > 1000


class TestStrength:
    @pytest.mark.parametrize(
        "password", ["1234567890", "aaaaaaaaaaaa", "Password123!", "contraseña123", "ana@example.com"]
    )
    async def test_a_password_that_would_be_guessed_is_refused_with_a_reason(
        self, password: str, http: HttpFactory, practice: TenantContext
    ) -> None:
        answer = await self.register(http(practice), password)
        problem = assert_problem(answer, 422, "password_too_weak")
        errors: Any = problem["errors"]
        assert errors[0]["loc"] == ["body", "password"]
        assert errors[0]["type"] == "password_too_weak"
        assert str(problem["detail"]).split()[0] in {"Esta", "Es", "Una", "Los", "Las"}

    @pytest.mark.parametrize("password", [PASSWORD, "Str0ng-passw0rd!", "client-demo-1", "una contraseña larga"])
    async def test_no_rule_asks_for_this_or_that_character(
        self, password: str, http: HttpFactory, practice: TenantContext
    ) -> None:
        assert (await self.register(http(practice), password)).status_code == 201

    async def test_the_costliest_password_costs_little(self, http: HttpFactory, practice: TenantContext) -> None:
        started = asyncio.get_running_loop().time()
        answer = await self.register(http(practice), ("@4({[<3€69!1|0$5+7%2z" * 7)[:128])
        assert answer.status_code == 201
        assert asyncio.get_running_loop().time() - started < 2

    async def register(self, here: httpx.AsyncClient, password: str) -> httpx.Response:
        body = {
            "email": "ana@example.com",
            "password": password,
            "first_name": "Ana",
            "last_name": "Nueva",
            "accept_privacy": True,
        }
        return await here.post("/api/v1/auth/register", json=body, headers={"Accept-Language": "es"})

    async def test_a_weak_one_does_not_spend_the_link(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await here.post("/api/v1/auth/password/forgot", json={"email": client.email})
        token = token_in((await newest_links(runtime, practice, client.email))[0])
        weak = await here.post("/api/v1/auth/password/reset", json={"token": token, "password": "1234567890"})
        assert_problem(weak, 422, "password_too_weak")
        good = await here.post("/api/v1/auth/password/reset", json={"token": token, "password": NEW})
        assert good.status_code == 204


class TestChangingThePassword:
    async def change(self, here: httpx.AsyncClient, headers: dict[str, str], **body: str) -> httpx.Response:
        return await here.post("/api/v1/users/me/password", json=body, headers=headers)

    async def test_this_sign_in_stays_the_others_end_and_a_mail_says_so(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        mine = await bearer(here, client.email)
        answer = await self.change(here, mine, current_password=PASSWORD, new_password=NEW)
        assert answer.status_code == 204
        assert await is_in(here, mine)
        assert not await is_in(here, client.headers)
        assert (await login(here, client.email, PASSWORD)).status_code == 401
        assert (await login(here, client.email, NEW)).status_code == 200
        [link] = await newest_links(runtime, practice, client.email)
        assert urlsplit(link).path == "/forgot-password"

    async def test_it_needs_the_current_one_and_a_wrong_one_counts(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        assert_problem(await self.change(here, client.headers, new_password=NEW), 401, "invalid_credentials")
        for _ in range(4):
            wrong = await self.change(here, client.headers, current_password=WRONG, new_password=NEW)
            assert_problem(wrong, 401, "invalid_credentials")
        locked = await self.change(here, client.headers, current_password=PASSWORD, new_password=NEW)
        assert_problem(locked, 429, "too_many_attempts")
        assert await is_in(here, client.headers)

    async def test_without_one_so_far_a_fresh_sign_in_will_do(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await set_password(runtime, practice, client, None)
        async with runtime.database.tenant(practice) as session:
            await session.execute(update(SignIn).values(authenticated_at=clock.now() - timedelta(hours=1)))
        assert_problem(await self.change(here, client.headers, new_password=NEW), 403, "fresh_sign_in_required")
        async with runtime.database.tenant(practice) as session:
            await session.execute(update(SignIn).values(authenticated_at=clock.now()))
        assert (await self.change(here, client.headers, new_password=NEW)).status_code == 204
        assert (await login(here, client.email, NEW)).status_code == 200

    async def test_links_asked_for_before_are_void(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await here.post("/api/v1/auth/password/forgot", json={"email": client.email})
        token = token_in((await newest_links(runtime, practice, client.email))[0])
        await self.change(here, client.headers, current_password=PASSWORD, new_password=NEW)
        late = await here.post("/api/v1/auth/password/reset", json={"token": token, "password": PASSWORD})
        assert_problem(late, 400, "invalid_token")

    async def test_a_refresh_that_races_with_it_gets_nothing_that_lasts(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        mine = await bearer(here, client.email)
        thief = (await login(here, client.email, PASSWORD)).json()["refresh_token"]

        async def rotate() -> None:
            nonlocal thief
            while True:
                answer = await here.post("/api/v1/auth/refresh", json={"refresh_token": thief})
                if answer.status_code != 200:
                    assert answer.json()["code"] == "invalid_refresh_token"
                    return
                thief = answer.json()["refresh_token"]

        rotating = asyncio.create_task(rotate())
        await asyncio.sleep(0.05)
        assert (await self.change(here, mine, current_password=PASSWORD, new_password=NEW)).status_code == 204
        await asyncio.wait_for(rotating, 5)

    async def test_of_two_changes_at_once_one_wins(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        other = await bearer(here, client.email)
        answers = await asyncio.gather(
            self.change(here, client.headers, current_password=PASSWORD, new_password=NEW),
            self.change(here, other, current_password=PASSWORD, new_password=NEW + " too"),
        )
        assert sorted(answer.status_code for answer in answers) == [204, 401]

    async def test_two_resets_with_one_link_set_one_password(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await here.post("/api/v1/auth/password/forgot", json={"email": client.email})
        token = token_in((await newest_links(runtime, practice, client.email))[0])
        answers = await asyncio.gather(
            *(
                here.post("/api/v1/auth/password/reset", json={"token": token, "password": f"{NEW} {number}"})
                for number in range(4)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [204, 400, 400, 400]


class TestStaffPasswords:
    async def test_forgotten_and_set_anew_every_sign_in_ends(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        staff, here = await make_staff_member(runtime, practice), http(practice)
        for email in (staff.email, "nobody@example.com", f"owner@{practice.slug}.example.com"):
            answer = await here.post("/api/v1/admin/auth/password/forgot", json={"email": email})
            assert (answer.status_code, answer.json()) == (202, ACCEPTED)
        link = (await newest_links(runtime, practice, staff.email))[0]
        assert urlsplit(link).path == "/admin/reset-password"
        invited = await mails_of(runtime, practice, f"owner@{practice.slug}.example.com")
        assert all("accept-invitation" in mail.text for mail in invited)  # nobody who has not accepted resets
        body = {"token": token_in(link), "password": NEW}
        assert_problem(await here.post("/api/v1/auth/password/reset", json=body), 400, "invalid_token")
        assert (await here.post("/api/v1/admin/auth/password/reset", json=body)).status_code == 204
        assert (await here.get("/api/v1/admin/auth/me", headers=staff.headers)).status_code == 401
        assert (await login(here, staff.email, NEW, admin=True)).status_code == 200
        assert "staff.password_reset" in await actions(runtime, practice)

    async def test_changed_by_themselves(self, http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
        staff, here = await make_staff_member(runtime, practice), http(practice)
        token = (await login(here, staff.email, PASSWORD, admin=True)).json()["access_token"]
        mine = {"Authorization": f"Bearer {token}"}
        body = {"current_password": PASSWORD, "new_password": NEW}
        assert (await here.post("/api/v1/admin/auth/password", json=body, headers=mine)).status_code == 204
        assert (await here.get("/api/v1/admin/auth/me", headers=mine)).status_code == 200
        assert (await here.get("/api/v1/admin/auth/me", headers=staff.headers)).status_code == 401
        assert "staff.password_changed" in await actions(runtime, practice)
        [link] = await newest_links(runtime, practice, staff.email)
        assert urlsplit(link).path == "/admin/forgot-password"


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
                    client_id=UUID(str(squatter.id)),
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
            client = await session.get_one(Client, UUID(str(squatter.id)))
            assert client.is_verified
            assert (await session.scalars(select(SocialIdentity))).all() == []


class TestChangingTheAddress:
    async def ask(self, here: httpx.AsyncClient, who: SignedIn, new_email: str) -> None:
        answer = await here.post("/api/v1/users/me/email", json={"new_email": new_email}, headers=who.headers)
        assert (answer.status_code, answer.json()) == (202, ACCEPTED)

    async def confirm(self, here: httpx.AsyncClient, link: str) -> httpx.Response:
        return await here.post("/api/v1/auth/email/confirm", json={"token": token_in(link)})

    async def email_of(self, runtime: Runtime, practice: TenantContext, who: SignedIn) -> str:
        async with runtime.database.tenant(practice) as session:
            return (await session.get_one(Client, UUID(str(who.id)))).email

    @pytest.mark.parametrize("first", ["old", "new"])
    async def test_it_takes_both_addresses_in_either_order(
        self, first: str, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        elsewhere = await bearer(here, client.email)
        await here.post("/api/v1/auth/password/forgot", json={"email": client.email})
        [reset] = await newest_links(runtime, practice, client.email)
        await self.ask(here, client, "new@example.com")
        old_link, _cancel = await newest_links(runtime, practice, client.email)
        [new_link] = await newest_links(runtime, practice, "new@example.com")
        order = [old_link, new_link] if first == "old" else [new_link, old_link]
        assert (await self.confirm(here, order[0])).json() == {"status": "waiting"}
        assert_problem(await self.confirm(here, order[0]), 400, "invalid_token")
        assert await self.email_of(runtime, practice, client) == client.email
        assert (await self.confirm(here, order[1])).json() == {"status": "changed"}
        assert await self.email_of(runtime, practice, client) == "new@example.com"
        assert await is_in(here, client.headers)  # who asked stays in
        assert not await is_in(here, elsewhere)
        late = await here.post("/api/v1/auth/password/reset", json={"token": token_in(reset), "password": NEW})
        assert_problem(late, 400, "invalid_token")
        await run_due_events(runtime, practice)
        for address in (client.email, "new@example.com"):
            last = (await mails_of(runtime, practice, address))[-1]
            assert "new@example.com" in last.text
            assert_speaks("es", last, practice.name)
        assert (await login(here, "new@example.com", PASSWORD)).status_code == 200

    async def test_it_needs_a_fresh_sign_in(self, http: HttpFactory, runtime: Runtime, practice: TenantContext) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        async with runtime.database.tenant(practice) as session:
            await session.execute(update(SignIn).values(authenticated_at=clock.now() - timedelta(hours=1)))
        body = {"new_email": "new@example.com"}
        stale = await here.post("/api/v1/users/me/email", json=body, headers=client.headers)
        assert_problem(stale, 403, "fresh_sign_in_required")
        sudo = await here.post("/api/v1/auth/sudo", json={"password": PASSWORD}, headers=client.headers)
        assert sudo.status_code == 204
        await self.ask(here, client, "new@example.com")

    async def test_a_taken_address_is_told_to_itself_alone(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, other = await make_client(runtime, practice), await make_client(runtime, practice)
        here = http(practice)
        await self.ask(here, client, other.email)
        [sign_in] = await newest_links(runtime, practice, other.email)
        assert urlsplit(sign_in).path == "/sign-in"
        assert len(await newest_links(runtime, practice, client.email)) == 2

    async def test_an_address_taken_meanwhile_is_a_conflict(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await self.ask(here, client, "new@example.com")
        old_link, _cancel = await newest_links(runtime, practice, client.email)
        [new_link] = await newest_links(runtime, practice, "new@example.com")
        await make_client(runtime, practice, "new@example.com")
        await self.confirm(here, old_link)
        assert_problem(await self.confirm(here, new_link), 409, "email_taken")
        assert await self.email_of(runtime, practice, client) == client.email

    async def test_the_old_address_can_stop_it_and_throws_everybody_out(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await self.ask(here, client, "thief@example.com")
        old_link, cancel = await newest_links(runtime, practice, client.email)
        [new_link] = await newest_links(runtime, practice, "thief@example.com")
        assert urlsplit(cancel).path == "/cancel-email"
        stopped = await here.post("/api/v1/auth/email/cancel", json={"token": token_in(cancel)})
        assert stopped.status_code == 204
        assert not await is_in(here, client.headers)
        for link in (old_link, new_link):
            assert_problem(await self.confirm(here, link), 400, "invalid_token")

    async def test_it_ends_after_a_day_and_a_second_wish_replaces_the_first(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        await self.ask(here, client, "first@example.com")
        [first] = await newest_links(runtime, practice, "first@example.com")
        await self.ask(here, client, "second@example.com")
        [second] = await newest_links(runtime, practice, "second@example.com")
        assert_problem(await self.confirm(here, first), 400, "invalid_token")
        with clock.at(clock.now() + timedelta(hours=25)):
            assert_problem(await self.confirm(here, second), 400, "invalid_token")
        assert (await self.confirm(here, second)).status_code == 200

    async def test_an_address_that_was_never_verified_has_no_say(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice, "tpyo@example.com", is_verified=False), http(practice)
        await self.ask(here, client, "typo@example.com")
        [link] = await newest_links(runtime, practice, "typo@example.com")
        assert (await self.confirm(here, link)).json() == {"status": "changed"}
        assert (await mails_of(runtime, practice, "tpyo@example.com"))[:-1] == []

    async def test_a_change_that_went_without_the_old_address_is_off_once_that_is_verified(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice, is_verified=False), http(practice)
        await here.post("/api/v1/auth/verify-email/request", json={"email": client.email})
        [verify] = await newest_links(runtime, practice, client.email)
        await self.ask(here, client, "thief@example.com")
        [link] = await newest_links(runtime, practice, "thief@example.com")
        verified = await here.post("/api/v1/auth/verify-email", json={"token": token_in(verify)})
        assert verified.status_code == 200
        assert_problem(await self.confirm(here, link), 400, "invalid_token")
        assert await self.email_of(runtime, practice, client) == client.email

    async def test_a_change_asked_for_elsewhere_is_off_once_the_password_is_changed(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice, is_verified=False), http(practice)
        mine = await bearer(here, client.email)
        await self.ask(here, client, "thief@example.com")
        [link] = await newest_links(runtime, practice, "thief@example.com")
        body = {"current_password": PASSWORD, "new_password": NEW}
        assert (await here.post("/api/v1/users/me/password", json=body, headers=mine)).status_code == 204
        assert_problem(await self.confirm(here, link), 400, "invalid_token")

    async def test_ones_own_wish_outlives_ones_own_change_of_password(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice, is_verified=False), http(practice)
        await self.ask(here, client, "new@example.com")
        [link] = await newest_links(runtime, practice, "new@example.com")
        body = {"current_password": PASSWORD, "new_password": NEW}
        assert (await here.post("/api/v1/users/me/password", json=body, headers=client.headers)).status_code == 204
        assert (await self.confirm(here, link)).json() == {"status": "changed"}

    async def test_ones_own_address_is_no_change(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        body = {"new_email": client.email.upper()}
        answer = await here.post("/api/v1/users/me/email", json=body, headers=client.headers)
        assert_problem(answer, 422, "validation_error")

    async def test_staff_change_theirs_the_same_way(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        staff, here = await make_staff_member(runtime, practice), http(practice)
        body = {"new_email": "boss@example.com"}
        assert (await here.post("/api/v1/admin/auth/email", json=body, headers=staff.headers)).status_code == 202
        old_link, _cancel = await newest_links(runtime, practice, staff.email)
        [new_link] = await newest_links(runtime, practice, "boss@example.com")
        assert_problem(await self.confirm(here, old_link), 400, "invalid_token")  # not the clients' door
        for link in (old_link, new_link):
            answer = await here.post("/api/v1/admin/auth/email/confirm", json={"token": token_in(link)})
            assert answer.status_code == 200
        assert (await login(here, "boss@example.com", PASSWORD, admin=True)).status_code == 200
        assert {"staff.email_change_requested", "staff.email_changed"} <= set(await actions(runtime, practice))


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
        statement = select(OneTimeToken).where(OneTimeToken.account_id == UUID(str(client.id)))
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
