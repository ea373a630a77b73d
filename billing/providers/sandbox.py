"""A pretend provider, so that paying works on a laptop: own orders, own page, signed webhooks.

It plays an outside party. Its record is ``sandbox_orders``, which nothing else in billing reads, and it
opens transactions of its own, never one of the caller's. Refused in production.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from billing.payments.models import SandboxOrder
from billing.providers.port import (
    Capabilities,
    DeclinedError,
    InvalidSignatureError,
    ObjectNotFoundError,
    ProviderMisconfiguredError,
    ProviderState,
    RefundOrder,
    RefundResult,
    RefundSeen,
    RefundState,
    Snapshot,
    Started,
    StartRequest,
    VerifiedEvent,
)
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

NAME = "sandbox"
SIGNATURE_HEADER = "sandbox-signature"
SIGNATURE_TOLERANCE = timedelta(minutes=5)
ORDER_CAPTURED = "order.captured"
ORDER_DECLINED = "order.declined"
KNOWN_EVENTS = frozenset({ORDER_CAPTURED, ORDER_DECLINED})
SEND_WEBHOOK = "sandbox.webhook"
"""Topic of the queue row that makes the sandbox send one webhook."""

_STATES = {
    "open": ProviderState.AWAITING_CUSTOMER,
    "captured": ProviderState.CAPTURED,
    "declined": ProviderState.DECLINED,
    "cancelled": ProviderState.CANCELLED,
}


class SandboxOutcome(StrEnum):
    """What the customer does on the sandbox's page."""

    APPROVE = "approve"
    DECLINE = "decline"


class WebhookMode(StrEnum):
    """How the sandbox's webhook goes astray."""

    NORMAL = "normal"
    LATE = "late"
    DUPLICATE = "duplicate"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of an order on its page. ``refused_because``: the order's state that allows no such thing."""

    order: SandboxOrder
    refused_because: str | None = None


def is_sandbox_available(settings: Settings) -> bool:
    """Whether the pretend provider may be used in this deployment at all."""
    return settings.has_sandbox


