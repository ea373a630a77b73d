"""Events of text messages; payloads carry ids only."""

TEXT_SEND = "text.send"
"""``{kind, subject_id, version, client_id, channel}``: one message."""
