"""Who of the staff may change whose calendar."""

from dataclasses import dataclass, replace
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends
from sqlalchemy import Select

from scheduling.appointments.models import Appointment
from scheduling.appointments.placement import NO_LIBERTIES, Liberties
from scheduling.appointments.repository import AppointmentFilter
from scheduling.appointments.schemas import AppointmentAdminRead
from scheduling.appointments.services.reading import clients_of_practitioner
from scheduling.catalogue.service import find_practitioner_of_staff
from tenants.accounts.auth import CurrentStaff, staff_who_may
from tenants.accounts.models import Staff, StaffRole
from tenants.accounts.permissions import Permission, may
from tenants.settings.service import get_practice_settings
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotFoundError
from todoenbalance.kit.web.dependencies import TenantSessionDep

AdminReadT = TypeVar("AdminReadT", bound=AppointmentAdminRead)
_NOBODY = UUID(int=0)
"""No practitioner has this id."""


@dataclass(frozen=True, slots=True)
class CalendarEditor:
    """Someone who may change calendars: everyone's, or (``own_id``) that of the practitioner they are."""

    staff: Staff
    own_id: UUID | None = None

    def check(self, practitioner_id: UUID | None) -> None:
        """Raises :class:`ForbiddenError` if this practitioner's calendar is not theirs to change."""
        if self.own_id is not None and practitioner_id != self.own_id:
            raise ForbiddenError


@dataclass(frozen=True, slots=True)
class CalendarSight:
    """What someone sees of calendars and clients: everything, or what is a practitioner's own.

    A practitioner sees their own appointments and the clients who have (or had) one with them, unless the
    practice lets its practitioners see everything. ``own_id`` is None for one without a calendar: they see none.
    """

    staff: Staff
    sees_all: bool
    own_id: UUID | None = None

    def check(self, practitioner_id: UUID) -> None:
        """Raises :class:`NotFoundError` for an appointment that is not theirs to know of."""
        if not self.sees_all and practitioner_id != self.own_id:
            raise NotFoundError

    def narrow(self, wanted: AppointmentFilter) -> AppointmentFilter:
        """The same question, about what they may see."""
        if self.sees_all:
            return wanted
        if wanted.practitioner_id not in (None, self.own_id) or self.own_id is None:
            return replace(wanted, practitioner_id=_NOBODY)
        return replace(wanted, practitioner_id=self.own_id)

    def among_clients(self) -> Select[tuple[UUID]] | None:
        """The ids of the clients that they may see; None is all of them."""
        return None if self.sees_all else clients_of_practitioner(self.own_id or _NOBODY)

    def show(self, read: AdminReadT) -> AdminReadT:
        """An appointment without what was written by the client or about them, for those who need not know it.

        It is health data. What was paid is left out for those who may not see payments.
        """
        if not may(self.staff.role, Permission.VIEW_PAYMENTS):
            read = read.model_copy(update={"paid": None, "balance": None})
        if may(self.staff.role, Permission.VIEW_NOTES):
            return read
        said_by_client = read.cancelled_by != "staff"
        reason = None if said_by_client else read.cancellation_reason
        return read.model_copy(update={"notes": None, "private_notes": None, "cancellation_reason": reason})


async def look_of(staff: Staff, session: TenantSession) -> CalendarSight:
    """What this member of staff sees. Raises :class:`ForbiddenError` without the permission `view_calendar`."""
    if not may(staff.role, Permission.VIEW_CALENDAR):
        raise ForbiddenError
    if may(staff.role, Permission.MANAGE_CALENDAR) or (await get_practice_settings(session)).practitioners_see_all:
        return CalendarSight(staff, sees_all=True)
    own = await find_practitioner_of_staff(session, staff.id)
    return CalendarSight(staff, sees_all=False, own_id=own.id if own else None)


async def calendar_sight(staff: CurrentStaff, session: TenantSessionDep) -> CalendarSight:
    """As a dependency."""
    return await look_of(staff, session)


async def calendar_editor(staff: CurrentStaff, session: TenantSessionDep) -> CalendarEditor:
    """Staff with the permission `manage_calendar`, or a practitioner for their own calendar."""
    if may(staff.role, Permission.MANAGE_CALENDAR):
        return CalendarEditor(staff)
    if staff.role == StaffRole.PRACTITIONER:
        own = await find_practitioner_of_staff(session, staff.id)
        if own is not None:
            return CalendarEditor(staff, own.id)
    raise ForbiddenError


def check_liberties(staff: Staff, wanted: Liberties, practitioner_id: UUID | None) -> None:
    """Whether they may set these rules aside.

    Raises :class:`ForbiddenError`; :class:`InvalidInputError` if it isn't said in whose calendar: "whoever is free"
    makes no sense where nobody need be.
    """
    if wanted == NO_LIBERTIES:
        return
    if not may(staff.role, Permission.OVERRIDE_CALENDAR):
        raise ForbiddenError
    if practitioner_id is None:
        raise InvalidInputError(["body", "practitioner_id"], "say in whose calendar", "practitioner_needed")


def liberties_taken(appointment: Appointment, wanted: Liberties, act: str) -> list[str]:
    """What the audit trail says of an appointment that was just ``act`` (booked, moved) with liberties."""
    taken = [f"appointment.{act}_outside_hours"] if wanted.outside_hours else []
    return [*taken, f"appointment.{act}_on_top"] if appointment.overlapping else taken


Sight = Annotated[CalendarSight, Depends(calendar_sight)]
Editor = Annotated[CalendarEditor, Depends(calendar_editor)]
CalendarViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_CALENDAR))]
CatalogueKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_CATALOGUE))]
