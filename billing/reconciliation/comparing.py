"""In what our row of a payment and the provider's word differ: a pure comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from billing.payments.models import Payment
from billing.providers.port import DisputeState, RefundState, Snapshot


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is told differently. ``detail``: both sides, amounts in minor units."""

    kind: str
    detail: Mapping[str, int | str | None]


def compare(payment: Payment, snapshots: Sequence[Snapshot]) -> list[Difference]:
    """What differs after the payment was settled by these readings; empty if both sides agree."""
    if payment.review_reason is not None:
        return [Difference(payment.review_reason, {})]
    if not snapshots:
        return []
    found = [
        _amounts("captured", payment.captured_minor, sum(one.captured_minor for one in snapshots)),
        _amounts("refunded", payment.refunded_minor, sum(map(_gone, snapshots))),
    ]
    told = [one for one in snapshots if one.captured_minor and one.fee_minor is not None]
    if told:
        fee = sum(one.fee_minor or 0 for one in told)
        found.append(_amounts("fee", payment.fee_taken_minor, fee))
        if payment.platform_fee_minor != fee:
            found.append(_amounts("fee_agreed", payment.platform_fee_minor, fee))
    return [one for one in found if one is not None]


def _gone(snapshot: Snapshot) -> int:
    """What went back to the client: refunds that went through, and disputes that were lost."""
    refunded = snapshot.refunded_minor
    if snapshot.refunds is not None:
        refunded = sum(one.amount_minor for one in snapshot.refunds if one.state is RefundState.SUCCEEDED)
    lost = [one for one in snapshot.disputes or () if one.state is DisputeState.LOST]
    return min(refunded + sum(one.amount_minor for one in lost), max(snapshot.captured_minor, refunded))


def _amounts(kind: str, ours: int, theirs: int) -> Difference | None:
    return Difference(kind, {"ours": ours, "theirs": theirs}) if ours != theirs else None
