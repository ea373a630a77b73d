"""The one mail that tells of a series; moves, cancellations and reminders are told of each appointment by itself."""

from typing import Any
from uuid import UUID

from notifications.formats import describe, language_of
from notifications.port import Attachment
from notifications.recipients import Recipient, RecipientKind
from notifications.service import ComposedMail, Notice, announce, register_composer
from notifications.watching import list_practice_recipients
from scheduling.appointments.calendar import CalendarEntry, CalendarParty, describe_appointment, render_publication
from scheduling.appointments.mails import CLIENT_PATH, STAFF_PATH, organizer_address, useful_until
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.catalogue.models import Practitioner
from scheduling.catalogue.service import get_practitioner, get_service
from tenants.accounts.names import name_of
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.dependants import find_dependant
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

SERIES = "appointment_series"
SERIES_PRACTICE = "appointment_series_practice"
_ICS_NAME = {"es": "citas.ics", "en": "appointments.ics"}


async def compose_series(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """Every date that stands, with one calendar file of all of them for the client and for the practitioner."""
    rows = await AppointmentRepository(session).of_series(notice.subject_id)
    rows = [row for row in rows if row.status == AppointmentStatus.CONFIRMED]
    if not rows:
        return None
    first, reader, locale = rows[0], notice.reader, notice.reader.locale
    service = await get_service(session, first.service_id)
    practitioner = await get_practitioner(session, first.practitioner_id)
    client = await get_client(session, first.client_id)
    dependant = await find_dependant(session, first.dependant_id)
    is_practitioner = _is_practitioner(notice, practitioner)
    zone = practitioner.timezone if is_practitioner else reader.timezone
    slug = session.tenant.slug
    total = sum(row.price_minor for row in rows)
    values: dict[str, Any] = {
        "service": service.name,
        "practitioner": practitioner.name,
        "client": name_of(client, locale),
        "for_whom": name_of(dependant, locale) if dependant else None,
        "dates": [describe(row.starts_at, zone, locale, ends_at=row.ends_at) for row in rows],
        "location_kind": first.location_kind if len({row.location_kind for row in rows}) == 1 else None,
        "total": Money(total, first.currency).format(locale) if total else None,
        "appointments_url": runtime.settings.practice_url(slug, CLIENT_PATH.format(id="").rstrip("/")),
        "admin_url": runtime.settings.practice_url(slug, STAFF_PATH.format(id=first.id)),
    }
    if reader.recipient.kind is not RecipientKind.CLIENT and not is_practitioner:
        return ComposedMail(values, useful_until=useful_until(first.starts_at))
    entries = [
        await _entry(session, row, service.name, practitioner, values, is_client=not is_practitioner) for row in rows
    ]
    content = render_publication(
        entries,
        timezone=zone,
        organizer=CalendarParty(session.tenant.name, await organizer_address(session, runtime, reader.address)),
    )
    return ComposedMail(values, (_attachment(locale, content),), useful_until=useful_until(first.starts_at))


def _is_practitioner(notice: Notice, practitioner: Practitioner) -> bool:
    recipient = notice.reader.recipient
    return recipient.kind is RecipientKind.STAFF and recipient.id == str(practitioner.staff_id)


async def _entry(
    session: TenantSession,
    row: Appointment,
    service: str,
    practitioner: Practitioner,
    values: dict[str, Any],
    *,
    is_client: bool,
) -> CalendarEntry:
    changes = await AppointmentRepository(session).last_changes([row.id])
    return describe_appointment(
        row,
        service_name=service,
        practitioner_name=practitioner.name,
        for_whom=values["for_whom"],
        client_name=None if is_client else values["client"],
        changed_at=changes.get(row.id),
        tenant=session.tenant,
    )


def _attachment(locale: str, content: bytes) -> Attachment:
    # RFC 6047, 2.4: the method in the content type must be that of the content.
    return Attachment(_ICS_NAME[language_of(locale)], "text/calendar; method=PUBLISH; charset=utf-8", content)


def register_series_mails() -> None:
    """Register the composers of this module; called at start-up."""
    register_composer(SERIES, compose_series)
    register_composer(SERIES_PRACTICE, compose_series)


async def on_series_booked(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Confirm to the client; tell whom it concerns at the practice, and who watches it. One mail each."""
    async with context.runtime.database.tenant(context.tenant) as session:
        rows = await AppointmentRepository(session).of_series(UUID(payload["series_id"]))
        if not rows or rows[0].series_id is None:
            return
        practitioner = await get_practitioner(session, rows[0].practitioner_id)
        client = [Recipient.client(rows[0].client_id)]
        staff = await list_practice_recipients(session, SERIES_PRACTICE, practitioner.staff_id)
        for kind, recipients in ((SERIES, client), (SERIES_PRACTICE, staff)):
            await announce(session, kind, subject_id=rows[0].series_id, version=0, recipients=recipients)
