"""The pages of a practice's booking site."""

from fastapi import APIRouter

from client_portal import (
    account,
    appointments,
    booking,
    calendar_feed,
    cards,
    documents,
    links,
    mail_preferences,
    own_account,
    packages,
    people,
    privacy,
    series,
    social,
    text_consents,
    waitlist,
)

PARTS = (
    booking.router,
    appointments.router,
    waitlist.router,
    links.router,
    packages.router,
    series.router,
    account.router,
    own_account.router,
    mail_preferences.router,
    text_consents.router,
    people.router,
    calendar_feed.router,
    cards.router,
    documents.router,
    privacy.router,
    social.router,
)

router = APIRouter(include_in_schema=False)
for part in PARTS:
    router.include_router(part)
