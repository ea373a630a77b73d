"""Usage: the practice's books, copied once, in whatever order they are told of."""

import random
from collections.abc import Container
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from billing.accounts.models import PaymentAccount
from billing.payments.models import LedgerEntry, Payment
from billing.platform_fees.models import UsageEntry, UsageKind
from billing.platform_fees.service import is_taken_at_source
from billing.platform_fees.usage import closes_at, count_payment, facts_of, month_of, next_month
from billing.refunds.service import request_refund
from tests.support.checkout import Desk, make_desk
from tests.support.events import run_due_events
from tests.support.platform_fees import count_entries, make_plan, put_on_plan, usage_of
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


def payment(method: str = "paypal", amount: int = 4500, fee: int = 67) -> Payment:
    """A payment as it was opened."""
    return Payment(id=new_id(), method=method, amount_minor=amount, platform_fee_minor=fee, currency="EUR")


def line(of: Payment, kind: str, amount: int, refund_id: UUID | None = None) -> LedgerEntry:
    """A line of its ledger."""
    return LedgerEntry(
        id=new_id(),
        payment_id=of.id,
        kind=kind,
        amount_minor=amount,
        currency="EUR",
        refund_id=refund_id,
        created_at=datetime(2026, 11, 3, tzinfo=UTC),
    )


def told(
    of: Payment, lines: list[LedgerEntry], *, is_taken: bool = False, disputed: Container[UUID | None] = ()
) -> list[tuple[str, int]]:
    """What the lines mean, in short."""
    facts = facts_of(of, lines, disputed, is_taken=is_taken)
    return [(str(fact.kind), fact.amount_minor) for fact in facts]


