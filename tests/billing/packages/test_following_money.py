"""Sessions and their money: what is paid back, and what can't be used any more when the money is gone."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from billing.checkout.schemas import PaymentRead
from billing.disputes.service import apply_disputes_seen
from billing.packages.errors import PackageNotRefundableError
from billing.packages.ledger import SYSTEM, Balance
from billing.packages.models import PackagePurchase, PurchaseStatus
from billing.packages.services.credits import use_credit
from billing.packages.services.giving_back import give_back_package
from billing.packages.services.purchases import adjust_credits
from billing.payments.service import get_payment
from billing.providers.port import DisputeSeen, DisputeState
from billing.refunds.service import request_refund
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.pricing import Means
from tests.support.checkout import Desk
from tests.support.packages import buy, left, pay, purchase_of
from todoenbalance.kit import clock

WITH_PACKAGE = Means(use_package=True)


async def book(desk: Desk, count: int) -> list[Appointment]:
    """So many appointments, each with a session."""
    return [await desk.book(means=WITH_PACKAGE) for _ in range(count)]


async def attend(desk: Desk, *rows: Appointment) -> None:
    """They take place."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        for row in rows:
            assert await use_credit(session, row.id, SYSTEM, cause="took_place")


async def adjust(desk: Desk, bought: PackagePurchase, change: int) -> None:
    """Staff give sessions on top, or take some away."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        await adjust_credits(session, bought.id, change, SYSTEM, reason="por las molestias")


async def test_sessions_that_staff_gave_are_not_paid_back_as_money(desk: Desk) -> None:
    bought = await buy(desk)
    payment = await pay(desk, bought)
    await attend(desk, *await book(desk, 5))
    await adjust(desk, bought, 5)
    with pytest.raises(PackageNotRefundableError):
        async with desk.runtime.database.tenant(desk.practice) as session:
            await give_back_package(session, bought.id, SYSTEM)
    await desk.run()
    assert (await desk.payment(payment.id)).refunded_minor == 0
    assert await left(desk, bought) == Balance(5, 0)


@pytest.mark.parametrize(
    ("used", "reserved", "given", "back"),
    [(2, 1, 5, 8000), (0, 0, 5, 20_000), (3, 0, 0, 8000), (2, 0, -1, 8000), (4, 1, 3, None)],
)
async def test_paid_back_is_what_was_bought_and_is_neither_used_nor_booked(
    desk: Desk, used: int, reserved: int, given: int, back: int | None
) -> None:
    bought = await buy(desk)
    await pay(desk, bought)
    rows = await book(desk, used + reserved)
    await attend(desk, *rows[:used])
    await adjust(desk, bought, given)
    async with desk.runtime.database.tenant(desk.practice) as session:
        if back is None:
            with pytest.raises(PackageNotRefundableError):
                await give_back_package(session, bought.id, SYSTEM)
            return
        _row, money = await give_back_package(session, bought.id, SYSTEM)
    assert money.amount == back
    await desk.run()
    assert await left(desk, bought) == Balance(0, reserved)


async def test_what_ran_out_is_not_paid_back_by_what_staff_gave_afterwards(desk: Desk) -> None:
    bought = await buy(desk, validity_days=30)
    await pay(desk, bought)
    with clock.at(clock.now() + timedelta(days=31)):
        await desk.run()
        assert await left(desk, bought) == Balance(0, 0)
        await adjust(desk, bought, 5)
        with pytest.raises(PackageNotRefundableError):
            async with desk.runtime.database.tenant(desk.practice) as session:
                await give_back_package(session, bought.id, SYSTEM)


async def refund(desk: Desk, payment: PaymentRead, amount_minor: int | None = None) -> None:
    """Staff give its money back."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        await request_refund(session, payment.id, amount_minor)
    await desk.run()


async def lose_dispute(desk: Desk, payment: PaymentRead) -> None:
    """The client's bank takes its money back."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        row = await get_payment(session, payment.id, for_update=True)
        lost = DisputeSeen("dp_1", row.captured_minor, row.currency, DisputeState.LOST, "general", "lost", clock.now())
        await apply_disputes_seen(session, row, "sandbox", [lost])
    await desk.run()


async def cancel(desk: Desk, *rows: Appointment) -> None:
    """The client gives them up, in time."""
    for row in rows:
        await desk.cancel(row)
    await desk.run()


@pytest.mark.parametrize("take_back", [refund, lose_dispute])
@pytest.mark.parametrize("booked", [1, 5])
async def test_sessions_that_come_back_after_their_money_did_are_gone(
    desk: Desk, take_back: Callable[[Desk, PaymentRead], Awaitable[None]], booked: int
) -> None:
    bought = await buy(desk)
    payment = await pay(desk, bought)
    rows = await book(desk, booked)
    await take_back(desk, payment)
    assert (await desk.payment(payment.id)).refunded_minor == 20_000
    assert await left(desk, bought) == Balance(0, booked)  # what is booked stays booked
    await cancel(desk, *rows)
    assert await left(desk, bought) == Balance(0, 0)
    assert (await purchase_of(desk.runtime, desk.practice, bought.id)).status == PurchaseStatus.REVOKED


async def test_of_sessions_that_come_back_those_stay_that_are_still_paid_for(desk: Desk) -> None:
    bought = await buy(desk)
    payment = await pay(desk, bought)
    rows = await book(desk, 5)
    await refund(desk, payment, 8000)  # two of five
    await cancel(desk, rows[0])
    assert await left(desk, bought) == Balance(0, 4)
    await cancel(desk, *rows[1:])
    assert await left(desk, bought) == Balance(3, 0)


async def test_what_was_given_back_as_unused_is_not_revoked_again_with_what_comes_back(desk: Desk) -> None:
    bought = await buy(desk)
    await pay(desk, bought)
    rows = await book(desk, 2)
    async with desk.runtime.database.tenant(desk.practice) as session:
        await give_back_package(session, bought.id, SYSTEM)
    await desk.run()
    await cancel(desk, *rows)
    assert await left(desk, bought) == Balance(2, 0)


async def test_what_staff_give_after_the_money_went_back_is_the_clients_to_keep(desk: Desk) -> None:
    bought = await buy(desk)
    payment = await pay(desk, bought)
    rows = await book(desk, 5)
    await attend(desk, *rows[:3])
    await refund(desk, payment)
    await adjust(desk, bought, 2)
    given = await book(desk, 1)
    await cancel(desk, *given)
    assert await left(desk, bought) == Balance(2, 2)
    await cancel(desk, *rows[3:])
    assert await left(desk, bought) == Balance(2, 0)
