"""What the queue does about webhooks: handle those that came, and send the sandbox's own."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from billing.payments.tasks import wait_seconds
from billing.providers import sandbox
from billing.providers.port import OutcomeUnknownError
from billing.webhooks import handling
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.trust import usual_trust

_log = get_logger("billing.webhooks")
_TIMEOUT_SECONDS = 10.0
_RETRY_SECONDS = 5.0
_GIVE_UP_AFTER = timedelta(hours=1)


async def handle_event(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``provider_event.received``: settle what the event is about."""
    try:
        await handling.handle_event(context.runtime, context.tenant, UUID(payload["provider_event_id"]))
    except handling.PaymentNotYetKnownError as error:
        raise RetryLaterError("payment_not_yet_known", _RETRY_SECONDS) from error
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, wait_seconds(error, _RETRY_SECONDS * 6)) from error


async def send_sandbox_webhook(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``sandbox.webhook``: the pretend provider calls us over HTTP, as a real one would.

    Tries again for an hour, as long as nobody answers with success.
    """
    runtime, tenant = context.runtime, context.tenant
    if not sandbox.is_sandbox_available(runtime.settings):
        return
    async with runtime.database.tenant(tenant) as session:
        order = await sandbox.find_order(session, str(payload["order_id"]))
    if order is None:
        return
    body = sandbox.webhook_body(order, str(payload["event_id"]), str(payload["event_type"]))
    headers = sandbox.SandboxProvider(runtime, tenant).sign_webhook(body)
    failure = await _post(*sandbox_webhook_address(context), headers, body)
    if failure is None:
        return
    if clock.now() - order.updated_at > _GIVE_UP_AFTER:
        _log.warning("sandbox_webhook_given_up", order_id=order.id, reason=failure)
        return
    raise RetryLaterError(failure, _RETRY_SECONDS)


def sandbox_webhook_address(context: TenantEventContext) -> tuple[str, str]:
    """Where the webhook goes, and the ``Host`` it is for (the platform's, wherever the server is reached)."""
    settings = context.runtime.settings
    path = f"/webhooks/sandbox/{context.tenant.key}"
    base = settings.sandbox.webhook_base_url
    host = settings.platform_url("").partition("://")[2]
    return (f"{base.rstrip('/')}{path}" if base else settings.platform_url(path)), host


async def _post(url: str, host: str, headers: dict[str, str], body: bytes) -> str | None:
    """None on success, else a short reason."""
    all_headers = {**headers, "Host": host, "Content-Type": "application/json"}
    try:
        # No proxy from the environment: the address is one of our own.
        async with httpx.AsyncClient(verify=usual_trust(), timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            answer = await client.post(url, content=body, headers=all_headers)
    except httpx.HTTPError as error:
        return type(error).__name__
    return None if answer.is_success else f"HTTP {answer.status_code}"
