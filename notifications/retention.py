"""How long the log of mails is kept, and with it what the provider told of them."""

from notifications.models import EmailLog
from notifications.tracking.models import MailSuppression
from tenants.privacy.retention import LOG_KEPT
from todoenbalance.kit.retention import Retention

MAIL_LOG = Retention(
    EmailLog,
    "the log of mails, with what the provider told of each (`email_events`)",
    LOG_KEPT,
    lambda before: EmailLog.created_at < before,
)
MAIL_SUPPRESSIONS = Retention(
    MailSuppression,
    "addresses that get no optional mail, after it bounced or its reader complained",
    LOG_KEPT,
    lambda before: MailSuppression.since < before,
)
