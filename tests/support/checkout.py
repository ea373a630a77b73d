"""A practice that can be booked and paid, and everybody's moves as one-liners over the real services."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select, update

from billing.checkout import service as checkout
from billing.checkout.schemas import PaymentCreate, PaymentRead
from billing.payments.models import LedgerEntry, Payment, PaymentAttempt, Refund, SandboxOrder
from billing.providers import sandbox
from billing.providers.sandbox import SandboxOutcome, SandboxProvider, WebhookMode
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.confirming import expire_hold
from scheduling.appointments.services.pricing import NO_MEANS, Means
from scheduling.catalogue.models import Practitioner, Service, ServicePractitioner, TimeSlot
from tests.support.events import run_due_events
from tests.support.practices import SignedIn, make_client
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers, register_payable_kinds

PRICE = 4500
DAYS = 30


@dataclass
class Desk:
    """One practice with one practitioner, one service of an hour at 45 €, always open."""

    runtime: Runtime
    practice: TenantContext
    client: SignedIn
    service_id: UUID
    practitioner_id: UUID
    opens_at: datetime
    taken: int = field(default=0)

    async def book(
        self, client: SignedIn | None = None, starts_at: datetime | None = None, means: Means = NO_MEANS
    ) -> Appointment:
        """Hold the next free hour, or a given one."""
        if starts_at is None:
            starts_at = self.opens_at + timedelta(hours=self.taken)
            self.taken += 1
        async with self.runtime.database.tenant(self.practice) as session:
            return await book_appointment(
                session,
                client_id=(client or self.client).id,
                service_id=self.service_id,
                starts_at=starts_at,
                practitioner_id=self.practitioner_id,
                means=means,
            )

    async def start(
        self, appointment: Appointment, method: Any = "sandbox", *, key: str | None = None, **urls: str
    ) -> PaymentRead:
        """Begin to pay, as the endpoint does."""
        wanted = PaymentCreate(appointment_id=appointment.id, method=method, **urls)
        return await checkout.start_checkout(self.runtime, self.practice, appointment.client_id, wanted, key=key)

    async def confirm(self, payment: PaymentRead) -> PaymentRead:
        """The return page."""
        row = await self.payment(payment.id)
        return await checkout.confirm_payment(self.runtime, self.practice, row.client_id, payment.id)

    async def order_of(self, payment: PaymentRead) -> SandboxOrder:
        """The sandbox's order of a payment."""
        async with self.runtime.database.tenant(self.practice) as session:
            statement = (
                select(SandboxOrder)
                .join(PaymentAttempt, PaymentAttempt.id == SandboxOrder.attempt_id)
                .where(PaymentAttempt.payment_id == payment.id)
            )
            return (await session.scalars(statement)).one()

    async def decide(
        self,
        payment: PaymentRead,
        outcome: SandboxOutcome = SandboxOutcome.APPROVE,
        *,
        forced: bool = False,
        webhook: WebhookMode = WebhookMode.DROP,
    ) -> str | None:
        """The client on the sandbox's page; answers why it was refused."""
        order = await self.order_of(payment)
        async with self.runtime.database.tenant(self.practice) as session:
            return (await sandbox.decide(session, order.id, outcome, webhook, is_forced=forced)).refused_because

    async def pay(self, appointment: Appointment, *, forced: bool = False) -> PaymentRead:
        """Begin to pay and approve, without the practice hearing of it yet."""
        payment = await self.start(appointment)
        assert await self.decide(payment, forced=forced) is None
        return payment

    async def let_hold_lapse(self, appointment: Appointment) -> None:
        """Make the hold run out a minute ago, unnoticed so far."""
        async with self.runtime.database.tenant(self.practice) as session:
            await session.execute(
                update(Appointment)
                .where(Appointment.id == appointment.id, Appointment.hold_expires_at.is_not(None))
                .values(hold_expires_at=clock.now() - timedelta(minutes=1))
            )

    async def expire(self, appointment: Appointment) -> None:
        """The same, noticed; open orders are abandoned when the queue runs."""
        await self.let_hold_lapse(appointment)
        async with self.runtime.database.tenant(self.practice) as session:
            await expire_hold(session, appointment.id)

    async def cancel(self, appointment: Appointment) -> None:
        """The client gives the appointment up."""
        async with self.runtime.database.tenant(self.practice) as session:
            await cancel_appointment(
                session, appointment.id, actor=Actor.client(appointment.client_id), client_id=appointment.client_id
            )

    async def signed_event(
        self, payment: PaymentRead, event_id: str = "evt-1", event_type: str = sandbox.ORDER_CAPTURED
    ) -> tuple[bytes, dict[str, str]]:
        """A webhook as the sandbox sends it: raw body and headers."""
        body = sandbox.webhook_body(await self.order_of(payment), event_id, event_type)
        return body, SandboxProvider(self.runtime, self.practice).sign_webhook(body)

    async def send_event(
        self, platform: httpx.AsyncClient, payment: PaymentRead, event_id: str = "evt-1", **event: str
    ) -> httpx.Response:
        """The sandbox calls the platform's host."""
        body, headers = await self.signed_event(payment, event_id, **event)
        return await platform.post(f"/webhooks/sandbox/{self.practice.key}", content=body, headers=headers)

    async def run(self) -> None:
        """Run what is due in the queue."""
        await run_due_events(self.runtime, self.practice)

    async def payment(self, payment_id: UUID) -> Payment:
        """The row as it is now."""
        async with self.runtime.database.tenant(self.practice) as session:
            return await session.get_one(Payment, payment_id)

    async def appointment(self, appointment_id: UUID | None) -> Appointment:
        """The row as it is now."""
        assert appointment_id is not None
        async with self.runtime.database.tenant(self.practice) as session:
            return await session.get_one(Appointment, appointment_id)

    async def refunds(self, payment_id: UUID) -> list[Refund]:
        """A payment's refunds, oldest first."""
        async with self.runtime.database.tenant(self.practice) as session:
            statement = select(Refund).where(Refund.payment_id == payment_id).order_by(Refund.id)
            return list((await session.scalars(statement)).all())

    async def ledger(self, payment_id: UUID) -> list[tuple[str, int]]:
        """A payment's lines of the books, oldest first."""
        async with self.runtime.database.tenant(self.practice) as session:
            statement = select(LedgerEntry).where(LedgerEntry.payment_id == payment_id).order_by(LedgerEntry.id)
            return [(line.kind, line.amount_minor) for line in await session.scalars(statement)]


