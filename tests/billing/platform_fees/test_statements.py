"""Accrued fees by month: gathered, closed once, put on an invoice or left to operators."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from billing.platform_fees.errors import StatementStateError
from billing.platform_fees.models import FeeStatement, UsageKind
from billing.platform_fees.statements import ask_to_invoice, close_statement, settle_by_hand, statement_csv
from billing.platform_fees.usage import Fact, closes_at, month_of, next_month, record_facts
from billing.providers.port import OutcomeUnknownError
from tests.support.events import run_platform_events
from tests.support.platform_fees import make_plan, subscribe
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def accrue(runtime: Runtime, practice: TenantContext, *amounts: int, currency: str = "EUR") -> None:
    facts = [Fact(UsageKind.FEE_ACCRUED, new_id(), clock.now(), currency, amount) for amount in amounts]
    async with runtime.database.platform() as session:
        assert await record_facts(session, practice, facts) == len(amounts)


async def statements_of(runtime: Runtime, practice: TenantContext) -> list[FeeStatement]:
    async with runtime.database.platform() as session:
        mine = select(FeeStatement).where(FeeStatement.tenant_id == practice.id).order_by(FeeStatement.month)
        return list((await session.scalars(mine)).all())


async def subscribed(runtime: Runtime, stripe_server: StripeServer, practice: TenantContext) -> None:
    plan = await make_plan(runtime, price_minor=2900, price_currency="EUR")
    await subscribe(runtime, stripe_server, practice, plan)


class TestClosing:
    async def test_without_a_subscription_it_waits_for_an_operator(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        await accrue(runtime, practice, 67, 92, -33)
        [statement] = await statements_of(runtime, practice)
        assert statement.status == "open"
        with clock.at(closes_at(statement.month)):
            await run_platform_events(runtime)
        [statement] = await statements_of(runtime, practice)
        assert (statement.status, statement.amount_minor) == ("to_invoice", 126)
        assert stripe_server.requests("/v1/invoiceitems") == []

    async def test_with_one_it_is_on_the_next_invoice_once(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        await subscribed(runtime, stripe_server, practice)
        await accrue(runtime, practice, 67, 92)
        [statement] = await statements_of(runtime, practice)
        for _ in range(2):
            await close_statement(runtime, statement.id, idempotency_key="statement:once")
        [item] = stripe_server.objects("invoiceitem")
        assert (item["amount"], item["currency"]) == (159, "eur")
        [statement] = await statements_of(runtime, practice)
        assert (statement.status, statement.provider_ref) == ("invoiced", item["id"])

    async def test_a_lost_answer_puts_it_on_no_second_one(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        await subscribed(runtime, stripe_server, practice)
        await accrue(runtime, practice, 67)
        [statement] = await statements_of(runtime, practice)
        stripe_server.faults.lose_answer("/v1/invoiceitems", times=3)
        with pytest.raises(OutcomeUnknownError):
            await close_statement(runtime, statement.id, idempotency_key="statement:first")
        [waiting] = await statements_of(runtime, practice)
        assert waiting.status == "invoicing"
        # Another row of the queue goes on under the key that was written down.
        assert await close_statement(runtime, statement.id, idempotency_key="statement:second") == "invoiced"
        assert len(stripe_server.objects("invoiceitem")) == 1

    async def test_one_that_stays_unknown_for_long_is_left_to_an_operator(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        await subscribed(runtime, stripe_server, practice)
        await accrue(runtime, practice, 67)
        [statement] = await statements_of(runtime, practice)
        stripe_server.faults.drop("/v1/invoiceitems", times=6)
        with pytest.raises(OutcomeUnknownError):
            await close_statement(runtime, statement.id, idempotency_key="statement:long")
        with clock.at(clock.now() + timedelta(hours=21)):
            assert await close_statement(runtime, statement.id, idempotency_key="statement:long") == "to_invoice"
        [statement] = await statements_of(runtime, practice)
        assert statement.note == "outcome_unknown"

    async def test_one_that_broke_off_and_is_gone_on_with_days_later_is_put_on_no_second_one(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        await subscribed(runtime, stripe_server, practice)
        await accrue(runtime, practice, 67)
        [statement] = await statements_of(runtime, practice)
        stripe_server.faults.lose_answer("/v1/invoiceitems", times=3)
        with pytest.raises(OutcomeUnknownError):
            await close_statement(runtime, statement.id, idempotency_key="statement:old")
        asked = len(stripe_server.requests("/v1/invoiceitems"))
        with clock.at(clock.now() + timedelta(days=3)):  # Stripe has forgotten the key
            assert await close_statement(runtime, statement.id, idempotency_key="statement:old") == "to_invoice"
        assert len(stripe_server.requests("/v1/invoiceitems")) == asked
        [statement] = await statements_of(runtime, practice)
        assert statement.note == "outcome_unknown"

    async def test_one_in_another_currency_waits_and_one_that_comes_to_nothing_is_over(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        await subscribed(runtime, stripe_server, practice)
        await accrue(runtime, practice, 67, -67)
        await accrue(runtime, practice, 500, currency="JPY")
        with clock.at(closes_at(month_of(clock.now(), practice.timezone))):
            await run_platform_events(runtime)
        found = {row.currency: (row.status, row.amount_minor) for row in await statements_of(runtime, practice)}
        assert found == {"EUR": ("nothing_due", 0), "JPY": ("to_invoice", 500)}
        assert stripe_server.objects("invoiceitem") == []

    async def test_what_becomes_known_later_is_on_the_next_one(self, runtime: Runtime, practice: TenantContext) -> None:
        await accrue(runtime, practice, 67)
        [first] = await statements_of(runtime, practice)
        await close_statement(runtime, first.id, idempotency_key="statement:early")
        await accrue(runtime, practice, 92)
        first, second = await statements_of(runtime, practice)
        assert (first.amount_minor, second.month) == (67, next_month(first.month))
        with clock.at(closes_at(date(2027, 5, 1))):
            await close_statement(runtime, second.id, idempotency_key="statement:late")
        assert [row.amount_minor for row in await statements_of(runtime, practice)] == [67, 92]


class TestOperators:
    async def test_settle_it_by_hand_once(self, runtime: Runtime, practice: TenantContext) -> None:
        await accrue(runtime, practice, 67)
        [statement] = await statements_of(runtime, practice)
        async with runtime.database.platform() as session:
            with pytest.raises(StatementStateError):
                await settle_by_hand(session, statement.id, "too early")
        await close_statement(runtime, statement.id, idempotency_key="statement:x")
        async with runtime.database.platform() as session:
            await settle_by_hand(session, statement.id, "invoice 2026/17")
            with pytest.raises(StatementStateError):
                await ask_to_invoice(session, statement.id)

    async def test_have_it_invoiced_once_there_is_a_subscription(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        await accrue(runtime, practice, 67)
        [statement] = await statements_of(runtime, practice)
        await close_statement(runtime, statement.id, idempotency_key="statement:x")
        await subscribed(runtime, stripe_server, practice)
        async with runtime.database.platform() as session:
            await ask_to_invoice(session, statement.id)
        await run_platform_events(runtime)
        [statement] = await statements_of(runtime, practice)
        assert statement.status == "invoiced"

    async def test_the_lines_add_up_and_are_another_practices_never(
        self, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        await accrue(runtime, practice, 67, -33)
        [statement] = await statements_of(runtime, practice)
        async with runtime.database.platform() as session:
            content = await statement_csv(session, statement.id, tenant_id=practice.id)
            with pytest.raises(NotFoundError):
                await statement_csv(session, statement.id, tenant_id=other_practice.id)
        header, *lines = content.splitlines()
        assert header == "occurred_at,ledger_entry_id,currency,amount_minor"
        assert sorted(int(line.rpartition(",")[2]) for line in lines) == [-33, 67]
