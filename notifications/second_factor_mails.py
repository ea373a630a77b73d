"""The mails about staff's second factors: one was added, removed or reset, or a recovery code was used.

Whoever did not do it themselves learns of it here (ASVS 5, 6.3.7). Nothing in these mails lets anybody in.
"""

from typing import Any
from uuid import UUID

from notifications.recipients import Recipient
from notifications.service import ComposedMail, Notice, announce, register_composer
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.multi_factor import FactorNews

KINDS = {
    FactorNews.ADDED: "staff_second_factor_added",
    FactorNews.REMOVED: "staff_second_factor_removed",
    FactorNews.RESET: "staff_second_factor_reset",
    FactorNews.RECOVERY_CODE_USED: "staff_recovery_code_used",
}
SECURITY_PATH = "/admin/security"


async def compose_second_factor_news(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail:
    """To the person whose factor it is, with the page that shows all of them."""
    del notice
    return ComposedMail({"security_url": runtime.settings.practice_url(session.tenant.slug, SECURITY_PATH)})


async def on_second_factor_changed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the person."""
    staff_id = UUID(payload["staff_id"])
    async with context.runtime.database.tenant(context.tenant) as session:
        await announce(
            session,
            KINDS[FactorNews(payload["news"])],
            subject_id=staff_id,
            version=str(context.event_id),
            recipients=[Recipient.staff(staff_id)],
        )


def register_second_factor_mails() -> None:
    """Register the composer of this module; called at start-up."""
    for kind in KINDS.values():
        register_composer(kind, compose_second_factor_news)
