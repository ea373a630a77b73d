"""Who listens to which event: upward talk between the areas, composed in one place."""

from collections.abc import Mapping, Sequence

from billing.accounts import events as payment_accounts
from billing.accounts.mails import on_payment_account_changed, register_payment_account_mails
from billing.accounts.tasks import check_account, leave_account
from billing.cards import tasks as card_tasks
from billing.cards.events import CARD_CHECK, CARD_FORGET
from billing.cards.personal_data import CardData
from billing.checkout.tasks import on_payment_settled
from billing.disputes.events import DISPUTE_CLOSED, DISPUTE_OPENED
from billing.disputes.mails import on_dispute_closed, on_dispute_opened, register_dispute_mails
from billing.documents import events as documents
from billing.documents import mails as document_mails
from billing.documents import tasks as document_tasks
from billing.documents.personal_data import DocumentData
from billing.mail_variables import register_billing_variables
from billing.packages import events as packages
from billing.packages import mails as package_mails
from billing.packages import tasks as package_tasks
from billing.packages.payable import register_package_kind
from billing.packages.personal_data import PackageData
from billing.payments.events import PAYMENT_ABANDON, PAYMENT_CHECK, PAYMENT_RECEIPT_UNDONE, PAYMENT_SETTLED
from billing.payments.personal_data import PaymentData
from billing.payments.tasks import abandon_payable, check_payment
from billing.platform_fees import events as platform_fees
from billing.platform_fees import mails as plan_mails
from billing.platform_fees import tasks as platform_fee_tasks
from billing.providers.sandbox import SEND_WEBHOOK
from billing.reconciliation.events import BILLING_RECONCILE, DISAGREEMENT_FOUND
from billing.reconciliation.mails import on_disagreement_found, register_reconciliation_mails
from billing.reconciliation.tasks import reconcile_practice
from billing.refunds.events import REFUND_REQUESTED, REFUND_SETTLED
from billing.refunds.mails import on_refund_settled, register_refund_mails
from billing.refunds.tasks import execute_refund
from billing.webhooks.events import PROVIDER_EVENT_RECEIVED
from billing.webhooks.tasks import handle_event, send_sandbox_webhook
from notifications import credential_mails, device_mails, second_factor_mails, social_mails
from notifications import tasks as notifications
from notifications.account_mails import register_account_mails
from notifications.digests.service import register_digest_mail
from notifications.events import MAIL_SUPPRESSION_LIFTED, NOTIFICATION_SEND
from notifications.mail_tasks import service as mail_tasks
from notifications.mail_tasks.mails import register_task_mails
from notifications.operator_mails.events import OPERATOR_MAIL_SEND
from notifications.operator_mails.service import send_operator_mail
from notifications.overrides.account_variables import register_account_variables
from notifications.overrides.service import TESTS, register_test_mail
from notifications.personal_data import MailData
from notifications.recipients import register_staff_zone
from notifications.retention import MAIL_BODIES, MAIL_LOG, MAIL_SUPPRESSIONS, MAIL_TASKS
from notifications.sender.checking import check_mail_sender
from notifications.sender.events import MAIL_DOMAIN_FORGET, MAIL_SENDER_CHECK
from notifications.sender.forgetting import forget_domain
from notifications.sender.mails import register_mail_sender_mails
from notifications.sender.service import revive_check
from notifications.service import on_send_parked, send_notification
from notifications.texting.events import TEXT_SEND
from notifications.texting.mails import register_text_mails
from notifications.texting.personal_data import TextData
from notifications.texting.retention import TEXT_CONSENTS, TEXT_LOG, TEXT_STOPS
from notifications.texting.service import on_text_parked, send_text
from notifications.tracking.lifting import clear_provider_lists
from scheduling.appointments import changed_mails, fee_mails, request_mails, series_mails, visit_mails, visit_texts
from scheduling.appointments import events as appointments
from scheduling.appointments import mails as appointment_mails
from scheduling.appointments.personal_data import ENDED_LINKS, AppointmentCancelling, AppointmentData
from scheduling.appointments.tasks import expire_hold, release_means
from scheduling.catalogue import events as catalogue
from scheduling.catalogue.service import find_zone_of_staff
from scheduling.checkout import no_show_fee_charge
from scheduling.checkout.appointment_payable import register_payable_kinds as register_appointment_kinds
from scheduling.checkout.balance_payable import register_balance_kind
from scheduling.checkout.describing import register_appointment_describers
from scheduling.checkout.no_show_fee_payable import register_no_show_fee_kind
from scheduling.external_calendars.events import EXTERNAL_CALENDAR_REFRESH
from scheduling.external_calendars.mails import register_external_calendar_mails
from scheduling.external_calendars.tasks import refresh_calendar
from scheduling.feeds.personal_data import ENDED_FEEDS, FeedData
from scheduling.group_sessions import events as group_sessions
from scheduling.group_sessions import mails as session_mails
from scheduling.mail_variables import register_scheduling_variables
from scheduling.waitlist import tasks as waitlist
from scheduling.waitlist.events import WAITLIST_SWEEP
from scheduling.waitlist.mails import register_waitlist_mails
from scheduling.waitlist.personal_data import ENDED_ENTRIES, WaitlistData
from tenants.accounts import events as accounts
from tenants.accounts.personal_data import AccountData
from tenants.plans import events as plans
from tenants.plans import tasks as plan_tasks
from tenants.privacy import events as privacy
from tenants.privacy import tasks as privacy_tasks
from tenants.privacy.personal_data import AnswerData, ConsentData
from tenants.privacy.port import personal_data_sources, register_cancelling, register_personal_data
from tenants.privacy.retention import register_retention
from tenants.settings import events as settings
from tenants.social import events as social
from tenants.social.personal_data import SocialData
from todoenbalance.kit.outbox.relay import parked_topic
from todoenbalance.kit.outbox.tasks import PlatformHandler, TenantHandler
from todoenbalance.operators.mails.composing import register_operator_mails
from todoenbalance.operators.plans import on_plan_changed
from todoenbalance.operators.waiting import service as waiting

