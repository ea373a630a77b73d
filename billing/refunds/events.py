"""Events of refunds; payloads carry ids only."""

REFUND_REQUESTED = "refund.requested"
"""``{refund_id}``: the row is written, the provider is yet to be asked."""

REFUND_SETTLED = "refund.settled"
"""``{refund_id}``: it succeeded, or failed for good."""
