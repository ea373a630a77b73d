"""Events that the catalogue publishes."""

SERVICE_REMINDER_ADDED = "service.reminder_added"
"""``{service_id, minutes}``: from now on its clients are reminded so many minutes before, too."""

SERVICE_FOLLOW_UP_CHANGED = "service.follow_up_changed"
"""``{service_id, hours}``: from now on its clients are written to so many hours after the visit."""
