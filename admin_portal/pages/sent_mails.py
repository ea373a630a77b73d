"""Mails that were sent: which, what became of each, what clients were written, and sending one again."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse, Response

from admin_portal.mail_desk import resend_as_staff
from admin_portal.pages.mail_words import kind_words, mail_lines, timeline
from admin_portal.pages.page import SignedIn, StaffPage
from notifications.bodies.service import find_body
from notifications.catalogue import CATALOGUE, Audience
from notifications.models import EmailLog
from notifications.resending import may_be_resent
from notifications.service import MailFilter, get_email_log, list_email_logs
from notifications.tracking.repository import address_key
from notifications.tracking.service import find_suppressions
from tenants.accounts.permissions import Permission
from tenants.accounts.services.client_accounts import list_clients
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.web.context import context_of

router = APIRouter(prefix="/sent-mails", include_in_schema=False)

_SHOWN = 50
_SHOWS = ("problems", "waiting")
_KINDS = frozenset(kind for kind, row in CATALOGUE.items() if row.audience is not Audience.OPERATOR)
"""What a practice mails: operators are written to by the platform."""
_MOST_CLIENTS = 50
"""Of those whose name is searched for."""
# A mail styles itself in place. It is shown in a frame of our own page, in which nothing runs, nothing is loaded and
# nothing leads anywhere.
_FRAME_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self';"
        " sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@router.get("")
async def list_mails(
    page: SignedIn,
    show: Annotated[str, Query(max_length=20)] = "",
    kind: Annotated[str, Query(max_length=60)] = "",
    client: Annotated[str, Query(max_length=100)] = "",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Newest first; those that went wrong, those that are still to go, of one kind, to some clients."""
    page.need(Permission.VIEW_EMAILS)
    search = client.strip()
    client_ids = None
    if search:
        people, _cursor = await list_clients(page.session, search=search, limit=_MOST_CLIENTS)
        client_ids = {one.id for one in people}
    chosen = kind if kind in _KINDS else ""
    wanted = MailFilter(chosen or None, client_ids, problems_only=show == "problems", waiting_only=show == "waiting")
    rows, following = await list_email_logs(page.session, wanted, limit=_SHOWN, cursor=cursor)
    return page.render(
        "sent_mails.html",
        mails=await mail_lines(page, rows),
        kinds=sorted(((one, kind_words(page, one)) for one in _KINDS), key=lambda one: one[1].casefold()),
        chosen={"show": show if show in _SHOWS else "", "kind": chosen, "client": search},
        following=following,
    )


@router.get("/{email_log_id}")
async def show_mail(page: SignedIn, email_log_id: UUID, again: Annotated[str, Query(max_length=5)] = "") -> Response:
    """One mail with all that is known of it."""
    page.need(Permission.VIEW_EMAILS)
    return await _render(page, await get_email_log(page.session, email_log_id), is_queued=bool(again))


@router.get("/{email_log_id}/body")
async def show_body(page: SignedIn, email_log_id: UUID) -> Response:
    """What a client was written, for the frame on the page."""
    page.need(Permission.VIEW_EMAILS)
    body = await find_body(page.session, email_log_id)
    if body is None:
        raise NotFoundError
    return HTMLResponse(body.html, headers=_FRAME_HEADERS)


@router.post("/{email_log_id}/resend")
async def send_again(page: SignedIn, email_log_id: UUID) -> Response:
    """Send it once more, as things are now."""
    await page.read_form()
    page.need(Permission.VIEW_EMAILS)
    log = await get_email_log(page.session, email_log_id)
    try:
        await resend_as_staff(page.session, page.runtime, context_of(page.request), page.staff.id, log.id)
    except NotFoundError:
        raise
    except ProblemError as problem:
        return await _render(page, log, problem)
    return see_other(f"/admin/sent-mails/{log.id}?again=yes")


async def _render(
    page: StaffPage, log: EmailLog, problem: ProblemError | None = None, *, is_queued: bool = False
) -> Response:
    suppressed = await find_suppressions(page.session, {log.recipient}) if log.recipient else {}
    values: dict[str, Any] = {
        "mail": (await mail_lines(page, [log]))[0],
        "moments": await timeline(page, log),
        "body": await find_body(page.session, log.id),
        "suppression": suppressed.get(address_key(log.recipient)),
        "can_resend": may_be_resent(log),
        "is_queued": is_queued,
    }
    if problem is not None:
        return page.render_refused("sent_mail.html", page.blank_form(), problem, **values)
    return page.render("sent_mail.html", form=page.blank_form(), **values)
