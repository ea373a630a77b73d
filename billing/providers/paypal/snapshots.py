"""PayPal's orders, captures and refunds in the words of the port.

A client's approval is no payment, and an order may be ``COMPLETED`` while its only capture was declined: the status of
the capture decides, never that of the order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing.providers.paypal.amounts import from_amount
from billing.providers.port import (
    DisputeSeen,
    ProviderMisconfiguredError,
    ProviderState,
    RefundResult,
    RefundSeen,
    RefundState,
    Snapshot,
)
from todoenbalance.kit import clock

Json = Mapping[str, Any]

APPROVAL_WINDOW = timedelta(hours=3)
"""How long a client may take. PayPal keeps what was not approved about that long and gives no event when it lapses, so
our clock ends it; what is approved later is not captured any more."""

APPROVED = "APPROVED"
_WITH_MONEY = frozenset({"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"})
_UNAPPROVED = frozenset({"CREATED", "SAVED", "PAYER_ACTION_REQUIRED"})
_REFUND_STATES = {
    "COMPLETED": RefundState.SUCCEEDED,
    "PENDING": RefundState.PENDING,
    "CANCELLED": RefundState.FAILED,
    "FAILED": RefundState.FAILED,
}
REVERSAL = "reversal"
"""Behind a capture's id: the name of money that PayPal took back without listing a refund."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order as PayPal answers it, with its one purchase unit."""

    body: Json

    @property
    def ref(self) -> str:
        """PayPal's id."""
        return str(self.body.get("id", ""))

    @property
    def status(self) -> str:
        """As PayPal says it."""
        return str(self.body.get("status", ""))[:60]

    @property
    def unit(self) -> Json:
        """The one thing that is paid for. Raises :class:`ProviderMisconfiguredError` if it is not one."""
        units = _dicts(self.body.get("purchase_units"))
        if len(units) != 1:
            raise ProviderMisconfiguredError("unreadable_order")
        return units[0]

    @property
    def captures(self) -> Sequence[Json]:
        """Tries to take the money, oldest first."""
        return _dicts(_dict(self.unit.get("payments")).get("captures"))

    @property
    def refunds(self) -> Sequence[Json]:
        """Money given back, also on PayPal's own site."""
        return _dicts(_dict(self.unit.get("payments")).get("refunds"))

    @property
    def money(self) -> Sequence[Json]:
        """The captures by which money came."""
        return [one for one in self.captures if one.get("status") in _WITH_MONEY]

    @property
    def is_to_be_captured(self) -> bool:
        """Whether the client said yes and nobody has taken the money yet."""
        return self.status == APPROVED and not any(
            one.get("status") in {*_WITH_MONEY, "PENDING"} for one in self.captures
        )

    @property
    def approval_url(self) -> str | None:
        """Where the client approves, None once that is over."""
        by_rel = {one.get("rel"): one.get("href") for one in _dicts(self.body.get("links"))}
        url = by_rel.get("payer-action") or by_rel.get("approve")
        return url if isinstance(url, str) else None

    def is_lapsed(self) -> bool:
        """Whether nobody approved in time."""
        made_at = read_time(self.body.get("create_time"))
        return self.status in _UNAPPROVED and made_at is not None and clock.now() - made_at > APPROVAL_WINDOW


def snapshot_of(
    order: Order, *, is_live: bool, failure_code: str | None = None, disputes: Sequence[DisputeSeen] | None = None
) -> Snapshot:
    """The order as it stands. ``failure_code``: why the client must choose another way to pay, in a refused capture."""
    state, status = _state(order)
    amount = from_amount(order.unit.get("amount"))
    capture = next(iter(order.money or order.captures[-1:]), None)
    captured = sum(from_amount(one.get("amount")).amount for one in order.money)
    refunds = _refunds_seen(order, captured, disputes or ())
    kind, last_four = _means(order)
    return Snapshot(
        provider_ref=order.ref,
        state=state,
        attempt_id=read_uuid(order.unit.get("custom_id")),
        amount=amount,
        captured_minor=captured,
        refunded_minor=sum(one.amount_minor for one in refunds if one.state is RefundState.SUCCEEDED),
        provider_status=status,
        failure_code=failure_code or _failure_code(state, capture),
        charge_ref=str(capture["id"]) if capture is not None and capture.get("id") else None,
        is_live=is_live,
        provider_fee_minor=_fee(order, amount.currency),
        method_kind=kind,
        last_four=last_four,
        refunds=refunds,
        disputes=disputes,
    )


