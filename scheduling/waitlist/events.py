"""Jobs of the waiting list."""

WAITLIST_SWEEP = "waitlist.sweep"
"""``{due_at}``: go through the practice's waiting list. Only the row whose ``due_at`` is the practice's own does it."""
