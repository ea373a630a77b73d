"""Visits that are booked, moved and cancelled."""

from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.series import Frequency, Pattern
from scheduling.appointments.services.announcing import SETTLED_AFTER
from scheduling.appointments.services.booking import Wish
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.appointments.services.outcomes import set_meeting_url, set_private_notes
from scheduling.appointments.services.series import book_series
from scheduling.catalogue.models import ServicePractitioner
from scheduling.group_sessions.services.planning import change_session
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import CANARY, DAY, HOUR, NOW, WEDNESDAY, World
from tests.support.group_sessions import plan
from tests.support.practices import SignedIn
from tests.support.scheduling import Offer

CONFIRMED = ("appointment_confirmed", "appointment_confirmed_practice")
MOVED = ("appointment_moved", "appointment_moved_practice")
CANCELLED = ("appointment_cancelled", "appointment_cancelled_practice")
TERMS = {
    "price_minor": 4500,
    "refund_tiers": [{"hours_before": 24, "percent": 100}, {"hours_before": 4, "percent": 50}],
    "cancel_notice_hours": 2,
    "move_notice_hours": 4,
    "no_show_fee_minor": 2000,
}
MEETING = "https://meet.example.com/pilar"


async def booked(world: World, **service: object) -> tuple[Offer, SignedIn, Appointment]:
    """A client has a free visit, of which everybody was told."""
    offer, client = await world.offer(**service), await world.client()
    appointment = await world.book(offer, client)
    await world.run()
    await world.letters()
    return offer, client, appointment


async def give_up(world: World, appointment: Appointment, by: Actor, client: SignedIn | None = None) -> None:
    """Somebody cancels, and says why; everybody is told."""
    async with world.session() as session:
        await cancel_appointment(
            session, appointment.id, actor=by, client_id=client.id if client else None, reason=CANARY
        )
    await world.run()


@shows(*CONFIRMED)
async def a_free_visit_is_booked(world: World) -> None:
    await world.book(await world.offer(), await world.client())
    await world.run()


@shows(*CONFIRMED)
async def a_visit_online_for_a_child_is_booked_and_paid(world: World) -> None:
    offer = await world.offer(**TERMS, location_kinds=["online"])
    client = await world.client()
    appointment = await world.book(offer, client, dependant_id=await world.child(client))
    async with world.session() as session:
        await set_meeting_url(session, appointment.id, MEETING)
        await set_private_notes(session, appointment.id, CANARY, actor=world.by_owner)
    await world.pay(appointment, offer, client)


@shows(*CONFIRMED)
async def a_visit_at_home_is_booked_by_staff(world: World) -> None:
    offer = await world.offer(location_kinds=["home"])
    await world.book(offer, await world.client(), by=world.by_owner)
    await world.run()


@shows(*MOVED)
async def a_client_moves_a_visit(world: World) -> None:
    _, client, appointment = await booked(world)
    async with world.session() as session:
        await reschedule_appointment(
            session, appointment.id, WEDNESDAY + DAY, client_id=client.id, actor=Actor.client(client.id)
        )
    await world.run()


@shows(*MOVED)
async def staff_move_a_visit_to_a_colleague(world: World) -> None:
    offer, _, appointment = await booked(world)
    colleague_id, _ = await world.practitioner("colleague", "Rosa Font")
    async with world.session() as session:
        session.add(ServicePractitioner(service_id=offer.service_id, practitioner_id=colleague_id))
    async with world.session() as session:
        await reschedule_appointment(
            session, appointment.id, WEDNESDAY + HOUR, practitioner_id=colleague_id, actor=world.by_owner
        )
    await world.run()


@shows("appointment_changed")
async def a_visit_online_gets_its_link_and_another_one_at_once(world: World) -> None:
    _, _, appointment = await booked(world, location_kinds=["online"])
    async with world.session() as session:
        await set_meeting_url(session, appointment.id, f"{MEETING}-wrong", actor=world.by_owner)
    async with world.session() as session:
        await set_meeting_url(session, appointment.id, MEETING, actor=world.by_owner)
    await world.run(NOW + SETTLED_AFTER)


@shows("appointment_changed")
async def a_link_is_taken_away(world: World) -> None:
    _, _, appointment = await booked(world, location_kinds=["online"])
    for number, url in enumerate((MEETING, None), start=1):
        async with world.session() as session:
            await set_meeting_url(session, appointment.id, url, actor=world.by_owner)
        await world.run(NOW + number * SETTLED_AFTER)


@shows("appointment_changed")
async def a_session_with_a_child_takes_place_at_the_practice_after_all(world: World) -> None:
    offer = await world.offer(capacity=6, location_kinds=["practice", "online"])
    group = await plan(world.runtime, world.practice, offer, WEDNESDAY, location_kind="online", meeting_url=MEETING)
    client = await world.client()
    await world.book(offer, client, dependant_id=await world.child(client))
    await world.run()
    await world.letters()
    async with world.session() as session:
        await change_session(session, group.id, {"location_kind": "practice"}, actor=world.by_owner)
    await world.run(NOW + SETTLED_AFTER)


@shows(*CANCELLED)
async def a_client_cancels_a_visit(world: World) -> None:
    _, client, appointment = await booked(world)
    await give_up(world, appointment, Actor.client(client.id), client)


@shows(*CANCELLED)
async def staff_cancel_a_visit(world: World) -> None:
    _, _, appointment = await booked(world, location_kinds=["phone"])
    await give_up(world, appointment, world.by_owner)


@shows("appointment_series", "appointment_series_practice")
async def several_dates_are_booked_at_once(world: World) -> None:
    offer, client = await world.offer(), await world.client()
    wish = Wish(client_id=client.id, starts_at=WEDNESDAY, practitioner_id=offer.practitioner_id, notes=CANARY)
    async with world.session() as session:
        await book_series(session, offer.service_id, wish, Pattern(Frequency.WEEKLY, 3), Actor.client(client.id))
    await world.run()
