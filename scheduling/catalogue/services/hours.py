"""When practitioners work: weekly hours, one-off openings, blocked periods. No change here touches an appointment."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling.catalogue.hours_schemas import (
    LONGEST_SPAN,
    BlockedTimeSlotCreate,
    BlockedTimeSlotPatch,
    RecurringBlockedTimeSlotCreate,
    RecurringBlockedTimeSlotPatch,
    RecurringTimeSlotCreate,
    RecurringTimeSlotPatch,
    TimeSlotCreate,
    TimeSlotPatch,
)
from scheduling.catalogue.models import (
    BlockedTimeSlot,
    Practitioner,
    RecurringBlockedTimeSlot,
    RecurringTimeSlot,
    TimeSlot,
)
from scheduling.catalogue.repository import CatalogueRepository, PeriodT, RowT
from scheduling.catalogue.service import get_practitioner
from scheduling.recurrence import days_of
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id

Slot = RecurringTimeSlot | TimeSlot | BlockedTimeSlot | RecurringBlockedTimeSlot
LOOKED_AHEAD = timedelta(days=400)
"""So far ahead appointments are counted that a block or the end of hours leaves standing."""
_DAY = timedelta(days=1)
_RULE_SHOWS_WITHIN = timedelta(days=5 * 366)
"""A rule that gives no day in so long a time was not meant so, and is slow to walk through."""


# ---- weekly hours


async def list_weekly_hours(
    session: TenantSession, practitioner_id: UUID | None = None, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[RecurringTimeSlot], str | None]:
    """A page of weekly hours, of one practitioner if named."""
    catalogue = CatalogueRepository(session)
    return await catalogue.page_of_recurring(RecurringTimeSlot, practitioner_id, limit=limit, cursor=cursor)


async def get_weekly_hours(session: TenantSession, slot_id: UUID) -> RecurringTimeSlot:
    """Weekly hours by id. Raises :class:`NotFoundError`."""
    return await _get(session, RecurringTimeSlot, slot_id)


async def create_weekly_hours(session: TenantSession, new: RecurringTimeSlotCreate) -> RecurringTimeSlot:
    """New weekly hours. Raises :class:`InvalidInputError`."""
    await _check_owner(session, new.practitioner_id)
    slot = RecurringTimeSlot(id=new_id(), created_at=clock.now(), **_columns(dict(new)))
    _check_hours(slot)
    await CatalogueRepository(session).add(slot)
    return slot


async def change_weekly_hours(
    session: TenantSession, slot_id: UUID, patch: RecurringTimeSlotPatch
) -> RecurringTimeSlot:
    """Change some fields. Raises :class:`NotFoundError`, :class:`InvalidInputError`."""
    slot = await _get(session, RecurringTimeSlot, slot_id)
    for name, value in _columns(patch.changes()).items():
        setattr(slot, name, value)
    _check_hours(slot)
    return slot


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    kinds = fields.get("location_kinds")
    return fields if kinds is None else fields | {"location_kinds": [str(kind) for kind in kinds]}


def _check_hours(slot: RecurringTimeSlot) -> None:
    if slot.end_time != time() and slot.start_time >= slot.end_time:
        raise InvalidInputError(["body", "end_time"], "must be later than start_time", "time_order")
    if slot.valid_from is not None and slot.valid_until is not None and slot.valid_from > slot.valid_until:
        raise InvalidInputError(["body", "valid_until"], "must not be before valid_from", "date_order")
    if (slot.rrule is None) != (slot.anchor_date is None):
        raise InvalidInputError(["body", "anchor_date"], "rrule and anchor_date go together", "rule_and_anchor")
    if slot.rrule is not None and slot.anchor_date is not None:
        _check_shows(slot.rrule, slot.anchor_date, slot.weekday)


def _check_shows(rule: str, anchor: date, weekday: int | None = None) -> None:
    """Raises :class:`InvalidInputError` for a rule that means no day."""
    if not days_of(rule, anchor, anchor, anchor + _RULE_SHOWS_WITHIN, weekday=weekday):
        raise InvalidInputError(["body", "rrule"], "gives no day within five years of anchor_date", "rule_empty")


# ---- one-off openings and blocks


async def list_periods(
    session: TenantSession,
    kind: type[PeriodT],
    practitioner_id: UUID | None = None,
    starts: datetime | None = None,
    ends: datetime | None = None,
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[PeriodT], str | None]:
    """A page of one-off openings or blocked periods, those that touch [``starts``, ``ends``) if given."""
    catalogue = CatalogueRepository(session)
    return await catalogue.page_of_periods(kind, practitioner_id, starts, ends, limit=limit, cursor=cursor)


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


async def _create_period(session: TenantSession, kind: type[PeriodT], new: TimeSlotCreate) -> PeriodT:
    await _check_owner(session, new.practitioner_id)
    period = kind(id=new_id(), created_at=clock.now(), **dict(new))
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


# ---- blocks that come back


async def list_recurring_blocks(
    session: TenantSession, practitioner_id: UUID | None = None, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[RecurringBlockedTimeSlot], str | None]:
    """A page of blocked periods that come back, of one practitioner if named."""
    catalogue = CatalogueRepository(session)
    return await catalogue.page_of_recurring(RecurringBlockedTimeSlot, practitioner_id, limit=limit, cursor=cursor)


async def get_recurring_block(session: TenantSession, slot_id: UUID) -> RecurringBlockedTimeSlot:
    """A blocked period that comes back, by id. Raises :class:`NotFoundError`."""
    return await _get(session, RecurringBlockedTimeSlot, slot_id)


async def create_recurring_block(
    session: TenantSession, new: RecurringBlockedTimeSlotCreate
) -> RecurringBlockedTimeSlot:
    """A new one; appointments in it are left alone. Raises :class:`InvalidInputError`."""
    await _check_owner(session, new.practitioner_id)
    slot = RecurringBlockedTimeSlot(id=new_id(), created_at=clock.now(), **dict(new))
    _check_recurring_block(slot)
    await CatalogueRepository(session).add(slot)
    return slot


async def change_recurring_block(
    session: TenantSession, slot_id: UUID, patch: RecurringBlockedTimeSlotPatch
) -> RecurringBlockedTimeSlot:
    """Change some fields. Raises :class:`NotFoundError`, :class:`InvalidInputError`."""
    slot = await _get(session, RecurringBlockedTimeSlot, slot_id)
    for name, value in patch.changes().items():
        setattr(slot, name, value)
    _check_recurring_block(slot)
    return slot


def _check_recurring_block(slot: RecurringBlockedTimeSlot) -> None:
    if slot.valid_until is not None and slot.valid_until < slot.anchor_date:
        raise InvalidInputError(["body", "valid_until"], "must not be before anchor_date", "date_order")
    _check_shows(slot.rrule, slot.anchor_date)


# ---- all of them


async def remove_slot(session: TenantSession, slot: Slot) -> None:
    """Take hours, an opening or a block away; appointments are left alone."""
    await CatalogueRepository(session).delete(slot)


async def count_appointments_inside(session: TenantSession, slot: Slot) -> int:
    """How many live appointments touch the hours, opening or block between now and :data:`LOOKED_AHEAD`."""
    now = clock.now()
    last = now + LOOKED_AHEAD
    if isinstance(slot, TimeSlot | BlockedTimeSlot):
        spans = [(slot.starts_at, slot.ends_at)]
    else:
        spans = _occurrences(
            slot, ZoneInfo((await get_practitioner(session, slot.practitioner_id)).timezone), now, last
        )
    ahead = [(max(begins, now), min(ends, last)) for begins, ends in spans if begins < last and ends > now]
    spread = [(begins, ends) for begins, ends in ahead if begins < ends]
    return await CatalogueRepository(session).count_live_within(slot.practitioner_id, spread, now) if spread else 0


def _occurrences(
    slot: RecurringTimeSlot | RecurringBlockedTimeSlot, zone: ZoneInfo, begins: datetime, ends: datetime
) -> list[tuple[datetime, datetime]]:
    """When it holds, as instants; its length is one of the clock on the wall."""
    length = _length(slot)
    first, last = begins.astimezone(zone).date() - length - _DAY, ends.astimezone(zone).date()
    starts = [datetime.combine(day, slot.start_time, zone) for day in _days(slot, first, last)]
    return [(one.astimezone(UTC), (one + length).astimezone(UTC)) for one in starts]


def _length(slot: RecurringTimeSlot | RecurringBlockedTimeSlot) -> timedelta:
    if isinstance(slot, RecurringBlockedTimeSlot):
        return timedelta(minutes=slot.duration_minutes)
    some_day = date.min
    last_day = some_day + _DAY if slot.end_time == time() else some_day
    return datetime.combine(last_day, slot.end_time) - datetime.combine(some_day, slot.start_time)


def _days(slot: RecurringTimeSlot | RecurringBlockedTimeSlot, first: date, last: date) -> list[date]:
    if slot.valid_until is not None:
        last = min(last, slot.valid_until)
    if isinstance(slot, RecurringBlockedTimeSlot):
        return list(days_of(slot.rrule, slot.anchor_date, first, last))
    if slot.valid_from is not None:
        first = max(first, slot.valid_from)
    if slot.rrule is not None and slot.anchor_date is not None:
        return list(days_of(slot.rrule, slot.anchor_date, first, last, weekday=slot.weekday))
    return list(days_of("FREQ=WEEKLY", first, first, last, weekday=slot.weekday))


async def _check_owner(session: TenantSession, practitioner_id: UUID) -> None:
    if await CatalogueRepository(session).find(Practitioner, practitioner_id) is None:
        raise InvalidInputError(["body", "practitioner_id"], f"there is no {practitioner_id}", "unknown_id")


async def _get(session: TenantSession, kind: type[RowT], row_id: UUID) -> RowT:
    row = await CatalogueRepository(session).find(kind, row_id)
    if row is None:
        raise NotFoundError
    return row
