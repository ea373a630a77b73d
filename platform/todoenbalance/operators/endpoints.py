"""The operators' API, on the platform's host: ``/api/v1/platform``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm

from migrations.render import head
from tenants.accounts.errors import InvalidCredentialsError
from tenants.accounts.factor_schemas import MfaRequired, to_token_answer
from tenants.accounts.schemas import RefreshRequest, TokenAnswer
from tenants.accounts.services.client_accounts import count_clients
from tenants.provisioning.service import NewOwner, NewTenant, check_slug
from tenants.registry import service as registry
from tenants.registry.errors import SlugTakenError, TenantStateError
from tenants.registry.models import Tenant
from todoenbalance.kit.database import PlatformSession, give_connection_back
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.ratelimit import LOGIN
from todoenbalance.kit.security.lockout import AccountLockedError
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError, InvalidRefreshTokenError, TokenReusedError
from todoenbalance.kit.web.dependencies import ContextDep, PlatformSessionDep, RuntimeDep
from todoenbalance.kit.web.limits import limit_account, limited
from todoenbalance.kit.web.problems import responses
from todoenbalance.operators import service
from todoenbalance.operators.auth import CurrentOperator, FreshOperatorSignIn
from todoenbalance.operators.schemas import (
    AuditRead,
    MigrationState,
    Reason,
    TenantCreated,
    TenantIn,
    TenantPatch,
    TenantRead,
)
from todoenbalance.operators.second_factor_endpoints import OperatorSteps

auth_router = APIRouter(prefix="/auth", tags=["sign-in of operators"])
router = APIRouter(tags=["practices"])


async def _read(session: PlatformSession, tenant: Tenant) -> TenantRead:
    domains = await registry.domains_by_tenant(session, [tenant])
    return TenantRead.model_validate(tenant).model_copy(update={"domains": domains[tenant.id]})


@auth_router.post(
    "/login",
    responses=responses(InvalidCredentialsError, AccountLockedError),
    dependencies=[Depends(limited(LOGIN))],
)
async def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    session: PlatformSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    steps: OperatorSteps,
) -> TokenAnswer | MfaRequired:
    """Sign an operator in; who has a second factor, or must have one, goes on with `mfa_token`."""
    await limit_account(runtime, context, LOGIN, form.username)
    operator = await service.authenticate(session, runtime, form.username, form.password)
    step = await steps.begin(operator)
    return MfaRequired.of(step) if step is not None else to_token_answer(await steps.start(operator))


@auth_router.post("/refresh", responses=responses(InvalidRefreshTokenError, TokenReusedError))
async def refresh(
    body: RefreshRequest, session: PlatformSessionDep, runtime: RuntimeDep, context: ContextDep
) -> TokenAnswer:
    """A new pair; the old refresh token dies. A dead one that is used again ends the whole sign-in."""
    pair = await service.refresh_session(
        session, runtime.signer, runtime.settings.auth, body.refresh_token, device=context.device
    )
    return to_token_answer(pair)


@auth_router.post("/logout", status_code=204)
async def logout(body: RefreshRequest, session: PlatformSessionDep, runtime: RuntimeDep) -> None:
    """End the sign-in of this refresh token."""
    await service.end_session(session, runtime.settings.auth, body.refresh_token)


@router.post(
    "/tenants", status_code=201, responses=responses(SlugTakenError, InvalidInputError, FreshSignInRequiredError)
)
async def create_tenant(
    body: TenantIn, operator: FreshOperatorSignIn, session: PlatformSessionDep, runtime: RuntimeDep, context: ContextDep
) -> TenantCreated:
    """Onboard a practice: schema, role, owner and invitation in one transaction, or nothing at all."""
    new = NewTenant(
        slug=body.slug,
        name=body.name,
        country=body.country,
        timezone=body.timezone,
        locale=body.locale,
        currency=body.currency,
        plan=body.plan or "standard",
        owner=NewOwner(body.owner.email, body.owner.first_name, body.owner.last_name),
    )
    tenant, invitation_url = await service.onboard_tenant(
        session, runtime.settings, operator.account.id, new, context.request_id
    )
    read = await _read(session, tenant)
    return TenantCreated(**read.model_dump(), invitation_url=invitation_url)


@router.get("/tenants")
async def list_tenants(
    _operator: CurrentOperator, session: PlatformSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[TenantRead]:
    """Practices, newest first."""
    rows, next_cursor = await registry.list_tenants(session, limit=limit, cursor=cursor)
    domains = await registry.domains_by_tenant(session, rows)
    items = [TenantRead.model_validate(row).model_copy(update={"domains": domains[row.id]}) for row in rows]
    return Page(items=items, next_cursor=next_cursor)


@router.get("/tenants/{tenant_id}", responses=responses(NotFoundError))
async def read_tenant(
    tenant_id: UUID, _operator: CurrentOperator, session: PlatformSessionDep, runtime: RuntimeDep
) -> TenantRead:
    """One practice, with what it uses."""
    tenant = await registry.get_tenant(session, tenant_id)
    read = await _read(session, tenant)
    await give_connection_back(session)
    async with runtime.database.tenant(registry.to_context(tenant)) as practice:
        return read.model_copy(update={"usage": {"clients": await count_clients(practice)}})


@router.patch(
    "/tenants/{tenant_id}",
    responses=responses(NotFoundError, SlugTakenError, InvalidInputError, FreshSignInRequiredError),
)
async def change_tenant(
    tenant_id: UUID, body: TenantPatch, operator: FreshOperatorSignIn, session: PlatformSessionDep, context: ContextDep
) -> TenantRead:
    """Rename a practice or change its plan; its key stays."""
    changes = body.model_dump(exclude_none=True)
    if "slug" in changes:
        check_slug(changes["slug"])
    return await _read(
        session, await service.rename_tenant(session, operator.account.id, tenant_id, changes, context.request_id)
    )


@router.post(
    "/tenants/{tenant_id}/suspend", responses=responses(NotFoundError, TenantStateError, FreshSignInRequiredError)
)
async def suspend_tenant(
    tenant_id: UUID, body: Reason, operator: FreshOperatorSignIn, session: PlatformSessionDep, context: ContextDep
) -> TenantRead:
    """Stop serving a practice."""
    tenant = await service.suspend_tenant(session, operator.account.id, tenant_id, body.reason, context.request_id)
    return await _read(session, tenant)


@router.post(
    "/tenants/{tenant_id}/reactivate", responses=responses(NotFoundError, TenantStateError, FreshSignInRequiredError)
)
async def reactivate_tenant(
    tenant_id: UUID, body: Reason, operator: FreshOperatorSignIn, session: PlatformSessionDep, context: ContextDep
) -> TenantRead:
    """Serve a suspended practice again."""
    tenant = await service.reactivate_tenant(session, operator.account.id, tenant_id, body.reason, context.request_id)
    return await _read(session, tenant)


@router.get("/audit")
async def list_audit(
    _operator: CurrentOperator, session: PlatformSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[AuditRead]:
    """What operators did, newest first."""
    rows, next_cursor = await service.list_audit(session, limit=limit, cursor=cursor)
    return Page(items=[AuditRead.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.get("/migrations")
async def read_migrations(_operator: CurrentOperator, session: PlatformSessionDep) -> MigrationState:
    """The newest revisions, and how many practices are behind."""
    newest = head("tenant")
    return MigrationState(
        platform_revision=head("platform"),
        tenant_revision=newest,
        practices_behind=await registry.count_behind(session, newest),
    )
