"""The application: one process serves every practice's host and the platform's.

The host decides which surface answers (docs: ``architecture.md``, a request's way): a practice's API and
pages, or the platform's. Health and metrics answer on every host.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

import todoenbalance.registry  # noqa: F401 - the mappers must know every table before the first query
from tenants.registry.errors import PracticeNotFoundError, PracticeSuspendedError
from tenants.registry.models import TenantStatus
from tenants.registry.service import TenantDirectory
from todoenbalance import health
from todoenbalance.broker import make_celery, send_nudge
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.logs import configure_logs
from todoenbalance.kit.outbox.nudge import Nudger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.web.context import context_of, negotiate_locale
from todoenbalance.kit.web.contract import install_contract
from todoenbalance.kit.web.edge import EdgeMiddleware
from todoenbalance.kit.web.problems import install_problem_handlers, render_problem
from todoenbalance.subscriptions import register_composers, register_payable_kinds, register_personal_data_sources
from todoenbalance.surfaces import platform_surface, practice_surface


class HostDispatcher:
    """Sends a request to the surface of its host, with the practice resolved."""

    def __init__(self, settings: Settings, directory: TenantDirectory, practice: ASGIApp, platform: ASGIApp) -> None:
        self._settings = settings
        self._directory = directory
        self._practice = practice
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        request = Request(scope)
        context = context_of(request)
        if context.hostname == self._settings.base_domain:
            await self._platform(scope, receive, send)
            return
        try:
            tenant = await self._directory.find_by_host(context.hostname)
            if tenant is None or tenant.status == TenantStatus.PROVISIONING:
                raise PracticeNotFoundError
            context.tenant = tenant
            context.locale = negotiate_locale(request.headers.get("accept-language"), tenant.locale)
            if tenant.status != TenantStatus.ACTIVE:
                raise PracticeSuspendedError
        except ProblemError as problem:
            await render_problem(request, problem)(scope, receive, send)
            return
        await self._practice(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The two applications that hosts are sent to. Building them takes a third of a second."""

    practice: FastAPI
    platform: FastAPI

    @classmethod
    def build(cls, settings: Settings) -> "Surfaces":
        """Both, by these settings."""
        built = cls(practice_surface(settings), platform_surface(settings))
        for surface in (built.practice, built.platform):
            install_problem_handlers(surface)
            install_contract(surface)
        return built


def create_app(runtime: Runtime, surfaces: Surfaces | None = None) -> ASGIApp:
    """The whole application over ``runtime``, whose connections its lifespan closes.

    ``surfaces`` may be handed on from an application that is served no more.
    """
    settings = runtime.settings
    register_composers()
    register_personal_data_sources()
    register_payable_kinds()
    directory = TenantDirectory(runtime.database, settings)
    surfaces = surfaces or Surfaces.build(settings)
    for surface in (surfaces.practice, surfaces.platform):
        surface.state.runtime = runtime
        surface.state.directory = directory
    dispatcher = HostDispatcher(settings, directory, surfaces.practice, surfaces.platform)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        configure_logs(settings.log_level, json=settings.log_json)
        celery = make_celery(settings)
        nudger = Nudger(lambda: send_nudge(celery))
        runtime.database.on_events = nudger.nudge
        async with directory.listening():
            yield
        nudger.stop()
        await runtime.close()

    root = Starlette(routes=health.ROUTES, lifespan=lifespan)
    root.state.runtime = runtime
    root.mount("/", dispatcher)
    return EdgeMiddleware(root)
