"""The connection to PayPal, and what the package does wrong by itself."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

from billing.providers.paypal import transport
from billing.providers.paypal.adapter import PayPalProvider
from billing.providers.port import (
    DeclinedError,
    NotAuthorisedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ProviderMisconfiguredError,
    ProviderState,
    RateLimitedError,
)
from tests.billing.providers.paypal.orders import ORDERS, captured, refund_of, wanted
from tests.billing.providers.paypal.till import CLIENT_ID
from tests.support.providers.paypal_server import TOKEN_PATH, PayPalServer


class TestTransport:
    async def test_a_lasting_401_ends_after_few_requests_in_one_clear_error(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paypal_server.withdraw(CLIENT_ID, keeps_tokens=True)
        with pytest.raises(NotAuthorisedError):
            await provider.fetch("O1")
        assert len(paypal_server.requests()) == 4

    async def test_withdrawn_credentials_are_asked_about_once(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paypal_server.withdraw(CLIENT_ID)
        with pytest.raises(NotAuthorisedError):
            await provider.fetch("O1")
        assert len(paypal_server.requests()) == 1

    async def test_a_token_that_ended_early_is_renewed_once(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        order = (await provider.start(wanted())).provider_ref
        paypal_server.forget_tokens()
        assert (await provider.fetch(order)).state is ProviderState.AWAITING_CUSTOMER
        assert len(paypal_server.requests(TOKEN_PATH)) == 2

    async def test_many_at_once_share_one_token(self, provider: PayPalProvider, paypal_server: PayPalServer) -> None:
        orders = await asyncio.gather(*(provider.start(wanted()) for _ in range(12)))
        assert len({one.provider_ref for one in orders}) == 12
        assert len(paypal_server.requests(TOKEN_PATH)) == 1

    async def test_connections_are_kept(self, provider: PayPalProvider, paypal_server: PayPalServer) -> None:
        order = (await provider.start(wanted())).provider_ref
        for _ in range(4):
            await provider.fetch(order)
        assert len({one.client_port for one in paypal_server.requests()}) == 1

    async def test_reading_has_no_body_and_the_token_none_of_our_headers(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server)
        await provider.fetch(paid.provider_ref)
        assert {one.raw for one in paypal_server.requests() if one.method == "GET"} == {b""}
        (token,) = paypal_server.requests(TOKEN_PATH)
        assert not {"paypal-request-id", "prefer"} & set(token.headers)

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, ProviderMisconfiguredError),
            (403, NotAuthorisedError),
            (404, ObjectNotFoundError),
            (409, OutcomeUnknownError),
            (429, RateLimitedError),
            (500, OutcomeUnknownError),
            (503, OutcomeUnknownError),
        ],
    )
    async def test_no_refusal_passes_for_an_answer(
        self, provider: PayPalProvider, paypal_server: PayPalServer, status: int, error: type[Exception]
    ) -> None:
        paypal_server.faults.answer(status, ORDERS, method="POST")
        with pytest.raises(error):
            await provider.start(wanted())

    async def test_a_broken_connection_is_an_unknown_outcome(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paypal_server.faults.drop(ORDERS, method="POST")
        with pytest.raises(OutcomeUnknownError):
            await provider.start(wanted())
        assert paypal_server.things("order") == []

    async def test_an_answer_that_does_not_come_is_not_waited_for(
        self, provider: PayPalProvider, paypal_server: PayPalServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = (await provider.start(wanted())).provider_ref
        monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
        paypal_server.faults.delay(3, f"{ORDERS}/*")
        with pytest.raises(OutcomeUnknownError, match="timeout"):
            await provider.fetch(order)

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    async def test_no_redirect_takes_our_token_elsewhere(
        self, provider: PayPalProvider, paypal_server: PayPalServer, status: int
    ) -> None:
        elsewhere = {"Location": f"{paypal_server.url}/elsewhere"}
        paypal_server.faults.answer(status, f"{ORDERS}/*", headers=elsewhere)
        with pytest.raises(OutcomeUnknownError):
            await provider.fetch("O1")
        assert paypal_server.requests("/elsewhere") == []

    @pytest.mark.parametrize("body", [b"<html>busy</html>", b"\xff\xfe", b"[]", b'"yes"'])
    async def test_what_is_no_object_is_no_answer(
        self, provider: PayPalProvider, paypal_server: PayPalServer, body: bytes
    ) -> None:
        paypal_server.faults.answer(200, f"{ORDERS}/*", body=body)
        with pytest.raises(OutcomeUnknownError, match="unreadable_answer"):
            await provider.fetch("O1")

    async def test_the_environment_is_neither_written_nor_believed(
        self, provider: PayPalProvider, paypal_server: PayPalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        other = tmp_path / "netrc"
        other.write_text("default login somebody password else\n")
        other.chmod(0o600)
        monkeypatch.setenv("NETRC", str(other))
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        before = dict(os.environ)
        await captured(provider, paypal_server)
        assert dict(os.environ) == before
        assert all(one.headers["authorization"].startswith("Bearer ") for one in paypal_server.requests(ORDERS))

    async def test_the_log_holds_no_secret_at_any_level(
        self, provider: PayPalProvider, paypal_server: PayPalServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            paid = await captured(provider, paypal_server)
            with pytest.raises(DeclinedError):
                await provider.refund(refund_of(paid.charge_ref, paid.provider_ref, 9999))
        secrets = {one.headers["authorization"].split()[1] for one in paypal_server.requests()}
        assert len(secrets) == 2
        for text in (caplog.text, repr(provider), repr(vars(provider))):
            assert not [one for one in secrets if one in text]
            assert "clara@example.com" not in text