def appointment_of(payment: PaymentRead) -> UUID:
    """The appointment that a payment is for."""
    assert payment.appointment_id is not None
    return payment.appointment_id


async def make_desk(runtime: Runtime, practice: TenantContext, client: SignedIn | None = None) -> Desk:
    """Open a practice for business; a new practitioner and service each time."""
    register_composers()
    register_payable_kinds()
    client = client or await make_client(runtime, practice)
    opens_at = (clock.now() + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    service_id, practitioner_id = new_id(), new_id()
    async with runtime.database.tenant(practice) as session:
        session.add(
            Service(
                id=service_id,
                name="Primera consulta",
                duration_minutes=60,
                currency=practice.currency,
                price_minor=PRICE,
                minimum_notice_minutes=0,
                horizon_days=365,
                location_kinds=["practice"],
            )
        )
        session.add(Practitioner(id=practitioner_id, name="Nuria", timezone=practice.timezone))
        await session.flush()  # what follows refers to them
        session.add(ServicePractitioner(service_id=service_id, practitioner_id=practitioner_id))
        session.add(
            TimeSlot(
                id=new_id(),
                practitioner_id=practitioner_id,
                starts_at=opens_at,
                ends_at=opens_at + timedelta(days=DAYS),
            )
        )
    return Desk(runtime, practice, client, service_id, practitioner_id, opens_at)
