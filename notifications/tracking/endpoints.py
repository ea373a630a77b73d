"""Where SendGrid tells what became of mails, on the platform's host: ``/webhooks/sendgrid``."""

from fastapi import APIRouter, Request

from notifications.tracking.reports import Report, read_reports
from notifications.tracking.service import count_ignored, receive_reports
from notifications.tracking.signatures import verify_signature
from tenants.registry.errors import PracticeNotFoundError
from tenants.registry.models import TenantStatus
from tenants.registry.service import TenantDirectory
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.web.dependencies import RuntimeDep
from todoenbalance.kit.web.problems import responses
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError, WebhookTooLargeError, read_limited

MAX_BODY_BYTES = 900_000
"""SendGrid sends batches of up to 768 KB."""

router = APIRouter(prefix="/webhooks/sendgrid", tags=["provider webhooks"])
_log = get_logger("notifications.tracking")


@router.post("", responses=responses(InvalidWebhookSignatureError, WebhookTooLargeError))
async def receive_sendgrid_webhook(request: Request, runtime: RuntimeDep) -> dict[str, str]:
    """Events of the platform's account; each goes to the practice that its mail named. A repeated one is accepted."""
    reports = await _read(request, runtime)
    await receive_reports(runtime, request.app.state.directory, reports)
    return {}


@router.post(
    "/{practice}", responses=responses(InvalidWebhookSignatureError, PracticeNotFoundError, WebhookTooLargeError)
)
async def receive_practice_sendgrid_webhook(practice: str, request: Request, runtime: RuntimeDep) -> dict[str, str]:
    """The same, of one practice (by key or slug): events that name another one have no effect.

    Signed with the platform's key for now; practices with accounts of their own will have keys of their own.
    """
    directory: TenantDirectory = request.app.state.directory
    tenant = await directory.find_by_name(practice)
    if tenant is None or tenant.status == TenantStatus.PROVISIONING:
        raise PracticeNotFoundError
    reports = await _read(request, runtime)
    await receive_reports(runtime, directory, reports, only=tenant)
    return {}


async def _read(request: Request, runtime: Runtime) -> list[Report]:
    body = await read_limited(request, MAX_BODY_BYTES)
    now = clock.now()
    try:
        verify_signature(request.headers, body, runtime.settings.providers.sendgrid.webhook_key, now=now)
        reports, ignored = read_reports(body, now=now)
    except InvalidWebhookSignatureError:
        _log.warning("webhook_refused", provider="sendgrid")
        raise
    count_ignored(ignored)
    return reports
