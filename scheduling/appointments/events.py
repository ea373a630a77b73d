"""Events that appointments publish; payloads carry ids and versions only."""

APPOINTMENT_HOLD_EXPIRY = "appointment.hold_expiry"
"""``{appointment_id}``, due when the hold runs out."""

APPOINTMENT_REQUESTED = "appointment.requested"
"""``{appointment_id, version}``: a booking that waits for the practice's yes."""

APPOINTMENT_APPROVED = "appointment.approved"
"""``{appointment_id, version}``: the practice's yes to a request that is to be paid now."""

APPOINTMENT_DECLINED = "appointment.declined"
"""``{appointment_id, version}``: the practice's no to a request."""

APPOINTMENT_UNANSWERED = "appointment.unanswered"
"""``{appointment_id, version}``: a request that nobody answered in time."""

APPOINTMENT_LAPSED = "appointment.lapsed"
"""``{appointment_id}``: its hold ran out, and it was booked with a session of a package or a discount code."""

APPOINTMENT_FEE_OWED = "appointment.fee_owed"
"""``{appointment_id, version, due_at}``, due (RFC 3339) an hour after staff said that the client did not come: there is
a fee for it, and by then a mistake would have been corrected."""

APPOINTMENT_MISSED = "appointment.missed"
"""``{appointment_id, version, due_at}``, the same where there is no fee."""

APPOINTMENT_FEE_CHARGED = "appointment.fee_charged"
"""``{appointment_id, version}``: that fee was charged to the card that the client had kept."""

TIME_FREED = "appointment.time_freed"
"""``{practitioner_id, starts_at, ends_at}`` (RFC 3339): somebody's time can be had again, by those who wait for it."""

APPOINTMENT_CONFIRMED = "appointment.confirmed"
APPOINTMENT_MOVED = "appointment.moved"
APPOINTMENT_CANCELLED = "appointment.cancelled"
"""``{appointment_id, version}`` each; ``with_session`` (true) with a seat that went with its whole session, of which
the practice is told once."""

APPOINTMENT_CHANGED = "appointment.changed"
"""``{appointment_id, sequence}``: a confirmed one takes place elsewhere, or by another link, at the same time."""

APPOINTMENT_SERIES_BOOKED = "appointment.series_booked"
"""``{series_id}``: several confirmed appointments, made at once, of which one mail tells."""

APPOINTMENT_REMINDER = "appointment.reminder"
"""``{appointment_id, version, minutes}``, due so many minutes before the start; rows of an older release lack
``minutes``."""

APPOINTMENT_FOLLOW_UP = "appointment.follow_up"
"""``{appointment_id, version, hours}``, due so many hours after the end."""

PAYABLE_KIND = "appointment"
"""What billing knows an appointment as."""

BALANCE_KIND = "appointment_balance"
"""What billing knows the rest of its price as; the ids are the same."""

FEE_KIND = "no_show_fee"
"""What billing knows the fee of who does not come as; the ids are the same."""

MONEY_KINDS = (PAYABLE_KIND, BALANCE_KIND)
"""What is paid of an appointment's price: its deposit (or all of it), and its balance."""
