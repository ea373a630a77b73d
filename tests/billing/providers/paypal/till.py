"""Both sides of a payment by PayPal: what the product does, and what happens at PayPal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.checkout.schemas import PaymentRead
from billing.payments.models import PaymentAttempt
from billing.payments.service import latest_attempt
from billing.webhooks.receiving import receive_webhook
from scheduling.appointments.models import Appointment
from tests.support.checkout import Desk
from tests.support.providers.paypal_server import PayPalServer

CLIENT_ID = "client"


@dataclass
class Till:
    """A practice with an account at the local PayPal, and the id of its webhook there."""

    desk: Desk
    server: PayPalServer
    webhook_ref: str

    async def start(self) -> tuple[Appointment, PaymentRead, str]:
        """A held appointment, its payment, and the order at PayPal."""
        appointment = await self.desk.book()
        payment = await self.desk.start(appointment, "paypal")
        return appointment, payment, str((await self.attempt(payment)).provider_ref)

    async def paid(self) -> tuple[Appointment, PaymentRead, str]:
        """A paid one; with its capture."""
        appointment, payment, order = await self.start()
        self.server.approve(order)
        await self.desk.confirm(payment)
        return appointment, payment, str((await self.attempt(payment)).charge_ref)

    async def attempt(self, payment: PaymentRead) -> PaymentAttempt:
        """The payment's last attempt."""
        async with self.desk.runtime.database.tenant(self.desk.practice) as session:
            return await latest_attempt(session, payment.id)

    async def deliver(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """PayPal calls; whether that was new."""
        lowered = {name.lower(): value for name, value in headers.items()}
        return await receive_webhook(self.desk.runtime, self.desk.practice, "paypal", lowered, body)

    async def tell(self, kind: str) -> bool:
        """PayPal tells of the last event of this type that happened; whether that was new."""
        event = self.server.events(CLIENT_ID, kind)[-1]
        return await self.deliver(*self.server.event(event["id"], self.webhook_ref))

    def captures(self, order: str) -> list[Mapping[str, Any]]:
        """All that was ever captured for an order, at PayPal."""
        (unit,) = self.server.find(order)["purchase_units"]
        return list(unit.get("payments", {}).get("captures", []))
