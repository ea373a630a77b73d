"""Moving: the price stays as booked, so a client may only choose among those who do not ask more."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from scheduling.appointments.errors import SlotNotOfferedError
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.catalogue.models import ServicePractitioner
from tests.support.practices import make_client
from tests.support.scheduling import add_block, add_hours, make_practitioner, make_service
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")
TEN = datetime(2026, 3, 3, 9, tzinfo=UTC)
LATER = TEN + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A service that costs nothing with the one and 100 euros with the other, and who booked it with the one."""

    cheap: UUID
    dear: UUID
    booked: Appointment

    @property
    def client_id(self) -> UUID:
        """Whose it is."""
        return self.booked.client_id


@pytest.fixture
async def pair(runtime: Runtime, practice: TenantContext) -> Pair:
    """Committed; it is confirmed, as nothing is due."""
    client = await make_client(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        cheap, dear = (await make_practitioner(session)).id, (await make_practitioner(session)).id
        for one in (cheap, dear):
            await add_hours(session, one)
        service = await make_service(session, cheap, dear, price_minor=10_000)
        link = update(ServicePractitioner).where(ServicePractitioner.practitioner_id == cheap)
        await session.execute(link.values(price_minor=0))
        booked = await book_appointment(
            session,
            client_id=client.id,
            service_id=service.id,
            starts_at=TEN,
            practitioner_id=cheap,
        )
    assert (booked.status, booked.amount_due_minor) == ("confirmed", 0)
    return Pair(cheap, dear, booked)


async def test_a_client_does_not_get_somebody_dearer_for_the_price_of_another(
    session: TenantSession, pair: Pair
) -> None:
    with pytest.raises(SlotNotOfferedError):
        await reschedule_appointment(
            session, pair.booked.id, LATER, practitioner_id=pair.dear, client_id=pair.client_id
        )
    await add_block(session, pair.cheap, LATER, LATER + timedelta(hours=1))
    with pytest.raises(SlotNotOfferedError):  # nor by whoever is free
        await reschedule_appointment(session, pair.booked.id, LATER, client_id=pair.client_id)


async def test_staff_may_put_it_with_whom_they_like_and_from_there_the_client_may_move_it_on(
    session: TenantSession, pair: Pair
) -> None:
    staff = Actor.staff(new_id())
    moved = await reschedule_appointment(session, pair.booked.id, LATER, practitioner_id=pair.dear, actor=staff)
    assert (moved.practitioner_id, moved.price_minor) == (pair.dear, 0)
    on = LATER + timedelta(days=1)
    moved = await reschedule_appointment(session, pair.booked.id, on, client_id=pair.client_id)
    assert (moved.practitioner_id, moved.starts_at) == (pair.dear, on)
