"""The pages of a practice's portal, under ``/admin``."""

from fastapi import APIRouter

from admin_portal.pages import account, appointments, catalogue, hours, payments

PREFIX = "/admin"
PARTS = (account.router, appointments.router, catalogue.router, hours.router, payments.router)

router = APIRouter(include_in_schema=False)
for part in PARTS:
    router.include_router(part, prefix=PREFIX)
