"""The mails about whole sessions: to the practice, once for all seats, whose clients have mails of their own.

A mail says what is true when it is sent; one made for an older version of the session is not sent. Nobody who has a
seat is named, nor what staff gave as a reason.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from notifications.formats import describe, language_of
from notifications.port import Attachment
from notifications.recipients import Recipient, RecipientKind
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, announce, register_composer
from notifications.watching import list_practice_recipients
from scheduling.appointments.calendar import CANCEL, REQUEST, CalendarParty, render_entry
from scheduling.appointments.mails import organizer_address, useful_until
from scheduling.catalogue.models import Practitioner, Service
from scheduling.catalogue.service import get_practitioner, get_service
from scheduling.group_sessions.entries import describe_session
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.repository import CANCELLED, SCHEDULED, GroupSessionRepository
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

PLANNED_PRACTICE = "group_session_planned_practice"
MOVED_PRACTICE = "group_session_moved_practice"
CANCELLED_PRACTICE = "group_session_cancelled_practice"

STAFF_PATH = "/admin/group-sessions/{id}"
STAFF_LIST_PATH = "/admin/group-sessions"
_ICS_NAME = {"es": "sesion.ics", "en": "session.ics"}


@dataclass(frozen=True, slots=True)
class _Told:
    """A session with everything that a mail says of it; ``former`` lost it to the practitioner in the last move."""

    group: GroupSession
    service: Service
    practitioner: Practitioner
    former: Practitioner | None
    seats_taken: int


async def _find(session: TenantSession, notice: Notice, status: str) -> _Told | None:
    """The session, if it still is what the notice is about: that version, in that state."""
    repository = GroupSessionRepository(session)
    group = await repository.find(notice.subject_id)
    if group is None or group.version != notice.version or group.status != status:
        return None
    taken = (await repository.count_seats([group.id])).get(group.id, 0)
    if status == CANCELLED:
        taken += await repository.count_fallen(group)
    return _Told(
        group,
        await get_service(session, group.service_id),
        await get_practitioner(session, group.practitioner_id),
        await _former(session, group),
        taken,
    )


async def _former(session: TenantSession, group: GroupSession) -> Practitioner | None:
    former_id = group.moved_from_practitioner_id
    if former_id is None or former_id == group.practitioner_id:
        return None
    return await get_practitioner(session, former_id)


def _is(notice: Notice, practitioner: Practitioner) -> bool:
    """Whether the mail is for this practitioner."""
    recipient = notice.reader.recipient
    return recipient.kind is RecipientKind.STAFF and recipient.id == str(practitioner.staff_id)


def _attendee(notice: Notice, told: _Told) -> Practitioner | None:
    """The practitioner for whom the mail is, the one who lost it too; None for everyone else."""
    people = [told.practitioner, *([told.former] if told.former else [])]
    return next((person for person in people if _is(notice, person)), None)


def _values(session: TenantSession, runtime: Runtime, notice: Notice, told: _Told) -> dict[str, Any]:
    group, locale, attendee = told.group, notice.reader.locale, _attendee(notice, told)
    zone = attendee.timezone if attendee else notice.reader.timezone
    is_taken_away = attendee is not None and attendee is told.former
    is_at_another_time = group.moved_from is not None and group.moved_from != group.starts_at
    return {
        "service": told.service.name,
        "practitioner": told.practitioner.name,
        "former_practitioner": told.former.name if told.former else None,
        "when": describe(group.starts_at, zone, locale, ends_at=group.ends_at),
        "before": describe(group.moved_from, zone, locale) if group.moved_from and is_at_another_time else None,
        "seats_taken": told.seats_taken,
        "capacity": group.capacity,
        "location_kind": group.location_kind,
        "is_taken_away": is_taken_away,
        # Whose it was may not see it any more.
        "admin_url": runtime.settings.practice_url(
            session.tenant.slug, STAFF_LIST_PATH if is_taken_away else STAFF_PATH.format(id=group.id)
        ),
    }


async def _entry(
    session: TenantSession, runtime: Runtime, notice: Notice, told: _Told, attendee: Practitioner, method: str
) -> Attachment:
    tenant, reader = session.tenant, notice.reader
    content = render_entry(
        describe_session(told.group, service_name=told.service.name, tenant=tenant),
        timezone=attendee.timezone,
        method=method,
        organizer=CalendarParty(tenant.name, await organizer_address(session, runtime, reader.address)),
        attendee=CalendarParty(attendee.name, reader.address),
    )
    # RFC 6047, 2.4: the method in the content type must be that of the content.
    return Attachment(_ICS_NAME[language_of(reader.locale)], f"text/calendar; method={method}; charset=utf-8", content)


async def _compose(
    session: TenantSession, runtime: Runtime, notice: Notice, told: _Told, attendee: Practitioner | None, method: str
) -> ComposedMail:
    """With an entry for the practitioner's own calendar; owners who are told get none."""
    values = _values(session, runtime, notice, told)
    if attendee is None:
        return ComposedMail(values, useful_until=useful_until(told.group.starts_at))
    entry = await _entry(session, runtime, notice, told, attendee, method)
    return ComposedMail(values, (entry,), useful_until=useful_until(told.group.starts_at))


