"""Plans as rows, and that what one says reaches every process at once."""

import asyncio
from typing import Any

import pytest

from tenants.plans import service
from tenants.plans.errors import PlanCodeTakenError, PlanInUseError
from tenants.plans.models import Subscription
from tenants.registry.service import TenantDirectory, change_tenant
from tests.support.platform_fees import make_plan, put_on_plan
from tests.support.practices import make_practice
from todoenbalance.kit import clock
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


class TestPlans:
    async def test_there_are_three_to_begin_with_and_the_usual_one_costs_nothing(self, runtime: Runtime) -> None:
        async with runtime.database.platform() as session:
            plans = {plan.code: plan for plan in await service.list_plans(session)}
        standard = plans["standard"]
        assert {"standard", "starter", "professional"} <= plans.keys()
        assert (standard.fee_basis_points, standard.price_minor, standard.practitioner_limit) == (0, None, None)
        assert not standard.is_public

    async def test_a_code_is_had_once(self, runtime: Runtime) -> None:
        code = await make_plan(runtime)
        async with runtime.database.platform() as session:
            with pytest.raises(PlanCodeTakenError):
                await service.create_plan(session, {"code": code, "name": "Again"})

    @pytest.mark.parametrize("changes", [{"archived": True}, {"price_minor": 100, "price_currency": "EUR"}])
    async def test_what_new_practices_are_on_stays_free_and_offered(
        self, runtime: Runtime, changes: dict[str, Any]
    ) -> None:
        async with runtime.database.platform() as session:
            with pytest.raises(PlanInUseError):
                await service.change_plan(session, "standard", changes)
            await session.rollback()

    @pytest.mark.parametrize(
        "values",
        [{"price_minor": 100, "price_currency": "XXQ"}, {"fee_fixed_minor": 10}, {"stripe_price_id": "price_x"}],
    )
    async def test_money_needs_a_currency_and_a_price_at_stripe_a_price(
        self, runtime: Runtime, values: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidInputError):
            await make_plan(runtime, **values)

    async def test_another_price_is_made_anew_at_stripe(self, runtime: Runtime) -> None:
        code = await make_plan(runtime, price_minor=100, price_currency="EUR")
        async with runtime.database.platform() as session:
            (await service.get_plan(session, code)).stripe_price_id = f"price_{code}"
        async with runtime.database.platform() as session:
            kept = await service.change_plan(session, code, {"name": "Another name"})
            assert kept.stripe_price_id == f"price_{code}"
            assert (await service.change_plan(session, code, {"price_minor": 200})).stripe_price_id is None
            with pytest.raises(NotFoundError):
                await service.change_plan(session, "no-such-plan", {})

    async def test_an_archived_or_unknown_plan_is_given_to_nobody(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        code = await make_plan(runtime)
        async with runtime.database.platform() as session:
            await service.change_plan(session, code, {"archived": True})
        for one in (code, "no-such-plan"):
            with pytest.raises(InvalidInputError):
                async with runtime.database.platform() as session:
                    await change_tenant(session, practice.id, plan=one)


class TestTheContext:
    async def test_a_fixed_fee_counts_in_the_practices_currency_only(self, runtime: Runtime) -> None:
        code = await make_plan(runtime, fee_fixed_minor=25, fee_fixed_currency="EUR")
        euros, yen = await make_practice(runtime), await make_practice(runtime, currency="JPY")
        assert (await put_on_plan(runtime, euros, code)).fee_fixed_minor == 25
        assert (await put_on_plan(runtime, yen, code)).fee_fixed_minor == 0

    async def test_every_change_reaches_a_process_that_trusts_its_cache(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        code = await make_plan(runtime, fee_basis_points=100)
        directory = TenantDirectory(runtime.database, runtime.settings)

        async def until(expected: Any, look: Any) -> None:
            for _ in range(200):
                if look(await directory.get_by_key(practice.key)) == expected:
                    return
                await asyncio.sleep(0.02)
            raise AssertionError(f"never {expected}")

        async with directory.listening():
            await until(0, lambda tenant: tenant.fee_basis_points)
            async with runtime.database.platform() as session:
                await change_tenant(session, practice.id, plan=code)
            await until(100, lambda tenant: tenant.fee_basis_points)
            async with runtime.database.platform() as session:
                await service.change_plan(session, code, {"fee_basis_points": 250})
            await until(250, lambda tenant: tenant.fee_basis_points)
            now = clock.now()
            async with runtime.database.platform() as session:
                session.add(Subscription(tenant_id=practice.id, status="past_due", past_due_since=now, grace_until=now))
            await until(now, lambda tenant: tenant.restricted_from)
            async with runtime.database.platform() as session:
                row = await session.get_one(Subscription, practice.id)
                row.past_due_since = row.grace_until = None
            await until(None, lambda tenant: tenant.restricted_from)
