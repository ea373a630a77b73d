"""Client, Stripe, the network, a bank, a rival, staff and crashes play against each other; the books must still agree.

The real SDK speaks to the local Stripe.
"""

import asyncio
from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.stateful import rule

from billing.providers.stripe.client import RETRIES
from billing.providers.stripe.events import read_event
from billing.webhooks.receiving import receive_account_event
from tenants.registry.service import TenantDirectory
from tests.billing.books import Books, Json, Taken, run_books
from tests.support.connected_accounts import CONNECT_SECRET, connect_stripe, stripe_runtime
from tests.support.practices import make_practice
from tests.support.providers.stripe.sessions import Outcome
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings

_PATHS = {"begin": "/v1/checkout/sessions", "refund": "/v1/refunds"}


class StripeBooks(Books):
    """With the moves that Stripe and the client's bank have."""

    provider = "stripe"

    def __init__(self, runner: asyncio.Runner, runtime: Runtime, server: StripeServer) -> None:
        practice = runner.run(make_practice(runtime))
        self._server = server
        self._account = str(runner.run(connect_stripe(runtime, practice, server)).account_ref)
        self._directory = TenantDirectory(runtime.database, runtime.settings)
        super().__init__(runner, runtime, practice)

    def _objects(self, kind: str) -> list[Json]:
        return self._server.objects(kind, self._account)

    def pay_there(self) -> None:
        """By a card that is good."""
        self.pay(0, Outcome.APPROVE)

    def lose(self, what: str) -> None:
        """As often as the SDK asks."""
        self._server.faults.lose_answer(_PATHS[what], method="POST", times=RETRIES + 1)

    def calm(self) -> None:
        """Answers come, and refunds are at once."""
        self._server.faults.clear()
        self._server.clear_next_refunds()

    def next_refund_is_slow(self) -> None:
        """As by a bank transfer."""
        self._server.next_refund("pending")

    @rule(
        n=st.integers(0, 3),
        outcome=st.sampled_from([Outcome.APPROVE, Outcome.APPROVE, Outcome.DECLINE, Outcome.SLOW]),
    )
    def pay(self, n: int, outcome: Outcome) -> None:
        """The client pays on Stripe's page."""
        open_ones = [one for one in self._objects("checkout.session") if one["status"] == "open"]
        if open_ones:
            self._server.pay(open_ones[n % len(open_ones)]["id"], outcome)

    @rule(n=st.integers(0, 3), succeeds=st.booleans())
    def slow_money(self, n: int, succeeds: bool) -> None:
        """It arrives, or never will."""
        slow = [one for one in self._objects("payment_intent") if one["status"] == "processing"]
        if slow:
            self._settle_slow(slow[n % len(slow)], succeeds=succeeds)

    def _settle_slow(self, intent: Json, *, succeeds: bool) -> None:
        session = next(one for one in self._objects("checkout.session") if one["payment_intent"] == intent["id"])
        self._server.settle(session["id"], succeeds=succeeds)

    @rule(n=st.integers(0, 40), times=st.integers(1, 2))
    def webhook(self, n: int, times: int) -> None:
        """Any event that ever happened arrives, once or twice. That it never does is the rule not chosen."""
        happened = self._server.events(self._account)
        if not happened:
            return
        body, headers = self._server.event(happened[n % len(happened)]["id"], secret=CONNECT_SECRET)
        event = read_event({name.lower(): value for name, value in headers.items()}, body, [CONNECT_SECRET])
        for _ in range(times):
            self._runner.run(receive_account_event(self._desk.runtime, self._directory, "stripe", event, body))

    @rule(n=st.integers(0, 3))
    def give_back_at_stripe(self, n: int) -> None:
        """The owner refunds on Stripe's own site."""
        charges = [one for one in self._objects("charge") if self._is_refundable(one, 500)]
        if charges:
            self._server.refund_at_stripe(charges[n % len(charges)]["id"], 500)

    @rule(n=st.integers(0, 3))
    def refund_fails(self, n: int) -> None:
        """The client's bank sends a refund back, long after it had gone through."""
        made = [one for one in self._objects("refund") if one["status"] == "succeeded"]
        if made:
            self._server.settle_refund(made[n % len(made)]["id"], succeeds=False)

    @rule(n=st.integers(0, 3))
    def dispute(self, n: int) -> None:
        """The client's bank wants the money."""
        charges = [one for one in self._objects("charge") if self._is_refundable(one, one["amount"])]
        if charges:
            self._server.open_dispute(charges[n % len(charges)]["id"])

    def _is_refundable(self, charge: Json, amount: int) -> bool:
        left = charge["amount_captured"] - charge["amount_refunded"]
        return bool(charge["captured"] and not charge["disputed"] and left >= amount)

    @rule(n=st.integers(0, 3), won=st.booleans())
    def decide(self, n: int, won: bool) -> None:
        """The bank decides."""
        undecided = [one for one in self._objects("dispute") if one["status"] not in ("won", "lost")]
        if undecided:
            self._server.close_dispute(undecided[n % len(undecided)]["id"], won=won)

    def end_there(self) -> None:
        """Slow money arrives, slow refunds go through, and the practice wins what is undecided."""
        for intent in self._objects("payment_intent"):
            if intent["status"] == "processing":
                self._settle_slow(intent, succeeds=True)
        for one in self._objects("refund"):
            if one["status"] == "pending":
                self._server.settle_refund(one["id"])
        for one in self._objects("dispute"):
            if one["status"] not in ("won", "lost"):
                self._server.close_dispute(one["id"], won=True)

    def taken(self) -> Mapping[str, Taken]:
        """What a lost dispute took is gone, too."""
        lost: dict[str, int] = {}
        for one in self._objects("dispute"):
            if one["status"] == "lost":
                lost[one["charge"]] = lost.get(one["charge"], 0) + one["amount"]
        return {
            one["id"]: Taken(one["amount_captured"], one["amount_refunded"] + lost.get(one["id"], 0))
            for one in self._objects("charge")
            if one["captured"]
        }


def test_the_books_agree_with_stripes_whatever_happens(settings: Settings) -> None:
    with StripeServer() as server:
        run_books(
            settings,
            lambda runtime: stripe_runtime(runtime, server),
            lambda runner, runtime: StripeBooks(runner, runtime, server),
            examples=12,
        )
    server.assert_clean()
