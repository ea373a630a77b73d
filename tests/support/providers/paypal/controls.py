"""What tests make happen at the local PayPal: clients approve, money is slow, disputes, withdrawn credentials."""

import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.support.providers.paypal import orders, payments, webhooks
from tests.support.providers.paypal.signing import Signer
from tests.support.providers.paypal.world import App, Json, World, visible


class Controls:
    """Control methods; each takes the server's lock. Things are named by their ids, whosever they are."""

    if TYPE_CHECKING:
        world: World
        lock: threading.RLock

    # --- merchants

    def add_app(self, client_id: str = "client", secret: str = "secret") -> App:
        """A merchant's REST app with these credentials."""
        with self.lock:
            app = self.world.app(client_id)
            app.secret = secret
            return app

    def withdraw(self, client_id: str, *, keeps_tokens: bool = False) -> None:
        """The merchant deletes the app: every call is refused from now on, and every token.

        ``keeps_tokens``: tokens are given out all the same, and every call with them is refused.
        """
        with self.lock:
            app = self.world.app(client_id)
            app.is_refused = True
            if not keeps_tokens:
                app.secret = f"not {app.secret}"

    def forget_tokens(self) -> None:
        """All tokens have ended; new ones are given out."""
        with self.lock:
            self.world.tokens.clear()

    # --- orders

    def approve(self, order_id: str) -> str:
        """The client approves on PayPal's page: where it goes then. No money has moved."""
        with self.lock:
            return orders.approve(self.world, *self._of(order_id))

    def leave(self, order_id: str) -> str:
        """The client goes back without approving: where it goes."""
        with self.lock:
            return orders.leave(self.world, self._of(order_id)[1])

    def lapse(self, order_id: str) -> None:
        """An approval ends uncaptured."""
        with self.lock:
            orders.lapse(self.world, *self._of(order_id))

    def next_capture(self, client_id: str, status: str = "COMPLETED", *, reason: str = "ECHECK") -> None:
        """How the merchant's next capture ends: ``COMPLETED``, ``PENDING`` with a reason, or ``DECLINED``.

        A declined capture leaves its order ``COMPLETED``, as at PayPal.
        """
        with self.lock:
            self.world.app(client_id).next_captures.append({"status": status, "reason": reason})

    def refuse_capture(self, client_id: str, issue: str = "INSTRUMENT_DECLINED") -> None:
        """The merchant's next capture is refused with 422 and this issue."""
        with self.lock:
            self.world.app(client_id).next_captures.append({"issue": issue})

    def forget_wishes(self, client_id: str) -> None:
        """The merchant's next captures and refunds end as they usually do."""
        with self.lock:
            app = self.world.app(client_id)
            app.next_captures.clear()
            app.next_refunds.clear()

    def settle_capture(self, capture_id: str, *, succeeds: bool = True) -> None:
        """Pending money arrives, or is denied."""
        with self.lock:
            app, capture = self._of(capture_id)
            payments.settle_capture(self.world, app, capture, succeeds=succeeds)

    # --- refunds and disputes

    def next_refund(self, client_id: str, status: str = "PENDING") -> None:
        """How the merchant's next refund stands: ``PENDING``, ``FAILED`` or ``CANCELLED``."""
        with self.lock:
            self.world.app(client_id).next_refunds.append({"status": status})

    def refuse_refund(self, client_id: str, issue: str) -> None:
        """The merchant's next refund is refused with 422 and this issue."""
        with self.lock:
            self.world.app(client_id).next_refunds.append({"issue": issue})

    def settle_refund(self, refund_id: str, *, succeeds: bool = True) -> None:
        """A pending refund comes to its end."""
        with self.lock:
            app, refund = self._of(refund_id)
            payments.settle_refund(self.world, app, refund, succeeds=succeeds)

    def refund_at_paypal(self, capture_id: str, amount: Json | None = None) -> str:
        """The merchant refunds on PayPal's own site; the refund's id."""
        with self.lock:
            app, capture = self._of(capture_id)
            body = {} if amount is None else {"amount": amount}
            return str(payments.refund_of(self.world, app, capture, body)["id"])

    def reverse(self, capture_id: str) -> None:
        """The bank takes the money back."""
        with self.lock:
            payments.reverse(self.world, *self._of(capture_id))

    def open_dispute(
        self,
        capture_id: str,
        *,
        amount: Decimal | None = None,
        reason: str = "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
        due_days: int = 10,
    ) -> str:
        """The client disputes a payment; the dispute's id."""
        with self.lock:
            app, capture = self._of(capture_id)
            made = payments.open_dispute(self.world, app, capture, amount=amount, reason=reason, due_days=due_days)
            return str(made["dispute_id"])

    def update_dispute(self, dispute_id: str, status: str = "UNDER_REVIEW") -> None:
        """PayPal looks into it, for instance."""
        with self.lock:
            app, dispute = self._of(dispute_id)
            payments.update_dispute(self.world, app, dispute, status)

    def close_dispute(self, dispute_id: str, *, won: bool) -> None:
        """PayPal decides."""
        with self.lock:
            app, dispute = self._of(dispute_id)
            payments.close_dispute(self.world, app, dispute, won=won)

    # --- webhooks

    def webhook(
        self,
        client_id: str,
        event_type: str,
        resource_type: str,
        resource: Json | str,
        webhook_id: str,
        *,
        moment: str | None = None,
        signer: Signer | None = None,
        certificates_at: str | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of a new event about a resource (or the one of that id), sent to nobody.

        ``signer``: another one than PayPal's. ``certificates_at``: where the certificate is said to be.
        """
        with self.lock:
            app = self.world.app(client_id)
            thing = app.things[resource] if isinstance(resource, str) else resource
            event = webhooks.make_event(self.world, app, event_type, resource_type, thing)
            return self._sealed(event, webhook_id, moment, signer, certificates_at)

    def add_webhook(self, client_id: str, url: str, event_types: Sequence[str]) -> str:
        """A webhook that was registered before; its id."""
        with self.lock:
            webhook_id = self.world.new_id("W")
            self.world.app(client_id).webhooks[webhook_id] = {
                "id": webhook_id,
                "url": url,
                "event_types": [{"name": name, "description": name} for name in event_types],
            }
            return webhook_id

    def event(
        self,
        event_id: str,
        webhook_id: str,
        *,
        moment: str | None = None,
        signer: Signer | None = None,
        certificates_at: str | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of an event that has happened."""
        with self.lock:
            for app in self.world.apps.values():
                for event in app.events:
                    if event["id"] == event_id:
                        return self._sealed(event, webhook_id, moment, signer, certificates_at)
            raise LookupError(f"there is no {event_id}")

    def events(self, client_id: str, kind: str = "") -> list[Json]:
        """What has happened to a merchant, oldest first, of types that contain this."""
        with self.lock:
            return [it for it in self.world.app(client_id).events if kind in it["event_type"]]

    # --- looking

    def find(self, thing_id: str) -> Json:
        """A thing as the API would answer it, whosever it is. Raises LookupError."""
        with self.lock:
            shown: Json = visible(self._of(thing_id)[1])
            return shown

    def things(self, kind: str, client_id: str | None = None) -> list[Json]:
        """Orders, captures, refunds or disputes, oldest first, of one merchant or of all."""
        with self.lock:
            return [
                visible(it)
                for app in self.world.apps.values()
                if client_id in {None, app.client_id}
                for it in app.things.values()
                if it["_kind"] == kind
            ]

    def _of(self, thing_id: str) -> tuple[App, Json]:
        app = self.world.whose(thing_id)
        return app, app.things[thing_id]

    def _sealed(
        self, event: Json, webhook_id: str, moment: str | None, signer: Signer | None, certificates_at: str | None
    ) -> tuple[bytes, Mapping[str, str]]:
        body = webhooks.encoded(event)
        place = certificates_at or self.world.base_url()
        signer, transmission = signer or self.world.signer, f"t-{event['id'].lower()}"[:50]
        return body, signer.headers(body, webhook_id, place, transmission_id=transmission, moment=moment)
