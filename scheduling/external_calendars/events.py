"""Jobs of external calendars."""

EXTERNAL_CALENDAR_REFRESH = "external_calendar.refresh"
"""``{calendar_id, due_at}``: read the calendar. Only the row whose ``due_at`` is the calendar's own does it."""
