"""Events of disputes; payloads carry ids only."""

DISPUTE_OPENED = "dispute.opened"
"""``{dispute_id}``: a client asked their bank or PayPal for the money back; the practice has until a deadline."""

DISPUTE_CLOSED = "dispute.closed"
"""``{dispute_id}``: it was decided."""
