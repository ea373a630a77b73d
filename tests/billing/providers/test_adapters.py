"""What the port promises, held against the adapters; and where the sandbox is refused."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import SecretStr

from billing.payments.errors import MethodNotOfferedError
from billing.providers.offline import OfflineProvider
from billing.providers.port import (
    DeclinedError,
    ObjectNotFoundError,
    PaymentProvider,
    ProviderMisconfiguredError,
    ProviderState,
    RefundOrder,
    RefundState,
    StartRequest,
    UnsupportedError,
)
from billing.providers.registry import provider_for
from billing.providers.sandbox import SandboxProvider
from tenants.settings.models import PracticeSettings
from tenants.settings.service import usable_methods
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Environment, SandboxSettings
from todoenbalance.kit.tenancy import TenantContext


def request(amount: int = 4500) -> StartRequest:
    attempt_id = new_id()
    return StartRequest(
        attempt_id=attempt_id,
        idempotency_key=f"pay:{attempt_id}",
        amount=Money(amount, "EUR"),
        description="Primera consulta",
        return_url="http://x.localhost/ok",
        cancel_url="http://x.localhost/no",
    )


def refund_of(order: str) -> RefundOrder:
    return RefundOrder(new_id(), order, None, Money(1, "EUR"), "staff", "refund:1")


@pytest.fixture(params=["sandbox", "offline"])
async def provider(request: pytest.FixtureRequest, runtime: Runtime, practice: TenantContext) -> PaymentProvider:
    """Each adapter in turn."""
    return await provider_for(runtime, practice, request.param)


class TestEveryAdapter:
    async def test_starting_twice_makes_one_order(self, provider: PaymentProvider) -> None:
        asked = request()
        first, second = await asyncio.gather(provider.start(asked), provider.start(asked))
        assert first == second
        assert first.state is ProviderState.AWAITING_CUSTOMER

    async def test_each_attempt_has_an_order_of_its_own(self, provider: PaymentProvider) -> None:
        assert (await provider.start(request())).provider_ref != (await provider.start(request())).provider_ref

    async def test_what_it_can_not_do_it_refuses(self, provider: PaymentProvider) -> None:
        if provider.capabilities().webhooks:
            return
        with pytest.raises(UnsupportedError):
            await provider.read_webhook({}, b"{}")


@pytest.fixture
def sandbox(runtime: Runtime, practice: TenantContext) -> SandboxProvider:
    """The sandbox's account of the practice."""
    return SandboxProvider(runtime, practice)


class TestSandbox:
    async def test_echoes_what_it_was_asked(self, sandbox: SandboxProvider) -> None:
        asked = request()
        snapshot = await sandbox.fetch((await sandbox.start(asked)).provider_ref)
        assert snapshot.attempt_id == asked.attempt_id
        assert snapshot.amount == asked.amount
        assert snapshot.captured_minor == 0

    async def test_cancelling_twice_is_harmless(self, sandbox: SandboxProvider) -> None:
        order = (await sandbox.start(request())).provider_ref
        for _ in range(2):
            assert (await sandbox.cancel(order, idempotency_key="c")).state is ProviderState.CANCELLED

    async def test_an_unpaid_order_gives_nothing_back(self, sandbox: SandboxProvider) -> None:
        order = (await sandbox.start(request())).provider_ref
        with pytest.raises(DeclinedError):
            await sandbox.refund(refund_of(order))

    async def test_knows_nothing_of_strange_orders_and_refunds(self, sandbox: SandboxProvider) -> None:
        order = (await sandbox.start(request())).provider_ref
        with pytest.raises(ObjectNotFoundError):
            await sandbox.fetch("sbx_nobody")
        with pytest.raises(ObjectNotFoundError):
            await sandbox.fetch_refund(order, f"sbxr_{new_id()}")

    async def test_is_another_account_in_another_practice(
        self, sandbox: SandboxProvider, runtime: Runtime, other_practice: TenantContext
    ) -> None:
        order = (await sandbox.start(request())).provider_ref
        with pytest.raises(ObjectNotFoundError):
            await SandboxProvider(runtime, other_practice).fetch(order)

    @pytest.mark.parametrize(
        "changes",
        [
            {"environment": Environment.PRODUCTION, "secret_keys": SecretStr("k:x")},
            {"sandbox": SandboxSettings(enabled=False)},
        ],
    )
    async def test_is_refused_in_production_and_where_it_is_off(
        self, runtime: Runtime, practice: TenantContext, changes: dict[str, object]
    ) -> None:
        settings = runtime.settings.model_copy(update=changes)
        elsewhere = replace(runtime, settings=settings)
        practice_settings = PracticeSettings(payment_methods=["sandbox", "offline"], connected_methods=[])
        assert usable_methods(settings, practice_settings) == ["offline"]
        with pytest.raises(MethodNotOfferedError):
            await provider_for(elsewhere, practice, "sandbox")
        with pytest.raises(ProviderMisconfiguredError):
            SandboxProvider(elsewhere, practice)


class TestOffline:
    async def test_gives_a_reference_that_can_be_copied_by_hand(self) -> None:
        started = await OfflineProvider().start(request())
        assert len(started.provider_ref) == 11
        assert started.provider_ref.replace("-", "").isalnum()
        assert started.next_action is None

    async def test_a_refund_waits_for_whoever_hands_it_over(self) -> None:
        result = await OfflineProvider().refund(refund_of("X"))
        assert (result.state, result.provider_status) == (RefundState.PENDING, "to_hand_over")

    async def test_there_is_nobody_to_ask(self) -> None:
        provider = OfflineProvider()
        for call in (
            provider.fetch("X"),
            provider.settle("X", idempotency_key="k"),
            provider.cancel("X", idempotency_key="k"),
            provider.fetch_refund("X", "Y"),
        ):
            with pytest.raises(UnsupportedError):
                await call
