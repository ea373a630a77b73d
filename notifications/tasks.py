"""What notifications do when accounts announce something. Each event is a mail of its own, once."""

from typing import Any
from uuid import UUID

from notifications.account_mails import (
    CLIENT_PASSWORD_RESET,
    CLIENT_REGISTRATION_REPEATED,
    CLIENT_VERIFICATION,
    CLIENT_WELCOME,
    STAFF_INVITATION,
)
from notifications.recipients import Recipient
from notifications.service import announce
from todoenbalance.kit.outbox.tasks import TenantEventContext


async def _tell_client(context: TenantEventContext, kind: str, payload: dict[str, Any]) -> None:
    client_id = UUID(payload["client_id"])
    async with context.runtime.database.tenant(context.tenant) as session:
        await announce(
            session,
            kind,
            subject_id=client_id,
            version=str(context.event_id),
            recipients=[Recipient.client(client_id)],
        )


async def on_client_registered(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Welcome a new client."""
    await _tell_client(context, CLIENT_WELCOME, payload)


async def on_client_registration_repeated(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the owner of an address that it has an account already."""
    await _tell_client(context, CLIENT_REGISTRATION_REPEATED, payload)


async def on_client_verification_requested(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Send a fresh link to verify the address."""
    await _tell_client(context, CLIENT_VERIFICATION, payload)


async def on_client_password_forgotten(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Send a link to set a new password."""
    await _tell_client(context, CLIENT_PASSWORD_RESET, payload)


async def on_staff_invited(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Send an invitation."""
    staff_id = UUID(payload["staff_id"])
    async with context.runtime.database.tenant(context.tenant) as session:
        await announce(
            session,
            STAFF_INVITATION,
            subject_id=staff_id,
            version=str(context.event_id),
            recipients=[Recipient.staff(staff_id)],
        )
