"""Visits that the practice grants, and times that others wait for."""

from datetime import timedelta

from scheduling.appointments.models import Appointment
from scheduling.appointments.services.approving import approve_request, decline_request
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.waitlist.models import WaitlistEntry
from scheduling.waitlist.schemas import WaitlistWish
from scheduling.waitlist.service import join_line
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import CANARY, HOUR, NOW, WEDNESDAY, World
from tests.support.practices import SignedIn
from tests.support.scheduling import Offer

REQUESTED = ("appointment_requested", "appointment_requested_practice")


async def asked(world: World, **service: object) -> Appointment:
    """A client asks for a time, of which everybody was told."""
    appointment = await ask(world, **service)
    await world.run()
    await world.letters()
    return appointment


async def ask(world: World, **service: object) -> Appointment:
    """A client asks for a time."""
    offer = await world.offer(**({"requires_approval": True, "approval_hours": 24} | service))
    client = await world.client()
    return await world.book(offer, client, dependant_id=await world.child(client))


@shows(*REQUESTED)
async def a_client_asks_for_a_time(world: World) -> None:
    await world.front_desk()
    await ask(world, price_minor=4500)
    await world.run()


@shows("appointment_approved")
async def a_request_is_granted_and_waits_for_its_payment(world: World) -> None:
    request = await asked(world, price_minor=4500, deposit_minor=1500)
    async with world.session() as session:
        await approve_request(session, request.id, actor=world.by_owner)
    await world.run()


@shows("appointment_declined")
async def a_request_is_not_granted(world: World) -> None:
    request = await asked(world)
    async with world.session() as session:
        await decline_request(session, request.id, actor=world.by_owner, reason=CANARY)
    await world.run()


@shows("appointment_unanswered")
async def nobody_answers_a_request(world: World) -> None:
    await asked(world)
    await world.run(NOW + 24 * HOUR + timedelta(minutes=1))


async def wait(world: World, **service: object) -> tuple[Offer, Appointment, SignedIn, WaitlistEntry]:
    """A time is taken, and somebody waits for it; who has it was told."""
    offer = await world.offer(**service)
    taken = await world.book(offer, await world.client("another"), by=world.by_owner)
    await world.run()
    await world.letters()
    client = await world.client()
    day = WEDNESDAY.date()
    wish = {"service_id": offer.service_id, "first_day": day, "last_day": day, "earliest": "10:00", "latest": "10:00"}
    async with world.session() as session:
        entry = await join_line(session, client.id, WaitlistWish.model_validate(wish))
    return offer, taken, client, entry


async def free(world: World, taken: Appointment) -> None:
    """Its time comes free, and whoever waits hears of it."""
    async with world.session() as session:
        await cancel_appointment(session, taken.id, actor=world.by_owner)
    await world.run()


@shows("waitlist_joined")
async def a_client_waits_for_a_time(world: World) -> None:
    await wait(world)
    await world.run()


@shows("waitlist_offered")
async def a_time_that_costs_something_comes_free(world: World) -> None:
    _, taken, _, _ = await wait(world, price_minor=4500)
    await free(world, taken)


@shows("waitlist_lapsed")
async def a_time_that_was_offered_is_not_taken(world: World) -> None:
    _, taken, _, _ = await wait(world)
    await free(world, taken)
    await world.run(NOW + 2 * HOUR + timedelta(minutes=1))


@shows("waitlist_over")
async def what_a_client_waited_for_is_past(world: World) -> None:
    await wait(world)
    await world.run(WEDNESDAY + 24 * HOUR)
