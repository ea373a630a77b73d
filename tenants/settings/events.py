"""Events that a practice's settings publish."""

REMINDER_ADDED = "practice.reminder_added"
"""``{minutes}``: from now on clients are reminded so many minutes before, too."""
