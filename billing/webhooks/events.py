"""Events of the webhook inbox; payloads carry ids only."""

PROVIDER_EVENT_RECEIVED = "provider_event.received"
"""``{provider_event_id}``: a verified event is in the inbox and waits to be handled."""
