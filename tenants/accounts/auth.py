"""Who may call: annotated dependencies over access tokens. Each endpoint of a practice names one of these."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.utils import get_authorization_scheme_param

from tenants.accounts import service
from tenants.accounts.models import AccountKind, Client, Staff, StaffRole
from tenants.accounts.permissions import Permission, may
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError
from todoenbalance.kit.security.tokens import InvalidTokenError
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.dependencies import RuntimeDep, TenantDep, TenantSessionDep

client_bearer = OAuth2PasswordBearer("/api/v1/auth/login", scheme_name="client", auto_error=False)
staff_bearer = OAuth2PasswordBearer("/api/v1/admin/auth/login", scheme_name="staff", auto_error=False)


def bearer_token(request: Request) -> str:
    """The token of the ``Authorization`` header (RFC 6750). Raises :class:`NotAuthenticatedError`."""
    scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticatedError
    return token


async def current_client(
    request: Request,
    runtime: RuntimeDep,
    tenant: TenantDep,
    session: TenantSessionDep,
    _declared: Annotated[str | None, Depends(client_bearer)],
) -> Client:
    """The client who is calling; their stored language wins over the header's."""
    claims = runtime.signer.verify(bearer_token(request), service.audience(AccountKind.CLIENT, tenant))
    client = await service.get_signed_in_client(session, claims.subject)
    context_of(request).locale = client.locale
    return client


async def current_staff(
    request: Request,
    runtime: RuntimeDep,
    tenant: TenantDep,
    session: TenantSessionDep,
    _declared: Annotated[str | None, Depends(staff_bearer)],
) -> Staff:
    """The member of staff who is calling; their stored language wins over the header's."""
    claims = runtime.signer.verify(bearer_token(request), service.audience(AccountKind.STAFF, tenant))
    # Staff who sign out, or are signed out, are out at once; a client's access token ends by itself in minutes.
    if claims.session_id is None or not await service.session_is_live(session, claims.session_id):
        raise InvalidTokenError
    staff = await service.get_signed_in_staff(session, claims.subject)
    context_of(request).locale = staff.locale
    return staff


CurrentClient = Annotated[Client, Depends(current_client)]
CurrentStaff = Annotated[Staff, Depends(current_staff)]


def staff_who_may(permission: Permission) -> Callable[..., Awaitable[Staff]]:
    """A dependency: the calling member of staff, if their role has ``permission`` (else 403)."""

    async def check(staff: CurrentStaff) -> Staff:
        if not may(staff.role, permission):
            raise ForbiddenError
        return staff

    roles = ", ".join(f"`{role}`" for role in StaffRole if may(role, permission))
    check.who_may_call = f"May be called by: {roles}."  # type: ignore[attr-defined]  # read by kit.web.contract
    return check
