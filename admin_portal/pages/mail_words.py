"""Mails of the log in words: how far each got, on the practice's clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from admin_portal.pages.page import StaffPage
from notifications.catalogue import CATALOGUE
from notifications.formats import When, describe, language_of
from notifications.handing_over import GIVEN_UP, MAY_HAVE_ARRIVED
from notifications.keys import client_of, staff_of
from notifications.models import NOBODY, NOT_TRUE, QUIET_HOURS, SUPPRESSED, Delivery, EmailLog, EmailStatus
from notifications.rules import NOT_THEIRS, SWITCHED_OFF, TOO_MANY_LATELY, TOO_MANY_TODAY
from notifications.tracking.models import EmailEvent, EventKind
from notifications.tracking.service import list_events
from tenants.accounts.names import name_of
from tenants.accounts.services.client_accounts import find_clients
from tenants.accounts.services.staff_accounts import find_staff_names


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATE_WORDS: Final = {
    EmailStatus.SENDING: (_("On its way"), "waiting"),
    EmailStatus.HELD: (_("Waits for the daily summary"), "waiting"),
    EmailStatus.SENT: (_("Sent"), ""),
    EmailStatus.SKIPPED: (_("Left out"), ""),
    EmailStatus.FAILED: (_("Could not be sent"), "bad"),
}
DELIVERY_WORDS: Final = {
    Delivery.DEFERRED: (_("Delayed"), "waiting"),
    Delivery.DROPPED: (_("Not sent on by the mail provider"), "bad"),
    Delivery.DELIVERED: (_("Arrived"), "good"),
    Delivery.BOUNCED: (_("Came back"), "bad"),
    Delivery.COMPLAINED: (_("Reported as unwanted"), "bad"),
}
SKIP_WORDS: Final = {
    SUPPRESSED: _("Mail to this address came back before, or its reader complained."),
    SWITCHED_OFF: _("Its reader does not want mails of this kind."),
    NOT_THEIRS: _("It was about others, and its reader may not see that any more."),
    TOO_MANY_TODAY: _("Its reader had as many mails that day as the practice sends at most."),
    TOO_MANY_LATELY: _("It was asked for too often within a short time."),
    NOT_TRUE: _("What it was to say was not so any more."),
    NOBODY: _("There was nobody to write to any more."),
}
QUEUED: Final = _("Queued")
WAITS_FOR_MORNING: Final = _("Waits until %(day)s, %(time)s (quiet hours)")
WAITS: Final = _("Waits until %(day)s, %(time)s")
EVENT_WORDS: Final = {
    EventKind.PROCESSED: _("Taken over by the mail provider"),
    EventKind.DEFERRED: _("Delayed: the receiving server asked to try later"),
    EventKind.DROPPED: _("Not sent on by the mail provider"),
    EventKind.DELIVERED: _("Arrived at the receiving server"),
    EventKind.BLOCKED: _("Turned away for now by the receiving server"),
    EventKind.BOUNCED: _("Came back: there is no such mailbox"),
    EventKind.COMPLAINED: _("Its reader reported it as unwanted"),
}
BROKE_OFF: Final = _("Sending it broke off too often.")
UNSURE: Final = _("It may have arrived all the same.")
ELSEWHERE: Final = _("of a copy at the address of before")


@dataclass(frozen=True, slots=True)
class MailLine:
    """One mail, ready to be shown. ``client_id``: the client whom it was for, if it was for one; ``staff_name``: the
    member of staff for whom one that has no address yet is."""

    log: EmailLog
    kind: str
    when: When
    state: str
    tag: str
    why: str | None
    client_id: UUID | None
    client_name: str | None
    staff_name: str | None


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to a mail. ``said``: why; in the words of a mail server, where these are known, which are
    nobody's language."""

    when: When
    what: str
    said: str | None = None


def kind_words(page: StaffPage, kind: str) -> str:
    """When mails of a kind are sent."""
    row = CATALOGUE.get(kind)
    words = row.occasion(language_of(page.locale)) if row is not None else kind
    return words[:1].upper() + words[1:]


