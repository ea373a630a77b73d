"""What the port promises, held against Stripe's contract by the real SDK."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.accounts.models import PaymentAccount
from billing.accounts.service import load_access
from billing.checkout.schemas import StripeElementsAction
from billing.providers.port import (
    DeclinedError,
    DisputeState,
    Flow,
    InvalidSignatureError,
    NotAuthorisedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ProviderMisconfiguredError,
    ProviderState,
    RefundState,
)
from billing.providers.stripe.adapter import StripeProvider
from billing.providers.stripe.client import RETRIES
from tests.support.connected_accounts import PUBLISHABLE, connect_stripe
from tests.support.providers.stripe.sessions import Outcome
from tests.support.providers.stripe_server import StripeServer
from tests.support.stripe_requests import paid, refund_of, wanted
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


class TestSessions:
    async def test_are_made_on_the_practices_account_with_the_platforms_fee(
        self, provider: StripeProvider, stripe_server: StripeServer, account: PaymentAccount
    ) -> None:
        asked = wanted()
        started = await provider.start(asked)
        assert started.state is ProviderState.AWAITING_CUSTOMER
        assert started.next_action is not None
        assert started.next_action["type"] == "redirect"
        (call,) = stripe_server.requests("/v1/checkout/sessions", "POST")
        assert call.headers["stripe-account"] == account.account_ref
        assert call.headers["idempotency-key"] == asked.idempotency_key
        assert call.body["payment_intent_data"]["application_fee_amount"] == 90
        # On both, since each is all that some events carry.
        echo = {"attempt": str(asked.attempt_id)}
        assert call.body["metadata"] == call.body["payment_intent_data"]["metadata"] == echo

    async def test_asking_again_under_the_same_key_is_the_same_order(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        asked = wanted()
        first = await provider.start(asked)
        with clock.at(clock.now() + timedelta(minutes=5)):
            again = await provider.start(asked)
        assert again == first
        assert len(stripe_server.objects("checkout.session")) == 1

    async def test_a_lost_answer_makes_no_second_order(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        asked = wanted()
        stripe_server.faults.lose_answer("/v1/checkout/sessions", method="POST", times=RETRIES + 1)
        with pytest.raises(OutcomeUnknownError):
            await provider.start(asked)
        assert (await provider.start(asked)).provider_ref == stripe_server.objects("checkout.session")[0]["id"]
        assert len(stripe_server.objects("checkout.session")) == 1

    @pytest.mark.parametrize("hold_minutes", [1, 20, 60, 3 * 24 * 60])
    async def test_live_for_as_long_as_stripe_allows_whatever_the_hold(
        self, provider: StripeProvider, hold_minutes: int
    ) -> None:
        started = await provider.start(wanted(expires_at=clock.now() + timedelta(minutes=hold_minutes)))
        assert started.expires_at is not None
        left = started.expires_at - clock.now()
        assert timedelta(minutes=30) < left < timedelta(hours=24)

    async def test_echo_what_was_asked_once_paid(self, provider: StripeProvider, stripe_server: StripeServer) -> None:
        asked = wanted()
        order = (await provider.start(asked)).provider_ref
        assert (await provider.fetch(order)).state is ProviderState.AWAITING_CUSTOMER
        stripe_server.pay(order)
        seen = await provider.fetch(order)
        assert (seen.state, seen.attempt_id, seen.amount) == (ProviderState.CAPTURED, asked.attempt_id, asked.amount)
        assert (seen.captured_minor, seen.refunded_minor, seen.fee_minor) == (4500, 0, 90)
        assert (seen.method_kind, seen.is_live) == ("card", False)
        assert seen.last_four is not None
        assert seen.provider_fee_minor is not None
        assert seen.provider_fee_minor > 0

    async def test_a_declined_card_is_not_the_end(self, provider: StripeProvider, stripe_server: StripeServer) -> None:
        order = (await provider.start(wanted())).provider_ref
        stripe_server.pay(order, Outcome.DECLINE, decline_code="insufficient_funds")
        seen = await provider.fetch(order)
        assert (seen.state, seen.failure_code) == (ProviderState.AWAITING_CUSTOMER, "insufficient_funds")
        stripe_server.pay(order)
        assert (await provider.fetch(order)).state is ProviderState.CAPTURED

    async def test_the_bank_may_ask_the_client_first(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order = (await provider.start(wanted())).provider_ref
        stripe_server.pay(order, Outcome.AUTHENTICATE)
        assert (await provider.fetch(order)).state is ProviderState.AWAITING_CUSTOMER
        stripe_server.authenticate(order)
        assert (await provider.fetch(order)).state is ProviderState.CAPTURED

    @pytest.mark.parametrize("succeeds", [True, False])
    async def test_a_slow_method_is_on_its_way_until_it_is_decided(
        self, provider: StripeProvider, stripe_server: StripeServer, *, succeeds: bool
    ) -> None:
        order = (await provider.start(wanted())).provider_ref
        stripe_server.pay(order, Outcome.SLOW)
        seen = await provider.fetch(order)
        assert (seen.state, seen.captured_minor) == (ProviderState.PROCESSING, 0)
        stripe_server.settle(order, succeeds=succeeds)
        expected = ProviderState.CAPTURED if succeeds else ProviderState.DECLINED
        assert (await provider.fetch(order)).state is expected

    async def test_cancelling_ends_an_open_one_twice_harmlessly(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order = (await provider.start(wanted())).provider_ref
        for _ in range(2):
            assert (await provider.cancel(order, idempotency_key="cancel:1")).state is ProviderState.EXPIRED
        assert stripe_server.find(order)["status"] == "expired"

    async def test_cancelling_what_was_paid_first_says_so(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order, _ = await paid(provider, stripe_server)
        assert (await provider.cancel(order, idempotency_key="cancel:1")).state is ProviderState.CAPTURED


class TestElements:
    async def test_answer_what_stripes_form_needs(
        self, provider: StripeProvider, stripe_server: StripeServer, account: PaymentAccount
    ) -> None:
        started = await provider.start(wanted(flow=Flow.ELEMENTS))
        assert started.next_action is not None
        assert started.next_action["type"] == "stripe_elements"
        assert started.next_action["publishable_key"] == PUBLISHABLE
        assert started.next_action["stripe_account"] == account.account_ref
        stripe_server.confirm(started.provider_ref)
        seen = await provider.fetch(started.provider_ref)
        assert (seen.state, seen.captured_minor, seen.fee_minor) == (ProviderState.CAPTURED, 4500, 90)

    async def test_an_abandoned_one_is_cancelled(self, provider: StripeProvider) -> None:
        order = (await provider.start(wanted(flow=Flow.ELEMENTS))).provider_ref
        assert (await provider.cancel(order, idempotency_key="cancel:1")).state is ProviderState.CANCELLED


class TestRefunds:
    async def test_part_by_part_give_the_fee_back_in_proportion(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order, charge = await paid(provider, stripe_server)
        first = await provider.refund(refund_of(charge, order, 1500))
        assert (first.state, first.fee_returned_total_minor) == (RefundState.SUCCEEDED, 30)
        second = await provider.refund(refund_of(charge, order, 3000))
        assert second.fee_returned_total_minor == 90
        seen = await provider.fetch(order)
        assert (seen.refunded_minor, seen.fee_returned_minor) == (4500, 90)
        assert seen.refunds is not None
        assert sorted(one.amount_minor for one in seen.refunds) == [1500, 3000]

    async def test_the_same_one_is_made_once(self, provider: StripeProvider, stripe_server: StripeServer) -> None:
        order, charge = await paid(provider, stripe_server)
        asked = refund_of(charge, order, 1000)
        stripe_server.faults.lose_answer("/v1/refunds", method="POST", times=RETRIES + 1)
        with pytest.raises(OutcomeUnknownError):
            await provider.refund(asked)
        result = await provider.refund(asked)
        assert result.state is RefundState.SUCCEEDED
        assert [one["amount"] for one in stripe_server.objects("refund")] == [1000]
        assert (await provider.fetch_refund(order, str(result.provider_ref))).state is RefundState.SUCCEEDED

    async def test_one_whose_key_stripe_has_forgotten_is_found_and_not_made_again(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order, charge = await paid(provider, stripe_server)
        asked = refund_of(charge, order, 1000)
        stripe_server.faults.lose_answer("/v1/refunds", method="POST", times=RETRIES + 1)
        with pytest.raises(OutcomeUnknownError):
            await provider.refund(asked)
        a_day_later = replace(asked, idempotency_key=f"forgotten:{asked.refund_id}")
        assert (await provider.refund(a_day_later)).state is RefundState.SUCCEEDED
        assert [one["amount"] for one in stripe_server.objects("refund")] == [1000]

    async def test_one_is_found_behind_a_hundred_others(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order, charge = await paid(provider, stripe_server)
        asked = refund_of(charge, order, 1000)
        await provider.refund(asked)
        for _ in range(100):
            stripe_server.refund_at_stripe(charge, 1)
        await provider.refund(replace(asked, idempotency_key=f"forgotten:{asked.refund_id}"))
        assert len(stripe_server.objects("refund")) == 101
        assert (await provider.fetch(order)).refunded_minor == 1100

    async def test_one_that_was_asked_for_in_other_words_may_have_been_made(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order, charge = await paid(provider, stripe_server)
        asked = refund_of(charge, order, 1000)
        await provider.refund(asked)
        with pytest.raises(OutcomeUnknownError):
            await provider.refund(replace(asked, refund_id=new_id()))  # the same key

    async def test_of_a_payment_without_a_fee_ask_for_none_back(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order, charge = await paid(provider, stripe_server, platform_fee_minor=0)
        result = await provider.refund(refund_of(charge, order, 1000, returns_fee=False))
        assert result.state is RefundState.SUCCEEDED
        (call,) = stripe_server.requests("/v1/refunds", "POST")
        assert "refund_application_fee" not in call.body

    async def test_more_than_is_left_is_a_definite_no(
        self, provider: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order, charge = await paid(provider, stripe_server)
        with pytest.raises(DeclinedError):
            await provider.refund(refund_of(charge, order, 4501))

    async def test_made_at_stripe_are_seen(self, provider: StripeProvider, stripe_server: StripeServer) -> None:
        order, charge = await paid(provider, stripe_server)
        made = stripe_server.refund_at_stripe(charge, 700)
        (seen,) = (await provider.fetch(order)).refunds or ()
        assert (seen.provider_ref, seen.amount_minor, seen.refund_id) == (made, 700, None)

    @pytest.mark.parametrize("succeeds", [True, False])
    async def test_slow_ones_end_later(
        self, provider: StripeProvider, stripe_server: StripeServer, *, succeeds: bool
    ) -> None:
        order, charge = await paid(provider, stripe_server)
        stripe_server.next_refund("pending")
        result = await provider.refund(refund_of(charge, order, 1000))
        assert result.state is RefundState.PENDING
        stripe_server.settle_refund(str(result.provider_ref), succeeds=succeeds)
        ended = await provider.fetch_refund(order, str(result.provider_ref))
        assert ended.state is (RefundState.SUCCEEDED if succeeds else RefundState.FAILED)


class TestDisputes:
    async def test_are_told_with_their_deadline(self, provider: StripeProvider, stripe_server: StripeServer) -> None:
        order, charge = await paid(provider, stripe_server)
        due = int((clock.now() + timedelta(days=7)).timestamp())
        dispute = stripe_server.open_dispute(charge, due_by=due)
        (seen,) = (await provider.fetch(order)).disputes or ()
        assert (seen.provider_ref, seen.amount_minor, seen.state) == (dispute, 4500, DisputeState.NEEDS_RESPONSE)
        assert seen.evidence_due_by is not None
        assert seen.evidence_due_by.timestamp() == due
        assert seen.is_withdrawn
        with pytest.raises(DeclinedError):
            await provider.refund(refund_of(charge, order, 1000))
        stripe_server.close_dispute(dispute, won=True)
        assert [one.state for one in (await provider.fetch(order)).disputes or ()] == [DisputeState.WON]

    async def test_an_inquiry_has_taken_nothing(self, provider: StripeProvider, stripe_server: StripeServer) -> None:
        order, charge = await paid(provider, stripe_server)
        stripe_server.open_dispute(charge, inquiry=True)
        seen = (await provider.fetch(order)).disputes or ()
        assert all(not one.is_withdrawn for one in seen)


class TestAccounts:
    async def test_an_order_is_unknown_in_another_account(
        self, provider: StripeProvider, stripe_side: Runtime, other_practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        order = (await provider.start(wanted())).provider_ref
        other = await connect_stripe(stripe_side, other_practice, stripe_server)
        elsewhere = StripeProvider(stripe_side, await load_access(stripe_side, other_practice, "stripe", other.id))
        with pytest.raises(ObjectNotFoundError):
            await elsewhere.fetch(order)

    async def test_a_practice_that_left_can_not_be_charged_for(
        self, provider: StripeProvider, stripe_server: StripeServer, account: PaymentAccount
    ) -> None:
        stripe_server.deauthorize(str(account.account_ref))
        with pytest.raises(NotAuthorisedError):
            await provider.start(wanted())

    async def test_own_keys_pay_no_fee_and_name_no_account(
        self, own: StripeProvider, stripe_server: StripeServer
    ) -> None:
        order, charge = await paid(own, stripe_server)
        for call in stripe_server.requests():
            assert "stripe-account" not in call.headers
        assert (await own.fetch(order)).fee_minor is None  # nobody there knows of one
        assert not own.capabilities().platform_fee
        assert (await own.refund(refund_of(charge, order, 500, returns_fee=False))).state is RefundState.SUCCEEDED

    async def test_a_form_for_own_keys_names_no_account(self, own: StripeProvider) -> None:
        action = (await own.start(wanted(flow=Flow.ELEMENTS))).next_action
        assert action is not None
        assert "stripe_account" not in action
        assert StripeElementsAction.model_validate(action).stripe_account is None

    async def test_keys_of_the_other_mode_are_refused_before_anything_is_asked(
        self, stripe_side: Runtime, practice: TenantContext, account: PaymentAccount, stripe_server: StripeServer
    ) -> None:
        access = await load_access(stripe_side, practice, "stripe", account.id)
        with pytest.raises(ProviderMisconfiguredError):
            StripeProvider(stripe_side, replace(access, mode="live"))
        assert stripe_server.requests() == []


class TestWebhooksOfOwnAccounts:
    async def test_are_signed_with_the_practices_own_secret(
        self,
        own: StripeProvider,
        stripe_server: StripeServer,
        stripe_side: Runtime,
        practice: TenantContext,
    ) -> None:
        access = await load_access(stripe_side, practice, "stripe")
        order, charge = await paid(own, stripe_server)
        body, headers = stripe_server.webhook("charge.succeeded", charge, secret=str(access.webhook_secret))
        lower = {name.lower(): value for name, value in headers.items()}
        event = await own.read_webhook(lower, body)
        assert (event.object_ref, event.account_ref, event.is_known) == (charge, access.account_ref, True)
        with pytest.raises(InvalidSignatureError):
            await own.read_webhook(lower, body + b" ")
        assert order

    async def test_one_that_names_an_account_is_refused(
        self, own: StripeProvider, stripe_side: Runtime, other_practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        other = await connect_stripe(stripe_side, other_practice, stripe_server)
        connected = StripeProvider(stripe_side, await load_access(stripe_side, other_practice, "stripe", other.id))
        _, charge = await paid(connected, stripe_server)
        body, headers = stripe_server.webhook("charge.succeeded", charge, secret=str(own._access.webhook_secret))
        with pytest.raises(InvalidSignatureError):
            await own.read_webhook({name.lower(): value for name, value in headers.items()}, body)


async def test_events_that_were_not_delivered_are_listed(
    provider: StripeProvider, stripe_server: StripeServer, account: PaymentAccount
) -> None:
    stripe_server.deliver_to("http://127.0.0.1:9/webhooks/stripe")  # nobody listens there
    order, charge = await paid(provider, stripe_server)
    stripe_server.deliveries.settle()
    missed = await provider.missed_events(clock.now() - timedelta(hours=1))
    assert {"checkout.session.completed", "charge.succeeded"} <= {one.event_type for one in missed}
    assert {one.account_ref for one in missed} == {account.account_ref}
    assert {order, charge} <= {one.object_ref for one in missed}


async def test_more_than_a_page_of_events_that_were_not_delivered_are_listed(
    provider: StripeProvider, stripe_server: StripeServer
) -> None:
    stripe_server.deliver_to("http://127.0.0.1:9/webhooks/stripe")  # nobody listens there
    order, _ = await paid(provider, stripe_server)
    for _ in range(110):
        stripe_server.emit("checkout.session.completed", order)
    stripe_server.deliveries.settle()
    missed = await provider.missed_events(clock.now() - timedelta(hours=1))
    assert len({one.event_id for one in missed}) == len(missed) > 110
