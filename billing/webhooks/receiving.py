"""Taking webhooks in: verified on the raw bytes, put once into the inbox of the practice that they are for.

A practice is found by the address that was called, or by the account that a signed event names; never by anything
else in an event. One whose account nobody has is parked for an operator.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from billing.accounts.models import ProviderAccount
from billing.accounts.repository import AccountRepository
from billing.payments.errors import MethodNotOfferedError, ProviderUnavailableError
from billing.providers.port import InvalidSignatureError, PaymentProvider, ProviderError, VerifiedEvent
from billing.providers.registry import provider_for
from billing.webhooks.events import PROVIDER_EVENT_RECEIVED
from billing.webhooks.repository import InboxRepository, SwitchboardRepository
from tenants.registry.errors import PracticeNotFoundError
from tenants.registry.service import TenantDirectory
from tenants.settings.service import NEEDS_ACCOUNT
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import PaymentMode
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError

_log = get_logger("billing.webhooks")
PAYPAL = "paypal"
PLATFORM_OWNER = "platform"
"""Whose the sealed bodies of parked events are, to the vault."""


async def receive_webhook(
    runtime: Runtime, tenant: TenantContext, provider_name: str, headers: Mapping[str, str], body: bytes
) -> bool:
    """Verify a webhook that was sent to a practice's own address and store it; answers whether it is new.

    The present account's signature is looked for first, then those of accounts that were here before it: their
    payments may still be refunded or disputed. Raises :class:`InvalidWebhookSignatureError`, with nothing stored,
    ``MethodNotOfferedError`` for a provider that the practice has no account at, and :class:`ProviderUnavailableError`
    where a signature can't be judged at present (the provider delivers again).
    """
    event = await _verify(runtime, tenant, provider_name, headers, body)
    async with runtime.database.tenant(tenant) as session:
        return await store_event(session, runtime, provider_name, event, body) is not None


async def _verify(
    runtime: Runtime, tenant: TenantContext, provider_name: str, headers: Mapping[str, str], body: bytes
) -> VerifiedEvent:
    reason, is_undecided = "no_account", False
    for provider in await _candidates(runtime, tenant, provider_name):
        try:
            return await provider.read_webhook(headers, body)
        except InvalidSignatureError as error:
            reason = error.code
        except ProviderError as error:
            reason, is_undecided = error.code, True
    if is_undecided:
        _log.warning("webhook_not_judged", provider=provider_name, practice=tenant.key, reason=reason)
        raise ProviderUnavailableError
    _log.warning("webhook_refused", provider=provider_name, practice=tenant.key, reason=reason)
    raise InvalidWebhookSignatureError


async def _candidates(runtime: Runtime, tenant: TenantContext, name: str) -> list[PaymentProvider]:
    if name not in NEEDS_ACCOUNT:
        return [await provider_for(runtime, tenant, name)]
    async with runtime.database.tenant(tenant) as session:
        rows = await AccountRepository(session).list_all()
    known = [row for row in rows if row.provider == name and (row.webhook_secret or row.webhook_ref)]
    if not known:
        raise MethodNotOfferedError(method=name)
    found: list[PaymentProvider] = []
    for row in known[:_MOST_ACCOUNTS]:
        try:
            found.append(await provider_for(runtime, tenant, name, row.id))
        except (MethodNotOfferedError, ProviderError):  # its secrets can't be read any more
            continue
    return found


_MOST_ACCOUNTS = 5


async def receive_account_event(
    runtime: Runtime, directory: TenantDirectory, provider_name: str, event: VerifiedEvent, body: bytes
) -> bool:
    """Store a verified event in the inbox of the practice whose account it names; parked if no practice has it.

    Answers whether it went into an inbox for the first time.
    """
    async with runtime.database.platform() as session:
        account = await SwitchboardRepository(session).find_account(provider_name, str(event.account_ref))
    try:
        tenant = await directory.get_by_key(account.tenant_key) if account is not None else None
    except PracticeNotFoundError:  # it is gone, and its money is not: somebody must look
        tenant = None
    if account is None or tenant is None:
        sealed = runtime.vault.encrypt(body.decode("utf-8", "replace"), tenant_key=PLATFORM_OWNER)
        async with runtime.database.platform() as session:
            await SwitchboardRepository(session).park_once(provider_name, event, body=sealed)
        _log.error("webhook_parked", provider=provider_name, event_type=event.event_type)
        return False
    async with runtime.database.tenant(tenant) as session:
        return await store_event(session, runtime, provider_name, of_its_mode(event, account), body) is not None


def of_its_mode(event: VerifiedEvent, account: ProviderAccount) -> VerifiedEvent:
    """The event, as one that does nothing where it is of the other mode than its account.

    Stripe tells of test payments at the address for real ones, too.
    """
    is_other = event.is_live is not None and event.is_live != (account.mode == PaymentMode.LIVE)
    return replace(event, is_known=False) if is_other else event


async def store_event(
    session: TenantSession, runtime: Runtime, provider_name: str, event: VerifiedEvent, body: bytes | None
) -> UUID | None:
    """Put a verified event into the practice's inbox and queue its handling; None if it was there.

    Its bytes are kept sealed (None: it was read from the provider's list, not received). Raises
    :class:`InvalidWebhookSignatureError` for other bytes under a known id: what was signed once is not what is said now
    (PayPal signs a checksum of the body, which can be forged).
    """
    digest = hashlib.sha256(body).hexdigest() if body is not None else None
    inbox = InboxRepository(session)
    raw = (
        runtime.vault.encrypt(body.decode("utf-8", "replace"), tenant_key=session.tenant.key)
        if body is not None
        else None
    )
    stored = await inbox.insert_once(provider_name, event, raw=raw, digest=digest)
    if stored is None:
        known = await inbox.find_by_event_id(provider_name, event.event_id)
        digests = {known.body_digest if known is not None else None, digest} - {None}
        if len(digests) > 1 and provider_name == PAYPAL:
            _log.error("webhook_altered", provider=provider_name, practice=session.tenant.key)
            raise InvalidWebhookSignatureError
    elif event.is_known:
        await publish(session, PROVIDER_EVENT_RECEIVED, {"provider_event_id": str(stored)})
    return stored
