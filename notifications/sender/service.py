"""As whom a practice writes: reading it, changing it, asking for another look at DNS."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from notifications.recipients import find_contact_address
from notifications.sender.addresses import read_address, read_name
from notifications.sender.authorities import offers_own_addresses
from notifications.sender.events import MAIL_SENDER_CHECK
from notifications.sender.identity import Sender, sender_of
from notifications.sender.models import MailSender, Trouble
from notifications.sender.records import Record
from notifications.sender.repository import MailDomainRepository, MailSenderRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

_OVERDUE: Final = timedelta(hours=6)
_log = get_logger("notifications.sender")


class SenderStatus(StrEnum):
    """``platform``: no address of its own. ``pending``: one that was never used yet. ``broken``: one that was."""

    PLATFORM = "platform"
    PENDING = "pending"
    VERIFIED = "verified"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class SenderState:
    """What a practice chose, what is known of its domain, and as whom mails go out now (``current``).

    ``is_offered``: addresses of practices' own can be used here at all.
    """

    name: str | None
    reply_to: str | None
    address: str | None
    domain: str | None
    status: SenderStatus
    records: tuple[Record, ...]
    trouble: str | None
    checked_at: datetime | None
    verified_at: datetime | None
    broken_at: datetime | None
    is_being_checked: bool
    current: Sender
    is_offered: bool


@dataclass(frozen=True, slots=True)
class SenderChoices:
    """What a practice may choose; None is the default of each."""

    name: str | None
    reply_to: str | None
    address: str | None


def _status(row: MailSender | None) -> SenderStatus:
    if row is None or row.address is None:
        return SenderStatus.PLATFORM
    if row.verified_at is not None:
        return SenderStatus.VERIFIED
    return SenderStatus.BROKEN if row.broken_at is not None else SenderStatus.PENDING


async def _state(session: TenantSession, runtime: Runtime, row: MailSender | None) -> SenderState:
    contact = await find_contact_address(session)
    return SenderState(
        name=row.name if row else None,
        reply_to=row.reply_to if row else None,
        address=row.address if row else None,
        domain=row.domain if row else None,
        status=_status(row),
        records=tuple(Record.from_json(one) for one in row.records) if row else (),
        trouble=row.trouble if row else None,
        checked_at=row.checked_at if row else None,
        verified_at=row.verified_at if row else None,
        broken_at=row.broken_at if row else None,
        is_being_checked=row is not None
        and row.address is not None
        and row.due_at is not None
        and row.due_at <= clock.now(),
        current=sender_of(session, runtime.settings, row, contact),
        is_offered=offers_own_addresses(runtime.settings),
    )


async def get_sender(session: TenantSession, runtime: Runtime) -> SenderState:
    """What there is."""
    return await _state(session, runtime, await MailSenderRepository(session).find())


async def change_sender(session: TenantSession, runtime: Runtime, wish: SenderChoices) -> SenderState:
    """Put these in the place of what was chosen. An address on another domain is looked at at once, and used from when
    the domain is shown to be the practice's.

    Nothing may have been written in ``session`` before: it lends its connection while the other practices are asked.
    Raises :class:`InvalidInputError`; its kinds are those of ``addresses``, and ``sender_address_not_offered`` and
    ``sender_domain_taken``.
    """
    settings = runtime.settings
    name = read_name(wish.name, settings) if wish.name else None
    address, domain = read_address(wish.address, settings) if wish.address else (None, None)
    if domain is not None:
        await _check_domain(session, runtime, domain)
    row = await MailSenderRepository(session).lock_or_add()
    is_other_address = address != row.address
    row.name, row.reply_to, row.address = name or None, wish.reply_to, address
    if domain != row.domain:
        row.domain, row.token = domain, secrets.token_urlsafe(24) if domain else None
        row.records, row.trouble, row.unanswered = [], None, 0
        row.checked_at = row.verified_at = row.broken_at = None
        await queue_check(session, row, clock.now())
    elif is_other_address and row.trouble == Trouble.REFUSED:
        await _trust_again(session, row)  # it was the other one that was refused
    row.changed_at = clock.now()
    return await _state(session, runtime, row)


async def _check_domain(session: TenantSession, runtime: Runtime, domain: str) -> None:
    row = await MailSenderRepository(session).find()
    if row is not None and row.domain == domain:
        return
    if not offers_own_addresses(runtime.settings):
        message = "addresses of practices' own are not offered here"
        raise InvalidInputError(["body", "address"], message, "sender_address_not_offered")
    await give_connection_back(session)
    async with runtime.database.platform() as platform:
        is_taken = await MailDomainRepository(platform).is_taken(domain, session.tenant.id)
    if is_taken:
        raise InvalidInputError(["body", "address"], "another practice writes from this domain", "sender_domain_taken")


async def ask_for_check(session: TenantSession, runtime: Runtime) -> SenderState:
    """Have the domain looked at now, if there is one; the result is there a moment later."""
    row = await MailSenderRepository(session).lock()
    if row is not None and row.address is not None:
        await _trust_again(session, row)
    return await _state(session, runtime, row)


async def _trust_again(session: TenantSession, row: MailSender) -> None:
    """Have the next look decide alone, whoever refused the address before."""
    if row.trouble == Trouble.REFUSED:
        row.trouble = None
    await queue_check(session, row, clock.now())


async def revive_check(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``practice.housekeeping``: queue a look that is long overdue anew, because its row was parked or lost."""
    del payload
    async with context.runtime.database.tenant(context.tenant) as session:
        row = await MailSenderRepository(session).lock()
        if row is not None and row.due_at is not None and clock.now() - row.due_at > _OVERDUE:
            _log.warning("mail_domain_check_overdue", practice=session.tenant.key)
            await queue_check(session, row, clock.now())


async def queue_check(session: TenantSession, row: MailSender, due_at: datetime) -> None:
    """Queue the next look. Whatever row was queued before carries another time and comes to nothing."""
    row.due_at = due_at
    await publish(session, MAIL_SENDER_CHECK, {"due_at": due_at.isoformat()}, run_at=due_at)
