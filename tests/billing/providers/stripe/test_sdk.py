"""The traps of Stripe's own package, held against the local Stripe and a silent one."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import stripe

from billing.providers.port import (
    Flow,
    OutcomeUnknownError,
    ProviderMisconfiguredError,
    RateLimitedError,
)
from billing.providers.stripe import client
from billing.providers.stripe.adapter import StripeProvider
from billing.providers.stripe.client import RETRIES, StripeApi
from tests.support.providers.stripe_server import PLATFORM_TEST_KEY, StripeServer
from tests.support.stripe_requests import wanted
from todoenbalance.kit.money import Money
from todoenbalance.kit.runtime import Runtime


class TestTheSdksTraps:
    async def test_it_tries_again_after_a_fault_and_only_then(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        stripe_server.faults.answer(500, "/v1/checkout/sessions", times=RETRIES)
        assert (await provider.start(wanted())).provider_ref
        calls = stripe_server.requests("/v1/checkout/sessions", "POST")
        assert len(calls) == RETRIES + 1
        assert len({call.headers["idempotency-key"] for call in calls}) == 1

    async def test_too_many_calls_are_told_with_how_long_to_wait(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        stripe_server.faults.answer(429, "/v1/checkout/sessions", times=RETRIES + 1)
        with pytest.raises(RateLimitedError) as caught:
            await provider.start(wanted())
        assert caught.value.delay_seconds > 0

    async def test_a_change_without_a_key_of_ours_never_leaves(
        self, stripe_side: Runtime, stripe_server: StripeServer
    ) -> None:
        api = StripeApi(stripe_side.settings, PLATFORM_TEST_KEY)
        with pytest.raises(ProviderMisconfiguredError):
            await asyncio.to_thread(api.client.v1.customers.create, {"description": "x"})
        assert stripe_server.requests() == []

    async def test_no_secret_is_logged_or_shown(
        self, provider: StripeProvider, stripe_server: StripeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            await provider.start(wanted(flow=Flow.ELEMENTS))
            stripe_server.faults.answer(500, times=RETRIES + 1)
            with pytest.raises(OutcomeUnknownError) as caught:
                await provider.start(wanted())
        intent = stripe_server.objects("payment_intent")[0]
        for text in (caplog.text, repr(provider), repr(caught.value), repr(provider._access)):
            assert PLATFORM_TEST_KEY not in text
            assert intent["client_secret"] not in text

    async def test_the_environment_can_not_make_it_print_answers(self) -> None:
        """``STRIPE_LOG=debug`` has the SDK print whole answers to stderr, past every logger."""
        script = "import billing.providers.stripe.client; import stripe._util as u; u.log_debug('secret'); print('ok')"
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", script],
            env=os.environ | {"STRIPE_LOG": "debug"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert (done.stdout, "secret" in done.stderr) == ("ok\n", False)

    async def test_a_silent_stripe_is_given_up(self, stripe_side: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        transport = client._http(os.getpid())
        assert transport._timeout == client.TIMEOUT_SECONDS
        monkeypatch.setattr(transport, "_timeout", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            at = f"http://127.0.0.1:{silent.getsockname()[1]}"
            providers = stripe_side.settings.providers
            stripe_there = providers.stripe.model_copy(update={"api_base": at})
            there = providers.model_copy(update={"stripe": stripe_there})
            api = StripeApi(stripe_side.settings.model_copy(update={"providers": there}), PLATFORM_TEST_KEY)
            with pytest.raises(OutcomeUnknownError):
                await api.read(api.client.v1.customers.list)

    def test_a_forked_process_shares_no_connection(self) -> None:
        assert client._http(os.getpid()) is client._http(os.getpid())
        assert client._http(os.getpid()) is not client._http(os.getpid() + 1)

    async def test_nothing_is_told_about_this_machine(
        self, provider: StripeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        await provider.start(wanted())
        assert stripe.enable_telemetry is False
        assert os.listdir(tmp_path) == []  # noqa: PTH208 - a Path would block the loop, says another rule

    async def test_many_threads_share_it(self, provider: StripeProvider, stripe_server: StripeServer) -> None:
        started = await asyncio.gather(*(provider.start(wanted()) for _ in range(12)))
        assert len({one.provider_ref for one in started}) == 12
        assert len(stripe_server.objects("checkout.session")) == 12

    @pytest.mark.parametrize(("amount", "currency"), [(4500, "JPY"), (4500, "KWD"), (45, "ISK"), (99_999_999, "EUR")])
    async def test_every_kind_of_amount_is_taken_as_it_was_meant(
        self, provider: StripeProvider, stripe_server: StripeServer, amount: int, currency: str
    ) -> None:
        order = (await provider.start(wanted(amount, currency, platform_fee_minor=0))).provider_ref
        stripe_server.pay(order)
        seen = await provider.fetch(order)
        assert (seen.amount, seen.captured_minor) == (Money(amount, currency), amount)
