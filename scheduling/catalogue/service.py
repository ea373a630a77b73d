"""Services, practitioners, and when they work."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from scheduling.catalogue.errors import StaffAlreadyLinkedError
from scheduling.catalogue.models import (
    BlockedTimeSlot,
    Practitioner,
    RecurringTimeSlot,
    Service,
    TimeSlot,
)
from scheduling.catalogue.repository import CatalogueRepository, PeriodT, RowT
from scheduling.catalogue.schemas import (
    LONGEST_SPAN,
    BlockedTimeSlotCreate,
    BlockedTimeSlotPatch,
    PractitionerAdminRead,
    PractitionerCreate,
    PractitionerPatch,
    PractitionerRead,
    RecurringTimeSlotCreate,
    RecurringTimeSlotPatch,
    ServiceAdminRead,
    ServiceCreate,
    ServicePatch,
    ServiceRead,
    TimeSlotCreate,
    TimeSlotPatch,
)
from tenants.accounts.services.staff_accounts import get_staff
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import MoneySchema

# ---- what everyone may see


async def list_services(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[ServiceRead], str | None]:
    """A page of what the practice offers; archived services and practitioners are left out."""
    catalogue = CatalogueRepository(session)
    rows, following = await catalogue.page_of_services(include_archived=False, limit=limit, cursor=cursor)
    people = await catalogue.practitioners_of([row.id for row in rows], include_archived=False)
    return [ServiceRead.of(row, people[row.id]) for row in rows], following


async def list_practitioners(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[PractitionerRead], str | None]:
    """A page of who sees clients; archived practitioners and services are left out."""
    catalogue = CatalogueRepository(session)
    rows, following = await catalogue.page_of_practitioners(include_archived=False, limit=limit, cursor=cursor)
    offers = await catalogue.services_of([row.id for row in rows], include_archived=False)
    return [PractitionerRead.of(row, offers[row.id]) for row in rows], following


async def get_offered_service(session: TenantSession, service_id: UUID) -> Service:
    """A service that is not archived. Raises :class:`NotFoundError`."""
    service = await CatalogueRepository(session).find(Service, service_id)
    if service is None or service.archived:
        raise NotFoundError
    return service


async def get_offered_practitioner(session: TenantSession, practitioner_id: UUID) -> Practitioner:
    """A practitioner who is not archived. Raises :class:`NotFoundError`."""
    practitioner = await CatalogueRepository(session).find(Practitioner, practitioner_id)
    if practitioner is None or practitioner.archived:
        raise NotFoundError
    return practitioner


# ---- services, for staff


async def get_service(session: TenantSession, service_id: UUID) -> Service:
    """A service by id, archived or not. Raises :class:`NotFoundError`."""
    return await _get(session, Service, service_id)


async def read_service(session: TenantSession, service_id: UUID) -> ServiceAdminRead:
    """The same with its practitioners. Raises :class:`NotFoundError`."""
    service = await _get(session, Service, service_id)
    people = await CatalogueRepository(session).practitioners_of([service.id], include_archived=True)
    return ServiceAdminRead.of(service, people[service.id])


async def list_all_services(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[ServiceAdminRead], str | None]:
    """A page of services, archived ones too."""
    catalogue = CatalogueRepository(session)
    rows, following = await catalogue.page_of_services(include_archived=True, limit=limit, cursor=cursor)
    people = await catalogue.practitioners_of([row.id for row in rows], include_archived=True)
    return [ServiceAdminRead.of(row, people[row.id]) for row in rows], following


async def create_service(session: TenantSession, new: ServiceCreate) -> ServiceAdminRead:
    """A new service. Raises :class:`InvalidInputError` for money or practitioners that don't fit."""
    values = _service_columns(session, new.model_dump(exclude={"practitioner_ids", "price", "deposit"}), new)
    service = Service(id=new_id(), currency=session.tenant.currency, created_at=clock.now(), **values)
    _check_deposit(service)
    catalogue = CatalogueRepository(session)
    await catalogue.add(service)
    await _link_practitioners(session, service.id, new.practitioner_ids)
    return await read_service(session, service.id)


