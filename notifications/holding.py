"""Keeping a client from being erased while something is written to them or noted about it."""

from contextlib import suppress
from uuid import UUID

from notifications.recipients import NEW_ADDRESS_PREFIX, OLD_ADDRESS_PREFIX, Recipient, RecipientKind
from tenants.accounts.models import AccountKind
from tenants.accounts.services.client_accounts import hold_client
from tenants.accounts.services.email_changes import find_change
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError


async def hold_recipient(session: TenantSession, recipient: Recipient) -> None:
    """Hold the client whom a message is for until the transaction ends; nothing for anybody else.

    Called before anything is locked: an erasure takes the client's row first too.
    """
    client_id = await _client_of(session, recipient)
    if client_id is not None:
        with suppress(NotFoundError):  # erased before, or never there: whoever asks for the address is told so
            await hold_client(session, client_id)


async def _client_of(session: TenantSession, recipient: Recipient) -> UUID | None:
    if recipient.kind is RecipientKind.CLIENT:
        return UUID(recipient.id)
    for prefix in (NEW_ADDRESS_PREFIX, OLD_ADDRESS_PREFIX):
        if recipient.kind is RecipientKind.ADDRESS and recipient.id.startswith(prefix):
            change = await find_change(session, UUID(recipient.id.removeprefix(prefix)))
            return change.account_id if change is not None and change.account_kind == AccountKind.CLIENT else None
    return None