class TestWhatLinesMean:
    def test_a_fee_that_the_provider_hands_on_is_taken_and_goes_back_in_proportion(self) -> None:
        of = payment("stripe")
        lines = [line(of, "capture", 4500), line(of, "refund", -2250), line(of, "refund", -2250)]
        assert told(of, lines, is_taken=True) == [
            ("paid", 4500), ("fee_taken", 67), ("refunded", 2250), ("fee_returned", 33), ("refunded", 2250),
            ("fee_returned", 34),
        ]  # fmt: skip

    def test_any_other_accrues_and_is_taken_back_from_what_accrued(self) -> None:
        of = payment()
        lines = [line(of, "capture", 4500), line(of, "refund", -4500), line(of, "refund_reversed", 4500)]
        assert told(of, lines) == [
            ("paid", 4500), ("fee_accrued", 67), ("refunded", 4500), ("fee_accrued", -67), ("refunded", -4500),
            ("fee_accrued", 67),
        ]  # fmt: skip

    def test_with_a_lost_dispute_no_fee_goes_back(self) -> None:
        of, refund = payment(), new_id()
        lines = [line(of, "capture", 4500), line(of, "refund", -4500, refund)]
        assert told(of, lines, disputed={refund}) == [("paid", 4500), ("fee_accrued", 67), ("disputed", 4500)]

    def test_money_at_the_desk_has_no_fee_and_an_undone_receipt_is_no_payment(self) -> None:
        of = payment("offline", fee=0)
        lines = [line(of, "receipt_cash", 4500), line(of, "receipt_undone", -4500)]
        facts = list(facts_of(of, lines, set(), is_taken=False))
        assert [(fact.amount_minor, fact.quantity) for fact in facts] == [(4500, 1), (-4500, -1)]

    @given(st.data())
    def test_whatever_is_refunded_when_the_fee_follows_to_the_last_cent(self, data: st.DataObject) -> None:
        amount = data.draw(st.integers(1, 10**8))
        of = payment(amount=amount, fee=data.draw(st.integers(0, amount)))
        lines, left = [line(of, "capture", amount)], amount
        while left:
            part = data.draw(st.integers(max(1, left // 7), left))
            lines, left = [*lines, line(of, "refund", -part)], left - part
        accrued = [minor for kind, minor in told(of, lines) if kind == "fee_accrued"]
        assert sum(accrued) == 0
        # What is told of a line does not depend on the lines after it.
        for count in range(len(lines)):
            assert told(of, lines)[: len(told(of, lines[:count]))] == told(of, lines[:count])


class TestHowTheFeeIsHad:
    @pytest.mark.parametrize(
        ("method", "kind", "is_taken"),
        [("stripe", "connect", True), ("stripe", "own_keys", False), ("paypal", "credentials", False),
         ("sandbox", None, True), ("offline", None, False)],
    )  # fmt: skip
    def test_only_connected_accounts_hand_it_on(self, method: str, kind: str | None, is_taken: bool) -> None:
        account = PaymentAccount(id=new_id(), provider=method, kind=kind) if kind is not None else None
        assert is_taken_at_source(method, account) is is_taken


class TestMonths:
    @pytest.mark.parametrize(
        ("instant", "zone", "month"),
        [(datetime(2026, 11, 30, 23, 30, tzinfo=UTC), "Europe/Madrid", date(2026, 12, 1)),
         (datetime(2026, 11, 30, 23, 30, tzinfo=UTC), "Atlantic/Canary", date(2026, 11, 1)),
         (datetime(2026, 12, 1, 2, 0, tzinfo=UTC), "America/Mexico_City", date(2026, 11, 1))],
    )  # fmt: skip
    def test_are_the_practices_own(self, instant: datetime, zone: str, month: date) -> None:
        assert month_of(instant, zone) == month

    def test_a_statement_is_closed_when_its_month_is_over_everywhere(self) -> None:
        assert next_month(date(2026, 12, 1)) == date(2027, 1, 1)
        assert closes_at(date(2026, 11, 1)) == datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    """A practice on a plan with a fee, that can be booked and paid."""
    plan = await make_plan(runtime, fee_basis_points=150)
    return await make_desk(runtime, await put_on_plan(runtime, practice, plan))


class TestCounting:
    async def test_a_booking_its_payment_its_fee_and_its_refund(self, runtime: Runtime, desk: Desk) -> None:
        paid = await desk.pay(await desk.book())
        await desk.confirm(paid)
        await run_due_events(runtime, desk.practice)
        assert paid.platform_fee.amount == 67
        async with runtime.database.tenant(desk.practice) as session:
            await request_refund(session, paid.id, 2250)
        await run_due_events(runtime, desk.practice)
        [month] = await usage_of(runtime, desk.practice)
        assert month.month == month_of(clock.now(), desk.practice.timezone)
        assert (month.appointments_booked, month.payments_count, month.payments_minor) == (1, 1, 4500)
        assert (month.refunds_minor, month.fees_taken_minor, month.fees_returned_minor) == (2250, 67, 33)
        assert month.fees_accrued_minor == 0

    async def test_told_again_and_again_and_at_once_it_is_counted_once(self, runtime: Runtime, desk: Desk) -> None:
        paid = await desk.pay(await desk.book())
        await desk.confirm(paid)
        await run_due_events(runtime, desk.practice)
        before, entries = await usage_of(runtime, desk.practice), await count_entries(runtime, desk.practice)
        for _ in range(3):
            await count_payment(runtime, desk.practice, paid.id)
        after = await usage_of(runtime, desk.practice)
        assert await count_entries(runtime, desk.practice) == entries
        assert [row.payments_minor for row in after] == [row.payments_minor for row in before]

    async def test_the_sums_are_those_of_the_entries_whatever_the_order(self, runtime: Runtime, desk: Desk) -> None:
        payments = []
        for _ in range(3):
            paid = await desk.pay(await desk.book())
            await desk.confirm(paid)
            async with runtime.database.tenant(desk.practice) as session:
                await request_refund(session, paid.id, 1000)
            payments.append(paid.id)
        told_of = payments * 2
        random.Random(7).shuffle(told_of)
        for payment_id in told_of:
            await count_payment(runtime, desk.practice, payment_id)
        await run_due_events(runtime, desk.practice)
        [month] = await usage_of(runtime, desk.practice)
        async with runtime.database.platform() as session:
            mine = select(UsageEntry).where(UsageEntry.tenant_id == desk.practice.id)
            entries = (await session.scalars(mine)).all()
        for kind, total in (
            (UsageKind.PAID, month.payments_minor),
            (UsageKind.REFUNDED, month.refunds_minor),
            (UsageKind.FEE_TAKEN, month.fees_taken_minor),
            (UsageKind.FEE_RETURNED, month.fees_returned_minor),
        ):
            assert sum(entry.amount_minor for entry in entries if entry.kind == kind) == total
        assert (month.payments_minor, month.refunds_minor, month.fees_taken_minor) == (13_500, 3000, 201)

    async def test_the_plan_of_the_moment_when_a_payment_was_opened_counts(self, runtime: Runtime, desk: Desk) -> None:
        paid = await desk.pay(await desk.book())
        await put_on_plan(runtime, desk.practice, await make_plan(runtime, fee_basis_points=1000))
        assert (await desk.confirm(paid)).platform_fee.amount == 67

    async def test_another_practice_has_none_of_it(
        self, runtime: Runtime, desk: Desk, other_practice: TenantContext
    ) -> None:
        await desk.confirm(await desk.pay(await desk.book()))
        await run_due_events(runtime, desk.practice)
        assert await usage_of(runtime, other_practice) == []

    async def test_a_booking_counts_in_the_month_in_which_it_was_made(self, runtime: Runtime, desk: Desk) -> None:
        await desk.confirm(await desk.pay(await desk.book()))
        with clock.at(clock.now() + timedelta(minutes=1)):
            await run_due_events(runtime, desk.practice)
        assert sum(row.appointments_booked for row in await usage_of(runtime, desk.practice)) == 1
