"""What operators were mailed, and things that wait for them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from billing.accounts.models import EventTrouble, ParkedEvent
from billing.platform_fees.models import FeeStatement, StatementStatus
from notifications.models import PlatformMailboxMessage
from notifications.operator_mails.models import OperatorMail
from tests.support.platform_fees import owe
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.waiting.models import BooksDisagreeing

DAY = timedelta(days=1)


async def operator_mails(runtime: Runtime, to: str | None = None) -> list[PlatformMailboxMessage]:
    """What is in the platform's mailbox (for ``to``, if given), oldest first."""
    async with runtime.database.platform() as session:
        statement = select(PlatformMailboxMessage).order_by(PlatformMailboxMessage.created_at)
        rows = (await session.scalars(statement)).all()
    return [row for row in rows if to is None or row.recipient == to]


async def mail_rows(runtime: Runtime, kind: str, operator_id: UUID | None = None) -> Sequence[OperatorMail]:
    """The log's rows of one kind (to one operator), oldest first."""
    async with runtime.database.platform() as session:
        statement = select(OperatorMail).where(OperatorMail.kind == kind).order_by(OperatorMail.id)
        if operator_id is not None:
            statement = statement.where(OperatorMail.operator_id == operator_id)
        return (await session.scalars(statement)).all()


# ---- what waits


async def park_task(runtime: Runtime, practice: TenantContext | None = None, topic: str = "refund.requested") -> UUID:
    """A row of the queue that was given up."""
    now, event_id = clock.now(), new_id()
    async with runtime.database.platform() as session:
        session.add(
            OutboxEvent(
                id=event_id,
                tenant=practice.key if practice else None,
                topic=topic,
                payload={},
                created_at=now,
                run_at=now,
                attempts=10,
                started_attempt=10,
                failures=10,
                last_error="ProviderUnavailableError: no answer",
                parked_at=now,
            )
        )
    return event_id


async def trouble(runtime: Runtime, practice: TenantContext, status: str) -> None:
    """A webhook of the practice's that can't be handled."""
    now = clock.now()
    async with runtime.database.platform() as session:
        session.add(
            EventTrouble(
                tenant_key=practice.key,
                provider_event_id=new_id(),
                provider="stripe",
                event_type="charge.refunded",
                status=status,
                error="payment_not_found",
                failures=3,
                first_seen_at=now,
                last_seen_at=now,
            )
        )


async def park_webhook(runtime: Runtime) -> None:
    """A webhook of an account that nobody has."""
    async with runtime.database.platform() as session:
        session.add(
            ParkedEvent(
                id=new_id(),
                provider="stripe",
                event_id=f"evt_{new_id().hex}",
                event_type="charge.refunded",
                body="sealed",
                status="waiting",
                received_at=clock.now(),
            )
        )


async def disagree(runtime: Runtime, practice: TenantContext) -> None:
    """The practice's books disagree since yesterday."""
    now = clock.now()
    async with runtime.database.platform() as session:
        session.add(BooksDisagreeing(tenant_id=practice.id, since=now - DAY, seen_at=now))


async def owe_a_plan(runtime: Runtime, practice: TenantContext) -> None:
    """The practice owes its plan's payment, and the days of grace are over."""
    await owe(runtime, practice, clock.now() - 15 * DAY, clock.now() - DAY)


async def close_statement(runtime: Runtime, practice: TenantContext) -> None:
    """A statement of the practice's is to be invoiced by hand."""
    now = clock.now()
    async with runtime.database.platform() as session:
        session.add(
            FeeStatement(
                id=new_id(),
                tenant_id=practice.id,
                month=now.date().replace(day=1),
                currency="EUR",
                status=StatementStatus.TO_INVOICE,
                amount_minor=1250,
                closed_at=now,
                created_at=now,
            )
        )


async def bounce_mail(runtime: Runtime, operator_id: UUID) -> None:
    """A mail to the operator bounced."""
    now, mail_id = clock.now(), new_id()
    async with runtime.database.platform() as session:
        session.add(
            OperatorMail(
                id=mail_id,
                kind="operator_password_changed",
                subject_id=operator_id,
                version=str(mail_id),
                operator_id=operator_id,
                status="sent",
                created_at=now,
                sent_at=now,
                delivery="bounced",
                delivery_at=now,
            )
        )