async def compose_planned(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the practitioner, for whose calendar somebody else planned it."""
    told = await _find(session, notice, SCHEDULED)
    if told is None or not _is(notice, told.practitioner):
        return None
    return await _compose(session, runtime, notice, told, told.practitioner, REQUEST)


async def compose_moved(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the practice; who lost it to a colleague gets what takes it out of their calendar."""
    told = await _find(session, notice, SCHEDULED)
    if told is None:
        return None
    attendee = _attendee(notice, told)
    method = REQUEST if attendee is told.practitioner else CANCEL
    return await _compose(session, runtime, notice, told, attendee, method)


async def compose_cancelled(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """To the practice, of a session that will not take place."""
    told = await _find(session, notice, CANCELLED)
    if told is None:
        return None
    attendee = told.practitioner if _is(notice, told.practitioner) else None
    return await _compose(session, runtime, notice, told, attendee, CANCEL)


def register_session_mails() -> None:
    """Register composers and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(PLANNED_PRACTICE, compose_planned)
    register_composer(MOVED_PRACTICE, compose_moved)
    register_composer(CANCELLED_PRACTICE, compose_cancelled)


async def on_session_planned(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the practitioner, unless they planned it themselves."""
    async with context.runtime.database.tenant(context.tenant) as session:
        group = await _find_as_of(session, payload)
        if group is None:
            return
        staff_id = (await get_practitioner(session, group.practitioner_id)).staff_id
        if staff_id is not None and str(staff_id) != payload["planned_by"]:
            await _announce(session, group, PLANNED_PRACTICE, [Recipient.staff(staff_id)])


async def on_session_moved(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the practitioner, the one who had it before, and who watches it."""
    async with context.runtime.database.tenant(context.tenant) as session:
        group = await _find_as_of(session, payload)
        if group is None:
            return
        former = await _former(session, group)
        await _tell_practice(session, group, MOVED_PRACTICE, former.staff_id if former else None)


async def on_session_cancelled(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """Tell the practitioner, and who watches it."""
    async with context.runtime.database.tenant(context.tenant) as session:
        group = await _find_as_of(session, payload)
        if group is not None:
            await _tell_practice(session, group, CANCELLED_PRACTICE)


async def _find_as_of(session: TenantSession, payload: dict[str, Any]) -> GroupSession | None:
    """The session, or None if what was published is about an older version of it."""
    group = await GroupSessionRepository(session).find(UUID(payload["session_id"]))
    return group if group is not None and group.version == int(payload["version"]) else None


async def _tell_practice(session: TenantSession, group: GroupSession, kind: str, *more: UUID | None) -> None:
    practitioner = await get_practitioner(session, group.practitioner_id)
    recipients = await list_practice_recipients(session, kind, practitioner.staff_id, *more)
    await _announce(session, group, kind, recipients)


async def _announce(session: TenantSession, group: GroupSession, kind: str, recipients: list[Recipient]) -> None:
    await announce(session, kind, subject_id=group.id, version=group.version, recipients=recipients)
