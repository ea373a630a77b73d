"""As whom mails go out: the sender's name, where answers go, an address of the practice's own and its DNS records."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.mail_sender import change_choices
from admin_portal.pages.page import SignedIn, StaffPage
from notifications.formats import describe
from notifications.sender import service
from notifications.sender.addresses import shown_domain
from notifications.sender.models import Trouble
from notifications.sender.records import Purpose, Record, RecordState
from notifications.sender.schemas import MailSenderPut
from notifications.sender.service import SenderState, SenderStatus
from tenants.accounts.permissions import Permission
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.ratelimit import MAIL_SENDER
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account

router = APIRouter(prefix="/mail-sender", include_in_schema=False)

PATH = "/admin/mail-sender"


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATUS_WORDS = {
    SenderStatus.PENDING: _("Waiting for DNS"),
    SenderStatus.VERIFIED: _("In use"),
    SenderStatus.BROKEN: _("No longer in use"),
}
STATE_WORDS = {
    RecordState.UNKNOWN: _("Not known yet"),
    RecordState.MISSING: _("Missing"),
    RecordState.WRONG: _("Different"),
    RecordState.OK: _("Right"),
}
PURPOSE_WORDS = {
    Purpose.OWNERSHIP: _("Shows that the domain is yours"),
    Purpose.DKIM: _("Signature (DKIM)"),
    Purpose.RETURN_PATH: _("Who may send (SPF), and where undelivered mail returns"),
    Purpose.SPF: _("Who may send (SPF)"),
    Purpose.DMARC: _("What others do with forged mail (DMARC): only advice"),
}
TROUBLE_WORDS = {
    Trouble.TAKEN: _("Another practice has shown this domain to be its own, so it can't be used here."),
    Trouble.PROVIDER_WAITS: _("The records are right, but the mail provider does not see them yet. It is asked again."),
    Trouble.UNANSWERED: _("DNS or the mail provider gave no answer. They are asked again within an hour."),
    Trouble.NOT_OFFERED: _("Addresses of your own are not offered at present."),
    Trouble.REFUSED: _(
        "The mail provider did not take this address as a sender. It is tried again a day later, or as soon as you have"
        " it looked at."
    ),
}


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """A record and what is said of it."""

    record: Record
    purpose: str
    state: str
    is_good: bool


@router.get("")
async def show_sender(page: SignedIn) -> Response:
    """The form, and the records with what was found."""
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(PATH)
    state = await service.get_sender(page.session, page.runtime)
    form = page.blank_form(name=state.name, reply_to=state.reply_to, address=_shown_address(state))
    return _render(page, state, form)


@router.post("")
async def save(page: SignedIn) -> Response:
    """Send like this from now on."""
    form = await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(PATH)
    staff_id = page.staff.id
    await _limit(page)
    try:
        wish = form.parse(MailSenderPut, form.optional("name", "reply_to", "address"))
        await change_choices(page.session, page.runtime, staff_id, wish.choices(), page.request_id)
    except ProblemError as problem:
        return _render(page, await service.get_sender(page.session, page.runtime), form, problem)
    return see_other(PATH)


@router.post("/check")
async def check(page: SignedIn) -> Response:
    """Have DNS looked at now."""
    await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    await _limit(page)
    await service.ask_for_check(page.session, page.runtime)
    return see_other(PATH)


async def _limit(page: StaffPage) -> None:
    """Raises ``TooManyRequestsError``."""
    staff_id = page.staff.id
    await give_connection_back(page.session)
    await limit_account(page.runtime, context_of(page.request), MAIL_SENDER, str(staff_id))


def _shown_address(state: SenderState) -> str | None:
    if state.address is None or state.domain is None:
        return None
    return f"{state.address.rpartition('@')[0]}@{shown_domain(state.domain)}"


def _render(page: StaffPage, state: SenderState, form: Form, problem: ProblemError | None = None) -> Response:
    zone = page.tenant.timezone
    values: dict[str, Any] = {
        "state": state,
        "address": _shown_address(state),
        "status_word": STATUS_WORDS.get(state.status),
        "trouble": TROUBLE_WORDS[Trouble(state.trouble)] if state.trouble else None,
        "records": [
            ShownRecord(one, PURPOSE_WORDS[one.purpose], STATE_WORDS[one.state], one.state is RecordState.OK)
            for one in state.records
        ],
        "checked": describe(state.checked_at, zone, page.locale) if state.checked_at else None,
        "broken": describe(state.broken_at, zone, page.locale) if state.broken_at else None,
        "practice_name": page.tenant.name,
    }
    if problem is not None:
        return page.render_refused("mail_sender.html", form, problem, **values)
    return page.render("mail_sender.html", form=form, **values)
