"""The pages of a practice's portal, under ``/admin``."""

from fastapi import APIRouter

from admin_portal.pages import (
    account,
    appointments,
    booking,
    calendar_feed,
    catalogue,
    client_texts,
    clients,
    credentials,
    discounts,
    documents,
    external_calendars,
    group_sessions,
    hours,
    mail_sender,
    mail_tasks,
    mail_templates,
    my_mails,
    packages,
    payment_accounts,
    payments,
    plan,
    practice,
    providers,
    refunds,
    sent_mails,
    series,
    team,
    texts,
    waitlist,
)
from admin_portal.pages.page import incomplete_staff_page, staff_page, visitor_page
from todoenbalance.kit.pages.security import security_pages

PREFIX = "/admin"
PARTS = (
    account.router,
    appointments.router,
    booking.router,
    calendar_feed.router,
    catalogue.router,
    client_texts.router,
    clients.router,
    credentials.router,
    discounts.router,
    documents.router,
    external_calendars.router,
    group_sessions.router,
    hours.router,
    my_mails.router,
    mail_tasks.router,
    mail_templates.router,
    mail_sender.router,
    payment_accounts.router,
    packages.router,
    payments.router,
    plan.router,
    practice.router,
    providers.router,
    refunds.router,
    sent_mails.router,
    series.router,
    team.router,
    texts.router,
    waitlist.router,
)

SECURITY = security_pages(visitor_page, incomplete_staff_page, staff_page)

router = APIRouter(include_in_schema=False)
for part in (*PARTS, *SECURITY):
    router.include_router(part, prefix=PREFIX)
