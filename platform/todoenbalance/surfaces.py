"""The two surfaces and their routers: a practice's host, and the platform's."""

from fastapi import APIRouter, FastAPI

from admin_portal import auth as staff_auth
from admin_portal import people, practice_settings
from tenants.accounts.endpoints import auth_router, users_router
from tenants.settings.endpoints import router as practice_router
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.web.docs import install_docs
from todoenbalance.operators import endpoints as operators


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
    for router in (auth_router, users_router, practice_router):
        api.include_router(router)
    admin = APIRouter(prefix="/admin")
    for router in (
        staff_auth.router,
        people.clients_router,
        people.staff_router,
        practice_settings.router,
    ):
        admin.include_router(router)
    api.include_router(admin)
    app.include_router(api)
    install_docs(app, "/api/v1/docs")
    del settings
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
    api.include_router(operators.router)
    app.include_router(api)
    install_docs(app, "/api/v1/platform/docs")
    del settings
    return app
