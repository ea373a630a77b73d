"""How long the log of text messages is kept, and consents that do not count any more."""

from sqlalchemy import and_, or_

from notifications.texting.consents import STOP_HOLDS
from notifications.texting.models import TextConsent, TextLog, TextStop
from tenants.privacy.retention import LOG_KEPT
from todoenbalance.kit.retention import Retention

TEXT_LOG = Retention(TextLog, "the log of text messages", LOG_KEPT, lambda before: TextLog.created_at < before)
TEXT_CONSENTS = Retention(
    TextConsent,
    "consents to text messages, after they were withdrawn or never confirmed (as long as the log of what was sent)",
    LOG_KEPT,
    lambda before: or_(
        TextConsent.withdrawn_at < before, and_(TextConsent.confirmed_at.is_(None), TextConsent.given_at < before)
    ),
)
TEXT_STOPS = Retention(
    TextStop,
    "that a number answered STOP (as a digest)",
    STOP_HOLDS,
    lambda before: TextStop.said_at < before,
)
