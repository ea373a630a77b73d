"""Who of the staff may change whose calendar."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends

from scheduling.catalogue.service import find_practitioner_of_staff
from tenants.accounts.auth import CurrentStaff, staff_who_may
from tenants.accounts.models import Staff, StaffRole
from tenants.accounts.permissions import Permission, may
from todoenbalance.kit.errors import ForbiddenError
from todoenbalance.kit.web.dependencies import TenantSessionDep


@dataclass(frozen=True, slots=True)
class CalendarEditor:
    """Someone who may change calendars: everyone's, or (``own_id``) that of the practitioner they are."""

    staff: Staff
    own_id: UUID | None = None

    def check(self, practitioner_id: UUID | None) -> None:
        """Raises :class:`ForbiddenError` if this practitioner's calendar is not theirs to change."""
        if self.own_id is not None and practitioner_id != self.own_id:
            raise ForbiddenError


async def calendar_editor(staff: CurrentStaff, session: TenantSessionDep) -> CalendarEditor:
    """Staff with the permission `manage_calendar`, or a practitioner for their own calendar."""
    if may(staff.role, Permission.MANAGE_CALENDAR):
        return CalendarEditor(staff)
    if staff.role == StaffRole.PRACTITIONER:
        own = await find_practitioner_of_staff(session, staff.id)
        if own is not None:
            return CalendarEditor(staff, own.id)
    raise ForbiddenError


Editor = Annotated[CalendarEditor, Depends(calendar_editor)]
CalendarViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_CALENDAR))]
CatalogueKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_CATALOGUE))]
