"""How long the log of mails is kept, and with it what the provider told of them; and what they said, for less long."""

from datetime import timedelta

from sqlalchemy import func, select

from notifications.bodies.models import MailBody
from notifications.mail_tasks.models import MailTask
from notifications.models import EmailLog
from notifications.tracking.models import MailSuppression
from tenants.privacy.retention import LOG_KEPT
from tenants.settings.models import PracticeSettings
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
MAIL_TASKS = Retention(
    MailTask,
    "clients to be called because mail did not reach them, after that came up",
    LOG_KEPT,
    lambda before: MailTask.opened_at < before,
)
_DAYS = select(PracticeSettings.mail_body_days).scalar_subquery()
MAIL_BODIES = Retention(
    MailBody,
    "what clients were written, after the days that the practice chose (`mail_body_days`: 30 unless changed)",
    timedelta(0),
    lambda before: MailBody.created_at < before - func.make_interval(0, 0, 0, _DAYS),
)
