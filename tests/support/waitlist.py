"""A full morning, those who wait for a time of it, and everybody's moves as one-liners."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.confirming import confirm_offline
from scheduling.waitlist.models import WaitlistEntry
from scheduling.waitlist.schemas import WaitlistWish
from scheduling.waitlist.service import join_line
from scheduling.waitlist.tasks import on_time_freed
from tests.support.events import run_due_events
from tests.support.practices import SignedIn, make_client
from tests.support.scheduling import Offer, make_offer, stored
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

DAY = date(2026, 3, 4)
"""A Wednesday, two days after the tests' Monday."""
NINE = datetime(2026, 3, 4, 8, tzinfo=UTC)
"""9 o'clock in Madrid, when the hours begin."""


@dataclass
class Line:
    """A practice whose one practitioner is booked for the four hours of :data:`DAY`, by a client of no interest."""

    runtime: Runtime
    practice: TenantContext
    offer: Offer
    taken: list[Appointment]

    @classmethod
    async def make(cls, runtime: Runtime, practice: TenantContext, **service: Any) -> "Line":
        offer = await make_offer(runtime, practice, **({"grid_minutes": 60} | service))
        client = await make_client(runtime, practice)
        taken = []
        for hour in range(4):
            async with runtime.database.tenant(practice) as session:
                row = await book_appointment(
                    session,
                    client_id=client.id,
                    service_id=offer.service_id,
                    starts_at=NINE + timedelta(hours=hour),
                    actor=Actor.staff(new_id()),
                )
                await confirm_offline(session, row.id)
            taken.append(row)
        return cls(runtime, practice, offer, taken)

    async def join(self, client: SignedIn | None = None, **wish: Any) -> WaitlistEntry:
        """Someone new waits for any time of the day, unless it is said who and for what."""
        client = client or await make_client(self.runtime, self.practice)
        values = {"service_id": self.offer.service_id, "first_day": DAY, "last_day": DAY} | wish
        async with self.runtime.database.tenant(self.practice) as session:
            return await join_line(session, client.id, WaitlistWish.model_validate(values))

    async def free(self, *hours: int) -> None:
        """The practice cancels these hours (0 is nine o'clock); nobody has heard of it yet."""
        for hour in hours:
            async with self.runtime.database.tenant(self.practice) as session:
                await cancel_appointment(session, self.taken[hour].id, actor=Actor.staff(new_id()))

    async def run(self) -> None:
        """Deliver what is due in the queue."""
        await run_due_events(self.runtime, self.practice)

    async def hear(self, hour: int) -> None:
        """One delivery of the news that an hour is free."""
        starts_at = NINE + timedelta(hours=hour)
        payload = {
            "practitioner_id": str(self.offer.practitioner_id),
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=1)).isoformat(),
        }
        context = TenantEventContext(self.runtime, new_id(), "appointment.time_freed", 1, tenant=self.practice)
        await on_time_freed(context, payload)

    async def entry(self, entry: WaitlistEntry) -> WaitlistEntry:
        """As the database has it."""
        async with self.runtime.database.tenant(self.practice) as session:
            return await session.get_one(WaitlistEntry, entry.id)

    async def offered(self, entry: WaitlistEntry) -> Appointment:
        """What is offered to an entry."""
        row = await self.entry(entry)
        assert row.status == "offered", row.status
        assert row.appointment_id is not None
        return await stored(self.runtime, self.practice, row.appointment_id)

    async def statuses(self, *entries: WaitlistEntry) -> list[str]:
        """How they stand."""
        return [(await self.entry(one)).status for one in entries]

    async def held(self) -> list[Appointment]:
        """Every open offer of the practice."""
        async with self.runtime.database.tenant(self.practice) as session:
            statement = select(Appointment).where(Appointment.status == "held", Appointment.hold_kind == "offer")
            return list((await session.scalars(statement.order_by(Appointment.starts_at))).all())
