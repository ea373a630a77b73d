"""Changing the address of an account: agreed to at the old one, shown to be theirs at the new one."""

from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import update

from tenants.accounts.models import Client, SignIn
from tests.conftest import HttpFactory
from tests.support.credentials import ACCEPTED, NEW, actions, bearer, is_in, login, newest_links, token_in
from tests.support.events import run_due_events
from tests.support.mails import assert_speaks, mails_of
from tests.support.practices import PASSWORD, SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


class TestChangingTheAddress:
    async def ask(self, here: httpx.AsyncClient, who: SignedIn, new_email: str) -> None:
        answer = await here.post("/api/v1/users/me/email", json={"new_email": new_email}, headers=who.headers)
        assert (answer.status_code, answer.json()) == (202, ACCEPTED)

    async def confirm(self, here: httpx.AsyncClient, link: str) -> httpx.Response:
        return await here.post("/api/v1/auth/email/confirm", json={"token": token_in(link)})

    async def email_of(self, runtime: Runtime, practice: TenantContext, who: SignedIn) -> str:
        async with runtime.database.tenant(practice) as session:
            return (await session.get_one(Client, who.id)).email

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
