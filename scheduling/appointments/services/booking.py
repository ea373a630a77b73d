"""Booking: a free time becomes somebody's."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from scheduling.appointments.errors import TooManyHoldsError
from scheduling.appointments.events import APPOINTMENT_CONFIRMED, APPOINTMENT_REQUESTED
from scheduling.appointments.history import Actor, ActorKind, ChangeKind, record_change
from scheduling.appointments.models import Appointment, AppointmentStatus, HoldKind
from scheduling.appointments.placement import NO_LIBERTIES, Liberties, Place, take_time
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.announcing import announce_appointment, queue_hold_expiry
from scheduling.appointments.services.pricing import NO_MEANS, Booking, Means, Price, decide_price, due_of
from scheduling.appointments.terms import Terms
from scheduling.availability.rules import Rules, load_rules
from scheduling.catalogue.models import Service
from scheduling.catalogue.service import get_offered_service
from scheduling.group_sessions.seats import Attendee, take_seat
from tenants.accounts.services.client_accounts import lock_client
from tenants.accounts.services.dependants import hold_dependant
from tenants.settings.models import PracticeSettings
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import Payload, publish

MAX_HOLDS = 10
"""How many unpaid or unanswered times one client may hold at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to book. Without ``practitioner_id`` anyone who offers the service and is free.

    ``location_kind`` None: the first of the service's places that is possible then. ``dependant_id``: for whom,
    None for the client themselves. ``assigned``: the practitioner was foreseen for "anyone", not chosen.
    ``means``: with what the client wants to pay less.
    """

    client_id: UUID
    starts_at: datetime
    practitioner_id: UUID | None = None
    location_kind: str | None = None
    notes: str | None = None
    dependant_id: UUID | None = None
    assigned: bool = False
    means: Means = NO_MEANS


@dataclass(frozen=True, slots=True)
class Hold:
    """What a booking waits for, and until when."""

    kind: HoldKind
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """A service as it is booked: its row, its rules, the practice's settings, loaded once for any number of times."""

    service: Service
    rules: Rules
    settings: PracticeSettings

    @classmethod
    async def load(cls, session: TenantSession, service_id: UUID) -> "Offer":
        """Raises :class:`~todoenbalance.kit.errors.NotFoundError` for an unknown or archived service."""
        service = await get_offered_service(session, service_id)
        return cls(service, await load_rules(session, service_id), await get_practice_settings(session))

    def due_minor(self, price_minor: int) -> int:
        """What must be paid for a booking to stand: the deposit, never more than the price; else the price."""
        return due_of(self.service, price_minor)

    def hold_of(self, due_minor: int, starts_at: datetime, *, by_client: bool) -> Hold | None:
        """What a new booking with so much due waits for; None: it is confirmed at once."""
        now = clock.now()
        if self.service.requires_approval and by_client:
            # Nobody grants what has begun.
            until = min(now + timedelta(hours=self.service.approval_hours), max(starts_at, now))
            return Hold(HoldKind.APPROVAL, until)
        if due_minor:
            return Hold(HoldKind.PAYMENT, now + timedelta(minutes=self.settings.hold_minutes))
        return None


async def book_appointment(
    session: TenantSession,
    *,
    client_id: UUID,
    service_id: UUID,
    starts_at: datetime,
    practitioner_id: UUID | None = None,
    location_kind: str | None = None,
    notes: str | None = None,
    dependant_id: UUID | None = None,
    assigned: bool = False,
    means: Means = NO_MEANS,
    actor: Actor | None = None,
    liberties: Liberties = NO_LIBERTIES,
) -> Appointment:
    """Take a free time for a client: ``held`` where a payment or an approval comes first, else ``confirmed``.

    ``actor`` is the client unless staff books, who may take ``liberties``. Raises :class:`NotFoundError` (service,
    client), :class:`InvalidInputError` (location, dependant),
    :class:`SlotTakenError`, :class:`SlotNotOfferedError`, :class:`AlreadyBookedError` (a seat),
    :class:`TooManyHoldsError`, and for ``means`` as :func:`~scheduling.appointments.services.pricing.decide_price`;
    ``ValueError`` for a naive ``starts_at``.
    """
    wish = Wish(
        client_id=client_id,
        starts_at=starts_at,
        practitioner_id=practitioner_id,
        location_kind=location_kind,
        notes=notes,
        dependant_id=dependant_id,
        assigned=assigned,
        means=means,
    )
    actor = actor or Actor.client(client_id)
    await hold_wish(session, wish)
    offer = await Offer.load(session, service_id)
    return await place_booking(session, offer, wish, actor, liberties=liberties)


async def hold_wish(session: TenantSession, wish: Wish) -> None:
    """Lock the client's account, first of all locks: an erasure waits for this booking, or this finds it erased.

    Nobody else books for them meanwhile, because what the client has already is about to be looked at: how many
    holds, what else at that time, whether this is their first visit.

    Raises :class:`NotFoundError`, :class:`InvalidInputError` for a dependant who is not theirs; ``ValueError`` for
    a naive ``starts_at``.
    """
    if wish.starts_at.tzinfo is None:
        raise ValueError("starts_at needs an offset")
    await lock_client(session, wish.client_id)
    if wish.dependant_id is not None:
        await hold_dependant(session, wish.client_id, wish.dependant_id)