def _state(order: Order) -> tuple[ProviderState, str]:
    if order.money:
        return ProviderState.CAPTURED, str(order.money[0]["status"])
    pending = next((one for one in order.captures if one.get("status") == "PENDING"), None)
    if pending is not None:
        return ProviderState.PROCESSING, _with_reason(pending)
    if order.captures and order.status == "COMPLETED":
        return ProviderState.DECLINED, _with_reason(order.captures[-1])
    if order.status == "COMPLETED":
        return ProviderState.PROCESSING, order.status  # its capture is not shown yet
    if order.status == "VOIDED" or order.is_lapsed():
        return ProviderState.EXPIRED, order.status
    return ProviderState.AWAITING_CUSTOMER, order.status


def _with_reason(capture: Json) -> str:
    reason = _dict(capture.get("status_details")).get("reason")
    return (f"{capture.get('status')}/{reason}" if reason else str(capture.get("status")))[:60]


def _failure_code(state: ProviderState, capture: Json | None) -> str | None:
    if state is not ProviderState.DECLINED or capture is None:
        return None
    reason = _dict(capture.get("status_details")).get("reason")
    return str(reason or f"capture_{capture.get('status')}").lower()[:60]


def _fee(order: Order, currency: str) -> int | None:
    """What PayPal keeps, None while it does not say or says it in another currency."""
    total: int | None = None
    for capture in order.money:
        fee = _dict(capture.get("seller_receivable_breakdown")).get("paypal_fee")
        if fee is not None and (amount := from_amount(fee)).currency == currency:
            total = (total or 0) + amount.amount
    return total


def _means(order: Order) -> tuple[str | None, str | None]:
    source = _dict(order.body.get("payment_source"))
    kind = next(iter(source), None)
    digits = _dict(source.get(str(kind))).get("last_digits")
    is_four = isinstance(digits, str) and len(digits) == 4 and digits.isascii() and digits.isdigit()
    return (str(kind)[:40] if kind else None), (digits if is_four else None)


def _refunds_seen(order: Order, captured: int, disputes: Sequence[DisputeSeen]) -> Sequence[RefundSeen]:
    seen = [refund_seen(one, order) for one in order.refunds]
    reversed_by = _reversal(order, captured, seen, disputes)
    return [*seen, reversed_by] if reversed_by is not None else seen


def refund_seen(refund: Json, order: Order) -> RefundSeen:
    """A refund as an order lists it. One that was made on PayPal's site carries the capture's id of ours, or none."""
    result = refund_result(refund)
    ours = read_uuid(refund.get("custom_id"))
    return RefundSeen(
        provider_ref=str(result.provider_ref),
        amount_minor=from_amount(refund.get("amount")).amount,
        state=result.state,
        refund_id=ours if ours != read_uuid(order.unit.get("custom_id")) else None,
        provider_status=result.provider_status,
    )


def refund_result(refund: Json) -> RefundResult:
    """How a refund stands. Raises :class:`ProviderMisconfiguredError` for what is none."""
    status = str(refund.get("status"))
    reason = _dict(refund.get("status_details")).get("reason")
    if not refund.get("id") or status not in _REFUND_STATES:
        raise ProviderMisconfiguredError("unreadable_refund")
    state = _REFUND_STATES[status]
    return RefundResult(
        state=state,
        provider_ref=str(refund["id"]),
        provider_status=f"{status}/{reason}" if reason else status,
        failure_code=f"refund_{status.lower()}" if state is RefundState.FAILED else None,
    )


def _reversal(
    order: Order, captured: int, seen: Sequence[RefundSeen], disputes: Sequence[DisputeSeen]
) -> RefundSeen | None:
    """What went back although no refund says so: PayPal or a bank reversed the capture.

    What a dispute accounts for is that dispute's matter.
    """
    if not order.money or any(one.get("status") != "REFUNDED" for one in order.money):
        return None
    known = sum(one.amount_minor for one in seen if one.state is not RefundState.FAILED)
    missing = captured - known - sum(one.amount_minor for one in disputes)
    if missing <= 0:
        return None
    return RefundSeen(
        provider_ref=f"{order.money[0].get('id')}/{REVERSAL}",
        amount_minor=missing,
        state=RefundState.SUCCEEDED,
        provider_status=_with_reason(order.money[0]),
    )


def read_uuid(value: Any) -> UUID | None:
    """An id of ours that was echoed, None for anything else."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def read_time(value: Any) -> datetime | None:
    """A time of PayPal's (RFC 3339), None for anything else."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return read if read is not None and read.tzinfo is not None else None


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> Sequence[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else ()