SUBSCRIPTIONS: Mapping[str, Sequence[TenantHandler]] = {
    accounts.CLIENT_REGISTERED: [notifications.on_client_registered],
    accounts.CLIENT_REGISTRATION_REPEATED: [notifications.on_client_registration_repeated],
    accounts.CLIENT_VERIFICATION_REQUESTED: [notifications.on_client_verification_requested],
    accounts.CLIENT_PASSWORD_FORGOTTEN: [notifications.on_client_password_forgotten],
    accounts.STAFF_INVITED: [notifications.on_staff_invited],
    accounts.CLIENT_LOCKED_OUT: [credential_mails.on_client_locked_out],
    accounts.STAFF_LOCKED_OUT: [credential_mails.on_staff_locked_out],
    accounts.STAFF_SECOND_FACTOR_CHANGED: [second_factor_mails.on_second_factor_changed],
    accounts.CLIENT_PASSWORD_CHANGED: [credential_mails.on_client_password_changed],
    accounts.STAFF_PASSWORD_CHANGED: [credential_mails.on_staff_password_changed],
    accounts.STAFF_PASSWORD_FORGOTTEN: [credential_mails.on_staff_password_forgotten],
    accounts.CLIENT_MAGIC_LINK_REQUESTED: [credential_mails.on_magic_link_requested],
    accounts.EMAIL_CHANGE_REQUESTED: [credential_mails.on_email_change_requested],
    accounts.EMAIL_CHANGED: [credential_mails.on_email_changed, mail_tasks.on_email_changed],
    accounts.NEW_DEVICE: [device_mails.on_new_device],
    social.IDENTITY_CONNECTED: [social_mails.on_identity_connected],
    social.SOCIAL_ACCOUNT_UNCONFIRMED: [social_mails.on_account_unconfirmed],
    social.SOCIAL_ADDRESS_TAKEN: [social_mails.on_address_taken],
    social.SOCIAL_CODE_REQUESTED: [social_mails.on_code_requested],
    NOTIFICATION_SEND: [send_notification],
    parked_topic(NOTIFICATION_SEND): [on_send_parked],
    MAIL_SENDER_CHECK: [check_mail_sender],
    MAIL_SUPPRESSION_LIFTED: [clear_provider_lists],
    appointments.APPOINTMENT_HOLD_EXPIRY: [expire_hold],
    appointments.APPOINTMENT_LAPSED: [release_means],
    appointments.APPOINTMENT_REQUESTED: [request_mails.on_appointment_requested],
    appointments.APPOINTMENT_APPROVED: [request_mails.on_appointment_approved],
    appointments.APPOINTMENT_DECLINED: [request_mails.on_appointment_declined],
    appointments.APPOINTMENT_UNANSWERED: [request_mails.on_appointment_unanswered],
    appointments.APPOINTMENT_CONFIRMED: [
        appointment_mails.on_appointment_confirmed,
        waitlist.on_appointment_confirmed,
        platform_fee_tasks.count_confirmed_appointment,
    ],
    appointments.TIME_FREED: [waitlist.on_time_freed],
    WAITLIST_SWEEP: [waitlist.sweep],
    appointments.APPOINTMENT_MOVED: [appointment_mails.on_appointment_moved],
    appointments.APPOINTMENT_CHANGED: [changed_mails.on_appointment_changed],
    appointments.APPOINTMENT_CANCELLED: [appointment_mails.on_appointment_cancelled],
    appointments.APPOINTMENT_SERIES_BOOKED: [series_mails.on_series_booked],
    appointments.APPOINTMENT_FEE_OWED: [no_show_fee_charge.on_fee_owed],
    appointments.APPOINTMENT_FEE_CHARGED: [no_show_fee_charge.on_fee_charged],
    appointments.APPOINTMENT_REMINDER: [visit_mails.on_appointment_reminder, visit_texts.on_appointment_reminder],
    TEXT_SEND: [send_text],
    parked_topic(TEXT_SEND): [on_text_parked],
    appointments.APPOINTMENT_FOLLOW_UP: [visit_mails.on_appointment_follow_up],
    appointments.APPOINTMENT_MISSED: [visit_mails.on_appointment_missed],
    settings.REMINDER_ADDED: [visit_mails.on_reminder_added],
    catalogue.SERVICE_REMINDER_ADDED: [visit_mails.on_reminder_added],
    catalogue.SERVICE_FOLLOW_UP_CHANGED: [visit_mails.on_follow_up_changed],
    group_sessions.GROUP_SESSION_PLANNED: [session_mails.on_session_planned],
    group_sessions.GROUP_SESSION_MOVED: [session_mails.on_session_moved],
    group_sessions.GROUP_SESSION_CANCELLED: [session_mails.on_session_cancelled],
    EXTERNAL_CALENDAR_REFRESH: [refresh_calendar],
    PAYMENT_SETTLED: [
        on_payment_settled,
        package_tasks.on_payment_settled,
        document_tasks.on_payment_settled,
        platform_fee_tasks.count_settled_payment,
    ],
    PAYMENT_RECEIPT_UNDONE: [
        package_tasks.on_receipt_undone,
        document_tasks.on_receipt_undone,
        platform_fee_tasks.count_settled_payment,
    ],
    PAYMENT_ABANDON: [abandon_payable],
    PAYMENT_CHECK: [check_payment],
    CARD_CHECK: [card_tasks.check_card],
    CARD_FORGET: [card_tasks.forget_card],
    payment_accounts.PAYMENT_ACCOUNT_CHANGED: [on_payment_account_changed],
    payment_accounts.PAYMENT_ACCOUNT_CHECK: [check_account],
    payment_accounts.PAYMENT_ACCOUNT_LEAVE: [leave_account],
    BILLING_RECONCILE: [reconcile_practice],
    DISPUTE_OPENED: [on_dispute_opened],
    DISPUTE_CLOSED: [on_dispute_closed],
    DISAGREEMENT_FOUND: [on_disagreement_found, waiting.on_disagreement_found],
    REFUND_REQUESTED: [execute_refund],
    packages.PACKAGE_BOUGHT: [package_mails.on_package_bought],
    packages.PACKAGE_EXPIRING: [package_mails.on_package_expiring],
    packages.PACKAGE_EXPIRY: [package_tasks.expire_package],
    packages.PACKAGE_UNPAID: [package_tasks.lapse_unpaid],
    packages.PACKAGE_CREDIT_RESTORED: [package_tasks.on_credit_restored],
    REFUND_SETTLED: [
        on_refund_settled,
        document_tasks.on_refund_settled,
        package_tasks.on_refund_settled,
        platform_fee_tasks.count_settled_refund,
    ],
    documents.DOCUMENT_ISSUE: [document_tasks.issue_document],
    documents.DOCUMENT_ISSUED: [document_mails.on_document_issued],
    documents.DOCUMENT_TRANSMIT: [document_tasks.transmit_record],
    PROVIDER_EVENT_RECEIVED: [handle_event],
    SEND_WEBHOOK: [send_sandbox_webhook],
    privacy.BLOCK_OVER: [privacy_tasks.destroy_sealed],
    privacy.HOUSEKEEPING: [revive_check, privacy_tasks.keep_house],  # the last of them has the row come again
    plans.PLAN_CHANGED: [plan_tasks.on_plan_changed],
    platform_fees.DUNNING_STEP: [plan_mails.on_dunning_step],
    platform_fees.SUBSCRIPTION_RESTORED: [plan_mails.on_restored],
}

