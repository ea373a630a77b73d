"""Telling clients by text message: what they agreed to, once, decided when it is sent as mails are.

Words are made by composers that features register; this package knows no feature.
"""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any
from uuid import UUID

from notifications.handing_over import (
    SUSPENDED_DELAY_SECONDS,
    Sending,
    give_up,
    hand_over,
    is_open,
    leave_out,
    note_failure_on,
    take_up_again,
)
from notifications.texting.adapters import text_port
from notifications.texting.composing import ComposedText, practice_name, register_text_composer
from notifications.texting.consents import list_active, offered_channels, withdraw_number
from notifications.texting.deciding import decide
from notifications.texting.events import TEXT_SEND
from notifications.texting.models import TextDelivery, TextStatus
from notifications.texting.port import TextMessage, TextPort
from notifications.texting.repository import TextLogRepository
from tenants.registry.models import TenantStatus
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.reading import is_parked
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import TokenSigner

__all__ = [
    "ComposedText",
    "announce_texts",
    "deliver_text",
    "on_text_parked",
    "practice_name",
    "record_report",
    "register_text_composer",
    "send_text",
]

_FAILURE_LIMIT = 200
_log = get_logger("notifications.texting")


async def announce_texts(
    session: TenantSession, runtime: Runtime, kind: str, *, subject_id: UUID, version: int | str, client_id: UUID
) -> None:
    """Queue a message for each channel that the client agreed to, with the transaction of ``session``.

    Announcing the same (kind, subject, version, client, channel) again makes no second message.
    """
    offered = await offered_channels(session, runtime.settings)
    for consent in await list_active(session, client_id) if offered else ():
        if consent.channel in offered:
            payload = {"kind": kind, "subject_id": str(subject_id), "version": version}
            await publish(session, TEXT_SEND, payload | {"client_id": str(client_id), "channel": str(consent.channel)})


async def send_text(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Send the one message of a ``text.send`` event by the adapter of the settings; nothing where that is off now."""
    if context.tenant.status == TenantStatus.CLOSING:
        return
    if context.tenant.status == TenantStatus.SUSPENDED:
        raise RetryLaterError("the practice is suspended", SUSPENDED_DELAY_SECONDS)
    port = text_port(context.runtime, context.tenant)
    if port is not None:
        await deliver_text(context, payload, port)


async def deliver_text(context: TenantEventContext, payload: dict[str, Any], port: TextPort) -> None:
    """Send the one message of a row by ``port``. See :func:`notifications.handing_over.hand_over`; whoever carries
    texts knows the repeat by its id."""
    await hand_over(TextSending(context, payload, port))


async def on_text_parked(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``text.send.parked``: the queue gave a message up, and its line of the log says so. Nothing if somebody put the
    row back meanwhile."""
    if context.tenant.status == TenantStatus.CLOSING:
        return
    async with context.runtime.database.platform() as platform:
        if not await is_parked(platform, UUID(payload["parked_id"])):
            return
    async with context.runtime.database.tenant(context.tenant) as session:
        log = await TextLogRepository(session).lock(payload)
        if log.status == TextStatus.SENDING:
            give_up(log)
            _log.warning("text_given_up", kind=log.kind, text_log_id=str(log.id))


async def record_report(
    session: TenantSession, signer: TokenSigner, message_id: UUID, status: str, reported_at: datetime
) -> bool:
    """What the gateway reports: ``delivered`` or ``failed`` of a message, or ``stopped`` by its reader.

    Answers whether the message is known. Repeating it is harmless; a message that arrived has not failed.
    """
    log = await TextLogRepository(session).lock_by_id(message_id)
    if log is None:
        return False
    if status == "stopped":
        if log.number:
            await withdraw_number(session, signer, log.number, log.channel, reported_at)
    elif log.delivery != TextDelivery.DELIVERED and log.delivery != status:
        log.delivery, log.delivery_at = status, reported_at
        if log.status == TextStatus.FAILED and status == TextDelivery.DELIVERED:
            log.status, log.failure, log.sent_at = TextStatus.SENT, None, reported_at
    return True


class TextSending(Sending[TextMessage, TenantSession]):
    """One message to one number by one channel."""

    def __init__(self, context: TenantEventContext, payload: dict[str, Any], port: TextPort) -> None:
        self._context, self._runtime, self._payload, self._port = context, context.runtime, payload, port

    def transaction(self) -> AbstractAsyncContextManager[TenantSession]:
        """See ``Sending``."""
        return self._runtime.database.tenant(self._context.tenant)

    async def prepare(self, session: TenantSession) -> TextMessage | None:
        """The message to send; None if it was dealt with before, or is not to be sent.

        Raises :class:`RetryLaterError` in its reader's quiet hours; nothing is recorded then.
        """
        log = await TextLogRepository(session).lock(self._payload)
        take_up_again(log)
        if log.status != TextStatus.SENDING:
            return None
        decided = await decide(session, self._runtime, log, self._payload["version"])
        if isinstance(decided, TextMessage):
            return decided
        leave_out(log, decided, TextStatus.SKIPPED)
        _log.info("text_skipped", kind=log.kind, text_log_id=str(log.id), reason=decided)
        return None

    async def send(self, message: TextMessage) -> str:
        """See ``TextPort``."""
        return await self._port.send(message)

    async def record_sent(self, session: TenantSession, message: TextMessage, reference: str) -> None:
        """It was taken."""
        log = await TextLogRepository(session).lock_by_id(message.id)
        if log is not None and is_open(log):
            log.status, log.provider_ref, log.failure = TextStatus.SENT, reference or None, None
            log.sent_at = clock.now()

    async def record_failure(
        self, session: TenantSession, message: TextMessage, reason: str, *, is_final: bool
    ) -> float | None:
        """See ``Sending``."""
        log = await TextLogRepository(session).lock_by_id(message.id)
        if log is None or log.status != TextStatus.SENDING:
            return None
        wait = note_failure_on(log, reason[:_FAILURE_LIMIT], is_final=is_final)
        if wait is None:
            _log.warning("text_failed", kind=log.kind, text_log_id=str(log.id))
        return wait
