"""Where providers call, on the platform's host: ``/webhooks/…``."""

from fastapi import APIRouter, Request

from billing.payments.errors import MethodNotOfferedError
from billing.platform_fees.platform_events import receive_platform_webhook
from billing.providers import sandbox
from billing.providers.port import InvalidSignatureError
from billing.providers.stripe.events import read_event, secrets_of
from billing.webhooks.receiving import receive_account_event, receive_webhook
from tenants.registry.errors import PracticeNotFoundError
from tenants.registry.models import TenantStatus
from tenants.registry.service import TenantDirectory
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.dependencies import RuntimeDep
from todoenbalance.kit.web.problems import responses
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError, WebhookTooLargeError, read_limited

MAX_BODY_BYTES = 512 * 1024
"""More than any event of Stripe's or PayPal's; a body is read no further."""

router = APIRouter(prefix="/webhooks", tags=["provider webhooks"])
_log = get_logger("billing.webhooks")
_RESPONSES = responses(InvalidWebhookSignatureError, NotFoundError, PracticeNotFoundError, WebhookTooLargeError)


@router.post("/sandbox/{practice}", responses=_RESPONSES)
async def receive_sandbox_webhook(practice: str, request: Request, runtime: RuntimeDep) -> dict[str, str]:
    """An event of the sandbox provider. `practice` is its key or slug; a repeated event is accepted, too.

    A suspended practice still hears of its money.
    """
    return await _receive(practice, request, runtime, sandbox.NAME)


@router.post("/stripe/{practice}", responses=_RESPONSES)
async def receive_own_stripe_webhook(practice: str, request: Request, runtime: RuntimeDep) -> dict[str, str]:
    """An event of a practice's own Stripe account, which it uses with keys of its own."""
    return await _receive(practice, request, runtime, "stripe")


@router.post("/paypal/{practice}", responses=_RESPONSES)
async def receive_paypal_webhook(practice: str, request: Request, runtime: RuntimeDep) -> dict[str, str]:
    """An event of a practice's PayPal app."""
    return await _receive(practice, request, runtime, "paypal")


@router.post("/stripe", responses=responses(InvalidWebhookSignatureError, WebhookTooLargeError))
async def receive_stripe_webhook(request: Request, runtime: RuntimeDep) -> dict[str, str]:
    """An event of Stripe Connect: the account that it names says whose it is. One of nobody's account is kept aside.

    The events of the platform's own account (what practices pay for their plans) come here, too, signed with a secret
    of their own.
    """
    body = await read_limited(request, MAX_BODY_BYTES)
    settings = runtime.settings.providers.stripe
    secrets = secrets_of(settings.webhook_secret.get_secret_value())
    try:
        event = read_event(request.headers, body, secrets, now=clock.now())
    except InvalidSignatureError:
        await receive_platform_webhook(runtime, request.headers, body)
        return {}
    if event.account_ref is None:  # the platform's own: Connect's secret does not vouch for it
        await receive_platform_webhook(runtime, request.headers, body)
        return {}
    await receive_account_event(runtime, request.app.state.directory, "stripe", event, body)
    return {}


async def _receive(practice: str, request: Request, runtime: Runtime, provider: str) -> dict[str, str]:
    tenant = await _find_practice(request, practice)
    body = await read_limited(request, MAX_BODY_BYTES)
    try:
        await receive_webhook(runtime, tenant, provider, request.headers, body)
    except MethodNotOfferedError as error:
        raise NotFoundError from error
    return {}


async def _find_practice(request: Request, name: str) -> TenantContext:
    directory: TenantDirectory = request.app.state.directory
    tenant = await directory.find_by_name(name)
    if tenant is None or tenant.status == TenantStatus.PROVISIONING:
        raise PracticeNotFoundError
    return tenant
