"""The pages of a practice's booking site."""

from fastapi import APIRouter

from client_portal import account, appointments, booking

PARTS = (booking.router, appointments.router, account.router)

router = APIRouter(include_in_schema=False)
for part in PARTS:
    router.include_router(part)
