"""The practice's settings, for those who may change them: ``/admin/settings``."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tenants.accounts.auth import CurrentStaff, staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from tenants.settings.models import PracticeSettings
from tenants.settings.schemas import SettingsPatch, SettingsRead
from tenants.settings.service import get_practice_settings, update_practice_settings
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/settings", tags=["staff: settings"])
SettingsKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS))]


@router.get("", response_model=SettingsRead)
async def read_settings(_staff: CurrentStaff, session: TenantSessionDep) -> PracticeSettings:
    """The practice's settings; any member of staff may read them."""
    return await get_practice_settings(session)


@router.patch("", response_model=SettingsRead, responses=responses(InvalidInputError))
async def change_settings(
    body: SettingsPatch, staff: SettingsKeeper, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> PracticeSettings:
    """Change some settings; the rest stays."""
    sent = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in sent.items() if value is not None or name == "contact_email"}
    offered = (
        {"offline"}
        if runtime.settings.is_production or not runtime.settings.sandbox.enabled
        else {"offline", "sandbox"}
    )
    for method in changes.get("payment_methods", ()):
        if method not in offered:
            raise InvalidInputError(["body", "payment_methods"], f"{method} is not set up here")
    settings = await update_practice_settings(session, changes)
    record_staff_action(session, staff.id, "settings.changed", request_id=context.request_id, fields=sorted(changes))
    return settings
