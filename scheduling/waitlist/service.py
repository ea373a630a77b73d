"""The waiting list: joining and leaving the line, taking and giving up what is offered.

An entry in line is ``waiting``; who has an offer is ``offered`` until it stands, is given up or runs out. An offered
time is an ordinary held appointment, and what becomes of it decides: :func:`settle_entry` draws the consequence,
whoever ended it. Locks are taken in the order of the calendar: the client's account, payments, the practitioner,
appointments, and then the entry.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from notifications.recipients import Recipient
from notifications.service import announce
from scheduling.appointments.errors import OfferOverError
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.offering import (
    OfferState,
    accept_offer,
    find_offers,
    lock_offer,
    state_of,
)
from scheduling.availability.rules import load_rules
from scheduling.catalogue.models import Service
from scheduling.catalogue.service import get_offered_practitioner, get_offered_service
from scheduling.waitlist.errors import AlreadyWaitingError, TooManyWaitlistEntriesError
from scheduling.waitlist.mail_kinds import JOINED, LAPSED, OVER
from scheduling.waitlist.models import WaitlistEntry, WaitlistStatus
from scheduling.waitlist.repository import LIVE, WaitlistFilter, WaitlistRepository
from scheduling.waitlist.schemas import WaitlistEntryRead, WaitlistWish
from scheduling.waitlist.sweeping import ensure_sweep
from scheduling.waitlist.wishes import has_such_a_day, same_wish
from tenants.accounts.services.client_accounts import lock_client
from tenants.accounts.services.dependants import hold_dependant
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id

MAX_ENTRIES = 5
"""How many things one client may wait for at once."""
MAX_UNANSWERED = 3
"""After so many offers without an answer nothing more is offered."""

ReadT = TypeVar("ReadT", bound=WaitlistEntryRead)


async def join_line(session: TenantSession, client_id: UUID, wish: WaitlistWish) -> WaitlistEntry:
    """Put a client at the end of the line.

    Raises :class:`NotFoundError` (client, service, practitioner), :class:`InvalidInputError` for a wish that can't
    come true, :class:`AlreadyWaitingError`, :class:`TooManyWaitlistEntriesError`.
    """
    await lock_client(session, client_id)
    if wish.dependant_id is not None:
        await hold_dependant(session, client_id, wish.dependant_id)
    await _check_wish(session, await get_offered_service(session, wish.service_id), wish)
    now = clock.now()
    entry = WaitlistEntry(
        id=new_id(),
        client_id=client_id,
        status=WaitlistStatus.WAITING,
        appointment_id=None,
        offers=0,
        created_at=now,
        updated_at=now,
        **{name: getattr(wish, name) for name in WaitlistWish.model_fields},
    )
    waiting = await WaitlistRepository(session).list_live_of_client(client_id)
    if any(same_wish(entry, one) for one in waiting):
        raise AlreadyWaitingError
    if len(waiting) >= MAX_ENTRIES:
        raise TooManyWaitlistEntriesError(limit=MAX_ENTRIES)
    await WaitlistRepository(session).add(entry)
    await ensure_sweep(session)
    await announce(session, JOINED, subject_id=entry.id, version=0, recipients=[Recipient.client(client_id)])
    return entry


async def _check_wish(session: TenantSession, service: Service, wish: WaitlistWish) -> None:
    today = clock.now().astimezone(ZoneInfo(session.tenant.timezone)).date()
    if wish.last_day < today:
        raise InvalidInputError(["body", "last_day"], "must not be in the past", "day_past")
    if wish.last_day > today + timedelta(days=service.horizon_days):
        raise InvalidInputError(["body", "last_day"], "beyond what can be booked", "beyond_horizon")
    if not has_such_a_day(max(wish.first_day, today), wish.last_day, wish.weekdays):
        raise InvalidInputError(["body", "weekdays"], "none of them comes in these days", "no_such_day")
    if wish.location_kind is not None and wish.location_kind not in service.location_kinds:
        kinds = ", ".join(service.location_kinds)
        raise InvalidInputError(["body", "location_kind"], f"one of {kinds}", "location_kind_not_offered")
    if wish.practitioner_id is not None:
        await get_offered_practitioner(session, wish.practitioner_id)
        if wish.practitioner_id not in (await load_rules(session, service.id)).people:
            raise InvalidInputError(["body", "practitioner_id"], "does not offer this service", "not_offered")


# ---- reading


async def get_entry(session: TenantSession, entry_id: UUID, *, client_id: UUID | None = None) -> WaitlistEntry:
    """An entry by id, of one client if ``client_id`` is given. Raises :class:`NotFoundError`."""
    return _own(await WaitlistRepository(session).find(entry_id), client_id)


async def find_offered_entry(session: TenantSession, appointment_id: UUID) -> WaitlistEntry | None:
    """To whom this time was offered, or None."""
    return await WaitlistRepository(session).find_of_appointment(appointment_id)


async def list_entries(
    session: TenantSession, wanted: WaitlistFilter, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[WaitlistEntry], str | None]:
    """A page of entries, first come first."""
    return await WaitlistRepository(session).page(wanted, limit=limit, cursor=cursor)


async def list_live_entries(session: TenantSession, client_id: UUID) -> Sequence[WaitlistEntry]:
    """What a client waits for now."""
    return await WaitlistRepository(session).list_live_of_client(client_id)


async def describe_entries(session: TenantSession, entries: Sequence[WaitlistEntry], kind: type[ReadT]) -> list[ReadT]:
    """Entries as the API shows them, with offers and places in line."""
    offers = await find_offers(session, [one.appointment_id for one in entries if one.appointment_id is not None])
    live = [one.id for one in entries if one.status in LIVE]
    ahead = await WaitlistRepository(session).count_ahead(live) if live else {}
    return [kind.of(one, offers, ahead) for one in entries]


def _own(entry: WaitlistEntry | None, client_id: UUID | None) -> WaitlistEntry:
    if entry is None or (client_id is not None and entry.client_id != client_id):
        raise NotFoundError
    return entry


# ---- what is offered


async def accept(session: TenantSession, entry_id: UUID, *, client_id: UUID) -> WaitlistEntry:
    """Take what is offered: it is booked, or to be paid now. Safe to repeat.

    Raises :class:`NotFoundError`, :class:`OfferOverError`.
    """
    entry, appointment = await _lock(session, entry_id, client_id)
    if entry.status == WaitlistStatus.BOOKED:
        return entry
    if appointment is None:
        raise OfferOverError
    accepted = await accept_offer(session, appointment.id, actor=Actor.client(client_id))
    if state_of(accepted) is OfferState.CONFIRMED:
        await _become(session, entry, WaitlistStatus.BOOKED)
    return entry


async def decline(session: TenantSession, entry_id: UUID, *, client_id: UUID, stay: bool) -> WaitlistEntry:
    """Give up what is offered, and wait on at the same place or not at all; the next in line is asked.

    Raises :class:`NotFoundError`, :class:`OfferOverError`.
    """
    entry, appointment = await _lock(session, entry_id, client_id)
    if not state_of(appointment).is_kept:
        raise OfferOverError
    await _give_up(session, appointment, Actor.client(client_id))
    await _become(session, entry, WaitlistStatus.WAITING if stay else WaitlistStatus.LEFT)
    return entry


async def leave_line(
    session: TenantSession, entry_id: UUID, *, actor: Actor, client_id: UUID | None = None
) -> WaitlistEntry:
    """Wait no longer; an open offer is given up. Safe to repeat. Raises :class:`NotFoundError`."""
    entry, appointment = await _lock(session, entry_id, client_id)
    if entry.status not in LIVE:
        return entry
    if state_of(appointment) is OfferState.CONFIRMED:
        await _become(session, entry, WaitlistStatus.BOOKED)
        return entry
    await _give_up(session, appointment, actor)
    await _become(session, entry, WaitlistStatus.LEFT)
    return entry


async def settle_entry(session: TenantSession, entry_id: UUID) -> None:
    """Draw the consequence of what became of an offered time. Harmless to repeat; unknown ids are nothing to do.

    What ran out counts as unanswered, also if it was accepted and not paid for; what was cancelled does not.
    """
    try:
        entry, appointment = await _lock(session, entry_id, None)
    except NotFoundError:
        return
    state = state_of(appointment)
    if entry.status != WaitlistStatus.OFFERED or state.is_kept:
        return
    if state is OfferState.CONFIRMED:
        await _become(session, entry, WaitlistStatus.BOOKED)
    elif state is OfferState.GONE:
        await _become(session, entry, WaitlistStatus.WAITING)
    else:
        entry.offers += 1
        if entry.offers >= MAX_UNANSWERED:
            await end_entry(session, entry)
        else:
            await _become(session, entry, WaitlistStatus.WAITING)
            await _mail(session, LAPSED, entry, entry.offers)


async def note_booked(session: TenantSession, appointment_id: UUID) -> None:
    """An appointment was confirmed: if it was offered to somebody, they wait no longer, late payments included."""
    entry = await WaitlistRepository(session).find_of_appointment(appointment_id)
    if entry is None or entry.status not in LIVE:
        return
    await lock_offer(session, appointment_id)
    locked = await WaitlistRepository(session).lock(entry.id)
    if locked is not None and locked.appointment_id == appointment_id and locked.status in LIVE:
        await _become(session, locked, WaitlistStatus.BOOKED)


async def end_hopeless_entry(session: TenantSession, entry_id: UUID) -> None:
    """Who waits for days that are past, or for what is offered no more, is told so."""
    entry = await WaitlistRepository(session).lock(entry_id)
    if entry is not None and entry.status == WaitlistStatus.WAITING:
        await end_entry(session, entry)


async def end_entry(session: TenantSession, entry: WaitlistEntry) -> None:
    """Nothing more is offered to this entry, which is locked; its client is told."""
    await _become(session, entry, WaitlistStatus.OVER)
    await _mail(session, OVER, entry, 0)


async def _lock(
    session: TenantSession, entry_id: UUID, client_id: UUID | None
) -> tuple[WaitlistEntry, Appointment | None]:
    """The entry locked after what is offered to it (None: nothing); tried anew if that changed in between."""
    repository = WaitlistRepository(session)
    while True:
        seen = _own(await repository.find(entry_id), client_id)
        offered_id = seen.appointment_id if seen.status == WaitlistStatus.OFFERED else None
        savepoint = await session.begin_nested()
        appointment = await lock_offer(session, offered_id) if offered_id is not None else None
        entry = _own(await repository.lock(entry_id), client_id)
        now_offered_id = entry.appointment_id if entry.status == WaitlistStatus.OFFERED else None
        if now_offered_id == offered_id:
            await savepoint.commit()
            return entry, appointment
        await savepoint.rollback()


async def _give_up(session: TenantSession, appointment: Appointment | None, actor: Actor) -> None:
    """Cancel a held time, locked by the caller, as any booking is cancelled: its time is free for the next."""
    if appointment is not None and state_of(appointment).is_kept:
        await cancel_appointment(session, appointment.id, actor=actor)


async def _become(session: TenantSession, entry: WaitlistEntry, status: WaitlistStatus) -> None:
    entry.status = status
    entry.updated_at = clock.now()
    await WaitlistRepository(session).flush()


async def _mail(session: TenantSession, kind: str, entry: WaitlistEntry, version: int) -> None:
    await announce(session, kind, subject_id=entry.id, version=version, recipients=[Recipient.client(entry.client_id)])