async def change_service(session: TenantSession, service_id: UUID, patch: ServicePatch) -> ServiceAdminRead:
    """Change some fields. Raises :class:`NotFoundError`, :class:`InvalidInputError`."""
    service = await _get(session, Service, service_id)
    changes = patch.changes()
    people = changes.pop("practitioner_ids", None)
    for name, value in _service_columns(session, changes, patch).items():
        setattr(service, name, value)
    _check_deposit(service)
    await CatalogueRepository(session).flush()
    if people is not None:
        await _link_practitioners(session, service.id, people)
    return await read_service(session, service_id)


async def remove_service(session: TenantSession, service_id: UUID) -> None:
    """Delete a service that was never booked, archive one that was. Raises :class:`NotFoundError`."""
    service = await _get(session, Service, service_id)
    if not await CatalogueRepository(session).delete_if_unreferenced(Service, service_id):
        service.archived = True


def _service_columns(
    session: TenantSession, fields: dict[str, Any], source: ServiceCreate | ServicePatch
) -> dict[str, Any]:
    """Fields of the API as columns: money split, lists as plain text."""
    columns = {name: value for name, value in fields.items() if name not in ("price", "deposit")}
    if "location_kinds" in columns:
        columns["location_kinds"] = list(dict.fromkeys(str(kind) for kind in columns["location_kinds"]))
    if "price" in source.model_fields_set and source.price is not None:
        columns["price_minor"] = _amount(session, source.price, "price")
        columns["currency"] = session.tenant.currency
    if "deposit" in source.model_fields_set or isinstance(source, ServiceCreate):
        columns["deposit_minor"] = None if source.deposit is None else _amount(session, source.deposit, "deposit")
    if isinstance(source, ServiceCreate):
        columns.pop("currency", None)
    return columns


def _amount(session: TenantSession, money: MoneySchema, field: str) -> int:
    if money.currency != session.tenant.currency:
        raise InvalidInputError(
            ["body", field, "currency"], f"the practice's currency is {session.tenant.currency}", "currency_mismatch"
        )
    return money.amount


def _check_deposit(service: Service) -> None:
    deposit = service.deposit_minor
    if deposit is not None and not 1 <= deposit <= service.price_minor:
        raise InvalidInputError(["body", "deposit"], "more than nothing and at most the price", "deposit_range")


async def _link_practitioners(session: TenantSession, service_id: UUID, ids: list[UUID]) -> None:
    catalogue = CatalogueRepository(session)
    _check_known(ids, await catalogue.known_ids(Practitioner, ids), "practitioner_ids")
    await catalogue.set_practitioners_of(service_id, dict.fromkeys(ids))


def _check_known(ids: list[UUID], known: Collection[UUID], field: str) -> None:
    for position, one in enumerate(ids):
        if one not in known:
            raise InvalidInputError(["body", field, position], f"there is no {one}", "unknown_id")


# ---- practitioners, for staff


async def get_practitioner(session: TenantSession, practitioner_id: UUID) -> Practitioner:
    """A practitioner by id, archived or not. Raises :class:`NotFoundError`."""
    return await _get(session, Practitioner, practitioner_id)


async def find_practitioner_of_staff(session: TenantSession, staff_id: UUID) -> Practitioner | None:
    """The practitioner that a member of staff is, or None."""
    return await CatalogueRepository(session).find_practitioner_of_staff(staff_id)


async def read_practitioner(session: TenantSession, practitioner_id: UUID) -> PractitionerAdminRead:
    """The same with what they offer. Raises :class:`NotFoundError`."""
    practitioner = await _get(session, Practitioner, practitioner_id)
    offers = await CatalogueRepository(session).services_of([practitioner.id], include_archived=True)
    return PractitionerAdminRead.of(practitioner, offers[practitioner.id])


async def list_all_practitioners(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[PractitionerAdminRead], str | None]:
    """A page of practitioners, archived ones too."""
    catalogue = CatalogueRepository(session)
    rows, following = await catalogue.page_of_practitioners(include_archived=True, limit=limit, cursor=cursor)
    offers = await catalogue.services_of([row.id for row in rows], include_archived=True)
    return [PractitionerAdminRead.of(row, offers[row.id]) for row in rows], following


