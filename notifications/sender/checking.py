"""Looking at a practice's domain: by a queue's row, in short transactions with the network between them.

The domain is shown to be the practice's by DNS alone, and by a record that nobody else was told of. Whatever is found,
the next look is queued. Between two looks DNS may change: that is as long as mails may go out unsigned.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from notifications.sender.authorities import domain_authority
from notifications.sender.mails import announce_outage
from notifications.sender.models import MailDomain, MailSender
from notifications.sender.port import DomainAuthority, DomainsUnavailableError
from notifications.sender.records import (
    Purpose,
    Record,
    RecordState,
    RecordType,
    dmarc_record,
    judge,
    ownership_record,
)
from notifications.sender.repository import MailDomainRepository, MailSenderRepository
from notifications.sender.resolver import Resolver
from notifications.sender.service import queue_check
from tenants.registry.models import TenantStatus
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

WHILE_AWAY_SECONDS: Final = 6 * 3600.0
AGAIN_SECONDS: Final = 300.0
EVERY: Final = timedelta(days=1)
SOON: Final = timedelta(hours=1)
"""While somebody is at it: DNS answers may be an hour old, and nobody likes to press a button."""
SOON_FOR: Final = timedelta(days=3)
MOST_UNANSWERED: Final = 6
"""In a row, before a domain that was verified counts as broken: for so many hours nothing was known of it."""

_log = get_logger("notifications.sender")


class Trouble(StrEnum):
    """What stands in the way, besides the records that are shown.

    ``taken``: another practice has shown the domain to be its own. ``provider_waits``: the records are right, and the
    mail provider has not seen that yet. ``unanswered``: no DNS server, or not the provider, gave an answer.
    ``not_offered``: the operator offers no addresses of practices' own any more.
    """

    TAKEN = "taken"
    PROVIDER_WAITS = "provider_waits"
    UNANSWERED = "unanswered"
    NOT_OFFERED = "not_offered"


class Verdict(StrEnum):
    """``unknown``: nobody gave an answer, so what held before holds on."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a look begins with."""

    due_at: datetime
    domain: str | None
    token: str
    known: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class _Finding:
    verdict: Verdict
    records: tuple[Record, ...]
    trouble: Trouble | None = None


