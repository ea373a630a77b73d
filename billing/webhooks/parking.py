"""Webhooks of accounts that no practice has: an operator says whose they are, or that nobody's."""

import json
from uuid import UUID

from billing.accounts.models import ParkedEvent
from billing.providers.port import InvalidSignatureError, VerifiedEvent
from billing.providers.stripe.events import event_of
from billing.webhooks.errors import ParkedEventDecidedError, WebhookBytesGoneError
from billing.webhooks.receiving import PLATFORM_OWNER, of_its_mode, store_event
from billing.webhooks.repository import ASSIGNED, IGNORED, WAITING, SwitchboardRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.encryption import DecryptionError, Vault
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def get_parked(session: PlatformSession, parked_id: UUID) -> ParkedEvent:
    """A parked event that is still waiting, locked. Raises :class:`NotFoundError`, :class:`ParkedEventDecidedError`."""
    parked = await SwitchboardRepository(session).find_parked(parked_id)
    if parked is None:
        raise NotFoundError
    if parked.status != WAITING:
        raise ParkedEventDecidedError
    return parked


async def assign_parked(runtime: Runtime, tenant: TenantContext, parked_id: UUID) -> ParkedEvent:
    """Put a parked event into a practice's inbox, where it is handled like any other.

    The practice's own rows decide what it means: an order or an account that the practice does not have does nothing.
    The inbox comes first, so a process that dies in between leaves an event that can be assigned again, harmlessly.
    Raises :class:`NotFoundError`, :class:`ParkedEventDecidedError`, :class:`WebhookBytesGoneError`.
    """
    async with runtime.database.platform() as platform:
        parked = await get_parked(platform, parked_id)
        account = await SwitchboardRepository(platform).find_account(parked.provider, str(parked.account_ref))
    event, body = _open(runtime.vault, parked)
    if account is not None:
        event = of_its_mode(event, account)
    async with runtime.database.tenant(tenant) as session:
        await store_event(session, runtime, parked.provider, event, body)
    async with runtime.database.platform() as platform:
        parked = await get_parked(platform, parked_id)
        parked.status, parked.tenant_key, parked.decided_at = ASSIGNED, tenant.key, clock.now()
        return parked


async def ignore_parked(session: PlatformSession, parked_id: UUID, note: str) -> ParkedEvent:
    """Decide that an event is nobody's. Raises :class:`NotFoundError`, :class:`ParkedEventDecidedError`."""
    parked = await get_parked(session, parked_id)
    parked.status, parked.note, parked.decided_at = IGNORED, note[:500], clock.now()
    return parked


async def assign_waiting_of_account(runtime: Runtime, tenant: TenantContext, provider: str, account_ref: str) -> int:
    """Hand over what was parked of an account that has become a practice's; answers how many events."""
    async with runtime.database.platform() as platform:
        waiting = [parked.id for parked in await SwitchboardRepository(platform).list_waiting_of(provider, account_ref)]
    done = 0
    for parked_id in waiting:
        try:
            await assign_parked(runtime, tenant, parked_id)
        except (ParkedEventDecidedError, WebhookBytesGoneError):
            continue
        done += 1
    return done


def _open(vault: Vault, parked: ParkedEvent) -> tuple[VerifiedEvent, bytes]:
    try:
        body = vault.decrypt(parked.body, tenant_key=PLATFORM_OWNER).encode()
        event = event_of(json.loads(body))
    except (DecryptionError, ValueError, InvalidSignatureError) as error:
        raise WebhookBytesGoneError from error
    return event, body