async def create_practitioner(session: TenantSession, new: PractitionerCreate) -> PractitionerAdminRead:
    """A new practitioner. Raises :class:`InvalidInputError`, :class:`StaffAlreadyLinkedError`."""
    values = new.model_dump(exclude={"service_ids"})
    values["timezone"] = new.timezone or session.tenant.timezone
    practitioner = Practitioner(id=new_id(), created_at=clock.now(), **values)
    await _check_practitioner(session, practitioner)
    await CatalogueRepository(session).add(practitioner)
    await _link_services(session, practitioner.id, new.service_ids)
    return await read_practitioner(session, practitioner.id)


async def change_practitioner(
    session: TenantSession, practitioner_id: UUID, patch: PractitionerPatch
) -> PractitionerAdminRead:
    """Change some fields; appointments keep their instants when the zone changes.

    Raises :class:`NotFoundError`, :class:`InvalidInputError`, :class:`StaffAlreadyLinkedError`.
    """
    practitioner = await _get(session, Practitioner, practitioner_id)
    changes = patch.changes()
    offers = changes.pop("service_ids", None)
    with session.no_autoflush:
        for name, value in changes.items():
            setattr(practitioner, name, value)
        await _check_practitioner(session, practitioner)
    await CatalogueRepository(session).flush()
    if offers is not None:
        await _link_services(session, practitioner.id, offers)
    return await read_practitioner(session, practitioner_id)


async def remove_practitioner(session: TenantSession, practitioner_id: UUID) -> None:
    """Delete a practitioner who was never booked, archive one who was. Raises :class:`NotFoundError`."""
    practitioner = await _get(session, Practitioner, practitioner_id)
    if not await CatalogueRepository(session).delete_if_unreferenced(Practitioner, practitioner_id):
        practitioner.archived = True


async def _check_practitioner(session: TenantSession, practitioner: Practitioner) -> None:
    catalogue = CatalogueRepository(session)
    if not await catalogue.database_knows_zone(practitioner.timezone):
        raise InvalidInputError(["body", "timezone"], "not an IANA time zone", "timezone_unknown")
    if practitioner.staff_id is None:
        return
    try:
        await get_staff(session, practitioner.staff_id)
    except NotFoundError as error:
        raise InvalidInputError(["body", "staff_id"], "nobody of the staff has this id", "unknown_id") from error
    other = await catalogue.find_practitioner_of_staff(practitioner.staff_id)
    if other is not None and other.id != practitioner.id:
        raise StaffAlreadyLinkedError


async def _link_services(session: TenantSession, practitioner_id: UUID, ids: list[UUID]) -> None:
    catalogue = CatalogueRepository(session)
    _check_known(ids, await catalogue.known_ids(Service, ids), "service_ids")
    await catalogue.set_services_of(practitioner_id, dict.fromkeys(ids))


# ---- hours, openings and blocks, for staff


async def list_weekly_hours(
    session: TenantSession, practitioner_id: UUID | None = None, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[RecurringTimeSlot], str | None]:
    """A page of weekly hours, of one practitioner if named."""
    return await CatalogueRepository(session).page_of_weekly_hours(practitioner_id, limit=limit, cursor=cursor)


async def get_weekly_hours(session: TenantSession, slot_id: UUID) -> RecurringTimeSlot:
    """Weekly hours by id. Raises :class:`NotFoundError`."""
    return await _get(session, RecurringTimeSlot, slot_id)


async def create_weekly_hours(session: TenantSession, new: RecurringTimeSlotCreate) -> RecurringTimeSlot:
    """New weekly hours. Raises :class:`InvalidInputError`."""
    await _check_owner(session, new.practitioner_id)
    slot = RecurringTimeSlot(id=new_id(), created_at=clock.now(), **new.model_dump())
    _check_hours(slot)
    await CatalogueRepository(session).add(slot)
    return slot


async def change_weekly_hours(
    session: TenantSession, slot_id: UUID, patch: RecurringTimeSlotPatch
) -> RecurringTimeSlot:
    """Change some fields. Raises :class:`NotFoundError`, :class:`InvalidInputError`."""
    slot = await _get(session, RecurringTimeSlot, slot_id)
    for name, value in patch.changes().items():
        setattr(slot, name, value)
    _check_hours(slot)
    return slot


def _check_hours(slot: RecurringTimeSlot) -> None:
    if slot.start_time >= slot.end_time:
        raise InvalidInputError(["body", "end_time"], "must be later than start_time", "time_order")
    if slot.valid_from is not None and slot.valid_until is not None and slot.valid_from > slot.valid_until:
        raise InvalidInputError(["body", "valid_until"], "must not be before valid_from", "date_order")


