"""Who may call: annotated dependencies over access tokens. Each endpoint of a practice names one of these."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.utils import get_authorization_scheme_param

from tenants.accounts.models import AccountKind, Client, Staff, StaffRole
from tenants.accounts.permissions import Permission, may
from tenants.accounts.services import sign_ins
from tenants.accounts.services.sign_ins import ClientSignIn, StaffSignIn
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError
from todoenbalance.kit.ratelimit import Policy
from todoenbalance.kit.security.sign_ins import SecondFactorRequiredError, check_fresh
from todoenbalance.kit.settings import AuthSettings
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.limits import limit_account

client_bearer = OAuth2PasswordBearer("/api/v1/auth/login", scheme_name="client", auto_error=False)
staff_bearer = OAuth2PasswordBearer("/api/v1/admin/auth/login", scheme_name="staff", auto_error=False)


def bearer_token(request: Request) -> str:
    """The token of the ``Authorization`` header (RFC 6750). Raises :class:`NotAuthenticatedError`."""
    scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticatedError
    return token


async def client_sign_in(
    request: Request,
    runtime: RuntimeDep,
    tenant: TenantDep,
    session: TenantSessionDep,
    _declared: Annotated[str | None, Depends(client_bearer)],
) -> ClientSignIn:
    """The client who is calling and their sign-in; their stored language wins over the header's.

    A sign-in that was ended is over at once, whatever its access token says of its own lifetime.
    """
    claims = runtime.signer.verify(bearer_token(request), sign_ins.audience(AccountKind.CLIENT, tenant))
    found = await sign_ins.get_signed_in_client(session, runtime.settings.auth, claims.subject, claims.session_id)
    context_of(request).locale = found.account.locale
    return found


async def staff_sign_in(
    request: Request,
    runtime: RuntimeDep,
    tenant: TenantDep,
    session: TenantSessionDep,
    _declared: Annotated[str | None, Depends(staff_bearer)],
) -> StaffSignIn:
    """The member of staff who is calling and their sign-in, also one that still owes its second factor."""
    claims = runtime.signer.verify(bearer_token(request), sign_ins.audience(AccountKind.STAFF, tenant))
    found = await sign_ins.get_signed_in_staff(session, runtime.settings.auth, claims.subject, claims.session_id)
    context_of(request).locale = found.account.locale
    return found


CurrentClientSignIn = Annotated[ClientSignIn, Depends(client_sign_in)]
IncompleteStaffSignIn = Annotated[StaffSignIn, Depends(staff_sign_in)]
"""For setting up the second factor that is owed, and nothing else."""


async def current_client(found: CurrentClientSignIn) -> Client:
    """The client who is calling."""
    return found.account


async def fresh_client_sign_in(found: CurrentClientSignIn, runtime: RuntimeDep) -> ClientSignIn:
    """The same, for what cannot be undone (else 403 ``fresh_sign_in_required``)."""
    check_fresh(found.sign_in, fresh_within(runtime.settings.auth))
    return found


async def current_staff_sign_in(found: IncompleteStaffSignIn) -> StaffSignIn:
    """The member of staff who is calling and their sign-in, second factor included where one is owed (else 403)."""
    if found.needs_second_factor:
        raise SecondFactorRequiredError
    return found


CurrentStaffSignIn = Annotated[StaffSignIn, Depends(current_staff_sign_in)]


async def current_staff(found: CurrentStaffSignIn) -> Staff:
    """The member of staff who is calling."""
    return found.account


async def fresh_staff_sign_in(found: CurrentStaffSignIn, runtime: RuntimeDep) -> StaffSignIn:
    """The same, for sensitive acts on one's own account (else 403 ``fresh_sign_in_required``)."""
    check_fresh(found.sign_in, fresh_within(runtime.settings.auth))
    return found


CurrentClient = Annotated[Client, Depends(current_client)]
CurrentStaff = Annotated[Staff, Depends(current_staff)]
FreshClientSignIn = Annotated[ClientSignIn, Depends(fresh_client_sign_in)]
FreshStaffSignIn = Annotated[StaffSignIn, Depends(fresh_staff_sign_in)]


def fresh_within(auth: AuthSettings) -> timedelta:
    """How long ago one may have proved who one is, for sensitive acts."""
    return timedelta(minutes=auth.fresh_minutes)


def client_limited(policy: Policy) -> Callable[..., Awaitable[None]]:
    """A dependency: count the request by the client who is calling (else 429)."""

    async def check(client: CurrentClient, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep) -> None:
        await give_connection_back(session)
        await limit_account(runtime, context, policy, str(client.id))

    check.rate_limit = policy  # type: ignore[attr-defined]  # read by kit.web.contract
    return check


def staff_limited(policy: Policy) -> Callable[..., Awaitable[None]]:
    """A dependency: count the request by the member of staff who is calling (else 429)."""

    async def check(staff: CurrentStaff, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep) -> None:
        await give_connection_back(session)
        await limit_account(runtime, context, policy, str(staff.id))

    check.rate_limit = policy  # type: ignore[attr-defined]  # read by kit.web.contract
    return check


def staff_who_may(permission: Permission, *, fresh: bool = False) -> Callable[..., Awaitable[Staff]]:
    """A dependency: the calling member of staff, if their role has ``permission`` (else 403).

    ``fresh``: and if they have proved lately who they are (else 403 ``fresh_sign_in_required``).
    """

    async def check(found: CurrentStaffSignIn, runtime: RuntimeDep) -> Staff:
        if not may(found.account.role, permission):
            raise ForbiddenError
        if fresh:
            check_fresh(found.sign_in, fresh_within(runtime.settings.auth))
        return found.account

    roles = ", ".join(f"`{role}`" for role in StaffRole if may(role, permission))
    needs = " Needs a fresh sign-in." if fresh else ""
    check.who_may_call = f"May be called by: {roles}.{needs}"  # type: ignore[attr-defined]  # read by kit.web.contract
    return check
