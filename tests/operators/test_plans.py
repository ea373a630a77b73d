"""Plans, usage and standings, over the operators' API and in the console."""

import secrets

import httpx
import pytest
from sqlalchemy import select

from billing.platform_fees.models import FeeStatement, UsageKind
from billing.platform_fees.statements import close_statement
from billing.platform_fees.usage import Fact, month_of, record_facts
from tenants.accounts.models import StaffAuditEntry
from tests.conftest import HttpFactory
from tests.operators.test_endpoints import operator as operator
from tests.support.events import run_due_events
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.platform_fees import make_plan, plan_of, served
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.models import AuditEntry
from todoenbalance.operators.service import create_operator

AT = "/api/v1/platform"
PASSWORD = "operator of the tests"


async def accrue(runtime: Runtime, practice: TenantContext, amount: int) -> FeeStatement:
    """A closed statement."""
    async with runtime.database.platform() as session:
        await record_facts(session, practice, [Fact(UsageKind.FEE_ACCRUED, new_id(), clock.now(), "EUR", amount)])
    async with runtime.database.platform() as session:
        statement = (await session.scalars(select(FeeStatement).where(FeeStatement.tenant_id == practice.id))).one()
    await close_statement(runtime, statement.id, idempotency_key="statement:test")
    return statement


