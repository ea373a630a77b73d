"""What happens to money at the local Stripe: paid, asked about by banks, slow, given back, disputed."""

import httpx
import pytest
import stripe

from tests.contract.providers.stripe_payments import FEE, PRICE, open_session, paid_charge
from tests.support.providers.stripe.errors import StripeError
from tests.support.providers.stripe.methods import Behaviour
from tests.support.providers.stripe.sessions import Outcome
from tests.support.providers.stripe_server import StripeServer


def kinds(server: StripeServer, account: str) -> list[str]:
    """The types of what happened in an account, in order."""
    return [it["type"] for it in server.events(account)]


class TestPaying:
    def test_a_paid_session_has_a_charge_with_both_fees(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str
    ) -> None:
        charge = paid_charge(stripe_server, client)

        assert (charge.amount, charge.application_fee_amount, charge.paid) == (PRICE, FEE, True)
        booked = client.v1.balance_transactions.retrieve(str(charge.balance_transaction))
        assert booked.net == PRICE - booked.fee
        assert {it.type: it.amount for it in booked.fee_details} == {"application_fee": FEE, "stripe_fee": 100}
        assert kinds(stripe_server, practice)[-1] == "checkout.session.completed"

    def test_metadata_is_the_intent_s_own(self, stripe_server: StripeServer, client: stripe.StripeClient) -> None:
        charge = paid_charge(stripe_server, client)

        assert charge.metadata.to_dict() == {"payment_id": "p1"}
        assert stripe_server.objects("checkout.session")[0]["metadata"] == {}

    def test_the_client_pays_on_a_page_and_is_sent_back(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        session = open_session(client)
        assert session.url is not None
        assert str(PRICE // 100) in httpx.get(session.url, trust_env=False).text

        done = httpx.post(session.url, data={"action": "approve"}, trust_env=False)

        assert done.headers["location"] == "https://practice.test/return"
        assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"

    def test_a_declined_card_leaves_the_session_open(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str
    ) -> None:
        session = open_session(client)

        assert stripe_server.pay(session.id, Outcome.DECLINE) is None

        assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
        assert "payment_intent.payment_failed" in kinds(stripe_server, practice)
        assert stripe_server.pay(session.id) == "https://practice.test/return"

    @pytest.mark.parametrize(("passes", "status"), [(True, "paid"), (False, "unpaid")])
    def test_the_bank_may_ask_first(
        self, stripe_server: StripeServer, client: stripe.StripeClient, passes: bool, status: str
    ) -> None:
        session = open_session(client)
        stripe_server.pay(session.id, Outcome.AUTHENTICATE)
        assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "unpaid"

        stripe_server.authenticate(session.id, passes=passes)

        assert client.v1.checkout.sessions.retrieve(session.id).payment_status == status

    @pytest.mark.parametrize(("succeeds", "status"), [(True, "paid"), (False, "unpaid")])
    def test_slow_money_completes_the_session_unpaid(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str, succeeds: bool, status: str
    ) -> None:
        session = open_session(client)
        stripe_server.pay(session.id, Outcome.SLOW)
        waiting = client.v1.checkout.sessions.retrieve(session.id)
        assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")

        stripe_server.settle(session.id, succeeds=succeeds)

        assert client.v1.checkout.sessions.retrieve(session.id).payment_status == status
        ending = "succeeded" if succeeds else "failed"
        assert kinds(stripe_server, practice)[-1] == f"checkout.session.async_payment_{ending}"

    def test_an_expired_session_can_t_be_paid(self, stripe_server: StripeServer, client: stripe.StripeClient) -> None:
        session = open_session(client)

        assert client.v1.checkout.sessions.expire(session.id).status == "expired"

        with pytest.raises(StripeError, match="no longer open"):
            stripe_server.pay(session.id)
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.checkout.sessions.expire(session.id)

    def test_a_saved_card_may_need_the_client_where_nobody_is_there(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        customer = client.v1.customers.create({"email": "clara@example.com"})
        card = stripe_server.add_card(customer.id, Behaviour(needs_authentication=True))

        with pytest.raises(stripe.CardError) as refusal:
            client.v1.payment_intents.create(
                {
                    "amount": PRICE,
                    "currency": "eur",
                    "customer": customer.id,
                    "payment_method": card,
                    "confirm": True,
                    "off_session": True,
                }
            )

        assert refusal.value.code == "authentication_required"


class TestRefunds:
    def test_a_part_gives_the_same_part_of_the_fee_back(
        self, stripe_server: StripeServer, client: stripe.StripeClient, platform: stripe.StripeClient
    ) -> None:
        charge = paid_charge(stripe_server, client)

        for number, amount in enumerate((PRICE // 2, PRICE // 2)):
            client.v1.refunds.create(
                {"charge": charge.id, "amount": amount, "refund_application_fee": True},
                {"idempotency_key": f"refund:{number}"},
            )
            fee = platform.v1.application_fees.retrieve(str(charge.application_fee))
            assert fee.amount_refunded == FEE // 2 * (number + 1)

        assert client.v1.charges.retrieve(charge.id).refunded is True

    def test_odd_parts_give_back_no_cent_too_many(
        self, stripe_server: StripeServer, client: stripe.StripeClient, platform: stripe.StripeClient
    ) -> None:
        charge = paid_charge(stripe_server, client, fee=100)

        for amount in (1667, 1667, 1666):
            client.v1.refunds.create({"charge": charge.id, "amount": amount, "refund_application_fee": True})

        fee = platform.v1.application_fees.retrieve(str(charge.application_fee))
        assert fee.amount_refunded == 100

    def test_unasked_the_platform_keeps_its_fee(
        self, stripe_server: StripeServer, client: stripe.StripeClient, platform: stripe.StripeClient
    ) -> None:
        charge = paid_charge(stripe_server, client)

        client.v1.refunds.create({"charge": charge.id})

        assert platform.v1.application_fees.retrieve(str(charge.application_fee)).amount_refunded == 0

    @pytest.mark.parametrize(
        ("amounts", "code"),
        [((PRICE + 1,), "amount_too_large"), ((PRICE, 1), "charge_already_refunded")],
    )
    def test_more_than_is_there_is_refused(
        self, stripe_server: StripeServer, client: stripe.StripeClient, amounts: tuple[int, ...], code: str
    ) -> None:
        charge = paid_charge(stripe_server, client)
        *before, last = amounts
        for amount in before:
            client.v1.refunds.create({"charge": charge.id, "amount": amount})

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.refunds.create({"charge": charge.id, "amount": last})

        assert refusal.value.code == code

    def test_a_lost_answer_to_a_refund_is_found_by_its_key(
        self, stripe_server: StripeServer, client: stripe.StripeClient
    ) -> None:
        charge = paid_charge(stripe_server, client)
        stripe_server.faults.lose_answer("/v1/refunds")
        with pytest.raises(stripe.APIConnectionError):
            client.v1.refunds.create({"charge": charge.id, "amount": 1000}, {"idempotency_key": "refund:1"})

        client.v1.refunds.create({"charge": charge.id, "amount": 1000}, {"idempotency_key": "refund:1"})

        assert client.v1.charges.retrieve(charge.id).amount_refunded == 1000

    def test_one_that_fails_later_leaves_the_money_where_it_was(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str
    ) -> None:
        charge = paid_charge(stripe_server, client)
        refund = client.v1.refunds.create({"charge": charge.id})

        stripe_server.settle_refund(refund.id, succeeds=False)

        assert client.v1.refunds.retrieve(refund.id).status == "failed"
        assert client.v1.charges.retrieve(charge.id).amount_refunded == 0
        assert "refund.failed" in kinds(stripe_server, practice)

    def test_one_of_stripe_s_own_site_is_heard_of(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str
    ) -> None:
        charge = paid_charge(stripe_server, client)

        made = stripe_server.refund_at_stripe(charge.id, 700)

        assert [it.id for it in client.v1.refunds.list({"charge": charge.id}).data] == [made]
        assert {"refund.created", "charge.refunded"} <= set(kinds(stripe_server, practice))


class TestDisputes:
    def test_the_money_is_taken_and_no_refund_is_possible(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str
    ) -> None:
        charge = paid_charge(stripe_server, client)

        opened = stripe_server.open_dispute(charge.id, due_by=1_900_000_000)

        dispute = client.v1.disputes.retrieve(opened)
        assert (dispute.status, dispute.amount) == ("needs_response", PRICE)
        assert dispute.evidence_details.due_by == 1_900_000_000
        assert client.v1.charges.retrieve(charge.id).disputed is True
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.refunds.create({"charge": charge.id})
        assert refusal.value.code == "charge_disputed"
        assert "charge.dispute.funds_withdrawn" in kinds(stripe_server, practice)

    @pytest.mark.parametrize(("won", "status"), [(True, "won"), (False, "lost")])
    def test_the_bank_decides(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str, won: bool, status: str
    ) -> None:
        charge = paid_charge(stripe_server, client)
        opened = stripe_server.open_dispute(charge.id)

        stripe_server.close_dispute(opened, won=won)

        assert client.v1.disputes.retrieve(opened).status == status
        assert ("charge.dispute.funds_reinstated" in kinds(stripe_server, practice)) is won
        moved = [it.net for it in client.v1.disputes.retrieve(opened).balance_transactions]
        assert (sum(moved) == -2000) is won

    def test_an_inquiry_takes_nothing(
        self, stripe_server: StripeServer, client: stripe.StripeClient, practice: str
    ) -> None:
        charge = paid_charge(stripe_server, client)

        stripe_server.open_dispute(charge.id, inquiry=True)

        assert "charge.dispute.funds_withdrawn" not in kinds(stripe_server, practice)
        assert client.v1.refunds.create({"charge": charge.id}).status == "succeeded"


@pytest.mark.parametrize(("currency", "amount"), [("jpy", 6000), ("kwd", 5010), ("eur", 99_999_999)])
def test_currencies_without_and_with_three_decimals_and_the_largest_amount(
    stripe_server: StripeServer, client: stripe.StripeClient, currency: str, amount: int
) -> None:
    charge = paid_charge(stripe_server, client, amount=amount, currency=currency)

    assert (charge.amount, charge.currency) == (amount, currency)
