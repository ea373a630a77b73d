"""Offering free times to those who wait, first come first served, one transaction an offer.

Every offer is made from the state as it is then and nothing is remembered between two of them, so it does not matter
how often a freed time is announced, how many do this at once, or where somebody was stopped: the practitioner's lock
and the exclusion constraint give a time to one client, and the entry's own lock gives one offer to an entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from notifications.quiet_hours import quiet_until
from notifications.recipients import Recipient
from notifications.service import announce
from scheduling.appointments.errors import SlotNotOfferedError, SlotTakenError
from scheduling.appointments.history import SYSTEM
from scheduling.appointments.models import Appointment, HoldKind
from scheduling.appointments.services.booking import Hold, Offer, Wish, hold_wish, place_booking
from scheduling.appointments.services.offering import list_times_of_client
from scheduling.availability.rules import Rules, load_rules
from scheduling.availability.service import Slot, find_slots
from scheduling.group_sessions.errors import AlreadyBookedError
from scheduling.waitlist.mail_kinds import OFFERED
from scheduling.waitlist.models import WaitlistEntry, WaitlistStatus
from scheduling.waitlist.repository import WaitlistRepository
from scheduling.waitlist.wishes import days_of_wish, is_wished, suits
from tenants.accounts.services.client_accounts import get_client
from todoenbalance.kit import clock
from todoenbalance.kit.database import Database, TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.tenancy import TenantContext

SHORTEST_OFFER = timedelta(minutes=10)
"""Nobody reads a mail faster; what begins sooner is offered to nobody."""
ENOUGH_MORNING = timedelta(hours=2)
"""A client who is asleep is asked in the morning, if they have so long then before the visit begins."""
_WEEK = timedelta(days=7)
_MOST_TRIES = 10
_log = get_logger("scheduling.waitlist")


@dataclass(frozen=True, slots=True)
class Freed:
    """What can be had again: a range of a practitioner's time, buffers included; None is everybody's."""

    begins: datetime
    ends: datetime
    practitioner_id: UUID | None = None

    def starts(self, rules: Rules) -> tuple[datetime, datetime]:
        """Between which instants a start of a service could lie that this made free."""
        if rules.has_caps:  # one fewer on a day, or in a week, frees all of it
            return self.begins - _WEEK, self.ends + _WEEK
        return self.begins - rules.longest - rules.buffer_after, self.ends + rules.buffer_before


class _WithdrawnError(Exception):
    """The entry left, or was served, while a time was taken for it; rolls the taking back."""


async def offer_freed(database: Database, tenant: TenantContext, freed: Freed) -> int:
    """Offer what is free in that range, down the line; answers how many offers were made."""
    async with database.tenant(tenant) as session:
        hopeful = await _list_hopeful(session, freed)
    made = 0
    for entry_id in hopeful:
        try:
            async with database.tenant(tenant) as session:
                made += await _offer_to(session, entry_id, freed)
        except _WithdrawnError:
            _log.info("waitlist_offer_withdrawn", entry_id=str(entry_id))
    return made


async def _list_hopeful(session: TenantSession, freed: Freed) -> list[UUID]:
    """Who could take one of the times that are free now, in line; each service's times are looked up once."""
    zone = ZoneInfo(session.tenant.timezone)
    spare = _WEEK + timedelta(days=2)
    line = await WaitlistRepository(session).list_line(
        practitioner_id=freed.practitioner_id,
        first_day=(freed.begins - spare).astimezone(zone).date(),
        last_day=(freed.ends + spare).astimezone(zone).date(),
    )
    alike: dict[tuple[UUID, str | None, UUID | None], list[WaitlistEntry]] = {}
    for entry in line:
        alike.setdefault((entry.service_id, entry.location_kind, entry.practitioner_id), []).append(entry)
    hopeful: set[UUID] = set()
    for entries in alike.values():
        hopeful.update(await _hopeful_of(session, entries, freed, zone))
    return [entry.id for entry in line if entry.id in hopeful]


async def _hopeful_of(
    session: TenantSession, entries: Sequence[WaitlistEntry], freed: Freed, zone: ZoneInfo
) -> list[UUID]:
    """Of those who wait for the same service, place and practitioner, on whatever days."""
    rules = await _find_rules(session, entries[0].service_id)
    if rules is None:
        return []
    spans = [days_of_wish(entry, zone) for entry in entries]
    begins, ends = freed.starts(rules)
    begins, ends = max(begins, min(first for first, _ in spans)), min(ends, max(end for _, end in spans))
    slots = await _slots(session, rules, entries[0], begins, ends, freed.practitioner_id)
    starts = [datetime.fromtimestamp(one.start, UTC) for one in slots]
    return [entry.id for entry in entries if any(is_wished(entry, start, zone) for start in starts)]


