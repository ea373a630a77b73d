"""Who listens to which event: upward talk between the areas, composed in one place."""

from collections.abc import Mapping, Sequence

from billing.payments.events import PAYMENT_ABANDON, PAYMENT_SETTLED
from billing.payments.tasks import abandon_payable
from billing.providers.sandbox import SEND_WEBHOOK
from billing.refunds.events import REFUND_REQUESTED, REFUND_SETTLED
from billing.refunds.mails import on_refund_settled, register_refund_mails
from billing.refunds.tasks import execute_refund
from billing.webhooks.events import PROVIDER_EVENT_RECEIVED
from billing.webhooks.tasks import handle_event, send_sandbox_webhook
from notifications import tasks as notifications
from notifications.account_mails import register_account_mails
from notifications.events import NOTIFICATION_SEND
from notifications.service import send_notification
from scheduling.appointments import events as appointments
from scheduling.appointments import mails as appointment_mails
from scheduling.appointments.tasks import expire_hold
from scheduling.checkout.tasks import on_payment_settled
from tenants.accounts import events as accounts
from todoenbalance.kit.outbox.tasks import TenantHandler

SUBSCRIPTIONS: Mapping[str, Sequence[TenantHandler]] = {
    accounts.CLIENT_REGISTERED: [notifications.on_client_registered],
    accounts.CLIENT_REGISTRATION_REPEATED: [notifications.on_client_registration_repeated],
    accounts.CLIENT_VERIFICATION_REQUESTED: [notifications.on_client_verification_requested],
    accounts.CLIENT_PASSWORD_FORGOTTEN: [notifications.on_client_password_forgotten],
    accounts.STAFF_INVITED: [notifications.on_staff_invited],
    NOTIFICATION_SEND: [send_notification],
    appointments.APPOINTMENT_HOLD_EXPIRY: [expire_hold],
    appointments.APPOINTMENT_CONFIRMED: [appointment_mails.on_appointment_confirmed],
    appointments.APPOINTMENT_MOVED: [appointment_mails.on_appointment_moved],
    appointments.APPOINTMENT_CANCELLED: [appointment_mails.on_appointment_cancelled],
    appointments.APPOINTMENT_REMINDER: [appointment_mails.on_appointment_reminder],
    PAYMENT_SETTLED: [on_payment_settled],
    PAYMENT_ABANDON: [abandon_payable],
    REFUND_REQUESTED: [execute_refund],
    REFUND_SETTLED: [on_refund_settled],
    PROVIDER_EVENT_RECEIVED: [handle_event],
    SEND_WEBHOOK: [send_sandbox_webhook],
}


def register_composers() -> None:
    """Let the features tell notifications how to write their mails. Safe to repeat."""
    register_account_mails()
    appointment_mails.register_appointment_mails()
    register_refund_mails()
