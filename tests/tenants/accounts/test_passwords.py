"""Passwords: guessed at, imported, too weak, changed; and what they must never allow."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import httpx
import pytest
from sqlalchemy import update

from tenants.accounts.models import Client, SignIn, Staff, StaffRole
from tests.conftest import HttpFactory
from tests.support.credentials import (
    ACCEPTED,
    NEW,
    WRONG,
    actions,
    bearer,
    guess,
    is_in,
    login,
    newest_links,
    set_password,
    token_in,
)
from tests.support.events import run_due_events
from tests.support.mails import assert_speaks, links_in, mails_of
from tests.support.practices import PASSWORD, make_client, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


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
            account: Staff | Client = await session.get_one(model, who.id)
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
