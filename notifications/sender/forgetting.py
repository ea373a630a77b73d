"""Domains that nobody writes from any more, which the mail provider is to forget.

One domain is one thing at the provider, whichever practices name it. Who was the last to give it up, and who names it
anew, is decided under one lock, and nobody names a domain that is about to be forgotten.
"""

from typing import Any, Final
from uuid import UUID

from notifications.sender.authorities import domain_authority
from notifications.sender.events import MAIL_DOMAIN_FORGET
from notifications.sender.port import DomainsRefusedError, DomainsUnavailableError, Prepared
from notifications.sender.repository import MailDomainRepository
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.reading import is_waiting
from todoenbalance.kit.outbox.tasks import EventContext, RetryLaterError, TenantEventContext

AGAIN_SECONDS: Final = 300.0
_log = get_logger("notifications.sender")


async def give_up_others(context: TenantEventContext, wanted: str | None) -> None:
    """What the practice asked for before is nobody's. The last one to name it has the provider forget it, by a row of
    the queue, so that whatever becomes of that keeps the practice from nothing."""
    async with context.runtime.database.platform() as platform:
        domains = MailDomainRepository(platform)
        row = await domains.find(context.tenant.id)
        if row is None or row.domain == wanted:
            return
        await domains.delete(row)
        ref = row.provider_ref
        if ref is None or not row.is_ours:
            return
        await domains.lock_ref(ref)
        if not await domains.is_used_by_others(ref, context.tenant.id):
            await publish(platform, MAIL_DOMAIN_FORGET, {"ref": ref})


async def name_domain(session: PlatformSession, tenant_id: UUID, domain: str, prepared: Prepared) -> bool:
    """Note which of the provider's domains a practice names; False if that one is about to be forgotten."""
    domains = MailDomainRepository(session)
    if prepared.ref is not None:
        await domains.lock_ref(prepared.ref)
        if await is_waiting(session, None, MAIL_DOMAIN_FORGET, {"ref": prepared.ref}):
            return False
    await domains.note_provider(tenant_id, domain, prepared.ref, is_new=prepared.is_new)
    return True


async def forget_domain(context: EventContext, payload: dict[str, Any]) -> None:
    """``mail_domain.forget``: have the provider forget a domain that nobody names. Harmless to repeat.

    If the provider refuses for good, the row fails until it is parked: it says what is left to remove, and can be put
    back. Whoever named the domain meanwhile keeps it.
    """
    authority = domain_authority(context.runtime.settings)
    async with context.runtime.database.platform() as platform:
        domains = MailDomainRepository(platform)
        await domains.lock_ref(payload["ref"])
        if await domains.hand_on(payload["ref"]) or authority is None:
            return
    try:
        await authority.forget(payload["ref"])
    except DomainsRefusedError:
        _log.warning("mail_domain_not_forgotten", provider_ref=payload["ref"])
        raise
    except DomainsUnavailableError as unavailable:
        raise RetryLaterError("the mail provider is unavailable", AGAIN_SECONDS) from unavailable