class TestPlans:
    async def test_a_plan_is_made_changed_and_archived(self, operator: httpx.AsyncClient, runtime: Runtime) -> None:
        code = f"p-{secrets.token_hex(4)}"
        body = {
            "code": code,
            "name": "Con cuota",
            "fee_basis_points": 75,
            "fee_fixed": {"amount": 25, "currency": "EUR"},
            "price": {"amount": 1900, "currency": "EUR"},
            "withheld": ["change_branding"],
        }
        made = await operator.post(f"{AT}/plans", json=body)
        assert made.status_code == 201, made.text
        assert made.json()["price"] == {"amount": 1900, "currency": "EUR"}
        assert "change_branding" not in made.json()["capabilities"]
        assert_problem(await operator.post(f"{AT}/plans", json=body), 409, "plan_code_taken")
        changed = await operator.patch(f"{AT}/plans/{code}", json={"price": None, "archived": True})
        assert (changed.json()["price"], changed.json()["archived"]) == (None, True)
        assert changed.json()["fee_basis_points"] == 75
        assert (await operator.get(f"{AT}/plans/{code}")).json() == changed.json()
        assert code in [one["code"] for one in (await operator.get(f"{AT}/plans")).json()["items"]]
        async with runtime.database.platform() as session:
            actions = select(AuditEntry.action).where(AuditEntry.detail["code"].astext == code)
            assert sorted((await session.scalars(actions)).all()) == ["plan.changed", "plan.created"]

    @pytest.mark.parametrize(
        "change",
        [{"fee_basis_points": 10_001}, {"fee_basis_points": -1}, {"fee_basis_points": 1.5}, {"code": "No Good"},
         {"price": {"amount": 0, "currency": "EUR"}}, {"price": {"amount": 10, "currency": "EURO"}},
         {"withheld": ["booking"]}, {"practitioner_limit": 0}, {"stripe_price_id": "prod_1"}, {"unknown": 1}],
    )  # fmt: skip
    async def test_bad_input_is_422(self, operator: httpx.AsyncClient, change: dict[str, object]) -> None:
        body = {"code": f"p-{secrets.token_hex(4)}", "name": "X"} | change
        assert_problem(await operator.post(f"{AT}/plans", json=body), 422, "validation_error")

    async def test_a_practice_is_onboarded_on_a_plan_and_put_on_another(
        self, operator: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        code = await make_plan(runtime, fee_basis_points=100, is_public=False)
        url = f"{AT}/tenants/{practice.id}"
        assert_problem(await operator.patch(url, json={"plan": "no-such-plan"}), 422, "validation_error")
        assert (await operator.patch(url, json={"plan": code})).json()["plan"] == code
        assert (await served(runtime, practice)).fee_basis_points == 100
        await run_due_events(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            entries = select(StaffAuditEntry).where(StaffAuditEntry.action == "plan.changed")
            [entry] = (await session.scalars(entries)).all()
        assert (entry.staff_id, entry.detail) == (None, {"from": "standard", "to": code, "by": "operator"})


class TestUsage:
    async def test_is_listed_by_practice_and_month(
        self, operator: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        for tenant in (practice, other_practice):
            async with runtime.database.platform() as session:
                facts = [Fact(UsageKind.PAID, new_id(), clock.now(), currency, 4500, 1) for currency in ("EUR", "USD")]
                await record_facts(session, tenant, facts)
        month = f"{month_of(clock.now(), practice.timezone):%Y-%m}"
        query = {"tenant": str(practice.id), "month": month, "limit": "1"}
        first = (await operator.get(f"{AT}/usage", params=query)).json()
        second = (await operator.get(f"{AT}/usage", params=query | {"cursor": first["next_cursor"]})).json()
        assert second["next_cursor"] is None
        found = first["items"] + second["items"]
        assert [one["payments"] for one in found] == [
            {"amount": 4500, "currency": "USD"},
            {"amount": 4500, "currency": "EUR"},
        ]
        assert (await operator.get(f"{AT}/usage", params=query | {"month": "1999-01"})).json()["items"] == []
        assert_problem(await operator.get(f"{AT}/usage", params={"month": "2026-13"}), 422, "validation_error")

    async def test_a_statement_is_seen_read_line_by_line_and_settled(
        self, operator: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        statement = await accrue(runtime, practice, 67)
        listed = await operator.get(f"{AT}/fee-statements", params={"tenant": str(practice.id), "status": "to_invoice"})
        assert [one["amount"] for one in listed.json()["items"]] == [{"amount": 67, "currency": "EUR"}]
        lines = await operator.get(f"{AT}/fee-statements/{statement.id}/lines.csv")
        assert lines.headers["content-type"] == "text/csv; charset=utf-8"
        assert lines.text.splitlines()[1].endswith("EUR,67")
        url = f"{AT}/fee-statements/{statement.id}/settle"
        assert (await operator.post(url, json={"note": "invoice 17"})).json()["status"] == "settled"
        assert_problem(await operator.post(url, json={"note": "again"}), 409, "invalid_statement_state")

    async def test_without_an_account_charging_says_that_it_is_not_set_up(
        self, operator: httpx.AsyncClient, practice: TenantContext
    ) -> None:
        url = f"{AT}/tenants/{practice.id}/subscription"
        standing = (await operator.get(url)).json()
        assert (standing["status"], standing["is_charging_set_up"], standing["plan_code"]) == (
            "none",
            False,
            "standard",
        )
        assert_problem(await operator.post(f"{url}/refresh"), 409, "charging_not_set_up")
        answer = await operator.post(f"{url}/checkout", json={"plan": "professional"})
        assert_problem(answer, 409, "charging_not_set_up")


class TestTheConsole:
    @pytest.fixture
    async def browser(self, runtime: Runtime, http: HttpFactory) -> httpx.AsyncClient:
        """An operator's."""
        email = f"op-{secrets.token_hex(4)}@example.com"
        async with runtime.database.platform() as session:
            await create_operator(session, email=email, password=PASSWORD)
        browser = http(headers=HTML)
        await sign_in(browser, "/sign-in", email, PASSWORD)
        return browser

    async def test_a_plan_is_made_and_changed(self, browser: httpx.AsyncClient) -> None:
        code = f"c-{secrets.token_hex(4)}"
        form = await browser.get("/plans/new")
        assert_sober(form)
        refused = await submit(browser, form, code=code, name="Cuota", price="29,9x", price_currency="eur")
        assert refused.status_code == 422
        assert "Write an amount like 45.00." in refused.text
        made = await submit(browser, form, code=code, name="Cuota", price="29,90", price_currency="eur")
        assert made.headers["location"] == "/plans"
        listed = await browser.get("/plans")
        assert_sober(listed)
        assert code in listed.text
        assert "€29.90 a month" in listed.text
        page = await browser.get(f"/plans/{code}")
        assert_sober(page)
        assert 'value="29.90"' in page.text
        assert (await submit(browser, page, fee_basis_points="120")).status_code == 303
        assert "1.2% of each online payment" in (await browser.get("/plans")).text

    async def test_a_practice_is_put_on_a_plan_and_its_statement_settled(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        code = await make_plan(runtime)
        statement = await accrue(runtime, practice, 67)
        at = f"/practices/{practice.id}/subscription"
        page = await browser.get(at)
        assert_sober(page)
        assert "€0.67" in page.text
        assert (await submit(browser, page, "/plan", plan=code)).headers["location"] == at
        assert await plan_of(runtime, practice) == code
        usage = await browser.get("/usage")
        assert_sober(usage)
        assert practice.name in usage.text
        settled = await submit(
            browser, await browser.get(at), f"/statements/{statement.id}/settle", note="paid by hand"
        )
        assert settled.status_code == 303
        assert "paid by hand" in (await browser.get(at)).text
