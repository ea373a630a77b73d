"""The mails about disputes: to those of the practice who get its mail, since there is a deadline."""

from pathlib import Path
from typing import Any
from uuid import UUID

from billing.disputes.repository import UNDECIDED
from billing.disputes.service import get_dispute
from billing.payments.service import get_payment
from notifications.formats import describe
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, announce, register_composer
from notifications.watching import list_practice_recipients
from tenants.accounts.names import name_of
from tenants.accounts.services.client_accounts import get_client
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

OPENED = "dispute_opened"
CLOSED = "dispute_closed"
PAYMENTS_PATH = "/admin/payments/{id}"


async def _values(session: TenantSession, runtime: Runtime, notice: Notice, *, is_open: bool) -> ComposedMail | None:
    dispute = await get_dispute(session, notice.subject_id)
    if (dispute.status in UNDECIDED) != is_open:
        return None  # decided, or opened again, since the mail was asked for
    payment = await get_payment(session, dispute.payment_id)
    locale = notice.reader.locale
    try:
        client_name = name_of(await get_client(session, payment.client_id), locale)
    except NotFoundError:  # erased meanwhile; the practice still hears of its money
        client_name = ""
    due = dispute.evidence_due_by
    return ComposedMail(
        {
            "amount": Money(dispute.amount_minor, dispute.currency).format(locale),
            "what": payment.description,
            "client": client_name,
            "outcome": dispute.status,
            "is_withdrawn": dispute.is_withdrawn,
            "due_on": describe(due, notice.reader.timezone, locale).day if due is not None else "",
            "admin_url": runtime.settings.practice_url(session.tenant.slug, PAYMENTS_PATH.format(id=payment.id)),
        }
    )


async def compose_opened(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """A client asked for the money back elsewhere: how much, and until when the practice may answer."""
    return await _values(session, runtime, notice, is_open=True)


async def compose_closed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """How it was decided."""
    return await _values(session, runtime, notice, is_open=False)


def register_dispute_mails() -> None:
    """Register composers and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(OPENED, compose_opened)
    register_composer(CLOSED, compose_closed)


async def on_dispute_opened(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``dispute.opened``: tell the practice."""
    await _announce(context, OPENED, UUID(payload["dispute_id"]))


async def on_dispute_closed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``dispute.closed``: tell the practice."""
    await _announce(context, CLOSED, UUID(payload["dispute_id"]))


async def _announce(context: TenantEventContext, kind: str, dispute_id: UUID) -> None:
    async with context.runtime.database.tenant(context.tenant) as session:
        dispute = await get_dispute(session, dispute_id)
        await announce(
            session,
            kind,
            subject_id=dispute.id,
            version=dispute.status,
            recipients=await list_practice_recipients(session, kind),
        )
