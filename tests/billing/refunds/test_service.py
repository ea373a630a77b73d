"""Refunds: promised under the lock, done once, given back when they fail."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from billing.checkout.schemas import PaymentRead
from billing.payments.models import PaymentStatus, Refund, RefundStatus, SandboxOrder
from billing.providers.port import OutcomeUnknownError, RefundOrder, RefundResult
from billing.providers.sandbox import SandboxProvider
from billing.refunds import service
from billing.refunds.errors import PaymentNotRefundableError, RefundExceedsPaymentError
from tests.support.checkout import PRICE, Desk, appointment_of
from tests.support.events import queued
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money


async def paid(desk: Desk) -> PaymentRead:
    payment = await desk.pay(await desk.book())
    return await desk.confirm(payment)


async def ask(desk: Desk, payment: PaymentRead, amount_minor: int | None = None) -> Refund:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await service.request_refund(session, payment.id, amount_minor)


class TestRequest:
    async def test_counts_against_the_payment_at_once_and_is_no_money_yet(self, desk: Desk) -> None:
        payment = await paid(desk)
        await ask(desk, payment, 1000)
        row = await desk.payment(payment.id)
        assert (row.refund_pending_minor, row.refunded_minor, row.status) == (1000, 0, PaymentStatus.SUCCEEDED)

    async def test_more_than_is_left_is_refused(self, desk: Desk) -> None:
        payment = await paid(desk)
        await ask(desk, payment, 4000)
        with pytest.raises(RefundExceedsPaymentError, match="5,00"):
            await ask(desk, payment, 501)
        await ask(desk, payment, 500)

    async def test_without_an_amount_all_that_is_left_goes_back(self, desk: Desk) -> None:
        payment = await paid(desk)
        await ask(desk, payment, 4000)
        assert (await ask(desk, payment)).amount_minor == 500
        with pytest.raises(PaymentNotRefundableError):
            await ask(desk, payment)

    async def test_an_unpaid_payment_has_nothing_to_give_back(self, desk: Desk) -> None:
        payment = await desk.start(await desk.book())
        with pytest.raises(PaymentNotRefundableError):
            await ask(desk, payment)
        with pytest.raises(NotFoundError):
            async with desk.runtime.database.tenant(desk.practice) as session:
                await service.request_refund(session, new_id())

    async def test_refunds_that_meet_never_exceed_what_was_received(self, desk: Desk) -> None:
        payment = await paid(desk)
        results = await asyncio.gather(*(ask(desk, payment, 2000) for _ in range(5)), return_exceptions=True)
        assert len([result for result in results if isinstance(result, Refund)]) == 2
        await desk.run()
        row = await desk.payment(payment.id)
        assert (row.refunded_minor, row.refund_pending_minor) == (4000, 0)
        assert (await desk.order_of(payment)).refunded_minor == 4000

    async def test_of_a_payable_gives_back_what_is_left_of_all_its_payments(self, desk: Desk) -> None:
        payment = await paid(desk)
        await ask(desk, payment, 1000)

        async def ask_all(session: TenantSession) -> list[Refund]:
            return await service.request_refunds_for_payable(
                session,
                "appointment",
                appointment_of(payment),
                cause="cancellation",
                requested_by_kind="system",
                requested_by_id=None,
            )

        async with desk.runtime.database.tenant(desk.practice) as session:
            assert [refund.amount_minor for refund in await ask_all(session)] == [3500]
            assert await ask_all(session) == []


class TestExecute:
    async def test_part_by_part_until_all_is_back(self, desk: Desk) -> None:
        payment = await paid(desk)
        await ask(desk, payment, 1000)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.PARTIALLY_REFUNDED
        await ask(desk, payment)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.REFUNDED
        assert await desk.ledger(payment.id) == [("capture", PRICE), ("refund", -1000), ("refund", -3500)]

    async def test_run_twice_or_at_once_gives_back_once(self, desk: Desk) -> None:
        payment = await paid(desk)
        refund = await ask(desk, payment, 1000)
        runs = (service.execute_refund(desk.runtime, desk.practice, refund.id) for _ in range(3))
        assert {done.status for done in await asyncio.gather(*runs)} == {RefundStatus.SUCCEEDED}
        assert await desk.ledger(payment.id) == [("capture", PRICE), ("refund", -1000)]
        assert (await desk.order_of(payment)).refunded_minor == 1000

    async def test_a_crash_after_the_provider_gave_back_is_made_good(self, desk: Desk) -> None:
        payment = await paid(desk)
        refund = await ask(desk, payment, 1000)
        provider = SandboxProvider(desk.runtime, desk.practice)
        order = await desk.order_of(payment)
        await provider.refund(  # and then the process died
            RefundOrder(refund.id, order.id, None, Money(1000, "EUR"), "staff", f"refund:{refund.id}")
        )
        await desk.run()
        assert (await desk.payment(payment.id)).refunded_minor == 1000
        assert (await desk.order_of(payment)).refunded_minor == 1000

    async def test_a_refused_refund_gives_its_amount_back(self, desk: Desk) -> None:
        payment = await paid(desk)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await session.execute(update(SandboxOrder).values(refunded_minor=PRICE))  # given back at the provider
        refund = await ask(desk, payment, 1000)
        await desk.run()
        (row,) = await desk.refunds(payment.id)
        assert (row.id, row.status, row.failure_code) == (refund.id, RefundStatus.FAILED, "refund_exceeds_order")
        now = await desk.payment(payment.id)
        assert (now.refund_pending_minor, now.refunded_minor, now.status) == (0, 0, PaymentStatus.SUCCEEDED)
        assert await desk.ledger(payment.id) == [("capture", PRICE)]

    async def test_a_silent_provider_is_asked_again_later(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        payment = await paid(desk)
        refund = await ask(desk, payment, 1000)

        async def silent(*_: object, **__: object) -> RefundResult:
            raise OutcomeUnknownError("timeout")

        with monkeypatch.context() as patch:
            patch.setattr(SandboxProvider, "refund", silent)  # the network, as far as we can see it
            await desk.run()
        (row,) = await desk.refunds(payment.id)
        assert row.status == RefundStatus.PENDING
        (waiting,) = [
            e for e in await queued(desk.runtime, desk.practice) if e.payload == {"refund_id": str(refund.id)}
        ]
        assert waiting.last_error == "timeout"
        with clock.at(clock.now() + timedelta(minutes=1)):
            await desk.run()
        assert (await desk.payment(payment.id)).refunded_minor == 1000

    async def test_tells_that_it_is_settled(self, desk: Desk) -> None:
        payment = await paid(desk)
        refund = await ask(desk, payment, 1000)
        await service.execute_refund(desk.runtime, desk.practice, refund.id)
        told = [e.payload for e in await queued(desk.runtime, desk.practice) if e.topic == "refund.settled"]
        assert told == [{"refund_id": str(refund.id)}]
        assert UUID(told[0]["refund_id"]) == refund.id
