"""What tests make happen at the local Stripe: clients pay, banks dispute, practices leave, webhooks go astray."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.support.providers.stripe import accounts, disputes, intents, refunds, sessions, setups, subscriptions
from tests.support.providers.stripe.errors import StripeError
from tests.support.providers.stripe.events import (
    add_endpoint,
    emit,
    encoded,
    make_event,
    own_accounts,
    signature,
)
from tests.support.providers.stripe.methods import WORKS, Behaviour, add_method, attach
from tests.support.providers.stripe.pages import returning
from tests.support.providers.stripe.sessions import Outcome
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import PLATFORM, Key, Scope, World, visible

DEFAULT_SECRET = "whsec_platform"


class Controls:
    """Control methods; each takes the server's lock. Objects are named by their ids, whosever they are."""

    if TYPE_CHECKING:
        world: World
        lock: threading.RLock

    # --- accounts

    def add_account(self, *, livemode: bool = False, onboarded: bool = True, country: str = "ES") -> str:
        """A connected account, ready to charge unless said otherwise; its id."""
        with self.lock:
            account = accounts.add_account(self.world, livemode, {"country": country})
            if onboarded:
                accounts.onboard(self.world, account)
            return str(account["id"])

    def add_own_account(self, *, livemode: bool = False) -> tuple[str, str]:
        """An account that is none of the platform's, with keys of its own: its id and its secret key."""
        with self.lock:
            account = accounts.add_account(self.world, livemode, {})
            account |= {"_own_keys": True, "charges_enabled": True, "details_submitted": True, "payouts_enabled": True}
            key = f"sk_{'live' if livemode else 'test'}_{account['id'][5:]}"
            self.world.keys[key] = Key(account["id"], livemode)
            return account["id"], key

    def roll_key(self, key: str) -> str:
        """The secret key is another one from now on; the old one is refused."""
        with self.lock:
            held = self.world.keys.pop(key)
            made = f"{key}r"
            self.world.keys[made] = held
            return made

    def onboard(self, account_id: str) -> None:
        """The practice has finished Stripe's form."""
        with self.lock:
            accounts.onboard(self.world, self._get(account_id))

    def require(
        self,
        account_id: str,
        due: tuple[str, ...],
        *,
        past_due: tuple[str, ...] = (),
        deadline: int | None = None,
        disabled_reason: str | None = None,
    ) -> None:
        """Stripe wants something of the account; with a disabled reason it can no longer charge."""
        with self.lock:
            wanted = accounts.requirements(
                due, past_due=list(past_due), current_deadline=deadline, disabled_reason=disabled_reason
            )
            enabled = disabled_reason is None
            account = self._get(account_id)
            accounts.change(self.world, account, requirements=wanted, charges_enabled=enabled, payouts_enabled=enabled)

    def deauthorize(self, account_id: str) -> None:
        """The practice takes the platform's access back on Stripe's site."""
        with self.lock:
            accounts.deauthorize(self.world, self._get(account_id))

    # --- paying

    def pay(
        self,
        session_id: str,
        outcome: Outcome = Outcome.APPROVE,
        *,
        decline_code: str = "generic_decline",
        email: str = "clara@example.com",
    ) -> str | None:
        """The client pays on the hosted page: where it goes then, or None where it stays at Stripe."""
        with self.lock:
            scope = self.world.whose(session_id)
            session = sessions.current(self.world, scope, session_id)
            try:
                sessions.submit(self.world, scope, session, outcome, decline_code=decline_code, email=email)
            except StripeError as error:
                if error.body["type"] != "card_error":
                    raise
            return returning(session) if session["status"] == "complete" else None

    def authenticate(self, object_id: str, *, passes: bool = True) -> None:
        """The client answers the bank's question, for a session, an intent or a setup intent."""
        with self.lock:
            scope, thing = self.world.whose(object_id), self._get(object_id)
            if thing["object"] == "checkout.session":
                sessions.authenticated(self.world, scope, thing, passes=passes)
            elif thing["object"] == "setup_intent":
                setups.authenticate(self.world, scope, thing, passes=passes)
            else:
                sessions.authenticate_intent(self.world, scope, thing, passes=passes)

    def settle(self, object_id: str, *, succeeds: bool = True) -> None:
        """Slow money of a session or an intent arrives, or never will."""
        with self.lock:
            scope, thing = self.world.whose(object_id), self._get(object_id)
            if thing["object"] == "checkout.session":
                sessions.settle_slow(self.world, scope, thing, succeeds=succeeds)
            else:
                intents.settle_slow(self.world, scope, thing, succeeds=succeeds)

    def confirm(self, intent_id: str, behaviour: Behaviour = WORKS) -> str:
        """The client confirms an intent in the Payment Element with such a card: the status after it."""
        with self.lock:
            scope, intent = self.world.whose(intent_id), self._get(intent_id)
            method = add_method(self.world, scope, behaviour, email="clara@example.com")
            act = setups.confirm if intent["object"] == "setup_intent" else intents.confirm
            try:
                act(self.world, scope, intent, method)
            except StripeError as error:
                if error.body["type"] != "card_error":
                    raise
            return str(intent["status"])

    def expire(self, session_id: str) -> None:
        """The session's time is over."""
        with self.lock:
            sessions.expire(self.world, self.world.whose(session_id), self._get(session_id))

    def add_card(self, customer_id: str, behaviour: Behaviour = WORKS) -> str:
        """A customer's card that behaves so from now on; its id."""
        with self.lock:
            scope = self.world.whose(customer_id)
            method = add_method(self.world, scope, behaviour)
            attach(self.world, scope, method, customer_id)
            return str(method["id"])

    def change_card(self, method_id: str, behaviour: Behaviour) -> None:
        """A card behaves otherwise from now on: its bank refuses, or asks its owner."""
        with self.lock:
            self._get(method_id)["_behaviour"] = behaviour

    # --- refunds and disputes

    def next_refund(self, status: str = "pending", **fields: str) -> None:
        """The next refund is not done at once: ``pending``, ``requires_action`` or ``failed``."""
        with self.lock:
            self.world.next_refunds.append({"status": status, **fields})

    def clear_next_refunds(self) -> None:
        """Refunds are done at once again, also where none came for :meth:`next_refund` to change."""
        with self.lock:
            self.world.next_refunds.clear()

    def settle_refund(self, refund_id: str, *, succeeds: bool = True, reason: str = "unknown") -> None:
        """A refund comes to its end; one that had succeeded may fail too."""
        with self.lock:
            scope, refund = self.world.whose(refund_id), self._get(refund_id)
            refunds.settle(self.world, scope, refund, succeeds=succeeds, reason=reason)

    def refund_at_stripe(self, charge_id: str, amount: int | None = None) -> str:
        """The practice refunds on Stripe's own site; the refund's id."""
        with self.lock:
            scope, charge = self.world.whose(charge_id), self._get(charge_id)
            return str(refunds.refund_from_dashboard(self.world, scope, charge, amount)["id"])

    def open_dispute(
        self,
        charge_id: str,
        *,
        amount: int | None = None,
        reason: str = "fraudulent",
        due_by: int | None = None,
        inquiry: bool = False,
    ) -> str:
        """The client's bank disputes a charge; the dispute's id. ``due_by``: Unix seconds, two weeks if not said."""
        with self.lock:
            scope, charge = self.world.whose(charge_id), self._get(charge_id)
            made = disputes.open_dispute(
                self.world, scope, charge, amount=amount, reason=reason, due_by=due_by, inquiry=inquiry
            )
            return str(made["id"])

    def update_dispute(self, dispute_id: str, status: str = "under_review") -> None:
        """The bank has the evidence, for instance."""
        with self.lock:
            disputes.update_state(self.world, self.world.whose(dispute_id), self._get(dispute_id), status)

    def close_dispute(self, dispute_id: str, *, won: bool) -> None:
        """The bank decides."""
        with self.lock:
            disputes.close(self.world, self.world.whose(dispute_id), self._get(dispute_id), won=won)

    # --- plans

    def next_period(self, subscription_id: str, *, pays: bool = True) -> None:
        """The subscription's period ends; the next one is paid, or its card no longer works."""
        with self.lock:
            scope = self.world.whose(subscription_id)
            subscriptions.next_period(self.world, scope, self._get(subscription_id), pays=pays)

    def pay_invoice(self, invoice_id: str) -> None:
        """An open invoice is paid after all, on its hosted page."""
        with self.lock:
            scope, invoice = self.world.whose(invoice_id), self._get(invoice_id)
            subscription = subscriptions.subscription_of(self.world, scope, invoice)
            subscriptions.collect(self.world, scope, subscription, invoice, add_method(self.world, scope))

    def end_subscription(self, subscription_id: str, reason: str = "payment_failed") -> None:
        """Stripe gives up on it after its retries."""
        with self.lock:
            scope = self.world.whose(subscription_id)
            subscriptions.end(self.world, scope, self._get(subscription_id), reason)

    # --- webhooks

    def deliver_to(
        self,
        url: str,
        secret: str = DEFAULT_SECRET,
        *,
        connect: bool = True,
        livemode: bool = False,
        account_id: str = PLATFORM,
        events: tuple[str, ...] = ("*",),
    ) -> str:
        """Events go to this address from now on. ``connect``: those of connected accounts, not the platform's own."""
        with self.lock:
            scope = Scope(account_id, livemode)
            made = add_endpoint(self.world, scope, url, connect=connect, events=list(events), secret=secret)
            return str(made["id"])

    def webhook(
        self,
        event_type: str,
        thing: Json | str,
        *,
        account_id: str | None = None,
        livemode: bool = False,
        secret: str = DEFAULT_SECRET,
        timestamp: int | None = None,
        event_id: str | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of a new event about an object (or the one of that id), sent to nobody.

        The account is the object's owner where it isn't named, and the platform for an object of nobody's.
        """
        with self.lock:
            if isinstance(thing, str):
                scope = self.world.whose(thing)
                thing = self._get(thing)
            else:
                scope = Scope(account_id or PLATFORM, livemode)
            if account_id is not None:
                scope = Scope(account_id, scope.livemode)
            event = make_event(self.world, scope, event_type, thing)
            if event_id is not None:
                event["id"] = event_id
            return self._sealed(event, secret, timestamp)

    def event(
        self, event_id: str, *, secret: str = DEFAULT_SECRET, timestamp: int | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of an event that has happened."""
        with self.lock:
            return self._sealed(self._get(event_id), secret, timestamp)

    def events(self, account_id: str | None = None, kind: str = "") -> list[Json]:
        """What has happened, oldest first: in one account or in all, of types that contain this."""
        with self.lock:
            found = [
                it
                for scope, held in self.world.objects.items()
                if account_id in {None, scope.account}
                for it in held.values()
                if it["object"] == "event" and kind in it["type"]
            ]
            return [visible(it) for it in sorted(found, key=lambda it: str(it["id"]))]

    def emit(self, event_type: str, object_id: str) -> None:
        """Sends an event about an object as it is, though nothing has happened."""
        with self.lock:
            emit(self.world, self.world.whose(object_id), event_type, self._get(object_id))

    # --- looking

    def find(self, object_id: str) -> Json:
        """An object as the API would answer it, whosever it is. Raises LookupError."""
        with self.lock:
            shown: Json = visible(self._get(object_id))
            return shown

    def objects(self, kind: str, account_id: str | None = None) -> list[Json]:
        """All objects of a kind, oldest first, of one account or of all."""
        with self.lock:
            return [
                visible(it)
                for scope, held in self.world.objects.items()
                if account_id in {None, scope.account}
                for it in held.values()
                if it["object"] == kind
            ]

    def _sealed(self, event: Json, secret: str, timestamp: int | None) -> tuple[bytes, Mapping[str, str]]:
        is_own = event.get("_account") in own_accounts(self.world)
        body = encoded(event, with_account=not is_own)
        return body, signature(body, secret, timestamp)

    def _get(self, object_id: str) -> Json:
        found = self.world.find(self.world.whose(object_id), object_id)
        assert found is not None
        return found
