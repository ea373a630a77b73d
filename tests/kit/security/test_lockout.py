"""Failures in a row make the next try wait, longer each time, for known and unknown alike."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from tenants.accounts.models import SignInAttempt
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.lockout import AccountLockedError, Lockout
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.kit.settings import LockoutSettings
from todoenbalance.kit.tenancy import TenantContext

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULES = LockoutSettings(free_failures=3, base_seconds=10, limit_seconds=60, forget_hours=24)
SIGNER = TokenSigner({"one": "a" * 32})


def lockout(session: TenantSession, signer: TokenSigner = SIGNER) -> Lockout:
    return Lockout(session, SignInAttempt, RULES, signer)


async def fail(session: TenantSession, times: int) -> list[bool]:
    return [await lockout(session).failed("client:a@example.com") for _ in range(times)]


async def wait_of(session: TenantSession) -> int:
    with pytest.raises(AccountLockedError) as locked:
        await lockout(session).check("client:a@example.com")
    assert locked.value.headers == {"Retry-After": str(locked.value.seconds)}
    return locked.value.seconds


async def test_the_first_failures_are_free_and_then_a_lock_begins(session: TenantSession) -> None:
    with clock.at(NOON):
        assert await fail(session, 2) == [False, False]
        await lockout(session).check("client:a@example.com")
        assert await fail(session, 1) == [True]
        assert await wait_of(session) == 10
        await lockout(session).check("client:b@example.com")


async def test_the_wait_doubles_up_to_a_limit_and_the_lock_begins_once(session: TenantSession) -> None:
    now, waits, began = NOON, [], []
    for _ in range(8):
        with clock.at(now):
            began += await fail(session, 1)
            if len(began) >= 3:
                waits.append(await wait_of(session))
                now += timedelta(seconds=waits[-1])
    assert waits == [10, 20, 40, 60, 60, 60]
    assert began.count(True) == 1


async def test_a_success_forgets_the_failures(session: TenantSession) -> None:
    with clock.at(NOON):
        await fail(session, 2)
        await lockout(session).succeeded("client:a@example.com")
        assert await fail(session, 2) == [False, False]


async def test_a_success_during_a_lock_is_none_and_a_failure_is_not_counted(session: TenantSession) -> None:
    with clock.at(NOON):
        await fail(session, 3)
        with pytest.raises(AccountLockedError):
            await lockout(session).succeeded("client:a@example.com")
        with pytest.raises(AccountLockedError):
            await lockout(session).failed("client:a@example.com")
        assert await wait_of(session) == 10


async def test_failures_of_long_ago_are_forgotten_and_thrown_away(session: TenantSession) -> None:
    with clock.at(NOON):
        await fail(session, 2)
        await lockout(session).failed("client:b@example.com")
    with clock.at(NOON + timedelta(hours=25)):
        assert await fail(session, 1) == [False]
        await lockout(session).check("client:a@example.com")
        assert await session.scalar(select(func.count()).select_from(SignInAttempt)) == 1


async def test_a_lock_stands_when_keys_rotate(session: TenantSession) -> None:
    rotated = TokenSigner({"two": "b" * 32, "one": "a" * 32})
    with clock.at(NOON):
        await fail(session, 2)
        assert await lockout(session, rotated).failed("client:a@example.com")
        with pytest.raises(AccountLockedError):
            await lockout(session, rotated).check("client:a@example.com")
        await lockout(session, rotated).clear("client:a@example.com")
        await lockout(session, rotated).check("client:a@example.com")


async def test_no_address_is_stored(session: TenantSession) -> None:
    await fail(session, 1)
    assert await session.scalar(select(SignInAttempt.subject)) == SIGNER.digest("client:a@example.com")


async def test_parallel_failures_are_all_counted(runtime: Runtime, practice: TenantContext) -> None:
    async def one() -> str:
        async with runtime.database.tenant(practice) as session:
            try:
                return "began" if await lockout(session).failed("client:a@example.com") else "counted"
            except AccountLockedError:
                return "refused"

    answers = await asyncio.gather(*(one() for _ in range(10)))
    assert sorted(answers) == ["began", *["counted"] * 2, *["refused"] * 7]


async def test_a_success_waits_for_the_failure_before_it(runtime: Runtime, practice: TenantContext) -> None:
    async with runtime.database.tenant(practice) as session:
        await fail(session, 2)

    async def succeed() -> None:
        async with runtime.database.tenant(practice) as session:
            await lockout(session).succeeded("client:a@example.com")

    async with runtime.database.tenant(practice) as session:
        await session.execute(update(SignInAttempt).values(locked_until=clock.now() + timedelta(seconds=30)))
        racing = asyncio.create_task(succeed())
        await asyncio.sleep(0.2)
        assert not racing.done()
    with pytest.raises(AccountLockedError):
        await racing
