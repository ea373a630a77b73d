"""The entry that practitioners get for their own calendar."""

import base64
from datetime import datetime
from uuid import UUID

import pytest
from icalendar import Calendar, Event

from notifications.models import MailboxMessage
from scheduling.appointments.history import Actor
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.catalogue.models import Practitioner, ServicePractitioner
from tenants.accounts.models import StaffRole
from tests.scheduling.appointments.test_mails import in_days
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.scheduling import Offer, make_offer, set_practice
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


@pytest.fixture
async def offer(runtime: Runtime, practice: TenantContext) -> Offer:
    return await make_offer(runtime, practice)


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    return await make_client(runtime, practice, timezone="America/Bogota")


async def employ(runtime: Runtime, tenant: TenantContext, practitioner_id: UUID, zone: str) -> SignedIn:
    """Give a practitioner an account and a clock."""
    member = await make_staff_member(runtime, tenant, StaffRole.PRACTITIONER)
    async with runtime.database.tenant(tenant) as session:
        practitioner = await session.get_one(Practitioner, practitioner_id)
        practitioner.staff_id, practitioner.timezone = member.id, zone
    return member


async def book(runtime: Runtime, tenant: TenantContext, offer: Offer, client: SignedIn, starts_at: datetime) -> UUID:
    async with runtime.database.tenant(tenant) as session:
        made = await book_appointment(
            session,
            client_id=client.id,
            service_id=offer.service_id,
            starts_at=starts_at,
            notes="diabetes tipo 2",
        )
    await run_due_events(runtime, tenant)
    return made.id


def entries_of(mails: list[MailboxMessage]) -> list[tuple[str, Event]]:
    """Method and event of each attachment."""
    found = []
    for mail in mails:
        for item in mail.attachments["items"]:
            content = base64.b64decode(item["content_base64"])
            assert b"diabetes" not in content
            calendar = Calendar.from_ical(content)
            assert isinstance(calendar, Calendar)
            assert item["content_type"] == f"text/calendar; method={calendar['METHOD']}; charset=utf-8"
            found += [(str(calendar["METHOD"]), event) for event in calendar.events]
    return found


async def test_they_get_it_on_their_own_clock_with_whom_they_see(
    runtime: Runtime, practice: TenantContext, offer: Offer, client: SignedIn
) -> None:
    member = await employ(runtime, practice, offer.practitioner_id, "Europe/Madrid")
    starts_at = in_days(3)
    made = await book(runtime, practice, offer, client, starts_at)
    [(method, event)] = entries_of(await mails_of(runtime, practice, member.email))
    assert method == "REQUEST"
    assert event["UID"] == f"{made}@{practice.key}"
    assert event.start == starts_at
    assert event["DTSTART"].params["TZID"] == "Europe/Madrid"
    assert event["SUMMARY"] == "Primera visita - Carla Cliente"
    assert event["ATTENDEE"] == f"mailto:{member.email}"
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    [(_, clients)] = entries_of(await mails_of(runtime, practice, client.email))
    assert clients["UID"] == event["UID"]
    assert clients["DTSTART"].params["TZID"] == "America/Bogota"
    assert clients.start == starts_at
    assert "Carla" not in str(clients["SUMMARY"])
    owner = f"owner@{practice.slug}.example.com"
    assert entries_of(await mails_of(runtime, practice, owner)) == []


async def test_moving_and_cancelling_take_it_along(
    runtime: Runtime, practice: TenantContext, offer: Offer, client: SignedIn
) -> None:
    member = await employ(runtime, practice, offer.practitioner_id, "Europe/Madrid")
    made = await book(runtime, practice, offer, client, in_days(3))
    async with runtime.database.tenant(practice) as session:
        await reschedule_appointment(session, made, in_days(4))
    await run_due_events(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        await cancel_appointment(session, made, actor=Actor.client(client.id), reason="diabetes")
    await run_due_events(runtime, practice)
    found = entries_of(await mails_of(runtime, practice, member.email))
    assert [method for method, _ in found] == ["REQUEST", "REQUEST", "CANCEL"]
    assert len({str(event["UID"]) for _, event in found}) == 1
    sequences = [event.sequence for _, event in found]
    assert sequences == sorted(set(sequences))
    assert found[1][1].start == in_days(4)
    assert found[2][1]["STATUS"] == "CANCELLED"
    assert found[2][1].last_modified >= found[1][1].last_modified


async def test_who_loses_it_to_a_colleague_has_it_taken_out(
    runtime: Runtime, practice: TenantContext, offer: Offer, client: SignedIn
) -> None:
    former = await employ(runtime, practice, offer.practitioner_id, "Europe/Madrid")
    other = await make_offer(runtime, practice)
    latter = await employ(runtime, practice, other.practitioner_id, "Asia/Kathmandu")
    made = await book(runtime, practice, offer, client, in_days(3))
    async with runtime.database.tenant(practice) as session:
        session.add(ServicePractitioner(service_id=offer.service_id, practitioner_id=other.practitioner_id))
        # The hours are of the practitioner's zone, and 9:00 UTC is no time at which they work there.
        (await session.get_one(Practitioner, other.practitioner_id)).timezone = "Europe/Madrid"
    async with runtime.database.tenant(practice) as session:
        await reschedule_appointment(session, made, in_days(4), practitioner_id=other.practitioner_id)
    await run_due_events(runtime, practice)
    lost = entries_of(await mails_of(runtime, practice, former.email))
    gained = entries_of(await mails_of(runtime, practice, latter.email))
    assert [method for method, _ in lost] == ["REQUEST", "CANCEL"]
    assert [method for method, _ in gained] == ["REQUEST"]
    assert lost[1][1].sequence == gained[0][1].sequence > lost[0][1].sequence
    assert lost[1][1]["ATTENDEE"] == f"mailto:{former.email}"


async def test_nobody_is_invited_by_themselves(
    runtime: Runtime, practice: TenantContext, offer: Offer, client: SignedIn
) -> None:
    member = await employ(runtime, practice, offer.practitioner_id, "Europe/Madrid")
    await set_practice(runtime, practice, contact_email=member.email.upper())
    await book(runtime, practice, offer, client, in_days(3))
    [(_, own)] = entries_of(await mails_of(runtime, practice, member.email))
    assert own["ORGANIZER"] == f"mailto:{runtime.settings.mail.sender_address}"
    [(_, clients)] = entries_of(await mails_of(runtime, practice, client.email))
    assert str(clients["ORGANIZER"]).casefold() == f"mailto:{member.email}"