async def _find_rules(session: TenantSession, service_id: UUID) -> Rules | None:
    try:
        return await load_rules(session, service_id)
    except NotFoundError:
        return None


async def _slots(
    session: TenantSession,
    rules: Rules,
    entry: WaitlistEntry,
    begins: datetime,
    ends: datetime,
    practitioner_id: UUID | None,
) -> list[Slot]:
    """What the entry's practitioner and place allow; a place that the service has no more is none."""
    if entry.location_kind is not None and entry.location_kind not in rules.location_kinds:
        return []
    who = entry.practitioner_id or practitioner_id
    first = max(begins, clock.now() + SHORTEST_OFFER)
    return await find_slots(session, rules.at_place(entry.location_kind), first, ends, who) if first < ends else []


async def _offer_to(session: TenantSession, entry_id: UUID, freed: Freed) -> bool:
    """Take the first time that suits this entry for its client and tell them; answers whether there was one.

    Raises :class:`_WithdrawnError`, and then nothing of it has happened.
    """
    entry = await WaitlistRepository(session).find(entry_id)
    if entry is None or entry.status != WaitlistStatus.WAITING:
        return False
    try:
        await hold_wish(session, _wish(entry, clock.now(), None))
        offer = await Offer.load(session, entry.service_id)
    except (NotFoundError, InvalidInputError):  # erased, archived, or for someone they book for no more
        return False
    client = await get_client(session, entry.client_id)
    wakes_at = quiet_until(offer.settings, clock.now(), client.timezone)
    appointment = await _take(session, offer, entry, freed, wakes_at)
    if appointment is None:
        return False
    locked = await WaitlistRepository(session).lock(entry_id)
    if locked is None or locked.status != WaitlistStatus.WAITING:
        raise _WithdrawnError
    locked.status = WaitlistStatus.OFFERED
    locked.appointment_id = appointment.id
    locked.updated_at = clock.now()
    await WaitlistRepository(session).flush()
    await announce(
        session,
        OFFERED,
        subject_id=appointment.id,
        version=0,
        recipients=[Recipient.client(locked.client_id)],
        run_at=_counts_from(wakes_at, appointment.starts_at),
    )
    return True


def _counts_from(wakes_at: datetime | None, starts_at: datetime) -> datetime:
    """When the client is told of an offer, and the time that they have to answer begins: in their quiet hours at the
    end of these, unless the visit is too near for that. The time is kept for them from now on in any case."""
    if wakes_at is None or starts_at < wakes_at + ENOUGH_MORNING:
        return clock.now()
    return wakes_at


async def _take(
    session: TenantSession, offer: Offer, entry: WaitlistEntry, freed: Freed, wakes_at: datetime | None
) -> Appointment | None:
    """Hold the first of the free times that suit; others may be faster, then it is the next one."""
    for slot in (await _suitable(session, offer.rules, entry, freed))[:_MOST_TRIES]:
        starts_at = datetime.fromtimestamp(slot.start, UTC)
        lasts = timedelta(minutes=offer.settings.waitlist_offer_minutes)
        hold = Hold(HoldKind.OFFER, min(_counts_from(wakes_at, starts_at) + lasts, starts_at))
        # With nobody in particular freed, whose turn it is decides, as in any booking.
        who = entry.practitioner_id or freed.practitioner_id
        try:
            return await place_booking(session, offer, _wish(entry, starts_at, who), SYSTEM, hold=hold)
        except (SlotTakenError, SlotNotOfferedError, AlreadyBookedError):
            continue
    return None


def _wish(entry: WaitlistEntry, starts_at: datetime, practitioner_id: UUID | None) -> Wish:
    return Wish(
        client_id=entry.client_id,
        starts_at=starts_at,
        practitioner_id=practitioner_id,
        location_kind=entry.location_kind,
        dependant_id=entry.dependant_id,
    )


async def _suitable(session: TenantSession, rules: Rules, entry: WaitlistEntry, freed: Freed) -> list[Slot]:
    """In order of time, each start once."""
    zone = ZoneInfo(session.tenant.timezone)
    begins, ends = freed.starts(rules)
    first, end = days_of_wish(entry, zone)
    begins, ends = max(begins, first), min(ends, end)
    if begins >= ends:
        return []
    slots = await _slots(session, rules, entry, begins, ends, freed.practitioner_id)
    known = await list_times_of_client(session, entry.client_id, begins, ends + rules.longest)
    by_start: dict[int, Slot] = {}
    for slot in slots:
        starts_at, ends_at = (datetime.fromtimestamp(one, UTC) for one in (slot.start, slot.end))
        if is_wished(entry, starts_at, zone) and suits(entry, starts_at, ends_at, known):
            by_start.setdefault(slot.start, slot)
    return [by_start[start] for start in sorted(by_start)]
