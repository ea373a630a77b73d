"""Sessions and their money: what is paid back, and what can't be used any more when the money is gone."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from billing.checkout.schemas import PaymentRead
from billing.disputes.service import apply_disputes_seen
from billing.packages.errors import NoCreditLeftError, PackageNotRefundableError
from billing.packages.events import PAYABLE_KIND
from billing.packages.ledger import SYSTEM, Balance
from billing.packages.models import PackagePurchase, PurchaseStatus
from billing.packages.services.credits import GRACE, use_credit
from billing.packages.services.giving_back import give_back_package
from billing.packages.services.purchases import adjust_credits
from billing.packages.services.selling import sell_at_desk
from billing.payments.receipts import ReceiptKind, record_offline_receipt, undo_offline_receipt
from billing.payments.service import get_payment, lock_payments_of_payable
from billing.providers.port import DisputeSeen, DisputeState, RefundResult, RefundState
from billing.refunds.service import request_refund, settle_row
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.pricing import Means
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.conftest import HttpFactory
from tests.support.checkout import Desk
from tests.support.packages import buy, left, lines_of, make_package, pay, purchase_of
from tests.support.practices import make_staff_member
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


class TestReceipts:
    """Packages sold at the desk, whose receipts are undone and recorded again."""

    @pytest.fixture
    async def sold(self, desk: Desk) -> PackagePurchase:
        """One that was paid in cash."""
        package = await make_package(desk.runtime, desk.practice)
        client_id = desk.client.id
        async with desk.runtime.database.tenant(desk.practice) as session:
            sold = await sell_at_desk(session, desk.runtime.settings, client_id, package.id, ReceiptKind.CASH)
        await desk.run()
        return sold

    async def payment_id(self, desk: Desk, sold: PackagePurchase) -> UUID:
        async with desk.runtime.database.tenant(desk.practice) as session:
            (payment,) = await lock_payments_of_payable(session, PAYABLE_KIND, sold.id)
            return payment.id

    async def undo(self, desk: Desk, sold: PackagePurchase) -> None:
        payment_id = await self.payment_id(desk, sold)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await undo_offline_receipt(session, payment_id)
        await desk.run()

    async def record(self, desk: Desk, sold: PackagePurchase, amount_minor: int | None = None) -> None:
        payment_id = await self.payment_id(desk, sold)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await record_offline_receipt(session, payment_id, ReceiptKind.CASH, amount_minor)
        await desk.run()

    async def unpaid(self, desk: Desk) -> list[int]:
        """How many sessions that nobody paid for the audit trail tells of."""
        async with desk.runtime.database.tenant(desk.practice) as session:
            statement = select(StaffAuditEntry.detail).where(StaffAuditEntry.action == "package.sessions_unpaid")
            return [detail["sessions"] for detail in await session.scalars(statement)]

    async def test_reception_sells_no_package_for_nothing(self, desk: Desk, http: HttpFactory) -> None:
        package = await make_package(desk.runtime, desk.practice)
        staff = await make_staff_member(desk.runtime, desk.practice, StaffRole.RECEPTION)
        reception = http(desk.practice, headers=staff.headers)
        sale = {"client_id": str(desk.client.id), "package_id": str(package.id), "receipt": "cash"}
        sold = (await reception.post("/api/v1/admin/package-purchases", json=sale)).json()
        payment_id = (await reception.get("/api/v1/admin/payments")).json()["items"][0]["id"]
        undone = await reception.post(f"/api/v1/admin/payments/{payment_id}/receipt/undo")
        assert undone.status_code == 200, undone.text
        await desk.run()
        bought = await purchase_of(desk.runtime, desk.practice, UUID(sold["id"]))
        assert (await left(desk, bought), bought.status) == (Balance(0, 0), PurchaseStatus.REVOKED)
        with pytest.raises(NoCreditLeftError):
            await book(desk, 1)
        assert await self.unpaid(desk) == []

    async def test_recorded_again_its_sessions_are_there_again_however_often(
        self, desk: Desk, sold: PackagePurchase
    ) -> None:
        for _ in range(2):
            await self.undo(desk, sold)
            assert await left(desk, sold) == Balance(0, 0)
            await self.record(desk, sold)
            assert await left(desk, sold) == Balance(5, 0)
            assert (await purchase_of(desk.runtime, desk.practice, sold.id)).status == PurchaseStatus.ACTIVE
        async with desk.runtime.database.tenant(desk.practice) as session:
            await give_back_package(session, sold.id, SYSTEM)  # and it is worth its price
        assert await left(desk, sold) == Balance(0, 0)

    async def test_undone_and_recorded_before_anybody_looked_changes_nothing(
        self, desk: Desk, sold: PackagePurchase
    ) -> None:
        payment_id = await self.payment_id(desk, sold)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await undo_offline_receipt(session, payment_id)
            await record_offline_receipt(session, payment_id, ReceiptKind.CARD)
        await desk.run()
        assert await lines_of(desk.runtime, desk.practice, sold.id) == [("granted", 5)]

    async def test_what_is_used_stays_so_and_what_is_booked_goes_when_it_comes_back(
        self, desk: Desk, sold: PackagePurchase
    ) -> None:
        rows = await book(desk, 3)
        await attend(desk, rows[0])
        await self.undo(desk, sold)
        assert await left(desk, sold) == Balance(0, 2)
        assert await self.unpaid(desk) == [3]
        await cancel(desk, rows[1])
        assert await left(desk, sold) == Balance(0, 1)
        await self.record(desk, sold)
        assert await left(desk, sold) == Balance(3, 1)  # exactly what was revoked
        await cancel(desk, rows[2])
        assert await left(desk, sold) == Balance(4, 0)

    async def test_a_part_of_the_money_brings_back_what_it_pays_for(self, desk: Desk, sold: PackagePurchase) -> None:
        await attend(desk, *await book(desk, 1))
        await self.undo(desk, sold)
        await self.record(desk, sold, 12_000)  # three sessions, one of them used
        assert await left(desk, sold) == Balance(2, 0)
        await self.record(desk, sold)
        assert await left(desk, sold) == Balance(4, 0)

    async def test_what_went_back_meanwhile_does_not_come_again(self, desk: Desk, sold: PackagePurchase) -> None:
        await self.undo(desk, sold)
        await self.record(desk, sold, 10_000)
        await self.record(desk, sold)
        payment_id = await self.payment_id(desk, sold)
        async with desk.runtime.database.tenant(desk.practice) as session:
            promised = await request_refund(session, payment_id, 10_000)
            row = await get_payment(session, payment_id, for_update=True)
            await settle_row(session, row, promised, RefundResult(RefundState.SUCCEEDED, "by_hand", "done"))
        await desk.run()
        assert await left(desk, sold) == Balance(3, 0)
        await self.undo(desk, sold)
        assert await left(desk, sold) == Balance(0, 0)

    async def test_granted_again_after_its_end_it_is_valid_for_a_while(self, desk: Desk) -> None:
        package = await make_package(desk.runtime, desk.practice, validity_days=30)
        async with desk.runtime.database.tenant(desk.practice) as session:
            sold = await sell_at_desk(session, desk.runtime.settings, desk.client.id, package.id, ReceiptKind.CASH)
        await self.undo(desk, sold)
        with clock.at(clock.now() + timedelta(days=31)):
            await self.record(desk, sold)
            again = await purchase_of(desk.runtime, desk.practice, sold.id)
            assert (again.status, again.expires_at) == (PurchaseStatus.ACTIVE, clock.now() + GRACE)
            assert await left(desk, sold) == Balance(5, 0)
