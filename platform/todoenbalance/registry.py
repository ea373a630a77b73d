"""Imports every module with tables, so that mappers and migrations know all of them."""

from billing.accounts import models as payment_accounts
from billing.discounts import models as discounts
from billing.disputes import models as disputes
from billing.documents import models as documents
from billing.packages import models as packages
from billing.payments import models as payments
from billing.platform_fees import models as platform_fees
from billing.reconciliation import models as reconciliation
from notifications import models as notifications
from notifications.bodies import models as mail_bodies
from notifications.digests import models as mail_digests
from notifications.mail_tasks import models as mail_tasks
from notifications.operator_mails import models as operator_mails
from notifications.overrides import models as mail_templates
from notifications.preferences import models as mail_preferences
from notifications.sender import models as mail_sender
from notifications.texting import models as texting
from notifications.tracking import models as mail_tracking
from scheduling.appointments import models as appointments
from scheduling.catalogue import models as catalogue
from scheduling.external_calendars import models as external_calendars
from scheduling.feeds import models as feeds
from scheduling.group_sessions import models as group_sessions
from scheduling.waitlist import models as waitlist
from tenants.accounts import models as accounts
from tenants.plans import models as plans
from tenants.privacy import models as privacy
from tenants.registry import models as tenants
from tenants.settings import models as settings
from tenants.social import models as social
from todoenbalance.kit.idempotency import models as idempotency
from todoenbalance.kit.inbox import models as inbox
from todoenbalance.kit.outbox import models as outbox
from todoenbalance.operators import models as operators
from todoenbalance.operators.waiting import models as waiting

MODULES = (
    accounts,
    appointments,
    catalogue,
    discounts,
    disputes,
    documents,
    external_calendars,
    feeds,
    group_sessions,
    idempotency,
    inbox,
    notifications,
    mail_bodies,
    mail_digests,
    mail_preferences,
    mail_sender,
    mail_tasks,
    mail_templates,
    mail_tracking,
    operator_mails,
    operators,
    outbox,
    packages,
    payment_accounts,
    payments,
    plans,
    platform_fees,
    privacy,
    reconciliation,
    settings,
    social,
    tenants,
    texting,
    waiting,
    waitlist,
)
