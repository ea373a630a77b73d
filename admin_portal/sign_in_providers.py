"""The practice's own registrations at Google and Facebook: ``/admin/sign-in-providers``."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from tenants.plans.errors import NotInPlanError, PracticePastDueError
from tenants.social import registrations
from tenants.social.models import SocialProvider
from tenants.social.schemas import ProviderList, ProviderPut, ProviderRead
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/sign-in-providers", tags=["staff: settings"])
SettingsKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS))]
FreshSettingsKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS, fresh=True))]


@router.get("")
async def read_providers(_staff: SettingsKeeper, session: TenantSessionDep, runtime: RuntimeDep) -> ProviderList:
    """By whom clients may sign in, whose registration that rests on, and the address to register there."""
    statuses = await registrations.list_statuses(session, runtime)
    return ProviderList(items=[ProviderRead.model_validate(status) for status in statuses])


@router.put("/{provider}", responses=responses(InvalidInputError, PracticePastDueError, NotInPlanError))
async def register_provider(
    provider: SocialProvider,
    body: ProviderPut,
    staff: FreshSettingsKeeper,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> ProviderRead:
    """Use the practice's own registration; a disabled one turns the provider off, the platform's too."""
    return ProviderRead.model_validate(
        await change_provider(session, runtime, staff, provider, body, context.request_id)
    )


async def change_provider(
    session: TenantSession,
    runtime: Runtime,
    staff: Staff,
    provider: SocialProvider,
    wish: ProviderPut,
    request_id: str | None,
) -> registrations.ProviderStatus:
    """Change a registration and note it in the audit trail; for the API and the page alike.

    Raises :class:`InvalidInputError`.
    """
    status = await registrations.register_provider(
        session,
        runtime,
        provider,
        client_id=wish.client_id,
        client_secret=wish.client_secret,
        is_enabled=wish.is_enabled,
    )
    record_staff_action(
        session,
        staff.id,
        "sign_in_provider.changed",
        request_id=request_id,
        provider=provider,
        client_id=wish.client_id,
        is_enabled=wish.is_enabled,
        is_secret_new=wish.client_secret is not None,
    )
    return status


@router.delete("/{provider}", status_code=204, responses=responses(NotFoundError))
async def forget_provider(
    provider: SocialProvider, staff: FreshSettingsKeeper, session: TenantSessionDep, context: ContextDep
) -> None:
    """Forget the practice's own registration; the platform's serves again, if there is one."""
    await registrations.forget_provider(session, provider)
    record_staff_action(
        session, staff.id, "sign_in_provider.forgotten", request_id=context.request_id, provider=provider
    )
