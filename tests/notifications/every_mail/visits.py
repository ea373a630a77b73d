"""What is written before and after a visit."""

from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.outcomes import record_outcome, set_meeting_url
from tests.notifications.every_mail.bookings import MEETING, booked
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import DAY, HOUR, WEDNESDAY, World


@shows("appointment_reminder")
async def a_visit_is_near(world: World) -> None:
    _, _, appointment = await booked(world, reminder_minutes=[120], location_kinds=["online"])
    async with world.session() as session:
        await set_meeting_url(session, appointment.id, MEETING)
    await world.run(WEDNESDAY - 2 * HOUR)


@shows("appointment_reminder")
async def a_visit_at_the_practice_is_tomorrow(world: World) -> None:
    await booked(world, reminder_minutes=[24 * 60])
    await world.run(WEDNESDAY - DAY)


@shows("appointment_follow_up")
async def a_visit_took_place(world: World) -> None:
    await booked(world, reminder_minutes=[], follow_up_hours=24)
    await world.run(WEDNESDAY + HOUR + DAY)


async def miss(world: World, appointment: Appointment) -> None:
    """Staff say that the client did not come; an hour later it is still so."""
    world.travel(WEDNESDAY + HOUR / 2)
    async with world.session() as session:
        await record_outcome(session, appointment.id, AppointmentStatus.NO_SHOW, actor=world.by_owner)
    await world.run(WEDNESDAY + 2 * HOUR)


@shows("appointment_missed")
async def a_visit_was_missed(world: World) -> None:
    _, _, appointment = await booked(world, reminder_minutes=[])
    await miss(world, appointment)


@shows("no_show_fee_owed")
async def a_missed_visit_costs_something(world: World) -> None:
    _, _, appointment = await booked(world, reminder_minutes=[], no_show_fee_minor=2000)
    await miss(world, appointment)