async def mail_lines(page: StaffPage, rows: Sequence[EmailLog]) -> list[MailLine]:
    """With the names of clients and the practice's clock."""
    whose = {row.id: client_of(row) for row in rows}
    clients = await find_clients(page.session, {it for it in whose.values() if it is not None})
    staff = {row.id: staff_id for row in rows if row.is_queued and (staff_id := staff_of(row)) is not None}
    staff_names = await find_staff_names(page.session, set(staff.values())) if staff else {}
    found = []
    for row in rows:
        state, tag = _state_of(row)
        client_id = whose[row.id]
        client = clients.get(client_id) if client_id is not None else None
        found.append(
            MailLine(
                log=row,
                kind=kind_words(page, row.kind),
                when=describe(_moment_of(row), page.tenant.timezone, page.locale),
                state=page.t(state),
                tag=tag,
                why=_why(page, row),
                client_id=client.id if client is not None else None,
                client_name=name_of(client, page.locale) if client is not None else None,
                staff_name=staff_names.get(staff[row.id]) if row.id in staff else None,
            )
        )
    return found


def _moment_of(row: EmailLog) -> datetime:
    return row.sent_at or (row.announced_at if row.is_queued else None) or row.created_at


def _why(page: StaffPage, row: EmailLog) -> str | None:
    """Why it was left out, or until when it waits."""
    if row.is_queued and row.not_before is not None:
        until = describe(row.not_before, page.tenant.timezone, page.locale)
        words = WAITS_FOR_MORNING if row.failure == QUIET_HOURS else WAITS
        return page.t(words, day=until.day, time=until.time)
    if row.status == EmailStatus.SKIPPED and row.failure in SKIP_WORDS:
        return page.t(SKIP_WORDS[row.failure])
    return None


def _state_of(row: EmailLog) -> tuple[str, str]:
    if row.is_queued:
        return QUEUED, "waiting"
    if row.status == EmailStatus.SENT and row.delivery is not None:
        return DELIVERY_WORDS[Delivery(row.delivery)]
    return STATE_WORDS[EmailStatus(row.status)]


async def timeline(page: StaffPage, row: EmailLog) -> list[Moment]:
    """All that is known of a mail, in the order in which it happened."""
    events = (await list_events(page.session, [row.id])).get(row.id, [])
    happened = [(event.occurred_at, 2, _told(page, event), event.reason) for event in events]
    happened.append((row.announced_at or row.created_at, 0, page.t(QUEUED), None))
    if row.sent_at is not None:
        happened.append((row.sent_at, 1, page.t(_("Handed over to be sent")), None))
    # The provider's clock tells whole seconds: what came of a mail is shown after it, whatever the fraction.
    ordered = sorted(happened, key=lambda it: (it[0].replace(microsecond=0), it[1], it[0]))
    found = [Moment(describe(at, page.tenant.timezone, page.locale), what, said) for at, _rank, what, said in ordered]
    if row.is_queued and row.not_before is not None:
        found.append(Moment(describe(row.not_before, page.tenant.timezone, page.locale), page.t(_("Is tried"))))
    if row.status == EmailStatus.FAILED:
        found.append(Moment(found[-1].when, page.t(_("Given up")), _failure_words(page, row.failure)))
    return found


def _failure_words(page: StaffPage, failure: str | None) -> str | None:
    """Our own reasons in the reader's language; what a mail server said as it is."""
    if failure is None:
        return None
    begun, is_unsure, reason = failure.rpartition(f"{MAY_HAVE_ARRIVED}; ")
    known = {**SKIP_WORDS, GIVEN_UP: BROKE_OFF}.get(reason)
    said = page.t(known) if known is not None and not begun else reason
    return f"{page.t(UNSURE)} {said}" if is_unsure else said


def _told(page: StaffPage, event: EmailEvent) -> str:
    words = page.t(EVENT_WORDS[EventKind(event.kind)])
    return f"{words} ({page.t(ELSEWHERE)})" if event.is_elsewhere else words
