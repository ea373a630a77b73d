"""Whether the practice wants text messages sent, and how many: ``/admin/settings/texts``. 404 without a gateway."""

from fastapi import APIRouter

from admin_portal.practice_settings import SettingsKeeper
from notifications.texting.choices import TextQuota, choose, read_quota
from notifications.texting.schemas import TextQuotaPut, TextQuotaRead
from tenants.accounts.auth import CurrentStaff
from tenants.accounts.models import Staff
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/settings/texts", tags=["staff: settings"], responses=responses(NotFoundError))


@router.get("", response_model=TextQuotaRead)
async def read_text_settings(_staff: CurrentStaff, session: TenantSessionDep, runtime: RuntimeDep) -> TextQuota:
    """Whether they are on, the limits, and what is used of them this month, in segments."""
    return await read_quota(session, runtime.settings)


@router.put("", response_model=TextQuotaRead)
async def change_text_settings(
    body: TextQuotaPut, staff: SettingsKeeper, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> TextQuota:
    """Switch them on or off, and set the practice's own limit."""
    return await choose_for_practice(session, runtime, staff, body, context.request_id)


async def choose_for_practice(
    session: TenantSession, runtime: Runtime, staff: Staff, wish: TextQuotaPut, request_id: str | None
) -> TextQuota:
    """The same for API and page, noted in the audit trail. Raises :class:`NotFoundError` without a gateway."""
    quota = await choose(session, runtime.settings, is_on=wish.is_on, monthly_limit=wish.limit)
    record_staff_action(
        session, staff.id, "texts.changed", request_id=request_id, is_on=wish.is_on, monthly_limit=wish.limit
    )
    return quota
