"""Orders, captures, refunds and disputes at the local PayPal, by our description of it and by PayPal's."""

import threading
from decimal import Decimal
from typing import Any

import httpx
import paypalrestsdk  # type: ignore[import-untyped]  # it has no annotations
import pytest

from tests.support.providers.clients import PayPalCaller, issue
from tests.support.providers.paypal_server import PayPalServer


def approved(server: PayPalServer, merchant: PayPalCaller, request_id: str = "pay:1", **order: Any) -> str:
    """An order that the client has approved."""
    order_id = str(merchant.order(request_id, **order).json()["id"])
    server.approve(order_id)
    return order_id


def captured(server: PayPalServer, merchant: PayPalCaller, request_id: str = "pay:1", **order: Any) -> dict[str, Any]:
    """The capture of an approved order."""
    answer = merchant.capture(approved(server, merchant, request_id, **order), f"{request_id}:capture")
    capture: dict[str, Any] = answer.json()["purchase_units"][0]["payments"]["captures"][0]
    return capture


class TestTokens:
    def test_a_wrong_secret_gets_none(self, paypal_server: PayPalServer) -> None:
        paypal_server.add_app("client", "secret")
        with PayPalCaller(paypal_server, "client", "guess") as stranger:
            answer = stranger.token()

        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"

    def test_they_end(self, paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
        merchant.token()
        paypal_server.forget_tokens()

        assert merchant.call("GET", "/v1/notifications/webhooks").status_code == 401

    def test_withdrawn_credentials_are_refused_for_good_even_with_a_token(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        paypal_server.withdraw("client", keeps_tokens=True)

        assert merchant.token().status_code == 200
        assert merchant.call("GET", "/v1/notifications/webhooks").status_code == 401

    def test_an_order_is_one_merchant_s(self, paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
        order_id = merchant.order("pay:1").json()["id"]
        paypal_server.add_app("other", "secret")
        with PayPalCaller(paypal_server, "other", "secret") as other:
            answer = other.call("GET", f"/v2/checkout/orders/{order_id}")

        assert answer.status_code == 404
        assert issue(answer) == "INVALID_RESOURCE_ID"


class TestOrders:
    def test_one_is_approved_on_a_page_and_captured_once(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        order = merchant.order("pay:1", custom_id="a1").json()
        page = next(it["href"] for it in order["links"] if it["rel"] == "payer-action")
        assert order["status"] == "PAYER_ACTION_REQUIRED"
        assert issue(merchant.capture(order["id"], "c0")) == "ORDER_NOT_APPROVED"
        with httpx.Client(trust_env=False) as browser:
            assert "50.00 EUR" in browser.get(page).text
            back = browser.post(page, data={"action": "approve"}).headers["location"]

        captured = merchant.capture(order["id"], "c1")

        assert back.startswith(f"http://practice.test/return?token={order['id']}&PayerID=")
        assert captured.status_code == 201
        capture = captured.json()["purchase_units"][0]["payments"]["captures"][0]
        assert (capture["status"], capture["custom_id"], capture["invoice_id"]) == ("COMPLETED", "a1", "pay:1")
        kept = capture["seller_receivable_breakdown"]
        net = Decimal(kept["gross_amount"]["value"]) - Decimal(kept["paypal_fee"]["value"])
        assert Decimal(kept["net_amount"]["value"]) == net
        assert issue(merchant.capture(order["id"], "c2")) == "ORDER_ALREADY_CAPTURED"

    def test_a_client_who_goes_back_has_approved_nothing(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        order_id = merchant.order("pay:1").json()["id"]

        assert paypal_server.leave(order_id) == f"http://practice.test/cancel?token={order_id}"
        assert issue(merchant.capture(order_id, "c1")) == "ORDER_NOT_APPROVED"

    def test_the_same_request_id_is_one_order_and_one_capture(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        first, again = merchant.order("pay:1"), merchant.order("pay:1")
        paypal_server.approve(first.json()["id"])
        taken, taken_again = (merchant.capture(first.json()["id"], "c1") for _ in range(2))

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert (taken.status_code, taken_again.status_code) == (201, 200)
        assert len(paypal_server.things("capture")) == 1

    def test_an_order_with_a_payment_source_needs_a_request_id(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        unit = {"amount": {"currency_code": "EUR", "value": "1.00"}}
        body = {"intent": "CAPTURE", "purchase_units": [unit], "payment_source": {"paypal": {}}}

        assert issue(merchant.call("POST", "/v2/checkout/orders", body)) == "PAYPAL_REQUEST_ID_REQUIRED"
        assert paypal_server.things("order") == []

    def test_a_declined_instrument_can_be_replaced_by_approving_again(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        order_id = approved(paypal_server, merchant)
        paypal_server.refuse_capture("client")

        refusal = merchant.capture(order_id, "c1")

        assert issue(refusal) == "INSTRUMENT_DECLINED"
        assert refusal.json()["links"][0]["rel"] == "redirect"
        assert issue(merchant.capture(order_id, "c2")) == "ORDER_NOT_APPROVED"
        paypal_server.approve(order_id)
        assert issue(merchant.capture(order_id, "c1")) == "INSTRUMENT_DECLINED"
        assert merchant.capture(order_id, "c3").status_code == 201

    def test_an_invoice_is_paid_once(self, paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
        captured(paypal_server, merchant)
        again = approved(paypal_server, merchant, "pay:2", invoice_id="pay:1")

        assert issue(merchant.capture(again, "c2")) == "DUPLICATE_INVOICE_ID"

    def test_an_order_may_be_completed_and_its_capture_declined(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        order_id = approved(paypal_server, merchant)
        paypal_server.next_capture("client", "DECLINED")

        answer = merchant.capture(order_id, "c1").json()

        assert answer["status"] == "COMPLETED"
        assert answer["purchase_units"][0]["payments"]["captures"][0]["status"] == "DECLINED"

    @pytest.mark.parametrize(("succeeds", "status"), [(True, "COMPLETED"), (False, "DECLINED")])
    def test_slow_money_comes_or_does_not(
        self, paypal_server: PayPalServer, merchant: PayPalCaller, *, succeeds: bool, status: str
    ) -> None:
        paypal_server.next_capture("client", "PENDING", reason="ECHECK")
        capture = captured(paypal_server, merchant)
        assert (capture["status"], capture["status_details"]) == ("PENDING", {"reason": "ECHECK"})
        assert issue(merchant.refund(capture["id"], "r0")) == "PENDING_CAPTURE"

        paypal_server.settle_capture(capture["id"], succeeds=succeeds)

        assert merchant.call("GET", f"/v2/payments/captures/{capture['id']}").json()["status"] == status

    @pytest.mark.parametrize(
        ("value", "currency", "refusal"),
        [
            ("0.00", "EUR", "CANNOT_BE_ZERO_OR_NEGATIVE"),
            ("1.001", "EUR", "DECIMAL_PRECISION"),
            ("1.50", "JPY", "DECIMAL_PRECISION"),
            ("1.50", "HUF", "DECIMAL_PRECISION"),
            ("10000000.00", "EUR", "MAX_VALUE_EXCEEDED"),
            ("1.00", "KWD", "INVALID_CURRENCY_CODE"),
        ],
    )
    def test_amounts_that_paypal_does_not_take_are_refused(
        self, merchant: PayPalCaller, value: str, currency: str, refusal: str
    ) -> None:
        assert issue(merchant.order("pay:1", value, currency)) == refusal

    @pytest.mark.parametrize(("value", "currency"), [("9999999.99", "EUR"), ("5000", "JPY"), ("0.01", "EUR")])
    def test_and_those_at_the_edge_are_taken(self, merchant: PayPalCaller, value: str, currency: str) -> None:
        assert merchant.order("pay:1", value, currency).status_code == 201

    def test_a_second_request_while_the_first_one_runs_is_a_conflict(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        order_id = approved(paypal_server, merchant)
        paypal_server.faults.delay(3, "*/capture")
        first = threading.Thread(target=merchant.capture, args=(order_id, "c1"))
        first.start()
        while not paypal_server.requests("/capture"):
            first.join(0.01)

        conflict = merchant.capture(order_id, "c1")
        first.join()

        assert conflict.status_code == 409
        assert issue(conflict) == "PREVIOUS_REQUEST_IN_PROGRESS"
        assert len(paypal_server.things("capture")) == 1

    def test_a_lost_answer_is_found_by_its_request_id(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        order_id = approved(paypal_server, merchant)
        paypal_server.faults.lose_answer("*/capture")
        with pytest.raises(httpx.RemoteProtocolError):
            merchant.capture(order_id, "c1")

        assert merchant.capture(order_id, "c1").json()["status"] == "COMPLETED"
        assert len(paypal_server.things("capture")) == 1


class TestRefunds:
    def test_parts_until_nothing_is_left(self, paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
        capture_id = captured(paypal_server, merchant)["id"]

        first, again = merchant.refund(capture_id, "r1", "20.00"), merchant.refund(capture_id, "r1", "20.00")

        assert first.json()["id"] == again.json()["id"]
        assert paypal_server.find(capture_id)["status"] == "PARTIALLY_REFUNDED"
        assert issue(merchant.refund(capture_id, "r2", "30.01")) == "REFUND_AMOUNT_EXCEEDED"
        assert issue(merchant.refund(capture_id, "r3", "1.00", "USD")) == "REFUND_CAPTURE_CURRENCY_MISMATCH"
        rest = merchant.refund(capture_id, "r4").json()
        assert rest["amount"]["value"] == "30.00"
        assert rest["seller_payable_breakdown"]["total_refunded_amount"]["value"] == "50.00"
        assert paypal_server.find(capture_id)["status"] == "REFUNDED"
        assert issue(merchant.refund(capture_id, "r5")) == "CAPTURE_FULLY_REFUNDED"

    def test_one_that_fails_leaves_the_money_with_the_merchant(
        self, paypal_server: PayPalServer, merchant: PayPalCaller
    ) -> None:
        capture_id = captured(paypal_server, merchant)["id"]
        paypal_server.next_refund("client", "PENDING")
        refund = merchant.refund(capture_id, "r1").json()
        assert refund["status"] == "PENDING"

        paypal_server.settle_refund(refund["id"], succeeds=False)

        assert merchant.call("GET", f"/v2/payments/refunds/{refund['id']}").json()["status"] == "FAILED"
        assert merchant.refund(capture_id, "r2").status_code == 201

    def test_whatever_paypal_lists_can_be_the_reason(self, paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
        capture_id = captured(paypal_server, merchant)["id"]
        paypal_server.refuse_refund("client", "REFUND_TIME_LIMIT_EXCEEDED")

        assert issue(merchant.refund(capture_id, "r1")) == "REFUND_TIME_LIMIT_EXCEEDED"

    def test_no_decimals_of_a_currency_without(self, paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
        capture_id = captured(paypal_server, merchant, value="5000", currency="JPY")["id"]

        assert issue(merchant.refund(capture_id, "r1", "10.50", "JPY")) == "DECIMALS_NOT_SUPPORTED"
        assert merchant.refund(capture_id, "r2", "10", "JPY").json()["amount"]["value"] == "10"


class TestDisputes:
    @pytest.mark.parametrize("won", [True, False])
    def test_block_refunds_until_they_are_won(
        self, paypal_server: PayPalServer, merchant: PayPalCaller, *, won: bool
    ) -> None:
        capture_id = captured(paypal_server, merchant)["id"]
        dispute_id = paypal_server.open_dispute(capture_id)
        assert issue(merchant.refund(capture_id, "r1")) == "TRANSACTION_DISPUTED"

        paypal_server.close_dispute(dispute_id, won=won)

        answer = merchant.refund(capture_id, "r2")
        kinds = [it["event_type"] for it in paypal_server.events("client", "DISPUTE")]
        assert kinds == ["CUSTOMER.DISPUTE.CREATED", "CUSTOMER.DISPUTE.RESOLVED"]
        if won:
            assert answer.status_code == 201
        else:
            assert issue(answer) == "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK"
            assert len(paypal_server.events("client", "PAYMENT.CAPTURE.REVERSED")) == 1

    def test_are_read_by_capture_and_one_by_one(self, paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
        capture, other = (str(captured(paypal_server, merchant, f"pay:{number}")["id"]) for number in (1, 2))
        dispute = paypal_server.open_dispute(capture)

        def listed(capture_id: str) -> list[str]:
            answer = merchant.call("GET", f"/v1/customer/disputes?disputed_transaction_id={capture_id}")
            return [it["dispute_id"] for it in answer.json().get("items", [])]

        assert listed(capture) == [dispute]
        assert listed(other) == []
        assert merchant.call("GET", f"/v1/customer/disputes/{dispute}").json()["dispute_id"] == dispute
        assert merchant.call("GET", "/v1/customer/disputes/PP-D-0").status_code == 404

    def test_are_read_only_with_the_right_to(self, paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
        dispute = paypal_server.open_dispute(captured(paypal_server, merchant)["id"])
        paypal_server.add_app("client", "secret").reads_disputes = False

        assert merchant.call("GET", "/v1/customer/disputes").status_code == 403
        assert merchant.call("GET", f"/v1/customer/disputes/{dispute}").status_code == 403


def test_a_misspelt_field_is_refused_and_recorded(paypal_server: PayPalServer, merchant: PayPalCaller) -> None:
    with paypal_server.expecting_violations("body/purchase_units/0/customid: not in the contract"):
        answer = merchant.order("pay:1", customid="a1")

    assert answer.status_code == 400


def test_the_sdk_as_it_comes_sends_a_body_where_none_belongs(paypal_server: PayPalServer) -> None:
    paypal_server.add_app("client", "secret")
    api = paypalrestsdk.Api(mode="sandbox", client_id="client", client_secret="secret", endpoint=paypal_server.url)

    with paypal_server.expecting_violations("GET /v1/notifications/webhooks: a body where the operation has none"):
        answer = api.get("/v1/notifications/webhooks")

    assert answer["error"]["name"] == "INVALID_REQUEST"
    paypal_server.tolerates_null_body = True
    assert api.get("/v1/notifications/webhooks") == {"webhooks": []}
