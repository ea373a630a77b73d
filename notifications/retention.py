"""How long the log of mails is kept."""

from notifications.models import EmailLog
from tenants.privacy.retention import LOG_KEPT
from todoenbalance.kit.retention import Retention

MAIL_LOG = Retention(EmailLog, "the log of mails", LOG_KEPT, lambda before: EmailLog.created_at < before)
