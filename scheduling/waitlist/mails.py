"""The mails about the waiting list, all to the client. What has changed meanwhile is not sent."""

from pathlib import Path
from typing import Any

from notifications.formats import describe
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, register_composer
from scheduling.appointments.mails import CLIENT_PATH
from scheduling.appointments.services.offering import OfferState, find_offers, state_of
from scheduling.catalogue.service import get_practitioner, get_service
from scheduling.waitlist.mail_kinds import JOINED, LAPSED, OFFERED, OVER
from scheduling.waitlist.models import WaitlistEntry, WaitlistStatus
from scheduling.waitlist.repository import LIVE, WaitlistRepository
from scheduling.waitlist.service import MAX_UNANSWERED
from tenants.accounts.names import name_of
from tenants.accounts.services.dependants import find_dependant
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.runtime import Runtime

WAITLIST_PATH = "/appointments"
"""Where a client sees what they wait for."""


async def _values(session: TenantSession, runtime: Runtime, notice: Notice, entry: WaitlistEntry) -> dict[str, Any]:
    service = await get_service(session, entry.service_id)
    dependant = await find_dependant(session, entry.dependant_id)
    slug = session.tenant.slug
    return {
        "service": service.name,
        "for_whom": name_of(dependant, notice.reader.locale) if dependant else None,
        "waitlist_url": runtime.settings.practice_url(slug, WAITLIST_PATH),
        "booking_url": runtime.settings.practice_url(slug, f"/book/{service.id}"),
    }


async def compose_joined(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """They are in the line."""
    entry = await WaitlistRepository(session).find(notice.subject_id)
    if entry is None or entry.status not in LIVE:
        return None
    return ComposedMail(await _values(session, runtime, notice, entry))


async def compose_offered(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """A time is kept for them; the subject is the held appointment."""
    entry = await WaitlistRepository(session).find_of_appointment(notice.subject_id)
    row = (await find_offers(session, [notice.subject_id])).get(notice.subject_id)
    if entry is None or row is None or row.hold_expires_at is None or state_of(row) is not OfferState.OPEN:
        return None
    zone, locale = notice.reader.timezone, notice.reader.locale
    practitioner = await get_practitioner(session, row.practitioner_id)
    when = describe(row.starts_at, zone, locale, ends_at=row.ends_at)
    there = describe(row.starts_at, practitioner.timezone, locale, ends_at=row.ends_at)
    elsewhere = row.location_kind == "practice" and (there.day, there.time) != (when.day, when.time)
    offered = {
        "practitioner": practitioner.name,
        "when": when,
        "local_when": there if elsewhere else None,
        "location_kind": row.location_kind,
        "price": Money(row.price_minor, row.currency).format(locale) if row.price_minor else None,
        "due": Money(row.amount_due_minor, row.currency).format(locale) if row.amount_due_minor else None,
        "kept_until": describe(row.hold_expires_at, zone, locale),
        "appointment_url": runtime.settings.practice_url(session.tenant.slug, CLIENT_PATH.format(id=row.id)),
    }
    return ComposedMail(await _values(session, runtime, notice, entry) | offered)


async def compose_lapsed(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """The offer ran out; they are in the line still."""
    entry = await WaitlistRepository(session).find(notice.subject_id)
    if entry is None or entry.status != WaitlistStatus.WAITING or entry.offers != notice.version:
        return None
    return ComposedMail(await _values(session, runtime, notice, entry))


async def compose_over(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """They are not in the line any more, and why."""
    entry = await WaitlistRepository(session).find(notice.subject_id)
    if entry is None or entry.status != WaitlistStatus.OVER:
        return None
    more = {"is_unanswered": entry.offers >= MAX_UNANSWERED}
    return ComposedMail(await _values(session, runtime, notice, entry) | more)


def register_waitlist_mails() -> None:
    """Register composers and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(JOINED, compose_joined)
    register_composer(OFFERED, compose_offered)
    register_composer(LAPSED, compose_lapsed)
    register_composer(OVER, compose_over)
