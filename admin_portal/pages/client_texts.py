"""A client's text messages on their page, and the button for one who wants no more of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.client_texts import withdraw_as_staff
from admin_portal.pages.mail_words import kind_words
from admin_portal.pages.page import SignedIn, StaffPage
from notifications.catalogue import TEXT_CHANNELS, Channel
from notifications.formats import When, describe
from notifications.texting.consents import TEXT_CODE
from notifications.texting.models import TextDelivery, TextLog, TextStatus
from notifications.texting.reading import list_confirmed_consents, list_texts
from tenants.accounts.permissions import Permission
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)
_SHOWN = 20


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATE_WORDS: Final = {
    TextStatus.SENDING: (_("On its way"), "waiting"),
    TextStatus.SENT: (_("Sent"), ""),
    TextStatus.SKIPPED: (_("Left out"), ""),
    TextStatus.FAILED: (_("Could not be sent"), "bad"),
}
DELIVERY_WORDS: Final = {
    TextDelivery.DELIVERED: (_("Arrived"), "good"),
    TextDelivery.FAILED: (_("Did not arrive"), "bad"),
}
CHANNEL_WORDS: Final = {Channel.SMS: "SMS", Channel.WHATSAPP: "WhatsApp"}
CODE_WORDS: Final = _("A code to confirm the number")


@dataclass(frozen=True, slots=True)
class TextLine:
    """One message, ready to be shown."""

    when: When
    what: str
    channel: str
    number: str
    state: str
    tag: str


@dataclass(frozen=True, slots=True)
class AgreedChannel:
    """A channel that the client agreed to. ``number``: if the profile has another one now, nothing goes to it."""

    value: Channel
    name: str
    number: str
    since: When


async def texts_of_client(page: StaffPage, client_id: UUID) -> tuple[Sequence[TextLine], Sequence[AgreedChannel]]:
    """The newest messages to a client, and what holds of what they agreed to."""
    rows, _cursor = await list_texts(page.session, client_id, limit=_SHOWN)
    consents = await list_confirmed_consents(page.session, client_id)
    agreed = [
        AgreedChannel(
            Channel(row.channel),
            CHANNEL_WORDS[Channel(row.channel)],
            row.number,
            describe(row.given_at, page.tenant.timezone, page.locale),
        )
        for row in consents
        if row.withdrawn_at is None
    ]
    return [_line(page, row) for row in rows], agreed


def _line(page: StaffPage, row: TextLog) -> TextLine:
    state, tag = STATE_WORDS[TextStatus(row.status)]
    if row.status == TextStatus.SENT and row.delivery is not None:
        state, tag = DELIVERY_WORDS[TextDelivery(row.delivery)]
    return TextLine(
        when=describe(row.sent_at or row.created_at, page.tenant.timezone, page.locale),
        what=page.t(CODE_WORDS) if row.kind == TEXT_CODE else kind_words(page, row.kind),
        channel=CHANNEL_WORDS[Channel(row.channel)],
        number=row.number,
        state=page.t(state),
        tag=tag,
    )


@router.post("/clients/{client_id}/texts/{channel}/withdraw")
async def withdraw_texts(page: SignedIn, client_id: UUID, channel: str) -> Response:
    """The client wants no more messages."""
    await page.read_form()
    page.need(Permission.VIEW_EMAILS)
    if channel not in TEXT_CHANNELS:
        raise NotFoundError
    await withdraw_as_staff(page.session, page.staff, client_id, Channel(channel), page.request_id)
    return see_other(f"/admin/clients/{client_id}")
