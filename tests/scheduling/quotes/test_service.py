"""What is quoted is what is charged; a first visit is free once; balances are what is left."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from billing.checkout.errors import AppointmentNotPayableError
from billing.checkout.schemas import Purpose
from billing.discounts.errors import DiscountNotUsableError
from billing.payments.models import PaymentStatus
from billing.payments.receipts import ReceiptKind
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.balances import Standing, find_standing
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.confirming import expire_hold
from scheduling.appointments.services.means import release_means_of_lapsed
from scheduling.appointments.services.pricing import NO_MEANS, Means
from scheduling.catalogue.models import Service
from scheduling.checkout.balance_payable import record_at_desk
from scheduling.checkout.credit import pay_with_credit
from scheduling.quotes.service import Asked, quote_booking
from tests.support.checkout import Desk, make_desk
from tests.support.packages import balance, give, make_code
from tests.support.practices import make_client, make_practice
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    """A fresh practice that can be booked and paid."""
    return await make_desk(runtime, practice)


async def set_service(desk: Desk, **values: Any) -> None:
    """Change the service."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        await session.execute(update(Service).where(Service.id == desk.service_id).values(**values))


async def standing(desk: Desk, row: Appointment) -> Standing:
    """How the appointment's money stands."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await find_standing(session, await session.get_one(Appointment, row.id))


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
@pytest.mark.parametrize(
    ("price", "deposit", "means"),
    [
        (4500, None, NO_MEANS),
        (4500, 1000, NO_MEANS),
        (4500, None, Means(code="diez")),
        (4500, 1000, Means(code="diez")),
        (4500, 4200, Means(code="diez")),
        (4501, 1000, Means(code="fijo")),
        (900, None, Means(code="fijo")),
        (4500, 1000, Means(use_package=True)),
    ],
)
async def test_what_is_quoted_is_what_is_charged(
    runtime: Runtime, currency: str, price: int, deposit: int | None, means: Means
) -> None:
    desk = await make_desk(runtime, await make_practice(runtime, currency=currency))
    await set_service(desk, price_minor=price, deposit_minor=deposit)
    await make_code(runtime, desk.practice, "DIEZ")
    await make_code(runtime, desk.practice, "FIJO", amount=MoneySchema.of(1000, currency))
    await give(runtime, desk.practice, desk.client.id)
    asked = Asked(desk.service_id, desk.practitioner_id, desk.opens_at, means)
    async with runtime.database.tenant(desk.practice) as session:
        answer = await quote_booking(session, desk.client.id, asked)
    assert answer.problem is None
    row = await desk.book(means=means)
    assert (row.discount_minor, row.amount_due_minor) == (answer.price.discount_minor, answer.price.due_minor)
    assert row.package_purchase_id == answer.price.package_purchase_id
    money = await standing(desk, row)
    assert money.balance == answer.price.cost_minor
    assert answer.price.due_minor + answer.price.later_minor == answer.price.cost_minor


async def test_a_code_that_does_not_serve_is_said_and_the_price_is_the_usual(desk: Desk) -> None:
    async with desk.runtime.database.tenant(desk.practice) as session:
        asked = Asked(desk.service_id, means=Means(code="NADA"))
        answer = await quote_booking(session, desk.client.id, asked)
    assert isinstance(answer.problem, DiscountNotUsableError)
    assert (answer.price.listed_minor, answer.price.due_minor) == (4500, 4500)
    with pytest.raises(DiscountNotUsableError):
        await desk.book(means=Means(code="NADA"))


async def test_a_hold_that_runs_out_lets_its_code_go(desk: Desk) -> None:
    await make_code(desk.runtime, desk.practice, "UNA", total_limit=1)
    row = await desk.book(means=Means(code="UNA"))
    with pytest.raises(DiscountNotUsableError):
        await desk.book(means=Means(code="UNA"))
    await desk.expire(row)
    await desk.run()
    assert (await desk.book(means=Means(code="UNA"))).discount_minor == 450


async def test_late_money_whose_discount_is_somebody_elses_goes_back(desk: Desk) -> None:
    await make_code(desk.runtime, desk.practice, "UNA", total_limit=1)
    row = await desk.book(means=Means(code="UNA"))
    payment = await desk.pay(row, forced=True)
    await desk.let_hold_lapse(row)
    async with desk.runtime.database.tenant(desk.practice) as session:
        await expire_hold(session, row.id)
        await release_means_of_lapsed(session, row.id)
    await desk.book(await make_client(desk.runtime, desk.practice), means=Means(code="UNA"))
    await desk.confirm(payment)
    assert (await desk.appointment(row.id)).status == AppointmentStatus.EXPIRED
    assert [one.cause for one in await desk.refunds(payment.id)] == ["late_slot_taken"]


class TestFirstVisit:
    @pytest.fixture(autouse=True)
    async def _free(self, desk: Desk) -> None:
        await set_service(desk, free_first_visit=True)

    async def test_parallel_bookings_give_one(self, desk: Desk) -> None:
        rows = await asyncio.gather(*(desk.book() for _ in range(8)))
        assert sorted(row.free_first_visit for row in rows) == [False] * 7 + [True]
        free = next(row for row in rows if row.free_first_visit)
        assert (free.status, free.amount_due_minor, free.discount_minor) == (AppointmentStatus.CONFIRMED, 0, 4500)

    async def test_who_cancelled_theirs_may_have_it_again(self, desk: Desk) -> None:
        first = await desk.book()
        await desk.cancel(first)
        assert (await desk.book()).free_first_visit
        assert not (await desk.book()).free_first_visit

    async def test_no_session_of_a_package_is_spent_on_it(self, desk: Desk) -> None:
        bought = await give(desk.runtime, desk.practice, desk.client.id)
        assert (await desk.book(means=Means(use_package=True))).package_purchase_id is None
        assert (await balance(desk.runtime, desk.practice, bought.id)).available == 5


class TestBalances:
    @pytest.fixture(autouse=True)
    async def _deposit(self, desk: Desk) -> None:
        await set_service(desk, deposit_minor=1000)

    async def with_deposit(self, desk: Desk) -> Appointment:
        """Booked, its deposit paid by card."""
        row = await desk.book()
        await desk.confirm(await desk.pay(row))
        return row

    async def pay_rest(self, desk: Desk, row: Appointment) -> Any:
        """Online."""
        payment = await desk.start(row, purpose=Purpose.BALANCE)
        assert await desk.decide(payment) is None
        return await desk.confirm(payment)

    async def test_the_rest_is_paid_online_and_then_nothing_is_left(self, desk: Desk) -> None:
        row = await self.with_deposit(desk)
        assert await standing(desk, row) == Standing(1000, 3500)
        paid = await self.pay_rest(desk, row)
        assert paid.amount.amount == 3500
        assert await standing(desk, row) == Standing(4500, 0)
        with pytest.raises(AppointmentNotPayableError):
            await desk.start(row, purpose=Purpose.BALANCE)

    async def test_the_desk_takes_it_in_parts_and_no_more_than_is_owed(self, desk: Desk) -> None:
        row = await self.with_deposit(desk)
        settings = desk.runtime.settings
        async with desk.runtime.database.tenant(desk.practice) as session:
            await record_at_desk(session, settings, row.id, ReceiptKind.CASH, 500)
        async with desk.runtime.database.tenant(desk.practice) as session:
            with pytest.raises(InvalidInputError):
                await record_at_desk(session, settings, row.id, ReceiptKind.CASH, 3001)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await record_at_desk(session, settings, row.id, ReceiptKind.CARD)
        await desk.run()
        assert await standing(desk, row) == Standing(4500, 0)

    async def test_what_was_paid_too_much_goes_back(self, desk: Desk) -> None:
        row = await self.with_deposit(desk)
        payment = await desk.start(row, purpose=Purpose.BALANCE)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await record_at_desk(session, desk.runtime.settings, row.id, ReceiptKind.CASH, 500)
        assert await desk.decide(payment) is None
        await desk.confirm(payment)
        assert [(one.amount_minor, one.cause) for one in await desk.refunds(payment.id)] == [(500, "paid_twice")]
        await desk.run()
        assert await standing(desk, row) == Standing(4500, 0)

    @pytest.mark.parametrize(("percent", "of_rest", "of_deposit"), [(100, 3500, 1000), (50, 2250, 0), (90, 3500, 550)])
    async def test_cancelling_gives_back_from_the_newest_first(
        self, desk: Desk, percent: int, of_rest: int, of_deposit: int
    ) -> None:
        await set_service(desk, refund_tiers=[{"hours_before": 0, "percent": percent}])
        row = await desk.book()
        deposit = await desk.pay(row)
        await desk.confirm(deposit)
        rest = await self.pay_rest(desk, row)
        async with desk.runtime.database.tenant(desk.practice) as session:
            actor = Actor.client(row.client_id)
            done = await cancel_appointment(session, row.id, actor=actor, client_id=row.client_id)
        assert done.refund is not None
        assert done.refund.amount == of_rest + of_deposit
        await desk.run()
        for payment, amount in ((rest, of_rest), (deposit, of_deposit)):
            assert sum(one.amount_minor for one in await desk.refunds(payment.id)) == amount
            if amount == payment.amount.amount:
                assert (await desk.payment(payment.id)).status == PaymentStatus.REFUNDED

    async def test_a_session_pays_for_what_waits_for_its_deposit_and_late_money_goes_back(self, desk: Desk) -> None:
        bought = await give(desk.runtime, desk.practice, desk.client.id)
        row = await desk.book()
        payment = await desk.pay(row)
        async with desk.runtime.database.tenant(desk.practice) as session:
            for _ in range(2):
                await pay_with_credit(session, row.id, actor=Actor.client(row.client_id), client_id=row.client_id)
        assert (await desk.appointment(row.id)).status == AppointmentStatus.CONFIRMED
        await desk.confirm(payment)
        assert [one.cause for one in await desk.refunds(payment.id)] == ["paid_twice"]
        assert (await balance(desk.runtime, desk.practice, bought.id)).reserved == 1
        assert (await standing(desk, row)).balance == 0