async def check_mail_sender(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``mail_sender.check``: look at the practice's domain and queue the next look. Harmless to repeat.

    A suspended practice's waits; a closing one's is given up.
    """
    if context.tenant.status == TenantStatus.SUSPENDED:
        raise RetryLaterError("the practice is suspended", WHILE_AWAY_SECONDS)
    async with context.runtime.database.tenant(context.tenant) as session:
        turn = await _begin(session, datetime.fromisoformat(payload["due_at"]))
    if turn is None:
        return
    authority = domain_authority(context.runtime.settings)
    is_closing = context.tenant.status == TenantStatus.CLOSING
    wanted = None if is_closing else turn.domain
    await _give_up_others(context, authority, wanted)
    if turn.domain is None or is_closing:
        return
    finding = await _look(context, authority, turn, turn.domain)
    if finding.verdict is Verdict.GOOD and not await _take(context, turn.domain):
        finding = _Finding(Verdict.BAD, finding.records, Trouble.TAKEN)
    async with context.runtime.database.tenant(context.tenant) as session:
        is_verified = await _finish(session, turn, finding)
    if not is_verified:
        async with context.runtime.database.platform() as platform:
            await MailDomainRepository(platform).release(context.tenant.id)


async def _begin(session: TenantSession, due_at: datetime) -> _Turn | None:
    row = await MailSenderRepository(session).find()
    if row is None or row.due_at != due_at:
        return None
    return _Turn(due_at, row.domain, row.token or "", tuple(Record.from_json(one) for one in row.records))


async def _give_up_others(context: TenantEventContext, authority: DomainAuthority | None, wanted: str | None) -> None:
    """What the practice asked for before is nobody's, and the provider forgets it unless somebody else names it too.

    The row goes last, so that what fails is done again.
    """
    async with context.runtime.database.platform() as platform:
        row = await MailDomainRepository(platform).find(context.tenant.id)
        if row is None or row.domain == wanted:
            return
        await MailDomainRepository(platform).release(context.tenant.id)
        ref = row.provider_ref if row.is_ours else None
        is_shared = ref is not None and await MailDomainRepository(platform).is_used_by_others(ref, context.tenant.id)
    if ref is not None and authority is not None and not is_shared:
        try:
            await authority.forget(ref)
        except DomainsUnavailableError as unavailable:
            raise RetryLaterError("the mail provider is unavailable", AGAIN_SECONDS) from unavailable
    async with context.runtime.database.platform() as platform:
        found = await MailDomainRepository(platform).find(context.tenant.id)
        if found is not None and found.domain != wanted:
            await MailDomainRepository(platform).delete(found)


async def _look(context: TenantEventContext, authority: DomainAuthority | None, turn: _Turn, domain: str) -> _Finding:
    if authority is None:
        return _Finding(Verdict.BAD, turn.known, Trouble.NOT_OFFERED)
    async with context.runtime.database.platform() as platform:
        domains = MailDomainRepository(platform)
        asked: MailDomain = await domains.ask_for(domain, context.tenant.id, clock.now())
        ref, is_taken = asked.provider_ref, await domains.is_taken(domain, context.tenant.id)
    provided, ref, is_prepared = await _prepare(context, authority, turn, domain, ref)
    wanted = (ownership_record(domain, turn.token), *provided, dmarc_record(domain))
    records = await _look_up(Resolver(context.runtime.settings.mail.domains), domain, wanted)
    needed = [one for one in records if one.is_required]
    if any(one.is_bad for one in needed):
        return _Finding(Verdict.BAD, records, Trouble.TAKEN if is_taken else None)
    if not is_prepared or any(one.state is not RecordState.OK for one in needed):
        return _Finding(Verdict.UNKNOWN, records, Trouble.UNANSWERED)
    try:
        is_confirmed = await authority.confirm(ref)
    except DomainsUnavailableError:
        return _Finding(Verdict.UNKNOWN, records, Trouble.UNANSWERED)
    if not is_confirmed:
        return _Finding(Verdict.BAD, records, Trouble.PROVIDER_WAITS)
    return _Finding(Verdict.GOOD, records)


async def _prepare(
    context: TenantEventContext, authority: DomainAuthority, turn: _Turn, domain: str, ref: str | None
) -> tuple[Sequence[Record], str | None, bool]:
    """The provider's records, its id of the domain, and whether it answered: if not, the records of the last time."""
    try:
        prepared = await authority.prepare(domain, ref)
    except DomainsUnavailableError as unavailable:
        _log.warning("mail_domain_not_prepared", reason=str(unavailable))
        ours = (Purpose.OWNERSHIP, Purpose.DMARC)
        return [one for one in turn.known if one.purpose not in ours], ref, False
    if prepared.ref != ref:
        async with context.runtime.database.platform() as platform:
            await MailDomainRepository(platform).note_provider(
                context.tenant.id, domain, prepared.ref, is_new=prepared.is_new
            )
    return prepared.records, prepared.ref, True


async def _look_up(resolver: Resolver, domain: str, wanted: Sequence[Record]) -> tuple[Record, ...]:
    async def one(record: Record) -> Record:
        values = await resolver.values(record.type, record.name)
        if record.purpose is Purpose.DMARC and values == []:
            values = await _inherited(resolver, domain)
        return judge(record, values)

    return tuple(await asyncio.gather(*(one(record) for record in wanted)))


async def _inherited(resolver: Resolver, domain: str) -> list[str] | None:
    """A domain without a policy has that of the domains above it (RFC 7489, 6.6.3)."""
    labels = domain.split(".")
    for first in range(1, min(len(labels) - 1, 4)):
        values = await resolver.values(RecordType.TXT, "_dmarc." + ".".join(labels[first:]))
        if values != []:
            return values
    return []


async def _take(context: TenantEventContext, domain: str) -> bool:
    async with context.runtime.database.platform() as platform:
        return await MailDomainRepository(platform).verify(domain, context.tenant.id, clock.now())


async def _finish(session: TenantSession, turn: _Turn, finding: _Finding) -> bool:
    """Write down what was found; answers whether the practice writes from the domain that was looked at.

    Where the practice chose another meanwhile nothing holds, and what was taken for it is given up by the next look.
    """
    row = await MailSenderRepository(session).lock()
    if row is None or row.due_at != turn.due_at or row.domain != turn.domain:
        if row is not None and row.domain != turn.domain:
            await queue_check(session, row, clock.now())
        return row is not None and row.domain == turn.domain and row.verified_at is not None
    now = clock.now()
    was_verified = row.verified_at is not None
    row.records = [one.to_json() for one in finding.records]
    row.trouble, row.checked_at = finding.trouble, now
    # The provider's silence alone breaks nothing: what it signed for yesterday it signs for today, if DNS is as it was.
    is_silent = any(one.is_required and one.state is RecordState.UNKNOWN for one in finding.records)
    row.unanswered = row.unanswered + 1 if finding.verdict is Verdict.UNKNOWN and is_silent else 0
    if finding.verdict is Verdict.GOOD:
        row.verified_at, row.broken_at = row.verified_at or now, None
    elif was_verified and (finding.verdict is Verdict.BAD or row.unanswered >= MOST_UNANSWERED):
        row.verified_at, row.broken_at = None, now
        _log.warning("mail_domain_broken", practice=session.tenant.key, trouble=finding.trouble)
        await announce_outage(session, row)
    await queue_check(session, row, _next_due(row, finding.verdict))
    return row.verified_at is not None


def _next_due(row: MailSender, verdict: Verdict) -> datetime:
    """A little different for each practice, so that those that came together don't come together for ever."""
    now = clock.now()
    is_soon = now - (row.broken_at or row.changed_at) < SOON_FOR or row.verified_at is not None
    wait = SOON if verdict is not Verdict.GOOD and is_soon else EVERY
    return now + wait * random.uniform(0.9, 1.0)  # noqa: S311 - spreads load, guards nothing