async def list_openings(
    session: TenantSession,
    practitioner_id: UUID | None = None,
    starts: datetime | None = None,
    ends: datetime | None = None,
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[TimeSlot], str | None]:
    """A page of one-off openings, those that touch [``starts``, ``ends``) if given."""
    catalogue = CatalogueRepository(session)
    return await catalogue.page_of_periods(TimeSlot, practitioner_id, starts, ends, limit=limit, cursor=cursor)


async def list_blocks(
    session: TenantSession,
    practitioner_id: UUID | None = None,
    starts: datetime | None = None,
    ends: datetime | None = None,
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[BlockedTimeSlot], str | None]:
    """A page of blocked periods, those that touch [``starts``, ``ends``) if given."""
    catalogue = CatalogueRepository(session)
    return await catalogue.page_of_periods(BlockedTimeSlot, practitioner_id, starts, ends, limit=limit, cursor=cursor)


async def get_opening(session: TenantSession, slot_id: UUID) -> TimeSlot:
    """A one-off opening by id. Raises :class:`NotFoundError`."""
    return await _get(session, TimeSlot, slot_id)


async def get_block(session: TenantSession, slot_id: UUID) -> BlockedTimeSlot:
    """A blocked period by id. Raises :class:`NotFoundError`."""
    return await _get(session, BlockedTimeSlot, slot_id)


async def create_opening(session: TenantSession, new: TimeSlotCreate) -> TimeSlot:
    """A new one-off opening. Raises :class:`InvalidInputError`."""
    return await _create_period(session, TimeSlot, new)


async def create_block(session: TenantSession, new: BlockedTimeSlotCreate) -> BlockedTimeSlot:
    """A new blocked period; appointments in it are left alone. Raises :class:`InvalidInputError`."""
    return await _create_period(session, BlockedTimeSlot, new)


async def change_opening(session: TenantSession, slot_id: UUID, patch: TimeSlotPatch) -> TimeSlot:
    """Change some fields. Raises :class:`NotFoundError`, :class:`InvalidInputError`."""
    return await _change_period(session, TimeSlot, slot_id, patch)


async def change_block(session: TenantSession, slot_id: UUID, patch: BlockedTimeSlotPatch) -> BlockedTimeSlot:
    """Change some fields. Raises :class:`NotFoundError`, :class:`InvalidInputError`."""
    return await _change_period(session, BlockedTimeSlot, slot_id, patch)


async def remove_slot(session: TenantSession, slot: RecurringTimeSlot | TimeSlot | BlockedTimeSlot) -> None:
    """Take hours, an opening or a block away; appointments are left alone."""
    await CatalogueRepository(session).delete(slot)


async def _create_period(session: TenantSession, kind: type[PeriodT], new: TimeSlotCreate) -> PeriodT:
    await _check_owner(session, new.practitioner_id)
    period = kind(id=new_id(), created_at=clock.now(), **new.model_dump())
    _check_period(period)
    await CatalogueRepository(session).add(period)
    return period


async def _change_period(
    session: TenantSession, kind: type[PeriodT], slot_id: UUID, patch: TimeSlotPatch | BlockedTimeSlotPatch
) -> PeriodT:
    period = await _get(session, kind, slot_id)
    for name, value in patch.changes().items():
        setattr(period, name, value)
    _check_period(period)
    return period


def _check_period(period: TimeSlot | BlockedTimeSlot) -> None:
    if period.starts_at >= period.ends_at:
        raise InvalidInputError(["body", "ends_at"], "must be later than starts_at", "time_order")
    if period.ends_at - period.starts_at > LONGEST_SPAN:
        raise InvalidInputError(["body", "ends_at"], f"at most {LONGEST_SPAN.days} days", "span_too_long")


async def _check_owner(session: TenantSession, practitioner_id: UUID) -> None:
    if await CatalogueRepository(session).find(Practitioner, practitioner_id) is None:
        raise InvalidInputError(["body", "practitioner_id"], f"there is no {practitioner_id}", "unknown_id")


async def _get(session: TenantSession, kind: type[RowT], row_id: UUID) -> RowT:
    row = await CatalogueRepository(session).find(kind, row_id)
    if row is None:
        raise NotFoundError
    return row
