"""One mail a day instead of many, for staff who want it so.

What may wait is held with its event's ids and made into lines when the digest is sent, from the state as it is then:
what is not true any more is not in it. A digest is a mail like others (kind ``staff_digest``), queued by the first
that is held for it and named by that one's id, so it is sent once whatever crashes, and not at all when empty.
"""

from dataclasses import replace
from datetime import datetime, time
from typing import Any
from uuid import UUID

from notifications.announcing import announce
from notifications.assembling import render
from notifications.catalogue import MailKind, row_of
from notifications.composing import ComposedMail, Notice, compose, register_composer
from notifications.digests.models import DigestEntry
from notifications.digests.repository import DigestRepository
from notifications.events import NOTIFICATION_SEND
from notifications.models import NOT_TRUE, EmailLog, EmailStatus
from notifications.quiet_hours import next_time_of_day
from notifications.recipients import Reader, Recipient, RecipientKind
from notifications.repository import EmailLogRepository
from notifications.rules import find_refusal
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime

_log = get_logger("notifications.digests")

STAFF_DIGEST = "staff_digest"
PREFERENCES_PATH = "/admin/my-mails"
"""Where staff choose what they get, and when."""


async def find_digest_time(session: TenantSession, staff_id: UUID) -> time | None:
    """At which time of the practice's wall clock a member of staff has their digest; None: everything at once."""
    choice = await DigestRepository(session).find_choice(staff_id)
    return choice.at if choice else None


async def choose_digest_time(session: TenantSession, staff_id: UUID, at: time | None) -> None:
    """Have the digest at another time, or (None) everything at once. What is held already comes when it was due."""
    await DigestRepository(session).choose(staff_id, at)


async def hold(
    session: TenantSession,
    row: MailKind,
    reader: Reader,
    log: EmailLog,
    payload: dict[str, Any],
    useful_until: datetime | None,
) -> bool:
    """Keep a mail for its reader's digest, if they have one and it comes before ``useful_until``; answers whether."""
    if not row.in_digest or reader.recipient.kind is not RecipientKind.STAFF:
        return False
    staff_id = UUID(reader.recipient.id)
    repository = DigestRepository(session)
    # Under the lock: a digest that is being made has taken what was held, and this is for the next one.
    choice = await repository.find_choice(staff_id, is_locked=True)
    if choice is None:
        return False
    due_at = next_time_of_day(choice.at, session.tenant.timezone, after=clock.now())
    if useful_until is not None and useful_until < due_at:
        return False
    if not await repository.is_one_coming(staff_id, due_at):
        recipients = [Recipient.staff(staff_id)]
        await announce(
            session, STAFF_DIGEST, subject_id=staff_id, version=str(log.id), recipients=recipients, run_at=due_at
        )
    entry = DigestEntry(email_log_id=log.id, staff_id=staff_id, payload=payload, due_at=due_at, digest=None)
    await session.merge(entry)  # a digest that was given up may have left one
    log.status, log.recipient = EmailStatus.HELD, reader.address
    return True


async def compose_digest(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """A line for each mail that is held and still true, with the page that it is about; nothing if there is none."""
    repository = DigestRepository(session)
    await repository.find_choice(notice.subject_id, is_locked=True)
    lines: list[dict[str, str]] = []
    for entry in await repository.take(notice.subject_id, UUID(str(notice.version))):
        log = await EmailLogRepository(session).lock_by_id(entry.email_log_id)
        try:
            async with session.begin_nested():
                line = await _line(session, runtime, notice.reader, entry)
        except Exception as error:  # whatever it is, the others' lines are not to wait for it, today and every day
            _log.warning("digest_line_failed", kind=entry.payload["kind"], error=type(error).__name__)
            await _give_back(session, entry, log)
            continue
        if isinstance(line, str):
            if log is not None:
                log.status, log.failure = EmailStatus.SKIPPED, line
            await session.delete(entry)
            continue
        lines.append(line)
        if log is not None:
            log.subject = line["subject"]
    if not lines:
        return None
    page = runtime.settings.practice_url(session.tenant.slug, PREFERENCES_PATH)
    return ComposedMail({"lines": lines, "choices_url": page})


async def _give_back(session: TenantSession, entry: DigestEntry, log: EmailLog | None) -> None:
    """Have the queue try it by itself, which says what is wrong with it, or holds it for the next digest."""
    if log is not None:
        log.status = EmailStatus.SENDING
        await publish(session, NOTIFICATION_SEND, entry.payload)
    await session.delete(entry)


async def _line(session: TenantSession, runtime: Runtime, reader: Reader, entry: DigestEntry) -> dict[str, str] | str:
    """The line, or why there is none (any more)."""
    payload = entry.payload
    row = row_of(payload["kind"])
    reader = replace(reader, recipient=Recipient.of(payload))
    refusal = await find_refusal(session, row, reader)
    if refusal is not None:
        return refusal
    notice = Notice(row.kind, UUID(payload["subject_id"]), payload["version"], reader)
    composed = await compose(session, runtime, notice)
    if composed is None:
        return NOT_TRUE
    rendered = await render(session, runtime, row, reader, composed)
    return {"subject": rendered.subject, "url": str(composed.values.get("admin_url", ""))}


async def settle_digest(session: TenantSession, digest: EmailLog, *, keeps_lines: bool = False) -> None:
    """What became of a digest became of everything in it; called once it is sent, left out, or given up.

    ``keeps_lines``: an operator may yet have it sent, with the same lines.
    """
    repository, version = DigestRepository(session), _version_of(digest)
    if digest.status != EmailStatus.SENT and not digest.attempts and digest.subject_id is not None:
        await repository.take(digest.subject_id, version)  # left out before it was composed
    for entry in await repository.taken_by(version):
        log = await EmailLogRepository(session).lock_by_id(entry.email_log_id)
        if log is not None:
            log.status, log.failure, log.sent_at = digest.status, digest.failure, digest.sent_at
            log.provider, log.provider_ref = digest.provider, f"digest {digest.id}"
        if not keeps_lines:
            await session.delete(entry)


def _version_of(digest: EmailLog) -> UUID:
    """Which of them it is: the third part of the log's key."""
    return UUID(digest.dedupe_key.split(":")[2])


def register_digest_mail() -> None:
    """Register the composer of this module; called at start-up."""
    register_composer(STAFF_DIGEST, compose_digest)