async def place_booking(
    session: TenantSession,
    offer: Offer,
    wish: Wish,
    actor: Actor,
    *,
    liberties: Liberties = NO_LIBERTIES,
    hold: Hold | None = None,
    series_id: UUID | None = None,
) -> Appointment:
    """Take the time of a wish that is held (:func:`hold_wish`), write its history and tell of it.

    ``hold`` overrides what the service's rules say it waits for (an offer from the waiting list). Raises as
    :func:`book_appointment`.
    """
    check_location(offer.service, wish.location_kind)
    by_client = actor.kind is ActorKind.CLIENT
    asked = offer.rules if wish.practitioner_id is None else offer.rules.of_people([wish.practitioner_id])
    prices = [one.price_minor for one in asked.people.values()]
    is_due = not wish.means.wants_package and any(offer.due_minor(price) for price in prices)
    waits = offer.service.requires_approval or is_due
    if waits and by_client and await AppointmentRepository(session).count_holds(wish.client_id) >= MAX_HOLDS:
        raise TooManyHoldsError

    async def write(place: Place) -> Appointment:
        appointment_id = new_id()
        price = await settle_price(session, offer.service, wish, place.price_minor, appointment_id, actor)
        needed = hold or offer.hold_of(price.due_minor, wish.starts_at, by_client=by_client)
        appointment = new_appointment(offer, wish, place, needed, price, appointment_id)
        appointment.series_id = series_id
        await AppointmentRepository(session).add(appointment)
        return appointment

    rules = offer.rules.at_place(wish.location_kind)
    chosen = wish.practitioner_id
    if rules.capacity is None:
        appointment = await take_time(
            session,
            rules,
            wish.starts_at,
            write,
            practitioner_id=chosen,
            liberties=liberties,
            assigned=wish.assigned,
        )
    else:
        who = Attendee(wish.client_id, wish.dependant_id)
        appointment = await take_seat(
            session, rules, wish.starts_at, write, attendee=who, practitioner_id=chosen, liberties=liberties
        )
    await tell_of_booking(session, appointment, actor, liberties)
    return appointment


async def settle_price(
    session: TenantSession, service: Service, wish: Wish, listed_minor: int, appointment_id: UUID, actor: Actor
) -> Price:
    """What the booking costs its client; takes the credit and the code that it is paid or lowered with."""
    return await decide_price(
        session,
        service,
        wish.client_id,
        listed_minor,
        wish.starts_at,
        wish.means,
        booking=Booking(appointment_id, actor),
    )


def new_appointment(
    offer: Offer, wish: Wish, place: Place, hold: Hold | None, price: Price, appointment_id: UUID
) -> Appointment:
    """The row of a booking, with the price and the terms of this moment."""
    service = offer.service
    terms = Terms.offered(service, offer.settings)
    return Appointment(
        id=appointment_id,
        service_id=service.id,
        practitioner_id=place.practitioner_id,
        client_id=wish.client_id,
        dependant_id=wish.dependant_id,
        status=AppointmentStatus.HELD if hold else AppointmentStatus.CONFIRMED,
        starts_at=place.starts_at,
        ends_at=place.ends_at,
        occupied=place.occupied,
        currency=service.currency,
        price_minor=place.price_minor,
        amount_due_minor=price.due_minor,
        discount_minor=price.discount_minor,
        free_first_visit=price.is_free_first_visit,
        package_purchase_id=price.package_purchase_id,
        hold_expires_at=hold.expires_at if hold else None,
        hold_kind=hold.kind if hold else None,
        location_kind=place.location_kind,
        meeting_url=place.meeting_url,
        notes=wish.notes or None,
        cancellation_notice_hours=min(terms.whole_until_hours, 720),
        refund_deadline=None,
        terms=terms.to_json(),
        refund_cap_percent=None,
        group_session_id=place.group_session_id,
        series_id=None,
        overlapping=place.overlapping,
        private_notes=None,
        attendance_confirmed_at=None,
        cancelled_by=None,
        cancelled_at=None,
        cancellation_reason=None,
        version=0,
        created_at=clock.now(),
    )


async def tell_of_booking(
    session: TenantSession, appointment: Appointment, actor: Actor, liberties: Liberties = NO_LIBERTIES
) -> None:
    """History, events and the end of the hold of a booking that was just written."""
    taken = {name: True for name in ("outside_hours", "overlapping") if getattr(liberties, name)}
    record_change(session, appointment.id, ChangeKind.BOOKED, actor, **taken)
    if appointment.status != AppointmentStatus.HELD:
        await announce_appointment(session, appointment, APPOINTMENT_CONFIRMED)
        return
    await queue_hold_expiry(session, appointment)
    if appointment.hold_kind == HoldKind.APPROVAL:
        payload: Payload = {"appointment_id": str(appointment.id), "version": appointment.version}
        await publish(session, APPOINTMENT_REQUESTED, payload)


def check_location(service: Service, wished: str | None) -> None:
    """Raises :class:`InvalidInputError` for a place that the service is not given in."""
    if wished is not None and wished not in service.location_kinds:
        kinds = ", ".join(service.location_kinds)
        raise InvalidInputError(["body", "location_kind"], f"one of {kinds}", "location_kind_not_offered")
