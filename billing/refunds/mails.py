"""The mails about money that went back: to the client always, to the practice where it did not ask for it."""

from pathlib import Path
from typing import Any
from uuid import UUID

from billing.payments.models import RefundStatus
from billing.payments.service import get_payment
from billing.providers.offline import NAME as OFFLINE
from billing.refunds.by_hand import WITHDRAWN
from billing.refunds.service import AUTOMATIC_CAUSES, get_refund
from notifications.recipients import Recipient
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

REFUND_SETTLED = "refund_settled"
REFUND_SETTLED_PRACTICE = "refund_settled_practice"
REFUND_FAILED_PRACTICE = "refund_failed_practice"

PAYMENTS_PATH = "/admin/payments/{id}"


async def _values(
    session: TenantSession, runtime: Runtime, notice: Notice, status: RefundStatus
) -> dict[str, Any] | None:
    refund = await get_refund(session, notice.subject_id)
    if refund.status != status:
        return None
    payment = await get_payment(session, refund.payment_id)
    try:
        client_name = name_of(await get_client(session, payment.client_id), notice.reader.locale)
    except NotFoundError:  # erased meanwhile; the practice still hears of its money
        client_name = ""
    slug = session.tenant.slug
    return {
        "amount": Money(refund.amount_minor, payment.currency).format(notice.reader.locale),
        "cause": refund.cause,
        "what": payment.description,
        "by_hand": payment.method == OFFLINE,
        "client": client_name,
        "booking_url": runtime.settings.practice_url(slug),
        "admin_url": runtime.settings.practice_url(slug, PAYMENTS_PATH.format(id=payment.id)),
    }


async def compose_settled(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """Of money that is on its way back: how much, and why."""
    values = await _values(session, runtime, notice, RefundStatus.SUCCEEDED)
    return ComposedMail(values) if values is not None else None


async def compose_failed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the practice, of a refund that the provider refused: someone has to see to it."""
    values = await _values(session, runtime, notice, RefundStatus.FAILED)
    return ComposedMail(values) if values is not None else None


def register_refund_mails() -> None:
    """Register composers and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(REFUND_SETTLED, compose_settled)
    register_composer(REFUND_SETTLED_PRACTICE, compose_settled)
    register_composer(REFUND_FAILED_PRACTICE, compose_failed)


async def on_refund_settled(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the client; and the practice, if the refund was not its own wish or did not work."""
    async with context.runtime.database.tenant(context.tenant) as session:
        refund = await get_refund(session, UUID(payload["refund_id"]))
        if refund.failure_code == WITHDRAWN:  # by staff, who know
            return
        succeeded = refund.status == RefundStatus.SUCCEEDED
        if succeeded:
            payment = await get_payment(session, refund.payment_id)
            recipients = [Recipient.client(payment.client_id)]
            await announce(session, REFUND_SETTLED, subject_id=refund.id, version=refund.status, recipients=recipients)
        if not succeeded or refund.cause in AUTOMATIC_CAUSES:
            kind = REFUND_SETTLED_PRACTICE if succeeded else REFUND_FAILED_PRACTICE
            recipients = await list_practice_recipients(session, kind)
            await announce(session, kind, subject_id=refund.id, version=refund.status, recipients=recipients)
