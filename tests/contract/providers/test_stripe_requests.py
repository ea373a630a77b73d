"""Requests to the local Stripe: wrong ones are refused, repeated ones replayed, lost ones done all the same."""

from typing import Any

import pytest
import stripe

from tests.contract.providers.stripe_payments import FEE, PRICE, open_session, session_params
from tests.contract.stripe_contract import stripe_contract
from tests.support.providers.clients import stripe_client
from tests.support.providers.server import OffContractError
from tests.support.providers.stripe.world import ROUTES
from tests.support.providers.stripe_server import StripeServer


def test_every_operation_of_the_contract_can_be_carried_out() -> None:
    assert {it.key for it in stripe_contract().operations} == set(ROUTES)


class TestWrongRequests:
    @pytest.mark.parametrize(
        ("changes", "found"),
        [
            ({"payment_method_types": ["card"]}, "payment_method_types: not in the contract"),
            ({"payment_intent_data": {"aplication_fee_amount": 1}}, "aplication_fee_amount: not in the contract"),
            ({"mode": "donation"}, "body/mode"),
            ({"expires_at": "tomorrow"}, "body/expires_at"),
            ({"ui_mode": "hosted"}, "body/ui_mode"),
            ({"payment_intent_data": {"application_fee_amount": "1.50"}}, "application_fee_amount"),
        ],
    )
    def test_are_refused_and_recorded(
        self, stripe_server: StripeServer, client: stripe.StripeClient, changes: dict[str, Any], found: str
    ) -> None:
        params: Any = session_params() | changes

        with stripe_server.expecting_violations(found), pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.checkout.sessions.create(params)

        assert refusal.value.http_status == 400
        assert stripe_server.objects("checkout.session") == []

    def test_one_that_nobody_expected_fails_the_test(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        params: Any = {"amont": 1}
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.refunds.create(params)

        with pytest.raises(AssertionError, match="amont"):
            stripe_server.assert_clean()
        stripe_server.exchanges.clear()

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"amount": 49}, "amount_too_small"),
            ({"amount": 100_000_000}, "amount_too_large"),
            ({"amount": 1005, "currency": "kwd", "fee": None}, None),
            ({"fee": PRICE + 1}, None),
        ],
    )
    def test_amounts_that_stripe_does_not_take_are_refused(
        self, client: stripe.StripeClient, changes: dict[str, Any], code: str | None
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            open_session(client, **changes)

        assert code in {None, refusal.value.code}

    def test_a_session_lives_half_an_hour_at_least(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        params: Any = session_params() | {"expires_at": stripe_server.world.now() + 600}

        with pytest.raises(stripe.InvalidRequestError, match="30 minutes"):
            client.v1.checkout.sessions.create(params)

    def test_so_is_a_key_that_stripe_never_gave_out(self, stripe_server: StripeServer) -> None:
        with stripe_client(stripe_server, "sk_test_nobody") as stranger, pytest.raises(stripe.AuthenticationError):
            stranger.v1.balance.retrieve()


class TestIdempotency:
    def test_the_same_key_replays_the_same_answer(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        first = open_session(client, "pay:1")
        again = open_session(client, "pay:1")

        assert again.id == first.id
        assert again.last_response is not None
        assert again.last_response.headers["Idempotent-Replayed"] == "true"
        assert len(stripe_server.objects("checkout.session")) == 1

    def test_the_same_key_with_other_parameters_is_refused(self, client: stripe.StripeClient) -> None:
        open_session(client, "pay:1")

        with pytest.raises(stripe.IdempotencyError):
            open_session(client, "pay:1", amount=PRICE + 1)

    def test_a_refusal_for_business_reasons_is_replayed_too(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        intent: Any = {
            "amount": PRICE,
            "currency": "eur",
            "confirm": True,
            "payment_method": "pm_card_chargeDeclined",
            "return_url": "https://practice.test/return",
        }
        for _ in range(2):
            with pytest.raises(stripe.CardError) as refusal:
                client.v1.payment_intents.create(intent, {"idempotency_key": "pay:1"})
            assert refusal.value.code == "card_declined"

        assert len(stripe_server.objects("payment_intent")) == 1

    def test_keys_belong_to_an_account(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str
    ) -> None:
        open_session(client, "pay:1")
        with stripe_client(stripe_server, account_id=stripe_server.add_account()) as neighbour:
            open_session(neighbour, "pay:1")

        assert len(stripe_server.objects("checkout.session")) == 2
        assert len(stripe_server.objects("checkout.session", practice)) == 1


class TestLostAnswers:
    def test_the_work_is_done_and_the_same_key_finds_it(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        stripe_server.faults.lose_answer("/v1/checkout/sessions")

        with pytest.raises(stripe.APIConnectionError):
            open_session(client, "pay:1")

        made = stripe_server.objects("checkout.session")
        assert [it["amount_total"] for it in made] == [PRICE]
        assert open_session(client, "pay:1").id == made[0]["id"]

    def test_another_key_makes_a_second_one(self, stripe_server: StripeServer, client: stripe.StripeClient) -> None:
        stripe_server.faults.lose_answer("/v1/checkout/sessions")
        with pytest.raises(stripe.APIConnectionError):
            open_session(client, "pay:1")

        open_session(client, "pay:2")

        assert len(stripe_server.objects("checkout.session")) == 2

    def test_the_sdk_s_own_repetition_is_one_piece_of_work(self, stripe_server: StripeServer, practice: str) -> None:
        stripe_server.faults.lose_answer("/v1/checkout/sessions", status=500)
        with stripe_client(stripe_server, account_id=practice, retries=1) as client:
            open_session(client, "pay:1")

        assert [it.status for it in stripe_server.requests("/v1/checkout/sessions")] == [500, 200]
        assert len(stripe_server.objects("checkout.session")) == 1

    def test_a_request_that_never_arrived_has_done_nothing(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        stripe_server.faults.drop("/v1/checkout/sessions")

        with pytest.raises(stripe.APIConnectionError):
            open_session(client)

        assert stripe_server.objects("checkout.session") == []

    def test_too_many_requests_are_no_first_use_of_the_key(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        stripe_server.faults.answer(429)

        with pytest.raises(stripe.RateLimitError):
            open_session(client, "pay:1")

        assert open_session(client, "pay:1").status == "open"


class TestAccounts:
    def test_another_account_does_not_have_the_object(
        self, stripe_server: StripeServer, client: stripe.StripeClient, platform: stripe.StripeClient
    ) -> None:
        session = open_session(client)

        with stripe_client(stripe_server, account_id=stripe_server.add_account()) as neighbour:
            for stranger in (neighbour, platform):
                with pytest.raises(stripe.InvalidRequestError) as refusal:
                    stranger.v1.checkout.sessions.retrieve(session.id)
                assert refusal.value.code == "resource_missing"

    def test_live_and_test_mode_are_worlds_apart(self, stripe_server: StripeServer, practice: str) -> None:
        with (
            stripe_client(stripe_server, "sk_live_platform", account_id=practice) as live,
            pytest.raises(stripe.PermissionError),
        ):
            open_session(live)

    def test_after_it_was_taken_back_the_access_is_gone(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str
    ) -> None:
        stripe_server.deauthorize(practice)

        with pytest.raises(stripe.PermissionError):
            open_session(client)
        assert stripe_server.events(practice)[-1]["type"] == "account.application.deauthorized"

    def test_a_practice_with_keys_of_its_own_pays_no_fee(self, stripe_server: StripeServer) -> None:
        _, key = stripe_server.add_own_account()
        with stripe_client(stripe_server, key) as own:
            assert open_session(own, fee=None).status == "open"
            with pytest.raises(stripe.InvalidRequestError):
                open_session(own, "pay:2", fee=FEE)


def test_an_answer_off_the_contract_fails_the_server_itself(
    stripe_server: StripeServer, client: stripe.StripeClient, practice: str
) -> None:
    session = open_session(client)
    scope = stripe_server.world.whose(session.id)
    stripe_server.world.objects[scope][session.id]["status"] = "half open"

    with pytest.raises(stripe.APIError):
        client.v1.checkout.sessions.retrieve(session.id)

    with pytest.raises(AssertionError, match="off its contract"):
        stripe_server.assert_clean()
    with pytest.raises(OffContractError):
        stripe_server.emit("checkout.session.completed", session.id)
    stripe_server.failures.clear()
