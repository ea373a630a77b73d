"""What endpoints ask for. One alias per thing; nobody writes ``Depends(get_session)`` again.

The session dependencies are function-scoped: FastAPI then commits before the answer is sent, so a failing
commit is a 500 and never a lost 201.

All of them are ``async``: FastAPI runs plain functions in a thread each.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header, Request

from todoenbalance.kit.database import PlatformSession, TenantSession
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.context import RequestContext, context_of


async def get_context(request: Request) -> RequestContext:
    """Request id, language and host."""
    return context_of(request)


async def get_runtime(request: Request) -> Runtime:
    """The process's tools."""
    runtime: Runtime = request.app.state.runtime
    return runtime


async def get_tenant(request: Request) -> TenantContext:
    """The practice of the host. Only mounted where the host is a practice's."""
    tenant = context_of(request).tenant
    if tenant is None:
        raise LookupError("a practice's endpoint was reached without a practice")
    return tenant


async def get_locale(request: Request) -> str:
    """The language to answer in: ``es`` or ``en``."""
    return context_of(request).locale


ContextDep = Annotated[RequestContext, Depends(get_context)]
RuntimeDep = Annotated[Runtime, Depends(get_runtime)]
TenantDep = Annotated[TenantContext, Depends(get_tenant)]
LocaleDep = Annotated[str, Depends(get_locale)]


async def tenant_session(runtime: RuntimeDep, tenant: TenantDep) -> AsyncIterator[TenantSession]:
    """The request's one transaction in its practice, committed at the edge."""
    database = runtime.database
    async with TenantSession(database.engine, tenant) as session:
        try:
            yield session
        except ProblemError as problem:
            if problem.keeps_changes:
                await database.commit(session)
            raise
        await database.commit(session)


async def platform_session(runtime: RuntimeDep) -> AsyncIterator[PlatformSession]:
    """The request's one transaction in the shared schema, committed at the edge."""
    database = runtime.database
    async with PlatformSession(database.engine, expire_on_commit=False) as session:
        try:
            yield session
        except ProblemError as problem:
            if problem.keeps_changes:
                await database.commit(session)
            raise
        await database.commit(session)


TenantSessionDep = Annotated[TenantSession, Depends(tenant_session, scope="function")]
PlatformSessionDep = Annotated[PlatformSession, Depends(platform_session, scope="function")]

IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key with the same body answers the first answer again.",
    ),
]
