"""A practice with someone to be booked, and rows to book them by."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import ics  # type: ignore[import-untyped]  # it ships no types
import pytest
from icalendar import Calendar, Event
from sqlalchemy.dialects.postgresql import Range

from scheduling.appointments.models import Appointment, AppointmentStatus
from tests.support.practices import SignedIn, make_client
from tests.support.scheduling import Offer, make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

Book = Callable[..., Awaitable[UUID]]


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    """Pilar, who offers one service."""
    return await make_offer(runtime, practice)


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """Carla Cliente."""
    return await make_client(runtime, practice)


@pytest.fixture
def book(runtime: Runtime, practice: TenantContext, offer: Offer, client: SignedIn) -> Book:
    """``await book(days, **columns)``: a confirmed appointment of Carla's with Pilar, an hour long, in so many days."""

    async def made(days: float, **columns: Any) -> UUID:
        starts_at = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=days)
        values: dict[str, Any] = {
            "id": new_id(),
            "service_id": offer.service_id,
            "practitioner_id": offer.practitioner_id,
            "client_id": client.id,
            "status": AppointmentStatus.CONFIRMED,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(hours=1),
            "currency": "EUR",
            "price_minor": 0,
            "amount_due_minor": 0,
            "location_kind": "practice",
            "notes": "intolerancia a la lactosa",
            "cancellation_notice_hours": 24,
            "created_at": clock.now(),
        } | columns
        values["occupied"] = Range(values["starts_at"], values["ends_at"])
        async with runtime.database.tenant(practice) as session:
            session.add(Appointment(**values))
        return UUID(str(values["id"]))

    return made


def events_of(content: bytes) -> dict[str, Event]:
    """By the ids of the rows, read by one package and found the same by another."""
    calendar = Calendar.from_ical(content)
    assert isinstance(calendar, Calendar)
    found = {str(event["UID"]).partition("@")[0]: event for event in calendar.events}
    others = {event.uid.partition("@")[0]: event.begin.datetime for event in ics.Calendar(content.decode()).events}
    assert {name: _instant(event.start) for name, event in found.items()} == {
        name: _instant(start) for name, start in others.items()
    }
    return found


def _instant(moment: Any) -> float:
    assert isinstance(moment, datetime)
    return moment.timestamp()
