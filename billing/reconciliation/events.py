"""Events of reconciliation."""

BILLING_RECONCILE = "billing.reconcile"
"""``{}``: the practice's daily comparison with its providers; the row comes again each day."""

DISAGREEMENT_FOUND = "billing.disagreement_found"
"""``{reconciliation_id}``: payments that could not be brought to agree with their provider; owners are told."""
