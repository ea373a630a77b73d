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
from notifications.sender.forgetting import give_up_others, name_domain
from notifications.sender.mails import announce_outage
from notifications.sender.models import MailDomain, MailSender, Trouble
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

AGAIN_SECONDS: Final = 300.0
DISTRUSTED_FOR: Final = timedelta(days=1)
"""After an address was refused, whatever DNS says."""
EVERY: Final = timedelta(days=1)
SOON: Final = timedelta(hours=1)
"""While somebody is at it: DNS answers may be an hour old, and nobody likes to press a button."""
SOON_FOR: Final = timedelta(days=3)
MOST_UNANSWERED: Final = 6
"""In a row, before a domain that was verified counts as broken: for so many hours nothing was known of it."""

_log = get_logger("notifications.sender")


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

    A suspended practice's is looked at too, or it would keep a domain that is not its own any more; its owners hear of
    an outage when it is over. A closing one's is given up.
    """
    async with context.runtime.database.tenant(context.tenant) as session:
        turn = await _begin(session, datetime.fromisoformat(payload["due_at"]))
    if turn is None:
        return
    authority = domain_authority(context.runtime.settings)
    is_closing = context.tenant.status == TenantStatus.CLOSING
    wanted = None if is_closing else turn.domain
    await give_up_others(context, wanted)
    if turn.domain is None:
        async with context.runtime.database.tenant(context.tenant) as session:
            await _end(session, turn)
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


async def _end(session: TenantSession, turn: _Turn) -> None:
    """No other look is due: the practice has no domain."""
    row = await MailSenderRepository(session).lock()
    if row is not None and row.due_at == turn.due_at:
        row.due_at = None


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
            if not await name_domain(platform, context.tenant.id, domain, prepared):
                raise RetryLaterError("the mail provider is about to forget the domain", AGAIN_SECONDS)
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
    finding = _with_refusal(row, finding)
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


def _with_refusal(row: MailSender, finding: _Finding) -> _Finding:
    """The records may be right and the address be refused all the same, which this does not see. So a refusal holds for
    a day, or until a look finds what was wrong, or the owner has mended it and asks for a look."""
    if row.trouble != Trouble.REFUSED or row.broken_at is None or finding.verdict is Verdict.BAD:
        return finding
    if finding.verdict is Verdict.GOOD and clock.now() - row.broken_at >= DISTRUSTED_FOR:
        return finding
    return _Finding(Verdict.BAD, finding.records, Trouble.REFUSED)


def _next_due(row: MailSender, verdict: Verdict) -> datetime:
    """A little different for each practice, so that those that came together don't come together for ever."""
    now = clock.now()
    is_soon = now - (row.broken_at or row.changed_at) < SOON_FOR or row.verified_at is not None
    wait = SOON if verdict is not Verdict.GOOD and is_soon else EVERY
    return now + wait * random.uniform(0.9, 1.0)  # noqa: S311 - spreads load, guards nothing
