"""Private addresses of calendars: making and ending them, and what is read there."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from scheduling.appointments.calendar import CalendarEntry, render_feed
from scheduling.catalogue.models import Practitioner
from scheduling.catalogue.service import get_practitioner
from scheduling.feeds import entries
from scheduling.feeds.errors import FeedEndedError, NoFeedForThemError
from scheduling.feeds.models import CalendarFeed, FeedOwner
from scheduling.feeds.repository import FeedRepository
from tenants.accounts.models import Client, Staff
from tenants.accounts.permissions import Permission, may
from tenants.accounts.services.client_accounts import get_client, hold_client
from tenants.accounts.services.staff_accounts import get_staff
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.security.tokens import hash_opaque_token, new_opaque_token
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

PATH = "/calendar/{token}.ics"
SHOWN_FROM = timedelta(days=60)
"""So far back. What is older, calendars have seen."""
REFRESH = timedelta(hours=1)
NOTED_EVERY = timedelta(hours=1)
"""``read_at`` is no older than this: one write an hour, however often calendars ask."""
_TRIES = 3
_LAYOUT = 1
"""Raised with each change of how feeds are written, so that what calendars have is no more taken for the same."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an address shows now, not yet written out. ``tag`` changes with it and with nothing else."""

    name: str
    timezone: str
    entries: Sequence[CalendarEntry]

    @property
    def tag(self) -> str:
        """An entity tag (RFC 9110, 8.8.3), without its quotes."""
        facts = (_LAYOUT, self.name, self.timezone, *self.entries)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]

    def render(self) -> bytes:
        """As iCalendar."""
        return render_feed(self.entries, name=self.name, timezone=self.timezone, refresh=REFRESH)


async def find_feed(session: TenantSession, kind: FeedOwner, owner_id: UUID) -> CalendarFeed | None:
    """The owner's living address, if one is good."""
    feed = await FeedRepository(session).find_living(kind, owner_id)
    return feed if feed is not None and await _find_owner(session, feed) is not None else None


async def make_client_feed(session: TenantSession, client_id: UUID) -> tuple[CalendarFeed, str]:
    """A new address for a client's own calendar, and its token; the one before ends.

    Raises :class:`NotFoundError` for someone who was erased meanwhile.
    """
    await hold_client(session, client_id)
    return await _make(session, FeedOwner.CLIENT, client_id, made_by=None)


async def make_practitioner_feed(
    session: TenantSession, practitioner_id: UUID, *, made_by: UUID
) -> tuple[CalendarFeed, str]:
    """The same for a practitioner's calendar; it ends when ``made_by`` loses the right to change it.

    Raises :class:`NotFoundError`, :class:`NoFeedForThemError`.
    """
    if not await _works_here(session, await get_practitioner(session, practitioner_id)):
        raise NoFeedForThemError
    return await _make(session, FeedOwner.PRACTITIONER, practitioner_id, made_by=made_by)


async def _make(
    session: TenantSession, kind: FeedOwner, owner_id: UUID, *, made_by: UUID | None
) -> tuple[CalendarFeed, str]:
    feeds, token = FeedRepository(session), new_opaque_token()
    for _ in range(_TRIES):
        now = clock.now()
        await feeds.end(kind, owner_id, now)
        feed = CalendarFeed(
            id=new_id(),
            owner_kind=kind,
            owner_id=owner_id,
            made_by=made_by,
            token_hash=hash_opaque_token(token),
            created_at=now,
        )
        if await feeds.try_add(feed):
            return feed, token
    raise RuntimeError("an address is being made for the same calendar again and again")


async def end_feed(session: TenantSession, kind: FeedOwner, owner_id: UUID) -> bool:
    """End the owner's address; answers whether there was one. Safe to repeat."""
    return await FeedRepository(session).end(kind, owner_id, clock.now())


def address_of(settings: Settings, tenant: TenantContext, token: str) -> str:
    """The address with this token, on the practice's host."""
    return settings.practice_url(tenant.slug, PATH.format(token=token))


def app_address(url: str) -> str:
    """The same address as calendar apps on the reader's own device take it from a link."""
    return f"webcal:{url.partition(':')[2]}"


async def read_feed(session: TenantSession, token: str) -> Subscription:
    """What the address with this token shows. Raises :class:`FeedEndedError`.

    Whose owner has left is ended here for good: it does not come back with them.
    """
    feeds, now = FeedRepository(session), clock.now()
    feed = await feeds.find_by_hash(hash_opaque_token(token))
    if feed is None:
        raise FeedEndedError
    owner = await _find_owner(session, feed)
    if owner is None:
        await feeds.end(FeedOwner(feed.owner_kind), feed.owner_id, now)
        raise FeedEndedError
    if feed.read_at is None or feed.read_at <= now - NOTED_EVERY:
        await feeds.note_read(feed.id, now, now - NOTED_EVERY)
    return await _show(session, owner)


async def _show(session: TenantSession, owner: Client | Practitioner) -> Subscription:
    feeds, tenant, now = FeedRepository(session), session.tenant, clock.now()
    since = now - SHOWN_FROM
    if isinstance(owner, Client):
        booked = await feeds.booked_of_client(owner.id, since, now)
        theirs = [entries.for_client(one, tenant, owner.locale) for one in booked]
        return Subscription(tenant.name, owner.timezone, theirs)
    shown = [entries.for_practitioner(one, tenant) for one in await feeds.booked_of_practitioner(owner.id, since, now)]
    shown += [entries.for_session(one, tenant) for one in await feeds.sessions_of(owner.id, since, now)]
    shown.sort(key=lambda entry: (entry.starts_at, entry.uid))
    return Subscription(f"{owner.name} - {tenant.name}", owner.timezone, shown)


async def _find_owner(session: TenantSession, feed: CalendarFeed) -> Client | Practitioner | None:
    """Whose calendar it is, if they and whoever made the address still have a right to it."""
    if feed.owner_kind == FeedOwner.CLIENT:
        return await _find_client(session, feed.owner_id)
    practitioner = await FeedRepository(session).find_practitioner(feed.owner_id)
    if practitioner is None or not await _works_here(session, practitioner):
        return None
    maker = await _find_active_staff(session, feed.made_by)
    if maker is None:
        return None
    is_entitled = may(maker.role, Permission.MANAGE_CALENDAR) or maker.id == practitioner.staff_id
    return practitioner if is_entitled else None


async def _find_client(session: TenantSession, client_id: UUID) -> Client | None:
    try:
        client = await get_client(session, client_id)
    except NotFoundError:
        return None
    return client if client.is_active and client.erased_at is None else None


async def _works_here(session: TenantSession, practitioner: Practitioner) -> bool:
    """Not archived, and not with a closed account; a practitioner need not have one."""
    if practitioner.archived:
        return False
    return practitioner.staff_id is None or await _find_active_staff(session, practitioner.staff_id) is not None


async def _find_active_staff(session: TenantSession, staff_id: UUID | None) -> Staff | None:
    if staff_id is None:
        return None
    try:
        staff = await get_staff(session, staff_id)
    except NotFoundError:
        return None
    return staff if staff.is_active else None
