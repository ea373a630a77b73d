"""The two surfaces and their routers: a practice's host, and the platform's."""

from fastapi import APIRouter, FastAPI

from admin_portal import appointment_money as staff_appointment_money
from admin_portal import appointment_series as staff_series
from admin_portal import appointment_terms as staff_appointment_terms
from admin_portal import appointments as staff_appointments
from admin_portal import auth as staff_auth
from admin_portal import (
    client_texts,
    disputes,
    external_calendars,
    group_sessions,
    holidays,
    mail_desk,
    mail_sender,
    mail_templates,
    people,
    practice_settings,
    practitioners,
    reconciliation,
    records,
    second_factors,
    services,
    time_slots,
)
from admin_portal import credentials as staff_credentials
from admin_portal import discounts as staff_discounts
from admin_portal import documents as staff_documents
from admin_portal import mail_preferences as staff_mail_preferences
from admin_portal import packages as staff_packages
from admin_portal import payments as staff_payments
from admin_portal import privacy as staff_privacy
from admin_portal import refunds as staff_refunds
from admin_portal import text_messages as staff_texts
from admin_portal import waitlist as staff_waitlist
from admin_portal.calendar_feeds import router as practitioners_feeds
from admin_portal.pages.router import router as portal_pages
from admin_portal.payment_accounts import router as payment_accounts
from admin_portal.sign_in_providers import router as sign_in_providers
from admin_portal.subscription import router as staff_subscription
from billing.cards.endpoints import router as cards_router
from billing.checkout.endpoints import router as checkout_router
from billing.documents.endpoints import profile_router as billing_profile_router
from billing.documents.endpoints import router as documents_router
from billing.packages import endpoints as packages
from billing.providers.sandbox import is_sandbox_available
from billing.providers.sandbox_pages import router as sandbox_router
from billing.webhooks.endpoints import router as webhooks_router
from client_portal.router import router as site_pages
from notifications import endpoints as mailbox
from notifications.preferences import endpoints as mail_preferences
from notifications.texting import endpoints as texts
from notifications.tracking.endpoints import router as mail_events
from scheduling.appointments.endpoints import router as appointments_router
from scheduling.appointments.series_endpoints import router as series_router
from scheduling.availability.endpoints import router as availability_router
from scheduling.catalogue.endpoints import router as catalogue_router
from scheduling.checkout.endpoints import router as credit_router
from scheduling.feeds.endpoints import public_router as calendars_router
from scheduling.feeds.endpoints import router as own_feed_router
from scheduling.quotes.endpoints import router as quotes_router
from scheduling.waitlist.endpoints import router as waitlist_router
from tenants.accounts import credentials_endpoints
from tenants.accounts.dependants_endpoints import router as dependants_router
from tenants.accounts.endpoints import auth_router, users_router
from tenants.privacy.endpoints import router as own_data_router
from tenants.settings.endpoints import router as practice_router
from tenants.social.callback import router as oauth_callback
from tenants.social.endpoints import identities_router, oauth_router
from todoenbalance.kit.pages.install import install_pages
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.web.docs import install_docs
from todoenbalance.operators import endpoints as operators
from todoenbalance.operators import password_endpoints as operator_passwords
from todoenbalance.operators import payment_accounts as operators_payment_accounts
from todoenbalance.operators import plan_endpoints as operators_plans
from todoenbalance.operators import second_factor_endpoints as operators_second_factors
from todoenbalance.operators.console.router import router as console_pages
from todoenbalance.operators.mails import endpoints as operator_mail_choices
from todoenbalance.operators.provider_event_endpoints import router as provider_events
from todoenbalance.operators.waiting import endpoints as operators_waiting


def practice_surface(settings: Settings) -> FastAPI:
    """What every practice's host serves: API under ``/api/v1``, booking site at ``/``, portal at ``/admin``."""
    app = FastAPI(
        title="TODOenBALANCE: a practice",
        version="1",
        description="Booking, payment and account API of one practice. The host says which.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    api = APIRouter(prefix="/api/v1")
    for router in (
        auth_router,
        credentials_endpoints.auth_router,
        credentials_endpoints.me_router,
        users_router,
        dependants_router,
        own_data_router,
        oauth_router,
        identities_router,
        practice_router,
        catalogue_router,
        availability_router,
        appointments_router,
        series_router,
        credit_router,
        quotes_router,
        checkout_router,
        packages.products_router,
        packages.purchases_router,
        documents_router,
        billing_profile_router,
        cards_router,
        own_feed_router,
        mail_preferences.router,
        texts.router,
        waitlist_router,
    ):
        api.include_router(router)
    admin = APIRouter(prefix="/admin")
    for router in (
        staff_auth.router,
        staff_credentials.router,
        staff_mail_preferences.router,
        second_factors.own_router,
        second_factors.colleagues_router,
        people.clients_router,
        staff_mail_preferences.clients_router,
        staff_privacy.clients_router,
        staff_privacy.erasures_router,
        people.staff_router,
        practice_settings.router,
        staff_texts.router,
        sign_in_providers,
        payment_accounts,
        services.router,
        practitioners.router,
        practitioners_feeds,
        time_slots.router,
        external_calendars.router,
        holidays.router,
        staff_appointments.router,
        staff_appointment_terms.router,
        staff_appointment_money.router,
        staff_series.router,
        group_sessions.router,
        staff_refunds.router,
        staff_payments.router,
        staff_subscription,
        staff_packages.products_router,
        staff_packages.purchases_router,
        staff_discounts.router,
        reconciliation.router,
        disputes.router,
        staff_documents.router,
        staff_documents.profiles_router,
        staff_waitlist.router,
        mail_templates.router,
        mail_sender.router,
        records.router,
        mail_desk.router,
        client_texts.router,
    ):
        admin.include_router(router)
    api.include_router(admin)
    app.include_router(api)
    app.include_router(calendars_router)
    app.include_router(mail_preferences.public_router)
    app.include_router(mailbox.router)
    if is_sandbox_available(settings):
        app.include_router(sandbox_router)
    app.include_router(site_pages)
    app.include_router(portal_pages)
    install_pages(app)
    install_docs(app, "/api/v1/docs")
    return app


def platform_surface(settings: Settings) -> FastAPI:
    """What the platform's host serves: operators' API, console, provider webhooks."""
    app = FastAPI(
        title="TODOenBALANCE: the platform",
        version="1",
        description="The operators' API: onboarding, suspending, auditing practices.",
        openapi_url="/api/v1/platform/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    api = APIRouter(prefix="/api/v1/platform")
    api.include_router(operators.auth_router)
    api.include_router(operator_passwords.router)
    api.include_router(operators_second_factors.router)
    api.include_router(operators.router)
    api.include_router(operators_plans.router)
    api.include_router(operators_payment_accounts.router)
    api.include_router(provider_events)
    api.include_router(operator_mail_choices.router)
    api.include_router(operators_waiting.router)
    app.include_router(api)
    app.include_router(mailbox.platform_router)
    app.include_router(webhooks_router)
    app.include_router(mail_events)
    app.include_router(operator_mail_choices.public_router)
    app.include_router(texts.webhooks_router)
    app.include_router(oauth_callback)
    app.include_router(console_pages)
    install_pages(app)
    install_docs(app, "/api/v1/platform/docs")
    del settings
    return app
