"""What became of each mail, by the provider's events, and which addresses get no optional mail any more.

Events come late, twice and in any order. Each counts once, and a mail's state is a function of the set of its events:
the gravest holds, and of equals the latest. So nothing that comes later hides a complaint.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from prometheus_client import Counter

from notifications.keys import client_of
from notifications.mail_tasks.mails import announce_tasks
from notifications.mail_tasks.models import TaskReason
from notifications.mail_tasks.service import note_delivery, note_failure, open_task
from notifications.models import Delivery, EmailLog, EmailStatus
from notifications.operator_mails.reports import record_operator_reports
from notifications.sendgrid import PLATFORM
from notifications.tracking.deliveries import GRAVITY
from notifications.tracking.models import EmailEvent, EventKind, MailSuppression, SuppressionReason
from notifications.tracking.reports import Report
from notifications.tracking.repository import EmailEventRepository, SuppressionRepository, address_key
from tenants.registry.errors import PracticeNotFoundError
from tenants.registry.models import TenantStatus
from tenants.registry.service import TenantDirectory
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

MAIL_EVENTS = Counter("todoenbalance_mail_events_total", "Events of mails, by what was done with them.", ["outcome"])
_DEAF = (TenantStatus.PROVISIONING, TenantStatus.CLOSING)
"""A closing practice's data are about to go: nothing is added to them, and its mails were dropped before."""
_SUPPRESSING = {
    EventKind.BOUNCED: SuppressionReason.HARD_BOUNCE,
    EventKind.COMPLAINED: SuppressionReason.COMPLAINT,
}
PROVIDER = "sendgrid"
"""The only one that tells."""
_log = get_logger("notifications.tracking")


def count_ignored(number: int) -> None:
    """Count events that are none of ours, or of a kind that is of no use here."""
    MAIL_EVENTS.labels("ignored").inc(number)


async def receive_reports(
    runtime: Runtime, directory: TenantDirectory, reports: Sequence[Report], *, only: TenantContext | None = None
) -> None:
    """Record verified events with the practices that they name, each practice's in a transaction of its own.

    With ``only``, nothing but that practice's. Events of nobody are logged and counted. If one transaction fails, the
    provider sends all of them again, and those that were recorded count no second time.
    """
    by_practice: defaultdict[str, list[Report]] = defaultdict(list)
    for report in reports:
        by_practice[report.practice].append(report)
    for key, told in sorted(by_practice.items()):
        if key == PLATFORM and only is None:
            async with runtime.database.platform() as platform:
                _count(await record_operator_reports(platform, told), told, PLATFORM)
            continue
        tenant = await _find(directory, key, only)
        if tenant is None:
            _log.warning("mail_events_of_nobody", count=len(told), practice=only.key if only else None)
            MAIL_EVENTS.labels("nobodys").inc(len(told))
            continue
        async with runtime.database.tenant(tenant) as session:
            await record_reports(session, told)


def _count(ours: int, told: Sequence[Report], whose: str) -> None:
    """Log and count what names no mail that there is."""
    if ours < len(told):
        _log.warning("mail_events_orphaned", count=len(told) - ours, practice=whose)
        MAIL_EVENTS.labels("orphan").inc(len(told) - ours)


async def _find(directory: TenantDirectory, key: str, only: TenantContext | None) -> TenantContext | None:
    if only is not None:
        return only if only.key == key and only.status not in _DEAF else None
    try:
        tenant = await directory.get_by_key(key)
    except PracticeNotFoundError:
        return None
    return None if tenant.status in _DEAF else tenant


async def record_reports(session: TenantSession, reports: Sequence[Report]) -> None:
    """Record what was told of this practice's mails; what names no mail of its own is logged and counted."""
    events = EmailEventRepository(session)
    logs = await events.lock_logs({report.message_id for report in reports})
    ours = [report for report in reports if report.message_id in logs]
    _count(len(ours), reports, session.tenant.key)
    if not ours:
        return
    new_ids = await events.insert_new([_row(report, logs[report.message_id]) for report in ours])
    MAIL_EVENTS.labels("recorded").inc(len(new_ids))
    MAIL_EVENTS.labels("repeated").inc(len(ours) - len(new_ids))
    by_log: defaultdict[UUID, list[EmailEvent]] = defaultdict(list)
    for event in await events.list_of(logs.keys()):
        by_log[event.email_log_id].append(event)
    for log_id, told in by_log.items():
        logs[log_id].delivery, logs[log_id].delivery_reason = delivery_of(told)
        _correct(logs[log_id], told)
    fresh = [event for told in by_log.values() for event in told if event.sg_event_id in new_ids]
    fresh = [event for event in fresh if not event.is_elsewhere]
    await _suppress(session, fresh, logs)
    await session.flush()
    await _tell_front_desk(session, fresh, logs)


