"""Money that is paid to the practice itself: cash, transfer, card at the desk.

There is nobody on the other side: starting gives a short reference for the transfer or the desk, and the
rest is what staff record. Refunds are recorded, too: somebody hands the money back.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from billing.providers.port import (
    Capabilities,
    ProviderState,
    RefundOrder,
    RefundResult,
    RefundState,
    Snapshot,
    Started,
    StartRequest,
    UnsupportedError,
    VerifiedEvent,
)

NAME = "offline"


class OfflineProvider:
    """The adapter without a provider. Keeps nothing; what staff record is in our own rows."""

    @property
    def name(self) -> str:
        """The method's name in the API."""
        return NAME

    def capabilities(self) -> Capabilities:
        """Recorded by staff; a refund may be of any part."""
        return Capabilities(online=False, webhooks=False, partial_refund=True, platform_fee=False)

    async def start(self, request: StartRequest) -> Started:
        """A reference to quote, always the same for an attempt. Moves nothing, asks nobody."""
        return Started(
            provider_ref=reference_of(request.attempt_id),
            state=ProviderState.AWAITING_CUSTOMER,
            provider_status="expected",
            expires_at=None,
        )

    async def fetch(self, provider_ref: str) -> Snapshot:
        """There is nothing to read. Raises :class:`UnsupportedError`."""
        raise UnsupportedError("offline_fetch")

    async def settle(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """There is nothing to capture. Raises :class:`UnsupportedError`."""
        raise UnsupportedError("offline_settle")

    async def cancel(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """There is nothing to cancel. Raises :class:`UnsupportedError`."""
        raise UnsupportedError("offline_cancel")

    async def refund(self, order: RefundOrder) -> RefundResult:
        """The practice hands the money over itself, and staff record that: pending until they do."""
        return RefundResult(RefundState.PENDING, None, "to_hand_over")

    async def fetch_refund(self, provider_ref: str, refund_ref: str) -> RefundResult:
        """There is nothing to read. Raises :class:`UnsupportedError`."""
        raise UnsupportedError("offline_fetch_refund")

    async def read_webhook(self, headers: Mapping[str, str], body: bytes) -> VerifiedEvent:
        """Nobody calls. Raises :class:`UnsupportedError`."""
        raise UnsupportedError("offline_webhook")

    async def missed_events(self, since: datetime) -> Sequence[VerifiedEvent]:
        """Nobody calls, so nothing is missed."""
        return ()


def reference_of(attempt_id: UUID) -> str:
    """Ten letters and digits (50 bits) that a person can copy onto a transfer, in two groups."""
    text = base64.b32encode(hashlib.sha256(attempt_id.bytes).digest()).decode()
    return f"{text[:5]}-{text[5:10]}"
