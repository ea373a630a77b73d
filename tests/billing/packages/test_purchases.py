"""Packages bought, paid, given back; refunds that fail and are tried again."""

import asyncio
import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.packages.errors import PackageNotPayableError
from billing.packages.ledger import SYSTEM, Balance
from billing.packages.models import PurchaseStatus
from billing.packages.services.credits import reserve_credit
from billing.packages.services.giving_back import give_back_package, worth_minor
from billing.packages.services.purchases import buy_package, lapse_purchase
from billing.packages.services.selling import sell_at_desk
from billing.payments.models import Refund
from billing.payments.receipts import ReceiptKind
from billing.payments.service import get_payment
from billing.providers.port import RefundResult, RefundState
from billing.refunds.errors import RefundNotFailedError
from billing.refunds.service import get_refund, request_refund, retry_refund, settle_row
from tests.support.checkout import Desk
from tests.support.packages import buy, left, lines_of, make_code, make_package, pay, purchase_of, start
from tests.support.practices import make_client
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import MoneySchema


async def test_its_sessions_are_granted_once_however_often_its_money_is_heard_of(desk: Desk) -> None:
    bought = await buy(desk, validity_days=90)
    assert await left(desk, bought) == Balance()
    payment = await start(desk, bought)
    assert await desk.decide(payment) is None
    await asyncio.gather(*(desk.confirm(payment) for _ in range(5)))
    await desk.run()
    assert await lines_of(desk.runtime, desk.practice, bought.id) == [("granted", 5)]
    row = await purchase_of(desk.runtime, desk.practice, bought.id)
    assert row.status == PurchaseStatus.ACTIVE
    assert row.granted_at is not None
    assert row.expires_at is not None
    assert (row.expires_at - row.granted_at).days == 90
    with pytest.raises(PackageNotPayableError):
        await start(desk, bought)


async def test_beginning_again_goes_on_with_what_was_begun(desk: Desk) -> None:
    package = await make_package(desk.runtime, desk.practice)
    ids = set()
    for _ in range(2):
        async with desk.runtime.database.tenant(desk.practice) as session:
            ids.add((await buy_package(session, desk.client.id, package.id)).id)
    assert len(ids) == 1


async def test_nobody_else_pays_for_it_or_sees_it(desk: Desk) -> None:
    bought = await buy(desk)
    other = await make_client(desk.runtime, desk.practice)
    with pytest.raises(NotFoundError):
        await start(desk, bought, other.id)


async def test_a_code_lowers_its_price_until_it_is_not_paid_in_time(desk: Desk) -> None:
    await make_code(desk.runtime, desk.practice, "BONO10", for_packages=True, total_limit=1)
    bought = await buy(desk, "bono10")
    assert (bought.price_minor, bought.discount_minor) == (18_000, 2000)
    assert bought.pays_until is not None
    with clock.at(bought.pays_until):
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert await lapse_purchase(session, bought.id) is None
        other = await buy(desk, "bono10", name="Otro")
    assert other.discount_minor == 2000
    assert (await purchase_of(desk.runtime, desk.practice, bought.id)).status == PurchaseStatus.LAPSED


async def test_at_the_desk_its_sessions_are_there_with_the_money(desk: Desk) -> None:
    package = await make_package(desk.runtime, desk.practice)
    client = desk.client.id
    async with desk.runtime.database.tenant(desk.practice) as session:
        sold = await sell_at_desk(session, desk.runtime.settings, client, package.id, ReceiptKind.CASH)
    await desk.run()
    assert await left(desk, sold) == Balance(5, 0)


@pytest.mark.parametrize(("currency_price", "sessions", "used", "back"), [(10_000, 3, 1, 6666), (20_000, 5, 0, 20_000)])
async def test_given_back_it_gives_the_worth_of_what_is_unused(
    desk: Desk, currency_price: int, sessions: int, used: int, back: int
) -> None:
    bought = await buy(desk, price=MoneySchema.of(currency_price, "EUR"), sessions=sessions)
    payment = await pay(desk, bought)
    async with desk.runtime.database.tenant(desk.practice) as session:
        for _ in range(used):
            await reserve_credit(session, bought.client_id, new_id(), new_id(), clock.now(), SYSTEM)
    async with desk.runtime.database.tenant(desk.practice) as session:
        _row, money = await give_back_package(session, bought.id, SYSTEM)
    assert money.amount == back
    await desk.run()
    assert (await desk.payment(payment.id)).refunded_minor == back
    assert await left(desk, bought) == Balance(0, used)


async def test_money_that_went_back_in_another_way_takes_its_sessions_along(desk: Desk) -> None:
    bought = await buy(desk)
    payment = await pay(desk, bought)
    async with desk.runtime.database.tenant(desk.practice) as session:
        await request_refund(session, payment.id, 8000)
    await desk.run()
    assert await left(desk, bought) == Balance(3, 0)  # 80 of 200 € are two of five
    async with desk.runtime.database.tenant(desk.practice) as session:
        await request_refund(session, payment.id)
    await desk.run()
    assert await left(desk, bought) == Balance(0, 0)
    assert (await purchase_of(desk.runtime, desk.practice, bought.id)).status == PurchaseStatus.REVOKED


@given(price=st.integers(1, 10**8), sessions=st.integers(1, 500), data=st.data())
def test_its_sessions_together_are_worth_its_price_whatever_the_currency(
    price: int, sessions: int, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, sessions), max_size=5)))
    steps = [0, *cuts, sessions]
    worth = [worth_minor(price, sessions, step) for step in steps]
    assert sum(after - before for before, after in itertools.pairwise(worth)) == price
    assert all(after >= before for before, after in itertools.pairwise(worth))


async def test_a_refund_that_failed_is_tried_again_once(desk: Desk) -> None:
    bought = await buy(desk)
    payment = await pay(desk, bought)
    staff = new_id()
    async with desk.runtime.database.tenant(desk.practice) as session:
        failed = await request_refund(session, payment.id, 5000)
        with pytest.raises(RefundNotFailedError):
            await retry_refund(session, failed.id, staff_id=staff)
        row = await get_payment(session, payment.id, for_update=True)
        await settle_row(
            session, row, failed, RefundResult(RefundState.FAILED, None, "failed", failure_code="expired_card")
        )
        assert row.refund_pending_minor == 0  # it gave its amount back

    async def retry() -> UUID:
        async with desk.runtime.database.tenant(desk.practice) as session:
            return (await retry_refund(session, failed.id, staff_id=staff)).id

    assert len(set(await asyncio.gather(*(retry() for _ in range(5))))) == 1
    await desk.run()
    async with desk.runtime.database.tenant(desk.practice) as session:
        again: Refund = await get_refund(session, await retry())
        assert (again.retry_of_id, again.status, again.amount_minor) == (failed.id, "succeeded", 5000)
    assert (await desk.payment(payment.id)).refunded_minor == 5000
