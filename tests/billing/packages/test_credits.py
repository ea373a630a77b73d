"""The ledger of credits: what each step does to it, and many at once."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from billing.packages.errors import (
    NoCreditLeftError,
    PackageExpiredError,
    PackageNotForServiceError,
    TooFewCreditsError,
)
from billing.packages.ledger import SYSTEM, Balance, By, write_entry
from billing.packages.models import CreditKind, PurchaseStatus
from billing.packages.repository import PackageRepository
from billing.packages.services.credits import (
    GRACE,
    expire_credits,
    list_usable,
    reserve_again,
    reserve_credit,
    restore_credit,
    use_credit,
)
from billing.packages.services.purchases import adjust_credits
from tests.support.packages import balance, check_ledger, give, lines_of, make_package, purchase_of
from tests.support.practices import SignedIn, make_client
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

SERVICE = new_id()


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """Somebody who buys."""
    return await make_client(runtime, practice)


async def reserve(runtime: Runtime, practice: TenantContext, client: SignedIn, used_for: UUID, **more: Any) -> UUID:
    """Book something for tomorrow with a credit, in a transaction of its own; answers of which purchase."""
    wanted = {"service_id": SERVICE, "then": clock.now() + timedelta(days=1), "by": By("client", client.id)} | more
    async with runtime.database.tenant(practice) as session:
        return (await reserve_credit(session, client.id, used_for, **wanted)).id  # type: ignore[arg-type]  # the same


async def test_each_step_moves_a_credit_and_repeating_it_moves_none(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    bought = await give(runtime, practice, client.id)
    one, two = new_id(), new_id()
    for _ in range(2):
        assert await reserve(runtime, practice, client, one) == bought.id
        assert await reserve(runtime, practice, client, two) == bought.id
    assert await balance(runtime, practice, bought.id) == Balance(3, 2)
    async with runtime.database.tenant(practice) as session:
        assert [await use_credit(session, one, SYSTEM, cause="completed") for _ in range(2)] == [True, False]
        assert [await restore_credit(session, two, SYSTEM, cause="cancelled") for _ in range(2)] == [True, False]
        assert not await restore_credit(session, one, SYSTEM, cause="cancelled")
        assert not await use_credit(session, two, SYSTEM, cause="completed")
        assert not await use_credit(session, new_id(), SYSTEM, cause="completed")
        assert await check_ledger(session, bought.id) == Balance(4, 0)
    assert await lines_of(runtime, practice, bought.id) == [
        ("granted", 5),
        ("reserved", 1),
        ("reserved", 1),
        ("used", 1),
        ("restored", 1),
    ]


async def test_twenty_who_want_the_last_credit_get_it_once(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    bought = await give(runtime, practice, client.id, sessions=1)
    results = await asyncio.gather(
        *(
            reserve(runtime, practice, client, new_id(), purchase_id=bought.id if number % 2 else None)
            for number in range(20)
        ),
        return_exceptions=True,
    )
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ProblemError):
            raise result
    assert Counter(type(result) for result in results) == {UUID: 1, NoCreditLeftError: 19}
    async with runtime.database.tenant(practice) as session:
        assert await check_ledger(session, bought.id) == Balance(0, 1)


async def test_what_ends_a_use_ends_it_once_however_many_try(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    bought = await give(runtime, practice, client.id, sessions=3)
    used_for = new_id()
    await reserve(runtime, practice, client, used_for)

    async def end(number: int) -> bool:
        async with runtime.database.tenant(practice) as session:
            act = use_credit if number % 2 else restore_credit
            return await act(session, used_for, SYSTEM, cause="completed")

    assert sum(await asyncio.gather(*(end(number) for number in range(10)))) == 1
    async with runtime.database.tenant(practice) as session:
        assert (await check_ledger(session, bought.id)).reserved == 0


async def test_the_database_itself_refuses_a_balance_below_nothing(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    bought = await give(runtime, practice, client.id, sessions=1)
    with pytest.raises(IntegrityError, match="ck_credit_entries_balances"):
        async with runtime.database.tenant(practice) as session:
            purchase = await PackageRepository(session).find_purchase(bought.id)
            assert purchase is not None
            await write_entry(session, purchase, CreditKind.RESERVED, SYSTEM, cause="booked", count=2)


async def test_the_package_that_runs_out_first_is_used_first(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    forever = await give(runtime, practice, client.id, sessions=2)
    long = await give(runtime, practice, client.id, sessions=2, validity_days=90)
    short = await give(runtime, practice, client.id, sessions=1, validity_days=10)
    for_others = await give(runtime, practice, client.id, sessions=1, validity_days=5, service_ids=[new_id()])
    assert [await reserve(runtime, practice, client, new_id()) for _ in range(5)] == [
        short.id,
        long.id,
        long.id,
        forever.id,
        forever.id,
    ]
    with pytest.raises(NoCreditLeftError):
        await reserve(runtime, practice, client, new_id())
    with pytest.raises(PackageNotForServiceError):
        await reserve(runtime, practice, client, new_id(), purchase_id=for_others.id)


async def test_a_session_has_to_take_place_before_its_package_runs_out(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    bought = await give(runtime, practice, client.id, validity_days=10)
    after = clock.now() + timedelta(days=11)
    async with runtime.database.tenant(practice) as session:
        assert await list_usable(session, client.id, SERVICE, after) == []
    with pytest.raises(PackageExpiredError):
        await reserve(runtime, practice, client, new_id(), then=after, purchase_id=bought.id)
    with clock.at(after), pytest.raises(PackageExpiredError):  # also before a job has noticed
        await reserve(runtime, practice, client, new_id(), purchase_id=bought.id)


async def test_nobody_uses_another_clients_package(runtime: Runtime, practice: TenantContext, client: SignedIn) -> None:
    bought = await give(runtime, practice, client.id)
    other = await make_client(runtime, practice)
    with pytest.raises(NotFoundError):
        await reserve(runtime, practice, other, new_id(), purchase_id=bought.id)
    with pytest.raises(NoCreditLeftError):
        await reserve(runtime, practice, other, new_id())


async def test_what_is_left_goes_when_it_runs_out_and_what_is_booked_stays(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    bought = await give(runtime, practice, client.id, validity_days=10)
    used_for = new_id()
    await reserve(runtime, practice, client, used_for)
    async with runtime.database.tenant(practice) as session:
        assert await expire_credits(session, bought.id) == bought.expires_at
    with clock.at(clock.now() + timedelta(days=11)):
        async with runtime.database.tenant(practice) as session:
            assert await expire_credits(session, bought.id) is None
            assert await check_ledger(session, bought.id) == Balance(0, 1)
        assert (await purchase_of(runtime, practice, bought.id)).status == PurchaseStatus.EXPIRED

        # The practice cancels: the client had booked in time, so the session can be used for a while.
        async with runtime.database.tenant(practice) as session:
            await restore_credit(session, used_for, SYSTEM, cause="cancelled")
        again = await purchase_of(runtime, practice, bought.id)
        assert (again.status, again.expires_at) == (PurchaseStatus.ACTIVE, clock.now() + GRACE)
        assert await reserve(runtime, practice, client, new_id()) == bought.id
    async with runtime.database.tenant(practice) as session:
        assert await check_ledger(session, bought.id) == Balance(0, 1)


async def test_what_stands_after_all_takes_its_credit_again_if_there_is_one(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    bought = await give(runtime, practice, client.id, sessions=1)
    first = new_id()
    await reserve(runtime, practice, client, first)
    async with runtime.database.tenant(practice) as session:
        assert await reserve_again(session, first, SYSTEM)  # it still has it
        await restore_credit(session, first, SYSTEM, cause="hold_expired")
        assert await reserve_again(session, first, SYSTEM)
        await restore_credit(session, first, SYSTEM, cause="hold_expired")
    await reserve(runtime, practice, client, new_id())
    async with runtime.database.tenant(practice) as session:
        assert not await reserve_again(session, first, SYSTEM)
        assert await check_ledger(session, bought.id) == Balance(0, 1)


async def test_staff_give_and_take_no_more_than_there_is(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    bought = await give(runtime, practice, client.id)
    async with runtime.database.tenant(practice) as session:
        await adjust_credits(session, bought.id, 2, SYSTEM, reason="por las molestias")
        await adjust_credits(session, bought.id, -6, SYSTEM, reason="error")
        with pytest.raises(TooFewCreditsError):
            await adjust_credits(session, bought.id, -2, SYSTEM, reason="error")
        assert await check_ledger(session, bought.id) == Balance(1, 0)


async def test_another_practice_has_none_of_it(
    runtime: Runtime, practice: TenantContext, other_practice: TenantContext, client: SignedIn
) -> None:
    await make_package(runtime, other_practice)
    bought = await give(runtime, practice, client.id)
    with pytest.raises(NotFoundError):
        await reserve(runtime, other_practice, client, new_id(), purchase_id=bought.id)
