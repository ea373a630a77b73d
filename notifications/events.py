"""Events of notifications; payloads carry ids only."""

NOTIFICATION_SEND = "notification.send"
