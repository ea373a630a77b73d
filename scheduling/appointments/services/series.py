"""Series: several appointments booked at once, all of them or none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.providers.offline import NAME as OFFLINE
from scheduling.appointments.errors import (
    SeriesConflictsError,
    SeriesNeedsPaymentError,
    SeriesNotOfferedError,
    SlotNotOfferedError,
    SlotTakenError,
    TooManyHoldsError,
)
from scheduling.appointments.events import APPOINTMENT_SERIES_BOOKED
from scheduling.appointments.history import Actor, ActorKind, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.placement import NO_LIBERTIES, Liberties, Place, take_time
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.series import Occurrence, Pattern
from scheduling.appointments.services.booking import (
    MAX_HOLDS,
    Hold,
    Offer,
    Wish,
    check_location,
    hold_wish,
    new_appointment,
    settle_price,
    tell_of_booking,
)
from scheduling.appointments.services.reminding import queue_visit_mails
from scheduling.availability.rules import Rule
from scheduling.availability.service import Judgement, Turns, Verdict, judge_start
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.publish import publish

_CODES = {Verdict.TAKEN: SlotTakenError.code, Verdict.NOT_OFFERED: SlotNotOfferedError.code}


@dataclass(frozen=True, slots=True)
class Item:
    """One date with one practitioner; ``rule`` is what stands in its way, None if it is free."""

    starts_at: datetime
    ends_at: datetime
    judgement: Judgement

    @property
    def is_free(self) -> bool:
        """Whether it could be booked."""
        return self.judgement.verdict is Verdict.FREE

    @property
    def code(self) -> str | None:
        """``slot_taken`` or ``slot_not_offered``."""
        return _CODES.get(self.judgement.verdict)


@dataclass(frozen=True, slots=True)
class Plan:
    """A series with one practitioner, as it would be booked now. ``price_minor``: of each date."""

    practitioner_id: UUID
    items: Sequence[Item]
    price_minor: int
    currency: str

    @property
    def conflicts(self) -> list[Item]:
        """The dates that can't be had."""
        return [one for one in self.items if not one.is_free]

    @property
    def total(self) -> Money:
        """What all dates cost together."""
        return self.total_of(len(self.items))

    def total_of(self, count: int) -> Money:
        """What so many of the dates cost."""
        return Money(self.price_minor * count, self.currency)

    def place(self, kinds: Sequence[str]) -> str | None:
        """The first place in which all dates can be; None if it has to differ from date to date."""
        return next((kind for kind in kinds if all(kind in one.judgement.location_kinds for one in self.items)), None)


async def preview_series(
    session: TenantSession,
    service_id: UUID,
    wish: Wish,
    pattern: Pattern,
    *,
    by_client: bool,
    liberties: Liberties = NO_LIBERTIES,
) -> Plan:
    """How the series would be booked now, with whom, and which dates can't be had; nothing is written.

    Without a practitioner: with whoever is free on all dates, by whose turn it is on the first; otherwise with
    whoever is free on the most. Raises as :func:`book_series`, but for conflicts.
    """
    offer = await Offer.load(session, service_id)
    plan = (await _plans(session, offer, wish, pattern, liberties))[0]
    _check_payable(offer, plan, wish, by_client=by_client)
    return plan


async def book_series(
    session: TenantSession,
    service_id: UUID,
    wish: Wish,
    pattern: Pattern,
    actor: Actor,
    *,
    liberties: Liberties = NO_LIBERTIES,
) -> list[Appointment]:
    """Book all dates with one practitioner, or none.

    What is to be paid is paid at the visits: a series of a client's own needs a practice that takes that, and
    staff's stands at once. With a package each date takes one of its sessions. Where the service wants approval,
    each date a client books is a request. Raises :class:`SeriesConflictsError`, :class:`SeriesNotOfferedError`,
    :class:`SeriesNeedsPaymentError`, :class:`SlotNotOfferedError` (nobody offers it), :class:`TooManyHoldsError`,
    and as booking does.
    """
    by_client = actor.kind is ActorKind.CLIENT
    await hold_wish(session, wish)
    offer = await Offer.load(session, service_id)
    plans = await _plans(session, offer, wish, pattern, liberties)
    _check_payable(offer, plans[0], wish, by_client=by_client)
    if offer.service.requires_approval and by_client:
        holds = await AppointmentRepository(session).count_holds(wish.client_id)
        if holds + len(plans[0].items) > MAX_HOLDS:
            raise TooManyHoldsError
    booked = await _take_first(session, offer, wish, plans, actor, liberties)
    await _tell(session, booked, actor, liberties)
    return booked