def _correct(log: EmailLog, told: Sequence[EmailEvent]) -> None:
    """What the log gave up because nobody said what came of it did go, if the provider tells of it."""
    if log.status != EmailStatus.FAILED or log.delivery is None:
        return
    log.status, log.failure, log.provider = EmailStatus.SENT, None, PROVIDER
    log.sent_at = min(event.occurred_at for event in told if not event.is_elsewhere)


async def leave_behind(session: TenantSession, log: EmailLog) -> None:
    """A mail is about to go to another address than before: what was told so far is of the copy at the old one."""
    for event in await EmailEventRepository(session).list_of([log.id]):
        event.is_elsewhere = True
    log.delivery, log.delivery_reason = None, None


def delivery_of(events: Iterable[EmailEvent]) -> tuple[Delivery | None, str | None]:
    """The state that these events come to, whatever their order, and why."""
    telling = [event for event in events if event.kind in GRAVITY and not event.is_elsewhere]
    if not telling:
        return None, None
    last = max(telling, key=lambda it: (GRAVITY[EventKind(it.kind)][0], it.occurred_at, it.sg_event_id))
    return GRAVITY[EventKind(last.kind)][1], last.reason


def _row(report: Report, log: EmailLog) -> dict[str, object]:
    return {
        "id": new_id(),
        "email_log_id": log.id,
        "sg_event_id": report.event_id,
        "kind": report.kind,
        "occurred_at": report.occurred_at,
        # A reason may quote the address: nothing of it comes back after an erasure.
        "reason": report.reason if log.recipient else None,
        "is_elsewhere": _is_elsewhere(report, log),
        "received_at": clock.now(),
    }


def _is_elsewhere(report: Report, log: EmailLog) -> bool:
    """Whether it tells of a copy that went to another address than the one that the log has."""
    if not report.address or not log.recipient:
        return False
    return address_key(report.address) != address_key(log.recipient)


async def _tell_front_desk(session: TenantSession, events: Sequence[EmailEvent], logs: dict[UUID, EmailLog]) -> None:
    """Whom to call, and whom not any more; in one order for everybody, so that two batches wait for each other."""
    opened: list[UUID | None] = []
    for event in sorted(events, key=lambda it: (address_key(logs[it.email_log_id].recipient), it.occurred_at)):
        log, kind = logs[event.email_log_id], EventKind(event.kind)
        if kind in _SUPPRESSING:
            opened.append(await open_task(session, log, TaskReason(_SUPPRESSING[kind]), event.occurred_at))
        elif kind in (EventKind.DROPPED, EventKind.BLOCKED):
            opened.append(await note_failure(session, log, event.occurred_at))
        elif kind is EventKind.DELIVERED and log.delivery == Delivery.DELIVERED:
            await note_delivery(session, log)
    await announce_tasks(session, *opened)


async def _suppress(session: TenantSession, events: Sequence[EmailEvent], logs: dict[UUID, EmailLog]) -> None:
    """The address is the one that we wrote to, never one that an event names."""
    suppressions = SuppressionRepository(session)
    found = [it for it in events if it.kind in _SUPPRESSING and logs[it.email_log_id].recipient]
    for event in sorted(found, key=lambda it: (address_key(logs[it.email_log_id].recipient), it.sg_event_id)):
        log = logs[event.email_log_id]
        if await suppressions.was_lifted_since(log.recipient, event.occurred_at):
            continue
        reason = _SUPPRESSING[EventKind(event.kind)]
        await suppressions.suppress(log.recipient, reason, event.occurred_at, client_id=client_of(log))
        _log.warning("mail_address_suppressed", reason=reason, email_log_id=str(log.id), practice=session.tenant.key)


async def is_suppressed(session: TenantSession, address: str) -> bool:
    """Whether optional mail to this address is to be left out."""
    return await SuppressionRepository(session).is_suppressed(address)


async def list_events(session: TenantSession, log_ids: Collection[UUID]) -> dict[UUID, list[EmailEvent]]:
    """What was told of these mails, each mail's in the order in which it happened."""
    found: defaultdict[UUID, list[EmailEvent]] = defaultdict(list)
    for event in await EmailEventRepository(session).list_of(log_ids):
        found[event.email_log_id].append(event)
    return found


async def list_suppressions(
    session: TenantSession, *, include_lifted: bool = False, limit: int = 50, cursor: str | None = None
) -> tuple[list[MailSuppression], str | None]:
    """A page of the addresses that get no optional mail, newest first."""
    return await SuppressionRepository(session).page(include_lifted=include_lifted, limit=limit, cursor=cursor)


async def find_suppressions(session: TenantSession, addresses: Collection[str]) -> dict[str, MailSuppression]:
    """What holds against these addresses now, by the address in lower case."""
    return {row.address: row for row in await SuppressionRepository(session).find_active(addresses)}