PLATFORM_SUBSCRIPTIONS: Mapping[str, Sequence[PlatformHandler]] = {
    plans.PLAN_CHANGED: [on_plan_changed],
    plans.SUBSCRIPTION_ALIGN: [platform_fee_tasks.on_subscription_align],
    platform_fees.PLATFORM_EVENT_RECEIVED: [platform_fee_tasks.on_platform_event],
    platform_fees.SUBSCRIPTION_CHECK: [platform_fee_tasks.on_subscription_check],
    platform_fees.STATEMENT_CLOSE: [platform_fee_tasks.on_statement_close],
    OPERATOR_MAIL_SEND: [send_operator_mail],
    MAIL_DOMAIN_FORGET: [forget_domain],
}
"""Of the platform's own events, which belong to no practice."""


def register_composers() -> None:
    """Let the features tell notifications how to write their mails, and invoices what was paid for. Safe to repeat."""
    register_staff_zone(find_zone_of_staff)
    register_account_mails()
    credential_mails.register_credential_mails()
    second_factor_mails.register_second_factor_mails()
    device_mails.register_device_mails()
    social_mails.register_social_mails()
    register_digest_mail()
    appointment_mails.register_appointment_mails()
    changed_mails.register_changed_mail()
    request_mails.register_request_mails()
    fee_mails.register_fee_mails()
    series_mails.register_series_mails()
    visit_mails.register_visit_mails()
    visit_texts.register_visit_texts()
    session_mails.register_session_mails()
    register_payment_account_mails()
    register_refund_mails()
    register_dispute_mails()
    register_reconciliation_mails()
    plan_mails.register_plan_mails()
    package_mails.register_package_mails()
    document_mails.register_document_mails()
    register_appointment_describers()
    register_waitlist_mails()
    register_test_mail()
    register_mail_sender_mails()
    register_account_variables()
    register_scheduling_variables()
    register_billing_variables()
    register_external_calendar_mails()
    register_text_mails()
    register_operator_mails()
    register_task_mails()


def register_payable_kinds() -> None:
    """Let the features tell billing what can be paid for. Safe to repeat."""
    register_appointment_kinds()
    register_balance_kind()
    register_no_show_fee_kind()
    register_package_kind()


def register_personal_data_sources() -> None:
    """Let the features tell privacy what they store about clients. Safe to repeat.

    The account comes last: in an erasure everything that refers to it goes first.
    """
    register_retention(MAIL_LOG)
    register_retention(MAIL_BODIES)
    register_retention(MAIL_TASKS)
    register_retention(MAIL_SUPPRESSIONS)
    register_retention(TEXT_LOG)
    register_retention(TEXT_CONSENTS)
    register_retention(TEXT_STOPS)
    register_retention(TESTS)
    register_retention(ENDED_FEEDS)
    register_retention(ENDED_LINKS)
    register_retention(ENDED_ENTRIES)
    if personal_data_sources():
        return
    for source in (
        AnswerData(),
        MailData(),
        TextData(),
        CardData(),
        PaymentData(),
        PackageData(),
        DocumentData(),
        AppointmentData(),
        FeedData(),
        WaitlistData(),
        SocialData(),
        ConsentData(),
        AccountData(),
    ):
        register_personal_data(source)
    register_cancelling(AppointmentCancelling())
