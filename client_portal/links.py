"""What links in mails about appointments lead to: a page that says what would be done, and a button that does it.

Nobody need sign in. Programs that check mails follow links, so reading changes nothing. Links that don't work (any
more) are all answered alike.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from client_portal.booking import read_choice, read_day, read_instant, render_times
from client_portal.page import Visitor, VisitorPage
from client_portal.terms import terms_now
from client_portal.views import view_appointment
from notifications.formats import describe
from scheduling.appointments.errors import LinkEndedError
from scheduling.appointments.models import Appointment
from scheduling.appointments.services import links
from scheduling.appointments.services.links import LinkAction, LiveLink
from scheduling.appointments.services.quoting import quote_cancellation
from scheduling.catalogue.service import get_offered_service
from tenants.accounts.services.client_accounts import get_client
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import Money
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.ratelimit import LINK
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limited

router = APIRouter(prefix="/a", include_in_schema=False, dependencies=[Depends(limited(LINK))])

_NOT_SHARED = {
    # The address is the key: it must not travel on.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


class LinkPage(VisitorPage):
    """A page for whoever has the link: in the language and zone of the client whose appointment it is."""

    def __init__(self, visitor: VisitorPage, timezone: str) -> None:
        super().__init__(visitor.request, visitor.runtime, visitor.session, visitor.signed_in)
        self._timezone = timezone

    @property
    def timezone(self) -> str:
        """The client's."""
        return self._timezone

    @classmethod
    async def of(cls, visitor: VisitorPage, appointment: Appointment) -> "LinkPage":
        """For the client of this appointment."""
        client = await get_client(visitor.session, appointment.client_id)
        context_of(visitor.request).locale = client.locale
        return cls(visitor, client.timezone)


def _private(response: Response) -> Response:
    response.headers.update(_NOT_SHARED)
    return response


def _ended(page: VisitorPage) -> Response:
    return _private(page.render("link_ended.html", status=LinkEndedError.status))


@router.get("/{token}")
async def show(
    visitor: Visitor,
    token: str,
    first_day: Annotated[str, Query(alias="from", max_length=40)] = "",
) -> Response:
    """What the link would do; for a move, the free times to choose from."""
    try:
        link = await links.read_link(visitor.session, token)
    except LinkEndedError:
        return _ended(visitor)
    page = await LinkPage.of(visitor, link.appointment)
    if link.action is LinkAction.MOVE:
        return await _render_times(page, link, token, first_day)
    return await _render(page, link, page.blank_form())


async def _render(page: LinkPage, link: LiveLink, form: Form, problem: ProblemError | None = None) -> Response:
    row = link.appointment
    quote = await quote_cancellation(page.session, row)
    values: dict[str, Any] = {
        "action": link.action,
        "view": await view_appointment(page, row),
        "terms": terms_now(page, row, quote) if link.action is LinkAction.CANCEL else [],
        "attends": row.attendance_confirmed_at is not None,
    }
    if problem is not None:
        return _private(page.render_refused("link.html", form, problem, **values))
    return _private(page.render("link.html", form=form, **values))


async def _render_times(
    page: LinkPage, link: LiveLink, token: str, first_day: str, problem: ProblemError | None = None
) -> Response:
    view = await view_appointment(page, link.appointment)
    if not view.can_move:
        return await _render(page, link, page.blank_form())
    service = await get_offered_service(page.session, link.appointment.service_id)
    choice = read_choice(page, page.request.query_params)
    answer = await render_times(
        page, service, choice, read_day(first_day), address=f"/a/{token}", problem=problem, moving=view
    )
    return _private(answer)


@router.post("/{token}")
async def act(visitor: Visitor, token: str) -> Response:
    """Confirm or cancel, as the page said; a link that does something else doesn't do that."""
    form = await visitor.read_form()
    action = LinkAction.CANCEL if form.get("action") == LinkAction.CANCEL else LinkAction.CONFIRM
    try:
        async with visitor.session.begin_nested():
            row, refund = await _act(visitor, token, action)
    except LinkEndedError:
        return _ended(visitor)
    except ProblemError as problem:
        link = await links.read_link(visitor.session, token)
        return await _render(await LinkPage.of(visitor, link.appointment), link, form, problem)
    return await _done(visitor, action, row, refund)


async def _act(visitor: VisitorPage, token: str, action: LinkAction) -> tuple[Appointment, Money | None]:
    """The appointment, and what goes back."""
    if action is LinkAction.CONFIRM:
        return await links.confirm_by_link(visitor.session, token), None
    done = await links.cancel_by_link(visitor.session, token)
    return done.appointment, done.refund


async def _done(visitor: VisitorPage, action: LinkAction, row: Appointment, refund: Money | None = None) -> Response:
    page = await LinkPage.of(visitor, row)
    back = refund.format(page.locale) if refund is not None and refund.amount else None
    return _private(page.render("link_done.html", action=action, view=await view_appointment(page, row), refund=back))


@router.get("/{token}/confirm")
async def ask_to_move(visitor: Visitor, token: str) -> Response:
    """From when to when; is this right."""
    try:
        link = await links.read_link(visitor.session, token)
    except LinkEndedError:
        return _ended(visitor)
    starts_at = read_instant(visitor.request.query_params.get("starts_at", ""))
    if starts_at is None or link.action is not LinkAction.MOVE:
        return _ended(visitor)
    page = await LinkPage.of(visitor, link.appointment)
    choice = read_choice(page, page.request.query_params)
    length = link.appointment.ends_at - link.appointment.starts_at
    answer = page.render(
        "move.html",
        view=await view_appointment(page, link.appointment),
        starts_at=starts_at,
        choice=choice,
        when=describe(starts_at, choice.timezone, page.locale, ends_at=starts_at + length),
        times_address=f"/a/{token}?{choice.query()}",
    )
    return _private(answer)


@router.post("/{token}/confirm")
async def move(visitor: Visitor, token: str) -> Response:
    """Move it; a time that is gone leaves the appointment and the link as they are."""
    form = await visitor.read_form()
    starts_at = read_instant(form.get("starts_at"))
    if starts_at is None:
        return _ended(visitor)
    choice = read_choice(visitor, {"practitioner_id": form.get("practitioner_id")})
    try:
        async with visitor.session.begin_nested():
            row = await links.move_by_link(visitor.session, token, starts_at, practitioner_id=choice.practitioner_id)
    except LinkEndedError:
        return _ended(visitor)
    except ProblemError as problem:
        link = await links.read_link(visitor.session, token)
        page = await LinkPage.of(visitor, link.appointment)
        return await _render_times(page, link, token, form.get("from"), problem)
    return await _done(visitor, LinkAction.MOVE, row)