async def _plans(
    session: TenantSession, offer: Offer, wish: Wish, pattern: Pattern, liberties: Liberties
) -> list[Plan]:
    """Everybody's, the best first. Raises :class:`SlotNotOfferedError` if there is nobody."""
    check_location(offer.service, wish.location_kind)
    if offer.rules.capacity is not None:
        raise SeriesNotOfferedError
    rules = offer.rules.at_place(wish.location_kind)
    if wish.practitioner_id is not None:
        rules = rules.of_people([wish.practitioner_id])
    plans = []
    for zone_name in {one.timezone for one in rules.people.values()}:
        zone = ZoneInfo(zone_name)
        dates = pattern.dates(wish.starts_at, zone)
        if not dates:
            raise InvalidInputError(["body", "skip"], "leaves no date", "no_date_left")
        there = rules.of_people([key for key, one in rules.people.items() if one.timezone == zone_name])
        judged = [await judge_start(session, there, one.starts_at, ignoring=liberties.ignored) for one in dates]
        for key, person in there.people.items():
            items = [
                Item(one.starts_at, one.starts_at + person.duration, _as_it_is(one, found[key]))
                for one, found in zip(dates, judged, strict=True)
            ]
            plans.append(Plan(key, items, person.price_minor, offer.service.currency))
    if not plans:
        raise SlotNotOfferedError
    day = wish.starts_at.astimezone(ZoneInfo(session.tenant.timezone)).date()
    ids = [plan.practitioner_id for plan in plans]
    turns = (await Turns.load(session, ids, day, day)).order(ids, day) if len(ids) > 1 else ids
    return sorted(plans, key=lambda plan: (len(plan.conflicts), turns.index(plan.practitioner_id)))


def _as_it_is(date: Occurrence, judgement: Judgement) -> Judgement:
    """A wall time that the clocks skip is no time of the series, whatever is free at the instant instead."""
    return judgement if date.exists else Judgement((Rule.OPENING_HOURS,))


def _check_payable(offer: Offer, plan: Plan, wish: Wish, *, by_client: bool) -> None:
    is_due = by_client and not offer.service.requires_approval and offer.due_minor(plan.price_minor) > 0
    if is_due and not wish.means.wants_package and OFFLINE not in offer.settings.payment_methods:
        raise SeriesNeedsPaymentError


class _LostError(Exception):
    """Under the lock some dates turned out to be gone; rolls the savepoint back, which lets the lock go."""

    def __init__(self, conflicts: list[dict[str, Any]]) -> None:
        super().__init__(conflicts)
        self.conflicts = conflicts


async def _take_first(
    session: TenantSession, offer: Offer, wish: Wish, plans: Sequence[Plan], actor: Actor, liberties: Liberties
) -> list[Appointment]:
    """With the first practitioner who is free on all dates; what is told of conflicts is of the best one's."""
    conflicts = [describe_conflict(one.starts_at, one.code) for one in plans[0].conflicts]
    for plan in plans:
        if plan.conflicts:
            break
        try:
            async with session.begin_nested():
                return await _take_all(session, offer, wish, plan, actor, liberties)
        except _LostError as lost:
            conflicts = conflicts or lost.conflicts
    raise SeriesConflictsError(conflicts)


def describe_conflict(starts_at: datetime, code: str | None) -> dict[str, Any]:
    """A date that can't be had, as the problem document lists it."""
    return {"starts_at": starts_at.isoformat().replace("+00:00", "Z"), "code": code}


async def _take_all(
    session: TenantSession, offer: Offer, wish: Wish, plan: Plan, actor: Actor, liberties: Liberties
) -> list[Appointment]:
    repository = AppointmentRepository(session)
    await repository.lock_practitioner(plan.practitioner_id)
    series_id = new_id()
    kind = wish.location_kind or plan.place(offer.rules.location_kinds)
    rules = offer.rules.at_place(kind)
    booked: list[Appointment] = []
    conflicts: list[dict[str, Any]] = []
    for item in plan.items:
        mine = replace(wish, starts_at=item.starts_at)

        async def write(place: Place, mine: Wish = mine) -> Appointment:
            appointment_id = new_id()
            price = await settle_price(session, offer.service, mine, place.price_minor, appointment_id, actor)
            hold = _hold_of(offer, place, actor)
            appointment = new_appointment(offer, mine, place, hold, price, appointment_id)
            appointment.series_id = series_id
            await repository.add(appointment)
            return appointment

        try:
            booked.append(
                await take_time(
                    session,
                    rules,
                    item.starts_at,
                    write,
                    practitioner_id=plan.practitioner_id,
                    liberties=liberties,
                )
            )
        except (SlotTakenError, SlotNotOfferedError) as lost:
            conflicts.append(describe_conflict(item.starts_at, lost.code))
    if conflicts:
        raise _LostError(conflicts)
    if wish.practitioner_id is None:
        await repository.note_assigned(plan.practitioner_id)
    return booked


def _hold_of(offer: Offer, place: Place, actor: Actor) -> Hold | None:
    """A client's dates wait for approval where that is wanted; nothing waits for money, which is paid at the visit."""
    by_client = actor.kind is ActorKind.CLIENT
    if offer.service.requires_approval and by_client:
        return offer.hold_of(place.price_minor, place.starts_at, by_client=True)
    return None


async def _tell(session: TenantSession, booked: Sequence[Appointment], actor: Actor, liberties: Liberties) -> None:
    """History, one mail for all, and reminders for each."""
    taken = {name: True for name in ("outside_hours", "overlapping") if getattr(liberties, name)}
    for appointment in booked:
        if appointment.status == AppointmentStatus.HELD:
            await tell_of_booking(session, appointment, actor, liberties)
            continue
        record_change(session, appointment.id, ChangeKind.BOOKED, actor, **taken)
        if appointment.amount_due_minor:
            record_change(session, appointment.id, ChangeKind.CONFIRMED, actor, how=OFFLINE)
        await queue_visit_mails(session, appointment)
    if booked[0].status == AppointmentStatus.CONFIRMED:
        await publish(session, APPOINTMENT_SERIES_BOOKED, {"series_id": str(booked[0].series_id)})
