"""What payments store about a client: the books, which must be kept, and what providers sent us about them."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from billing.disputes.service import list_disputes
from billing.payments.models import Payment, PaymentAttempt, Refund, SandboxOrder
from tenants.privacy.port import (
    Action,
    DataClass,
    Json,
    Person,
    Reason,
    Treatment,
    listed,
    years_after,
)
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.inbox.models import ProviderEvent

_PAYMENT = (
    "id",
    "payable_kind",
    "payable_id",
    "method",
    "status",
    "currency",
    "amount_minor",
    "captured_minor",
    "refunded_minor",
    "description",
    "created_at",
    "updated_at",
)
_REFUND = ("id", "payment_id", "amount_minor", "status", "cause", "reason", "created_at", "settled_at")


_DISPUTE = ("id", "payment_id", "amount_minor", "currency", "status", "reason", "opened_at", "closed_at")


class PaymentData:
    """Amounts stay where they are, under a number that names nobody; what was written about them is sealed."""

    name = "payments"
    tables = frozenset(
        {
            "payments",
            "payment_attempts",
            "refunds",
            "ledger_entries",
            "sandbox_orders",
            "provider_events",
            "disputes",
            "disagreements",
        }
    )
    classes = frozenset({DataClass.PAYMENTS, DataClass.PROVIDER_EVENTS})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Mails are about refunds, answers about payments."""
        payments = [row.id for row in await _payments_of(session, client_id)]
        return frozenset(payments) | {row.id for row in await _refunds_of(session, payments)}

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Without what opens a payment page at a provider."""
        payments = await _payments_of(session, person.id)
        ids = [row.id for row in payments]
        events = await _events_of(session, ids)
        return {
            "payments": listed(payments, *_PAYMENT),
            "refunds": listed(await _refunds_of(session, ids), *_REFUND),
            "disputes": listed(await list_disputes(session, ids), *_DISPUTE),
            "provider_events": listed(events, "provider", "event_type", "body", "received_at"),
        }

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """Money that was received is in the books; the last entry says how long they are kept."""
        payments = await _payments_of(session, person.id)
        received = [row for row in payments if row.captured_minor > 0]
        until = _kept_until(session, received, person.settings.invoice_years)
        events = await _events_of(session, [row.id for row in payments])
        unpaid = len(payments) - len(received)
        return [
            Treatment(DataClass.PAYMENTS, Action.BLOCK, len(received), Reason.BOOKS, until),
            Treatment(DataClass.PAYMENTS, Action.ANONYMISE, unpaid, Reason.MONEY_ON_ITS_WAY),
            Treatment(DataClass.PROVIDER_EVENTS, Action.ANONYMISE, len(events), Reason.MONEY_ON_ITS_WAY),
        ]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Refunds that are under way go on: the provider knows them by numbers that stay."""
        payments = await _payments_of(session, person.id)
        ids = [row.id for row in payments]
        received = [row for row in payments if row.captured_minor > 0]
        refunds = await _refunds_of(session, [row.id for row in received])
        kept = {"payments": listed(received, *_PAYMENT), "refunds": listed(refunds, *_REFUND)} if received else {}
        for event in await _events_of(session, ids):
            event.body, event.raw = {}, None
        for payment in payments:
            payment.return_url = payment.cancel_url = ""
        await session.execute(
            update(Refund).where(Refund.payment_id.in_(ids)).values(reason=None, handed_over_note=None)
        )
        attempts = select(PaymentAttempt.id).where(PaymentAttempt.payment_id.in_(ids))
        await session.execute(
            update(SandboxOrder).where(SandboxOrder.attempt_id.in_(attempts)).values(return_url="", cancel_url="")
        )
        await session.execute(
            update(PaymentAttempt).where(PaymentAttempt.payment_id.in_(ids)).values(next_action=None, last_four=None)
        )
        return kept


async def _payments_of(session: TenantSession, client_id: UUID) -> list[Payment]:
    statement = select(Payment).where(Payment.client_id == client_id).order_by(Payment.id)
    return list((await session.scalars(statement.execution_options(populate_existing=True))).all())


async def _refunds_of(session: TenantSession, payment_ids: Sequence[UUID]) -> list[Refund]:
    statement = select(Refund).where(Refund.payment_id.in_(payment_ids)).order_by(Refund.id)
    return list((await session.scalars(statement)).all())


async def _events_of(session: TenantSession, payment_ids: Sequence[UUID]) -> list[ProviderEvent]:
    """What providers sent about these payments' orders, where they wrote anything."""
    statement = (
        select(ProviderEvent)
        .join(
            PaymentAttempt,
            (PaymentAttempt.provider == ProviderEvent.provider)
            & (
                (PaymentAttempt.provider_ref == ProviderEvent.object_ref)
                | (PaymentAttempt.charge_ref == ProviderEvent.object_ref)
            ),
        )
        .where(PaymentAttempt.payment_id.in_(payment_ids), (ProviderEvent.body != {}) | ProviderEvent.raw.is_not(None))
        .order_by(ProviderEvent.id)
    )
    return list((await session.scalars(statement)).unique().all())


def _kept_until(session: TenantSession, received: Sequence[Payment], years: int) -> date | None:
    """So many years after the last entry in the books, on the practice's calendar."""
    if not received:
        return None
    zone = ZoneInfo(session.tenant.timezone)
    return years_after(max(row.updated_at for row in received).astimezone(zone).date(), years)
