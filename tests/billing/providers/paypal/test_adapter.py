"""What the port promises, held against PayPal's contract by the real package."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from billing.providers.paypal.adapter import PayPalProvider
from billing.providers.port import (
    DeclinedError,
    DisputeState,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ProviderMisconfiguredError,
    ProviderState,
    RefundState,
)
from tests.billing.providers.paypal.orders import ORDERS, captured, refund_of, wanted
from tests.billing.providers.paypal.till import CLIENT_ID
from tests.support.providers.paypal_server import PayPalServer
from todoenbalance.kit import clock
from todoenbalance.kit.money import Money


class TestStarting:
    async def test_an_order_carries_our_id_twice_and_nothing_about_health(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        request = wanted()
        started = await provider.start(request)
        (sent,) = paypal_server.requests(ORDERS)
        (unit,) = paypal_server.find(started.provider_ref)["purchase_units"]
        assert (unit["custom_id"], unit["invoice_id"]) == (str(request.attempt_id), str(request.attempt_id))
        assert unit["amount"] == {"currency_code": "EUR", "value": "45.00"}
        assert b"trastorno" not in sent.raw
        assert b"platform_fees" not in sent.raw
        assert started.next_action == {
            "type": "redirect",
            "url": f"{paypal_server.url}/checkoutnow?token={started.provider_ref}",
        }

    async def test_it_ends_with_the_hold_or_with_paypals_own_window(self, provider: PayPalProvider) -> None:
        made_at = clock.now()
        soon = made_at + timedelta(minutes=20)
        assert (await provider.start(wanted(made_at=made_at, expires_at=soon))).expires_at == soon
        late = await provider.start(wanted(made_at=made_at, expires_at=made_at + timedelta(days=1)))
        assert late.expires_at == made_at + timedelta(hours=3)

    async def test_the_same_key_is_the_same_order(self, provider: PayPalProvider, paypal_server: PayPalServer) -> None:
        request = wanted()
        first, second = await provider.start(request), await provider.start(request)
        assert first.provider_ref == second.provider_ref
        assert len(paypal_server.things("order")) == 1

    async def test_after_a_lost_answer_the_same_key_finds_the_order(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        request = wanted()
        paypal_server.faults.lose_answer(ORDERS, method="POST")
        with pytest.raises(OutcomeUnknownError):
            await provider.start(request)
        (made,) = paypal_server.things("order")
        assert (await provider.start(request)).provider_ref == made["id"]

    @pytest.mark.parametrize("currency", ["XXX", "KWD"])
    async def test_a_currency_that_paypal_lacks_is_never_sent(
        self, provider: PayPalProvider, paypal_server: PayPalServer, currency: str
    ) -> None:
        with pytest.raises(ProviderMisconfiguredError):
            await provider.start(wanted(currency=currency))
        assert paypal_server.requests(ORDERS) == []

    async def test_a_page_that_is_not_paypals_is_no_place_for_a_client(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        body = {
            "id": "O1",
            "status": "PAYER_ACTION_REQUIRED",
            "links": [{"rel": "payer-action", "href": "https://paypal.com.example.net/checkoutnow"}],
        }
        paypal_server.faults.answer(201, ORDERS, method="POST", body=body)
        with pytest.raises(ProviderMisconfiguredError):
            await provider.start(wanted())


class TestCapturing:
    async def test_an_approval_is_no_money_until_it_is_captured(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        request = wanted()
        order = (await provider.start(request)).provider_ref
        assert (await provider.settle(order, idempotency_key="c")).state is ProviderState.AWAITING_CUSTOMER
        paypal_server.approve(order)
        seen = await provider.fetch(order)
        assert (seen.state, seen.captured_minor) == (ProviderState.AWAITING_CUSTOMER, 0)
        paid = await provider.settle(order, idempotency_key="c")
        assert (paid.state, paid.captured_minor, paid.attempt_id) == (ProviderState.CAPTURED, 4500, request.attempt_id)
        assert paid.charge_ref == paypal_server.things("capture")[0]["id"]
        assert paid.is_live is False
        assert paid.provider_fee_minor
        assert paid.method_kind == "paypal"

    async def test_a_lost_answer_captures_once(self, provider: PayPalProvider, paypal_server: PayPalServer) -> None:
        order = (await provider.start(wanted())).provider_ref
        paypal_server.approve(order)
        paypal_server.faults.lose_answer(f"{ORDERS}/*/capture", method="POST")
        with pytest.raises(OutcomeUnknownError):
            await provider.settle(order, idempotency_key="c")
        again = await provider.settle(order, idempotency_key="c")
        assert (again.state, again.captured_minor) == (ProviderState.CAPTURED, 4500)
        assert len(paypal_server.things("capture")) == 1

    async def test_many_at_once_capture_once(self, provider: PayPalProvider, paypal_server: PayPalServer) -> None:
        order = (await provider.start(wanted())).provider_ref
        paypal_server.approve(order)
        seen = await asyncio.gather(*(provider.settle(order, idempotency_key="c") for _ in range(6)))
        assert len(paypal_server.things("capture")) == 1
        assert (await provider.settle(order, idempotency_key="c")).captured_minor == 4500
        assert {one.captured_minor for one in seen} <= {0, 4500}

    async def test_a_declined_card_leaves_the_order_open_for_another(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        order = (await provider.start(wanted())).provider_ref
        paypal_server.approve(order)
        paypal_server.refuse_capture(CLIENT_ID, "INSTRUMENT_DECLINED")
        declined = await provider.settle(order, idempotency_key="c")
        assert (declined.state, declined.failure_code) == (ProviderState.AWAITING_CUSTOMER, "instrument_declined")
        paypal_server.world.now = lambda: datetime.now(UTC) + timedelta(seconds=40)  # choosing takes a while
        paypal_server.approve(order)
        assert (await provider.settle(order, idempotency_key="c")).state is ProviderState.CAPTURED

    async def test_a_completed_order_with_a_declined_capture_is_declined(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        order = (await provider.start(wanted())).provider_ref
        paypal_server.approve(order)
        paypal_server.next_capture(CLIENT_ID, "DECLINED")
        seen = await provider.settle(order, idempotency_key="c")
        assert paypal_server.find(order)["status"] == "COMPLETED"
        assert (seen.state, seen.captured_minor) == (ProviderState.DECLINED, 0)

    async def test_an_echeck_is_on_its_way_until_it_is_there(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        order = (await provider.start(wanted())).provider_ref
        paypal_server.approve(order)
        paypal_server.next_capture(CLIENT_ID, "PENDING", reason="ECHECK")
        seen = await provider.settle(order, idempotency_key="c")
        assert (seen.state, seen.captured_minor) == (ProviderState.PROCESSING, 0)
        paypal_server.settle_capture(str(seen.charge_ref))
        assert (await provider.fetch(order)).state is ProviderState.CAPTURED

    async def test_giving_up_never_captures(self, provider: PayPalProvider, paypal_server: PayPalServer) -> None:
        order = (await provider.start(wanted())).provider_ref
        paypal_server.approve(order)
        assert (await provider.cancel(order, idempotency_key="x")).state is ProviderState.CANCELLED
        assert paypal_server.things("capture") == []

    async def test_giving_up_what_is_paid_tells_that_it_is_paid(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server)
        assert (await provider.cancel(paid.provider_ref, idempotency_key="x")).state is ProviderState.CAPTURED

    async def test_another_practices_order_is_not_there(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        with pytest.raises(ObjectNotFoundError):
            await provider.fetch("O9")
        for sly in ("../../v1/customer/disputes", "a/b", "", "a?b=c"):
            before = len(paypal_server.requests())
            with pytest.raises(ObjectNotFoundError):
                await provider.fetch(sly)
            assert len(paypal_server.requests()) == before


class TestGivingBack:
    async def test_part_of_a_capture_goes_back_by_its_key_once(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server)
        asked = refund_of(paid.charge_ref, paid.provider_ref, 1234)
        paypal_server.faults.lose_answer("/v2/payments/captures/*/refund", method="POST")
        with pytest.raises(OutcomeUnknownError):
            await provider.refund(asked)
        first, second = await provider.refund(asked), await provider.refund(asked)
        assert first.provider_ref == second.provider_ref
        assert first.state is RefundState.SUCCEEDED
        seen = await provider.fetch(paid.provider_ref)
        assert [(one.refund_id, one.amount_minor) for one in seen.refunds or ()] == [(asked.refund_id, 1234)]
        assert seen.refunded_minor == 1234
        assert (await provider.fetch_refund(paid.provider_ref, str(first.provider_ref))).state is RefundState.SUCCEEDED

    async def test_a_refund_made_before_and_forgotten_is_found(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server)
        asked = refund_of(paid.charge_ref, paid.provider_ref, 4500)
        made = await provider.refund(asked)
        paypal_server.refuse_refund(CLIENT_ID, "DUPLICATE_INVOICE_ID")
        paypal_server._replies.clear()  # as after 45 days
        assert (await provider.refund(asked)).provider_ref == made.provider_ref

    async def test_more_than_there_is_is_refused(self, provider: PayPalProvider, paypal_server: PayPalServer) -> None:
        paid = await captured(provider, paypal_server)
        with pytest.raises(DeclinedError):
            await provider.refund(refund_of(paid.charge_ref, paid.provider_ref, 4501))

    async def test_what_paypal_can_not_write_is_a_definite_no_and_is_not_sent(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server, wanted(100_000, "HUF"))
        half_a_forint = replace(refund_of(paid.charge_ref, paid.provider_ref, 1), amount=Money(50_050, "HUF"))
        with pytest.raises(DeclinedError, match="amount_not_whole"):
            await provider.refund(half_a_forint)
        assert paypal_server.requests("/refund") == []

    async def test_a_pending_one_is_pending_until_it_fails(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server)
        paypal_server.next_refund(CLIENT_ID, "PENDING")
        made = await provider.refund(refund_of(paid.charge_ref, paid.provider_ref, 500))
        assert made.state is RefundState.PENDING
        paypal_server.settle_refund(str(made.provider_ref), succeeds=False)
        assert (await provider.fetch_refund(paid.provider_ref, str(made.provider_ref))).state is RefundState.FAILED

    async def test_one_made_on_paypals_site_is_nobodys_of_ours(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server)
        made = paypal_server.refund_at_paypal(str(paid.charge_ref), {"currency_code": "EUR", "value": "7.00"})
        (seen,) = (await provider.fetch(paid.provider_ref)).refunds or ()
        assert (seen.refund_id, seen.provider_ref, seen.amount_minor) == (None, made, 700)

    async def test_money_that_a_bank_took_back_is_seen(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server)
        paypal_server.reverse(str(paid.charge_ref))
        seen = await provider.fetch(paid.provider_ref)
        assert seen.refunded_minor == 4500


class TestDisputes:
    @pytest.mark.parametrize(("won", "state"), [(True, DisputeState.WON), (False, DisputeState.LOST)])
    async def test_a_dispute_is_read_from_open_to_decided(
        self, provider: PayPalProvider, paypal_server: PayPalServer, won: bool, state: DisputeState
    ) -> None:
        paid = await captured(provider, paypal_server)
        dispute = paypal_server.open_dispute(str(paid.charge_ref))
        (seen,) = (await provider.fetch(paid.provider_ref)).disputes or ()
        assert (seen.provider_ref, seen.amount_minor, seen.state) == (dispute, 4500, DisputeState.NEEDS_RESPONSE)
        assert seen.evidence_due_by is not None
        paypal_server.close_dispute(dispute, won=won)
        after = await provider.fetch(paid.provider_ref)
        (seen,) = after.disputes or ()
        assert seen.state is state
        assert after.refunded_minor == 0  # what the dispute took is not counted as a refund too

    async def test_without_the_permission_disputes_are_unknown_and_the_rest_is_told(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server)
        body = {"name": "NOT_AUTHORIZED", "message": "no", "debug_id": "D1"}
        paypal_server.faults.answer(403, "/v1/customer/disputes", body=body)
        seen = await provider.fetch(paid.provider_ref)
        assert (seen.disputes, seen.captured_minor) == (None, 4500)


class TestMissedEvents:
    async def test_what_was_not_delivered_is_listed_oldest_first(
        self, provider: PayPalProvider, paypal_server: PayPalServer
    ) -> None:
        paid = await captured(provider, paypal_server)
        missed = await provider.missed_events(clock.now() - timedelta(hours=1))
        assert {one.event_type for one in missed} >= {"CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.COMPLETED"}
        assert {one.object_ref for one in missed} == {paid.provider_ref}
        assert all(one.is_live is False for one in missed)
