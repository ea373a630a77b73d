"""The mails about the waiting list."""

JOINED = "waitlist_joined"
OFFERED = "waitlist_offered"
LAPSED = "waitlist_lapsed"
OVER = "waitlist_over"
