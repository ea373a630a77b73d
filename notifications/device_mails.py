"""The mail that somebody signed in with a browser that the account had not been used with: "was that you?"

It says when and with which browser, in words that are ours: what a browser says of itself may be anybody's text. The
address that it came from is not told.
"""

from typing import Any
from uuid import UUID

from notifications.formats import describe
from notifications.recipients import Recipient
from notifications.service import ComposedMail, Notice, announce, register_composer
from tenants.accounts.models import AccountKind
from tenants.accounts.services.sign_ins import find_sign_in
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.devices import describe_browser

KINDS = {AccountKind.CLIENT: "client_new_device", AccountKind.STAFF: "staff_new_device"}
SECURITY_PATHS = {AccountKind.CLIENT: "/account/security", AccountKind.STAFF: "/admin/security"}


async def compose_new_device(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To whose account it is, with the page that ends sessions."""
    sign_in = await find_sign_in(session, UUID(str(notice.version)))
    if sign_in is None:
        return None
    path = SECURITY_PATHS[AccountKind(sign_in.account_kind)]
    return ComposedMail(
        {
            "when": describe(sign_in.created_at, notice.reader.timezone, notice.reader.locale),
            "browser": describe_browser(sign_in.user_agent),
            "security_url": runtime.settings.practice_url(session.tenant.slug, path),
        }
    )


async def on_new_device(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``account.new_device``: tell whose account it is."""
    kind, account_id = AccountKind(payload["account_kind"]), UUID(payload["account_id"])
    recipient = Recipient.client(account_id) if kind is AccountKind.CLIENT else Recipient.staff(account_id)
    async with context.runtime.database.tenant(context.tenant) as session:
        await announce(
            session, KINDS[kind], subject_id=account_id, version=payload["session_id"], recipients=[recipient]
        )


def register_device_mails() -> None:
    """Register the composer of this module; called at start-up."""
    for kind in KINDS.values():
        register_composer(kind, compose_new_device)
