"""Events that appointments publish; payloads carry ids and versions only."""

APPOINTMENT_HOLD_EXPIRY = "appointment.hold_expiry"
"""``{appointment_id}``, due when the hold runs out."""

APPOINTMENT_CONFIRMED = "appointment.confirmed"
APPOINTMENT_MOVED = "appointment.moved"
APPOINTMENT_CANCELLED = "appointment.cancelled"
"""``{appointment_id, version}`` each."""

APPOINTMENT_REMINDER = "appointment.reminder"
"""``{appointment_id, version}``, due the practice's ``reminder_hours`` before the start."""

PAYABLE_KIND = "appointment"
"""What billing knows an appointment as."""
