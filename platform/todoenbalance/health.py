"""`/healthz`, `/readyz` and `/metrics`, on every host and before any practice is looked up."""

import asyncio
import hmac
import time
from typing import Any

import redis.asyncio
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from migrations.render import head
from todoenbalance.kit.runtime import Runtime

_TIMEOUT_SECONDS = 2.0


async def healthz(_request: Request) -> JSONResponse:
    """The process is alive. Asks nobody else: a database that is down must not restart every process."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> JSONResponse:
    """Whether this process can serve, check by check.

    Redis may be down: bookings go on and mail follows when it is back, so it is reported and does not
    take the process out of service.
    """
    runtime: Runtime = request.app.state.runtime
    checks = dict(
        zip(
            ("database", "migrations", "redis"),
            await asyncio.gather(_timed(_database(runtime)), _timed(_migrations(runtime)), _timed(_redis(runtime))),
            strict=True,
        )
    )
    ready = checks["database"]["ok"] and checks["migrations"]["ok"]
    return JSONResponse({"status": "ok" if ready else "unavailable", "checks": checks}, 200 if ready else 503)


async def metrics(request: Request) -> Response:
    """Prometheus' text format, behind a bearer token; without a configured token outside production only."""
    settings = request.app.state.runtime.settings
    token = settings.metrics_token
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    open_here = token is None and not settings.is_production
    if not open_here and (token is None or not hmac.compare_digest(given.encode(), token.get_secret_value().encode())):
        return JSONResponse({"status": "unauthorized"}, 401)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _timed(check: Any) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            detail = await check
    except Exception as error:  # a failing check is the answer, whatever failed
        return {"ok": False, "detail": type(error).__name__}
    return {"ok": detail is None, "detail": detail or f"{(time.perf_counter() - started) * 1000:.0f} ms"}


async def _database(runtime: Runtime) -> str | None:
    async with runtime.database.platform() as session:
        await session.execute(text("SELECT 1"))
    return None


async def _migrations(runtime: Runtime) -> str | None:
    async with runtime.database.platform() as session:
        current = (await session.execute(text("SELECT version_num FROM platform.alembic_version"))).scalar()
    return None if current == head("platform") else f"at {current}, needs {head('platform')}"


async def _redis(runtime: Runtime) -> str | None:
    client = redis.asyncio.from_url(runtime.settings.redis_url.get_secret_value(), socket_connect_timeout=1)
    try:
        await client.ping()
    finally:
        await client.aclose()
    return None


ROUTES = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
