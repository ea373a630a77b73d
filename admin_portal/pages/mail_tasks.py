"""Whom to call because mail does not reach them, and addresses that nothing is written to."""

from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.mail_desk import MailTaskRead, describe_tasks, finish_as_staff
from admin_portal.pages.page import SignedIn, StaffPage
from admin_portal.records import MailSuppressionRead, lift_as_staff
from notifications.formats import When, describe
from notifications.mail_tasks.models import TaskEnd, TaskReason
from notifications.mail_tasks.service import list_tasks
from notifications.tracking.models import ProviderState, SuppressionReason
from notifications.tracking.service import list_suppressions
from tenants.accounts.permissions import Permission
from tenants.accounts.services import staff_accounts
from tenants.accounts.services.client_accounts import find_clients
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)
_PATH = "/admin/mail-tasks"
_SHOWN = 50
_MOST_STAFF = 100


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


REASON_WORDS: Final = {
    TaskReason.HARD_BOUNCE: _("Mail came back: there is no such mailbox"),
    TaskReason.COMPLAINT: _("They reported a mail as unwanted"),
    TaskReason.FAILURES: _("Several mails in a row did not arrive"),
}
SUPPRESSION_WORDS: Final = {
    SuppressionReason.HARD_BOUNCE: _("Mail came back: there is no such mailbox"),
    SuppressionReason.COMPLAINT: _("Its reader reported a mail as unwanted"),
}
END_WORDS: Final = {
    TaskEnd.DONE: _("Done"),
    TaskEnd.ADDRESS_CHANGED: _("They have another address now"),
    TaskEnd.DELIVERED: _("A later mail arrived"),
}
PROVIDER_WORDS: Final = {
    ProviderState.QUEUED: _("The mail provider is being told"),
    ProviderState.CLEARED: _("The mail provider writes to it again, too"),
    ProviderState.FAILED: _("The mail provider could not be told"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One task, ready to be shown."""

    task: MailTaskRead
    reason: str
    since: When
    following: When | None
    ended: When | None
    ending: str | None
    by: str | None


@dataclass(frozen=True, slots=True)
class Address:
    """One address that nothing optional is written to, or (``lifted``) was not."""

    row: MailSuppressionRead
    reason: str
    since: When
    lifted: When | None
    provider: str | None
    has_failed: bool


@router.get("/mail-tasks")
async def show_tasks(
    page: SignedIn,
    show: Annotated[str, Query(max_length=10)] = "",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Who waits longest first; with ``show=all`` those that were dealt with, too."""
    page.need(Permission.VIEW_EMAILS)
    shows_all = show == "all"
    rows, following = await list_tasks(page.session, include_closed=shows_all, limit=_SHOWN, cursor=cursor)
    against, _cursor = await list_suppressions(page.session, include_lifted=True, limit=_SHOWN)
    clients = await find_clients(page.session, {row.client_id for row in against if row.client_id})
    staff, _cursor = await staff_accounts.list_staff(page.session, limit=_MOST_STAFF)
    names = {one.id: f"{one.first_name} {one.last_name}" for one in staff}
    reads = [MailSuppressionRead.of(row, clients.get(row.client_id) if row.client_id else None) for row in against]
    return page.render(
        "mail_tasks.html",
        calls=[_call(page, read, names) for read in await describe_tasks(page.session, rows)],
        addresses=[
            _address(page, read) for read in reads if read.lifted_at is None or _is_worth_showing(read, shows_all)
        ],
        shows_all=shows_all,
        following=following,
    )


def _is_worth_showing(read: MailSuppressionRead, shows_all: bool) -> bool:
    """Of those that were lifted: what is not done with yet."""
    return shows_all or read.provider_state in (ProviderState.QUEUED, ProviderState.FAILED)


def _call(page: StaffPage, read: MailTaskRead, names: dict[UUID, str]) -> Call:
    zone = page.tenant.timezone
    return Call(
        task=read,
        reason=page.t(REASON_WORDS[TaskReason(read.reason)]),
        since=describe(read.opened_at, zone, page.locale),
        following=describe(read.next_appointment_at, zone, page.locale) if read.next_appointment_at else None,
        ended=describe(read.closed_at, zone, page.locale) if read.closed_at else None,
        ending=page.t(END_WORDS[TaskEnd(read.closed_as)]) if read.closed_as else None,
        by=names.get(read.closed_by, page.t(_("Somebody else"))) if read.closed_by else None,
    )


def _address(page: StaffPage, read: MailSuppressionRead) -> Address:
    zone = page.tenant.timezone
    state = ProviderState(read.provider_state) if read.provider_state else None
    return Address(
        row=read,
        reason=page.t(SUPPRESSION_WORDS[SuppressionReason(read.reason)]),
        since=describe(read.since, zone, page.locale),
        lifted=describe(read.lifted_at, zone, page.locale) if read.lifted_at else None,
        provider=page.t(PROVIDER_WORDS[state]) if state else None,
        has_failed=state is ProviderState.FAILED,
    )


@router.post("/mail-tasks/{task_id}/done")
async def finish(page: SignedIn, task_id: UUID) -> Response:
    """They were called."""
    await page.read_form()
    page.need(Permission.VIEW_EMAILS)
    await finish_as_staff(page.session, page.staff, task_id, page.request_id)
    return see_other(_PATH)


@router.post("/mail-suppressions/{suppression_id}/lift")
async def lift(page: SignedIn, suppression_id: UUID) -> Response:
    """Have an address written to again; where the provider could not be told, tell it once more."""
    await page.read_form()
    page.need(Permission.VIEW_EMAILS)
    await lift_as_staff(page.session, page.runtime, page.staff, suppression_id, page.request_id)
    return see_other(_PATH)
