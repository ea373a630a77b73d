"""A client's own consent to text messages, and where the gateway reports what became of them."""

import json
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from notifications.catalogue import Channel
from notifications.texting.adapters import STATUS_PATH
from notifications.texting.consents import confirm_consent, give_consent, list_views, withdraw_consent
from notifications.texting.errors import NumberNotUsableError, NumberSaidStopError, WrongTextCodeError
from notifications.texting.models import GivenBy
from notifications.texting.schemas import (
    ChannelName,
    TextConsentConfirm,
    TextConsentCreate,
    TextConsentRead,
    TextConsentsRead,
)
from notifications.texting.service import record_report
from notifications.texting.signatures import verify
from tenants.accounts.auth import CurrentClient
from tenants.accounts.models import Client
from tenants.registry.errors import PracticeNotFoundError
from tenants.registry.models import TenantStatus
from tenants.registry.service import TenantDirectory
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import NotAuthenticatedError, NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.ratelimit import TEXT_CODE
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.web.dependencies import ContextDep, LocaleDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.limits import limit_account, limited
from todoenbalance.kit.web.problems import responses
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError, WebhookTooLargeError, read_limited

MAX_BODY_BYTES = 10_000

router = APIRouter(
    prefix="/users/me/text-consents", tags=["own account"], responses=responses(NotAuthenticatedError, NotFoundError)
)
webhooks_router = APIRouter(tags=["provider webhooks"])
_log = get_logger("notifications.texting")


async def _read(session: TenantSession, runtime: Runtime, client: Client, locale: str) -> TextConsentsRead:
    views = await list_views(session, runtime.settings, client, locale)
    if not views:
        raise NotFoundError
    return TextConsentsRead(items=[TextConsentRead.of(view) for view in views])


@router.get("")
async def read_own_text_consents(
    client: CurrentClient, session: TenantSessionDep, runtime: RuntimeDep, locale: LocaleDep
) -> TextConsentsRead:
    """By which channels reminders can come, and what the caller agreed to. 404 where the practice sends none."""
    return await _read(session, runtime, client, locale)


@router.post(
    "",
    status_code=202,
    responses=responses(NumberNotUsableError, NumberSaidStopError),
    dependencies=[Depends(limited(TEXT_CODE))],
)
async def give_own_text_consent(
    body: TextConsentCreate,
    client: CurrentClient,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    locale: LocaleDep,
) -> TextConsentsRead:
    """Agree to the sentence of a channel. It counts once the code that goes to the number is confirmed."""
    await give_connection_back(session)
    await limit_account(runtime, context, TEXT_CODE, str(client.id))
    await give_consent(session, runtime, client.id, Channel(body.channel), GivenBy.API, locale)
    return await _read(session, runtime, client, locale)


@router.post("/{channel}/confirm", responses=responses(WrongTextCodeError), dependencies=[Depends(limited(TEXT_CODE))])
async def confirm_own_text_consent(
    channel: ChannelName,
    body: TextConsentConfirm,
    client: CurrentClient,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    locale: LocaleDep,
) -> TextConsentsRead:
    """Confirm with the code that was sent. Five wrong ones end it."""
    await confirm_consent(session, runtime, client.id, Channel(channel), body.code)
    return await _read(session, runtime, client, locale)


@router.delete("/{channel}", status_code=204)
async def withdraw_own_text_consent(channel: ChannelName, client: CurrentClient, session: TenantSessionDep) -> None:
    """Withdraw it: nothing is sent by that channel any more. Safe to repeat."""
    await withdraw_consent(session, client.id, Channel(channel))


class _Report(BaseModel):
    """What the gateway says. More than this is let be."""

    model_config = ConfigDict(extra="ignore")

    id: UUID
    status: Literal["delivered", "failed", "stopped"]


@webhooks_router.post(
    STATUS_PATH, responses=responses(InvalidWebhookSignatureError, PracticeNotFoundError, WebhookTooLargeError)
)
async def receive_text_report(practice: str, request: Request, runtime: RuntimeDep) -> dict[str, str]:
    """What became of a message, signed as what goes to the gateway is. A repeated one is accepted, and one of a
    message that is not known here too."""
    body = await read_limited(request, MAX_BODY_BYTES)
    settings = runtime.settings.texts
    try:
        keys = settings.keys if settings.adapter == "gateway" else []
        signed_at = verify(request.headers, body, keys, clock.now())
        report = _Report.model_validate(json.loads(body))
    except (InvalidWebhookSignatureError, ValidationError, ValueError, RecursionError) as error:
        _log.warning("webhook_refused", provider="texts")
        raise InvalidWebhookSignatureError from error
    directory: TenantDirectory = request.app.state.directory
    tenant = await directory.find_by_name(practice)
    if tenant is None or tenant.status in (TenantStatus.PROVISIONING, TenantStatus.CLOSING):
        raise PracticeNotFoundError
    async with runtime.database.tenant(tenant) as session:
        if not await record_report(session, runtime.signer, report.id, report.status, signed_at):
            _log.info("text_report_ignored")
    return {}
