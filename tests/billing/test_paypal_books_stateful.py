"""Client, PayPal, the network, a rival, staff and crashes play against each other; the books must still agree.

The real SDK speaks to the local PayPal. Unlike Stripe's, its money moves only when we ask for it (capture), long after
the client said yes; and a payment that is disputed there can't be given back meanwhile.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import rule

from billing.providers.paypal.transport import forget_transports
from billing.providers.paypal.verification import forget_certificates
from billing.webhooks.receiving import receive_webhook
from tests.billing.books import Books, Json, Taken, run_books
from tests.support.connected_accounts import connect_paypal, paypal_runtime
from tests.support.practices import make_practice
from tests.support.providers.paypal.payments import OPEN_DISPUTES
from tests.support.providers.paypal_server import PayPalServer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings

_PATHS = {
    "begin": "/v2/checkout/orders",
    "capture": "/v2/checkout/orders/*/capture",
    "refund": "/v2/payments/captures/*/refund",
}
_MOST_ASKED = 10
"""More often than anybody asks again."""


def _minor(amount: Json) -> int:
    assert amount["currency_code"] == "EUR"
    return int(Decimal(amount["value"]) * 100)


class PayPalBooks(Books):
    """With the moves that PayPal and the client have there."""

    provider = "paypal"

    def __init__(self, runner: asyncio.Runner, runtime: Runtime, server: PayPalServer) -> None:
        practice = runner.run(make_practice(runtime))
        self._server, self._client_id = server, f"client-{practice.key}"
        account = runner.run(connect_paypal(runtime, practice, server, self._client_id))
        self._webhook_ref = str(account.webhook_ref)
        super().__init__(runner, runtime, practice)

    def _things(self, kind: str, *statuses: str) -> list[Json]:
        found = self._server.things(kind, self._client_id)
        return [one for one in found if not statuses or one["status"] in statuses]

    def pay_there(self) -> None:
        """The money is taken when they come back."""
        self.approve(0)

    def lose(self, what: str) -> None:
        """However often it is asked."""
        self._server.faults.lose_answer(_PATHS[what], method="POST", times=_MOST_ASKED)

    def calm(self) -> None:
        """Answers come, and captures and refunds are at once."""
        self._server.faults.clear()
        self._server.forget_wishes(self._client_id)

    def next_refund_is_slow(self) -> None:
        """As from a bank account."""
        self._server.next_refund(self._client_id, "PENDING")

    @rule(n=st.integers(0, 3))
    def approve(self, n: int) -> None:
        """The client says yes on PayPal's page. No money has moved."""
        waiting = self._things("order", "CREATED", "PAYER_ACTION_REQUIRED")
        if waiting:
            self._server.approve(waiting[n % len(waiting)]["id"])

    @rule(n=st.integers(0, 3), how=st.sampled_from(["", "", "lost", "slow", "declined", "refused"]))
    def come_back_approved(self, n: int, how: str) -> None:
        """The client says yes and comes back, whereupon we capture; how that ends is PayPal's to say."""
        self.approve(n)
        if how == "lost":
            self.lose("capture")
        elif how == "slow":
            self._server.next_capture(self._client_id, "PENDING")
        elif how == "declined":
            self._server.next_capture(self._client_id, "DECLINED")
        elif how == "refused":
            self._server.refuse_capture(self._client_id)
        self.come_back(n)
        self.calm()

    @rule(n=st.integers(0, 3))
    def approval_lapses(self, n: int) -> None:
        """Nobody captured in time."""
        approved = self._things("order", "APPROVED")
        if approved:
            self._server.lapse(approved[n % len(approved)]["id"])

    @rule(n=st.integers(0, 3), succeeds=st.booleans())
    def slow_money(self, n: int, succeeds: bool) -> None:
        """It arrives, or never will."""
        slow = self._things("capture", "PENDING")
        if slow:
            self._server.settle_capture(slow[n % len(slow)]["id"], succeeds=succeeds)

    @rule(n=st.integers(0, 40), times=st.integers(1, 2))
    def webhook(self, n: int, times: int) -> None:
        """Any event that ever happened arrives, once or twice. That it never does is the rule not chosen."""
        happened = self._server.events(self._client_id)
        if not happened:
            return
        body, headers = self._server.event(happened[n % len(happened)]["id"], self._webhook_ref)
        lowered = {name.lower(): value for name, value in headers.items()}
        for _ in range(times):
            self._runner.run(receive_webhook(self._desk.runtime, self._desk.practice, "paypal", lowered, body))

    @rule(n=st.integers(0, 3))
    def give_back_at_paypal(self, n: int) -> None:
        """The owner refunds on PayPal's own site."""
        captures = [one for one in self._undisputed() if _minor(one["amount"]) - self._given_back(one) >= 500]
        if captures:
            amount = {"currency_code": "EUR", "value": "5.00"}
            self._server.refund_at_paypal(captures[n % len(captures)]["id"], amount)

    @rule(n=st.integers(0, 3), succeeds=st.booleans())
    def slow_refund(self, n: int, succeeds: bool) -> None:
        """One that was pending goes through, or does not."""
        slow = self._things("refund", "PENDING")
        if slow:
            self._server.settle_refund(slow[n % len(slow)]["id"], succeeds=succeeds)

    @rule(n=st.integers(0, 3))
    def dispute(self, n: int) -> None:
        """The client wants the money back by PayPal."""
        captures = [one for one in self._undisputed() if not self._given_back(one)]
        if captures:
            self._server.open_dispute(captures[n % len(captures)]["id"])

    @rule(n=st.integers(0, 3), won=st.booleans())
    def decide(self, n: int, won: bool) -> None:
        """PayPal decides."""
        undecided = self._things("dispute", *OPEN_DISPUTES)
        if undecided:
            self._server.close_dispute(undecided[n % len(undecided)]["dispute_id"], won=won)

    def _undisputed(self) -> list[Json]:
        disputed = {one["disputed_transactions"][0]["seller_transaction_id"] for one in self._things("dispute")}
        taken = self._things("capture", "COMPLETED", "PARTIALLY_REFUNDED")
        return [one for one in taken if one["id"] not in disputed]

    def _given_back(self, capture: Json) -> int:
        of_it = [
            one
            for one in self._things("refund", "COMPLETED", "PENDING")
            if any(link["rel"] == "up" and link["href"].endswith(f"/{capture['id']}") for link in one["links"])
        ]
        return sum(_minor(one["amount"]) for one in of_it)

    def end_there(self) -> None:
        """Slow money arrives, slow refunds go through, and the practice wins what is undecided."""
        for one in self._things("capture", "PENDING"):
            self._server.settle_capture(one["id"])
        for one in self._things("refund", "PENDING"):
            self._server.settle_refund(one["id"])
        for one in self._things("dispute", *OPEN_DISPUTES):
            self._server.close_dispute(one["dispute_id"], won=True)

    def taken(self) -> Mapping[str, Taken]:
        """What was charged back is gone whole."""
        found = {}
        for one in self._things("capture", "COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"):
            captured = _minor(one["amount"])
            is_gone = one.get("status_details", {}).get("reason") == "CHARGEBACK"
            found[one["id"]] = Taken(captured, captured if is_gone else self._given_back(one))
        return found


@contextmanager
def local_paypal() -> Iterator[PayPalServer]:
    """Nothing that was learnt of another one is remembered."""
    with PayPalServer() as server:
        try:
            yield server
        finally:
            forget_transports()
            forget_certificates()
    server.assert_clean()


def test_the_books_agree_with_paypals_whatever_happens(settings: Settings) -> None:
    with local_paypal() as server:
        run_books(
            settings,
            lambda runtime: paypal_runtime(runtime, server),
            lambda runner, runtime: PayPalBooks(runner, runtime, server),
            examples=8,
        )
