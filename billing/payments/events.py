"""Events that payments publish and listen to; payloads carry ids only."""

PAYMENT_SETTLED = "payment.settled"
"""``{payment_id}``: money arrived; whoever owns the payable draws the consequences."""

PAYMENT_ABANDON = "payment.abandon"
"""``{payable_kind, payable_id}``: the payable is not wanted any more, so its open orders must become unpayable."""

PAYMENT_CHECK = "payment.check"
"""``{payment_id}``: nobody may have told us how it ended (a closed tab, a lost webhook), so the provider is asked."""
PAYMENT_RECEIPT_UNDONE = "payment.receipt_undone"
"""``{payment_id}``: staff took back money that they had recorded; it was not here after all."""
