"""Events of notifications; payloads carry ids only."""

NOTIFICATION_SEND = "notification.send"
MAIL_SUPPRESSION_LIFTED = "mail_suppression.lifted"
