"""The mail about payments that disagree: to the owners, whose books they are."""

from pathlib import Path
from typing import Any
from uuid import UUID

from billing.reconciliation.repository import ReconciliationRepository
from notifications.recipients import Recipient
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, announce, register_composer
from tenants.accounts.services.staff_accounts import list_owners
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

KIND = "payments_disagree"
PAYMENTS_PATH = "/admin/payments"


async def compose(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """How many there are now; nothing once they agree again."""
    del notice
    count = await ReconciliationRepository(session).count_open()
    if count == 0:
        return None
    return ComposedMail({"count": count, "page_url": runtime.settings.practice_url(session.tenant.slug, PAYMENTS_PATH)})


def register_reconciliation_mails() -> None:
    """Register composer and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(KIND, compose)


async def on_disagreement_found(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``billing.disagreement_found``: tell the owners, once for each comparison."""
    async with context.runtime.database.tenant(context.tenant) as session:
        owners = [Recipient.staff(owner.id) for owner in await list_owners(session)]
        run_id = UUID(payload["reconciliation_id"])
        await announce(session, KIND, subject_id=run_id, version="found", recipients=owners)
