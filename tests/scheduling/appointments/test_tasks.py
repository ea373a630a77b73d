"""The queue's part: a hold that nobody paid for is given up by itself."""

from datetime import UTC, datetime

import pytest

from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.tasks import expire_hold
from tests.scheduling.conftest import MONDAY
from tests.support.practices import make_client
from tests.support.scheduling import make_offer, minutes, stored
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")


async def test_an_unpaid_hold_expires_when_its_event_is_delivered(runtime: Runtime, practice: TenantContext) -> None:
    offer = await make_offer(runtime, practice, price_minor=6000)
    client = await make_client(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        made = await book_appointment(
            session,
            client_id=client.id,
            service_id=offer.service_id,
            starts_at=datetime(2026, 3, 4, 9, tzinfo=UTC),
        )
    context = TenantEventContext(runtime, new_id(), "appointment.hold_expiry", 1, tenant=practice)
    payload = {"appointment_id": str(made.id)}
    with pytest.raises(RetryLaterError) as early:
        await expire_hold(context, payload)
    assert early.value.delay_seconds == runtime.settings.hold_minutes * 60 + 1
    with clock.at(MONDAY + minutes(runtime.settings.hold_minutes)):
        for _ in range(2):  # delivery is at least once
            await expire_hold(context, payload)
    assert (await stored(runtime, practice, made.id)).status == "expired"
