"""Where providers call, on the platform's host: ``/webhooks/{provider}/{practice}``."""

from fastapi import APIRouter, Request

from billing.payments.errors import MethodNotOfferedError
from billing.providers import sandbox
from billing.webhooks.errors import InvalidWebhookSignatureError, WebhookTooLargeError
from billing.webhooks.service import receive_webhook
from tenants.registry.errors import PracticeNotFoundError
from tenants.registry.models import TenantStatus
from tenants.registry.service import TenantDirectory
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.dependencies import RuntimeDep
from todoenbalance.kit.web.problems import responses

MAX_BODY_BYTES = 64 * 1024

router = APIRouter(prefix="/webhooks", tags=["provider webhooks"])


@router.post(
    "/sandbox/{practice}",
    responses=responses(InvalidWebhookSignatureError, NotFoundError, PracticeNotFoundError, WebhookTooLargeError),
)
async def receive_sandbox_webhook(practice: str, request: Request, runtime: RuntimeDep) -> dict[str, str]:
    """An event of the sandbox provider. `practice` is its key or slug; a repeated event is accepted, too.

    A suspended practice still hears of its money.
    """
    tenant = await _find_practice(request, practice)
    body = await read_limited(request, MAX_BODY_BYTES)
    try:
        await receive_webhook(runtime, tenant, sandbox.NAME, request.headers, body)
    except MethodNotOfferedError as error:
        raise NotFoundError from error
    return {}


async def _find_practice(request: Request, name: str) -> TenantContext:
    directory: TenantDirectory = request.app.state.directory
    tenant = await directory.find_by_name(name)
    if tenant is None or tenant.status == TenantStatus.PROVISIONING:
        raise PracticeNotFoundError
    return tenant


async def read_limited(request: Request, limit: int) -> bytes:
    """The raw body, as it was signed. Raises :class:`WebhookTooLargeError` as soon as it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise WebhookTooLargeError(limit=limit)
    return bytes(body)
