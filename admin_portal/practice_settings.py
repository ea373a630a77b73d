"""The practice's settings, for those who may change them: ``/admin/settings``."""

from typing import Annotated

from fastapi import APIRouter, Depends

from admin_portal.second_factors import StaffSteps
from tenants.accounts.auth import CurrentStaff, staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.second_factors import StaffMultiFactor
from tenants.plans.errors import NotInPlanError, PracticePastDueError
from tenants.settings.models import PracticeSettings
from tenants.settings.schemas import SettingsPatch, SettingsRead
from tenants.settings.service import available_methods, get_practice_settings, update_practice_settings
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.factor_errors import SecondFactorMissingError
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/settings", tags=["staff: settings"])
SettingsKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS, fresh=True))]

_MAY_BE_EMPTY = (
    "contact_email",
    "privacy_policy_url",
    "holidays_country",
    "holidays_region",
    "quiet_from",
    "quiet_until",
    "reminder_minutes",
)


@router.get("", response_model=SettingsRead)
async def read_settings(_staff: CurrentStaff, session: TenantSessionDep) -> PracticeSettings:
    """The practice's settings; any member of staff may read them."""
    return await get_practice_settings(session)


@router.patch(
    "",
    response_model=SettingsRead,
    responses=responses(InvalidInputError, SecondFactorMissingError, PracticePastDueError, NotInPlanError),
)
async def change_settings(
    body: SettingsPatch,
    staff: SettingsKeeper,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    steps: StaffSteps,
) -> PracticeSettings:
    """Change some settings; the rest stays."""
    return await change_practice(session, runtime, steps, staff, body, context.request_id)


async def change_practice(
    session: TenantSession,
    runtime: Runtime,
    steps: StaffMultiFactor,
    staff: Staff,
    wish: SettingsPatch,
    request_id: str | None,
) -> PracticeSettings:
    """Change what ``wish`` names, and note it in the audit trail; for the API and the page alike.

    Raises :class:`InvalidInputError` for a way to pay that is not set up or holidays that are not known,
    :class:`SecondFactorMissingError` where someone without a second factor would make it compulsory for everyone.
    """
    sent = wish.model_dump(exclude_unset=True)
    changes = {name: value for name, value in sent.items() if value is not None or name in _MAY_BE_EMPTY}
    known = await get_practice_settings(session)
    # What is chosen already may stay, also while its provider's account does not work.
    allowed = {*available_methods(runtime.settings, known), *known.payment_methods}
    for method in changes.get("payment_methods", ()):
        if method not in allowed:
            raise InvalidInputError(["body", "payment_methods"], f"{method} is not set up here")
    if changes.get("second_factor_required") and not await steps.factors_of(staff).exist():
        raise SecondFactorMissingError
    settings = await update_practice_settings(session, changes)
    record_staff_action(session, staff.id, "settings.changed", request_id=request_id, fields=sorted(changes))
    return settings
