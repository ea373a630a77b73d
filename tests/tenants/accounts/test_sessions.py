"""Sign-ins under concurrency: what revokes them catches also the tokens that are being made right now."""

import asyncio

from tenants.accounts.models import AccountKind
from tenants.accounts.services import links, sign_ins
from tests.conftest import HttpFactory
from tests.support.blocked import until_blocked
from tests.support.practices import PASSWORD, make_client, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def refresh(session: TenantSession, runtime: Runtime, token: str) -> str:
    """The next refresh token; the caller commits."""
    pair = await sign_ins.refresh_session(session, runtime.signer, runtime.settings.auth, AccountKind.CLIENT, token)
    return pair.refresh_token


class TestRevocation:
    async def test_a_reuse_during_a_refresh_catches_the_token_that_the_refresh_makes(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        first = client.refresh_token
        async with runtime.database.tenant(practice) as session:
            second = await refresh(session, runtime, first)
        async with TenantSession(runtime.database.engine, practice) as thief:
            third = await refresh(thief, runtime, second)  # not committed yet
            replay = asyncio.create_task(here.post("/api/v1/auth/refresh", json={"refresh_token": first}))
            await until_blocked(thief)
            await thief.commit()
        assert_problem(await replay, 401, "token_reused")
        after = await here.post("/api/v1/auth/refresh", json={"refresh_token": third})
        assert_problem(after, 401, "invalid_refresh_token")

    async def test_a_password_reset_during_a_refresh_catches_its_token(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        async with runtime.database.tenant(practice) as session:
            token = await links.renew_one_time_token(
                session, links.PASSWORD_RESET, AccountKind.CLIENT, client.id, links.RESET_LIFETIME
            )
        async with TenantSession(runtime.database.engine, practice) as thief:
            stolen = await refresh(thief, runtime, client.refresh_token)  # not committed yet
            body = {"token": token, "password": "una clave nueva y larga"}
            reset = asyncio.create_task(here.post("/api/v1/auth/password/reset", json=body))
            await until_blocked(thief)
            await thief.commit()
        assert (await reset).status_code == 204
        after = await here.post("/api/v1/auth/refresh", json={"refresh_token": stolen})
        assert_problem(after, 401, "invalid_refresh_token")

    async def test_all_tokens_of_a_family_at_once_never_deadlock(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        here = http(practice)
        for _ in range(5):
            client = await make_client(runtime, practice)
            tokens = [client.refresh_token]
            for _ in range(2):
                async with runtime.database.tenant(practice) as session:
                    tokens.append(await refresh(session, runtime, tokens[-1]))
            calls = (here.post("/api/v1/auth/refresh", json={"refresh_token": token}) for token in tokens)
            statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
            assert set(statuses) <= {200, 401}
            assert 401 in statuses

    async def test_staff_who_sign_out_are_out_at_once(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        owner, here = await make_staff_member(runtime, practice), http(practice)
        await here.post("/api/v1/admin/auth/logout", json={"refresh_token": owner.refresh_token})
        assert_problem(await here.get("/api/v1/admin/clients", headers=owner.headers), 401, "invalid_token")


class TestDoubleClicks:
    async def test_registering_twice_at_once_looks_like_registering_twice(
        self, practice: TenantContext, http: HttpFactory
    ) -> None:
        here = http(practice)
        body = {
            "email": "doble@example.com",
            "password": PASSWORD,
            "first_name": "Doble",
            "last_name": "Clic",
            "accept_privacy": True,
        }
        answers = await asyncio.gather(*(here.post("/api/v1/auth/register", json=body) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [201] * 4
        assert len({answer.json()["id"] for answer in answers}) == 4

    async def test_inviting_twice_at_once_invites_once(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        owner, here = await make_staff_member(runtime, practice), http(practice)
        body = {"email": "doble@example.com", "first_name": "D", "last_name": "C", "role": "reception"}
        calls = (here.post("/api/v1/admin/staff", json=body, headers=owner.headers) for _ in range(4))
        assert sorted(answer.status_code for answer in await asyncio.gather(*calls)) == [201, 409, 409, 409]