class SandboxProvider:
    """One practice's account at the pretend provider.

    Raises :class:`ProviderMisconfiguredError` when made where the sandbox is refused.
    """

    def __init__(self, runtime: Runtime, tenant: TenantContext) -> None:
        if not is_sandbox_available(runtime.settings):
            raise ProviderMisconfiguredError("sandbox_refused")
        self._runtime = runtime
        self._tenant = tenant
        self._secret = runtime.signer.digest(f"sandbox-webhook:{tenant.key}").encode()

    @property
    def name(self) -> str:
        """The method's name in the API."""
        return NAME

    def capabilities(self) -> Capabilities:
        """Everything but a fee for the platform."""
        return Capabilities(online=True, webhooks=True, partial_refund=True, platform_fee=False)

    async def start(self, request: StartRequest) -> Started:
        """An order with a page of its own; the same attempt gets the same order again."""
        now = clock.now()
        async with self._runtime.database.tenant(self._tenant) as session:
            await session.execute(
                insert(SandboxOrder)
                .values(
                    id=f"sbx_{secrets.token_urlsafe(18)}",
                    attempt_id=request.attempt_id,
                    status="open",
                    amount_minor=request.amount.amount,
                    currency=request.amount.currency,
                    description=request.description,
                    return_url=request.return_url,
                    cancel_url=request.cancel_url,
                    refunds={},
                    created_at=now,
                    updated_at=now,
                )
                .on_conflict_do_nothing(index_elements=[SandboxOrder.attempt_id])
            )
            statement = select(SandboxOrder).where(SandboxOrder.attempt_id == request.attempt_id)
            order = (await session.scalars(statement)).one()
        return Started(
            provider_ref=order.id,
            state=_STATES[order.status],
            provider_status=order.status,
            next_action={"type": "redirect", "url": self._page_url(order.id)},
            expires_at=request.expires_at,
        )

    async def fetch(self, provider_ref: str) -> Snapshot:
        """The order as it stands."""
        async with self._runtime.database.tenant(self._tenant) as session:
            return _snapshot(await _get_order(session, provider_ref))

    async def settle(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """The same as :meth:`fetch`: approving an order captures it."""
        return await self.fetch(provider_ref)

    async def cancel(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """An open order becomes unpayable; any other stays what it is."""
        async with self._runtime.database.tenant(self._tenant) as session:
            order = await _get_order(session, provider_ref, for_update=True)
            if order.status == "open":
                order.status, order.updated_at = "cancelled", clock.now()
            return _snapshot(order)

    async def refund(self, order: RefundOrder) -> RefundResult:
        """Give back at once; the same ``refund_id`` gives back once."""
        async with self._runtime.database.tenant(self._tenant) as session:
            row = await _get_order(session, order.provider_ref, for_update=True)
            if str(order.refund_id) not in row.refunds:
                if order.amount.currency != row.currency:
                    raise DeclinedError("currency_mismatch")
                if row.refunded_minor + order.amount.amount > row.captured_minor:
                    raise DeclinedError("refund_exceeds_order")
                row.refunds = {**row.refunds, str(order.refund_id): order.amount.amount}
                row.refunded_minor += order.amount.amount
                row.updated_at = clock.now()
        return RefundResult(RefundState.SUCCEEDED, f"sbxr_{order.refund_id}", "succeeded")

    async def fetch_refund(self, provider_ref: str, refund_ref: str) -> RefundResult:
        """Refunds succeed at once, or were never made."""
        async with self._runtime.database.tenant(self._tenant) as session:
            order = await _get_order(session, provider_ref)
        if refund_ref.removeprefix("sbxr_") not in order.refunds:
            raise ObjectNotFoundError("refund_not_found")
        return RefundResult(RefundState.SUCCEEDED, refund_ref, "succeeded")

    async def read_webhook(self, headers: Mapping[str, str], body: bytes) -> VerifiedEvent:
        """The event in a body that we signed for this practice within the last five minutes."""
        self._check_signature(headers.get(SIGNATURE_HEADER, ""), body)
        try:
            content = json.loads(body)
            event_id, event_type = str(content["id"]), str(content["type"])
            order_id = str(content["data"]["order_id"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidSignatureError("malformed_body") from error
        if not 0 < len(event_id) <= 255 or not 0 < len(event_type) <= 100 or len(order_id) > 255:
            raise InvalidSignatureError("malformed_body")
        return VerifiedEvent(event_id, event_type, event_type in KNOWN_EVENTS, order_id, content)

    async def missed_events(self, since: datetime) -> Sequence[VerifiedEvent]:
        """It keeps no list; its orders are read anyway."""
        return ()

    def sign_webhook(self, body: bytes, at: datetime | None = None) -> dict[str, str]:
        """The header that :meth:`read_webhook` accepts: HMAC-SHA256 over timestamp and raw body."""
        timestamp = str(int((at or clock.now()).timestamp()))
        return {SIGNATURE_HEADER: f"t={timestamp},v1={self._signature(timestamp, body)}"}

    def _check_signature(self, header: str, body: bytes) -> None:
        parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
        timestamp, given = parts.get("t", ""), parts.get("v1", "")
        if not hmac.compare_digest(self._signature(timestamp, body).encode(), given.encode()):
            raise InvalidSignatureError("wrong_signature")
        # Signed by us, so the timestamp is a number.
        age = abs(clock.now().timestamp() - int(timestamp))
        if age > SIGNATURE_TOLERANCE.total_seconds():
            raise InvalidSignatureError("signed_too_long_ago")

    def _signature(self, timestamp: str, body: bytes) -> str:
        return hmac.new(self._secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()

    def _page_url(self, order_id: str) -> str:
        path = f"/sandbox/pay/{order_id}"
        hostname = self._tenant.hostname
        settings = self._runtime.settings
        return settings.url_for_host(hostname, path) if hostname else settings.practice_url(self._tenant.slug, path)


async def find_order(session: TenantSession, order_id: str) -> SandboxOrder | None:
    """The order behind a page, or None."""
    return await session.get(SandboxOrder, order_id)


async def decide(
    session: TenantSession,
    order_id: str,
    outcome: SandboxOutcome,
    webhook: WebhookMode = WebhookMode.NORMAL,
    *,
    is_forced: bool = False,
    delay_seconds: int = 5,
) -> Decision:
    """What a customer's click does: captures or declines an open order and queues its webhooks.

    Repeating a click changes nothing and sends nothing. ``is_forced`` captures although the order was
    cancelled or declined, as a slow provider does. Raises :class:`ObjectNotFoundError`.
    """
    order = await _get_order(session, order_id, for_update=True)
    wanted = "captured" if outcome is SandboxOutcome.APPROVE else "declined"
    if order.status == wanted:
        return Decision(order)
    may_force = is_forced and wanted == "captured"
    if order.status != "open" and not may_force:
        return Decision(order, refused_because=order.status)
    order.status, order.updated_at = wanted, clock.now()
    if wanted == "captured":
        order.captured_minor = order.amount_minor
    await _queue_webhooks(session, order, webhook, delay_seconds)
    return Decision(order)


async def _queue_webhooks(session: TenantSession, order: SandboxOrder, mode: WebhookMode, delay_seconds: int) -> None:
    if mode is WebhookMode.DROP:
        return
    event_type = ORDER_CAPTURED if order.status == "captured" else ORDER_DECLINED
    run_at = clock.now() + timedelta(seconds=delay_seconds) if mode is WebhookMode.LATE else None
    event_id = f"sbxe_{new_id()}"
    for n in range(2 if mode is WebhookMode.DUPLICATE else 1):
        await publish(
            session,
            SEND_WEBHOOK,
            {"order_id": order.id, "event_id": event_id, "event_type": event_type, "n": n + 1},
            run_at=run_at,
        )


def webhook_body(order: SandboxOrder, event_id: str, event_type: str) -> bytes:
    """What the sandbox tells: ids and a state, nothing about a person."""
    content: dict[str, Any] = {
        "id": event_id,
        "type": event_type,
        "created_at": clock.now().isoformat(),
        "data": {"order_id": order.id, "attempt_id": str(order.attempt_id), "status": order.status},
    }
    return json.dumps(content, separators=(",", ":")).encode()


async def _get_order(session: TenantSession, order_id: str, *, for_update: bool = False) -> SandboxOrder:
    order = await session.get(SandboxOrder, order_id, with_for_update=for_update, populate_existing=for_update)
    if order is None:
        raise ObjectNotFoundError("order_not_found")
    return order


def _snapshot(order: SandboxOrder) -> Snapshot:
    return Snapshot(
        provider_ref=order.id,
        state=_STATES[order.status],
        attempt_id=order.attempt_id,
        amount=Money(order.amount_minor, order.currency),
        captured_minor=order.captured_minor,
        refunded_minor=order.refunded_minor,
        provider_status=order.status,
        failure_code="customer_declined" if order.status == "declined" else None,
        refunds=[
            RefundSeen(f"sbxr_{refund_id}", amount_minor, RefundState.SUCCEEDED, UUID(refund_id), "succeeded")
            for refund_id, amount_minor in order.refunds.items()
        ],
    )
