"""A client's text messages, as the front desk sees them: ``/admin/clients/{client_id}/texts``.

Staff withdraw a consent for a client who asks them to. Nobody agrees in a client's place.
"""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from admin_portal.records import MailViewer
from notifications.catalogue import Channel
from notifications.texting.consents import withdraw_consent
from notifications.texting.models import WithdrawnBy
from notifications.texting.reading import list_confirmed_consents, list_texts
from notifications.texting.schemas import ChannelName
from tenants.accounts.models import Staff
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.client_accounts import get_client
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/clients/{client_id}",
    tags=["staff: people"],
    responses=responses(NotAuthenticatedError, ForbiddenError, NotFoundError),
)


class TextRead(BaseModel):
    """A message; its words are not kept. `delivery`: what the gateway reported; `failure`: why it did not go."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    subject_id: UUID
    channel: ChannelName
    number: str
    segments: int
    status: str
    delivery: str | None
    failure: str | None
    created_at: datetime
    sent_at: datetime | None


class ClientConsentRead(BaseModel):
    """What a client agreed to, with the sentence as it was shown, and who ended it: `client`, `staff`, `reply`
    (the number answered STOP), `renewed` (another number took its place)."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    channel: ChannelName
    number: str
    sentence: str
    given_at: datetime
    confirmed_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None


class ClientConsentsRead(BaseModel):
    """All that count or did, newest first."""

    items: list[ClientConsentRead]


@router.get("/texts")
async def read_client_texts(
    client_id: UUID, _staff: MailViewer, session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[TextRead]:
    """The text messages to a client, newest first."""
    client = await get_client(session, client_id)
    rows, next_cursor = await list_texts(session, client.id, limit=limit, cursor=cursor)
    return Page(items=[TextRead.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.get("/text-consents")
async def read_client_text_consents(
    client_id: UUID, _staff: MailViewer, session: TenantSessionDep
) -> ClientConsentsRead:
    """What a client agreed to."""
    client = await get_client(session, client_id)
    rows = await list_confirmed_consents(session, client.id)
    return ClientConsentsRead(items=[ClientConsentRead.model_validate(row) for row in rows])


@router.delete("/text-consents/{channel}", status_code=204)
async def withdraw_client_text_consent(
    client_id: UUID, channel: ChannelName, staff: MailViewer, session: TenantSessionDep, context: ContextDep
) -> None:
    """Withdraw it because the client asked for it; the trail has it. Safe to repeat."""
    await withdraw_as_staff(session, staff, client_id, Channel(channel), context.request_id)


async def withdraw_as_staff(
    session: TenantSession, staff: Staff, client_id: UUID, channel: Channel, request_id: str | None
) -> None:
    """By the rules of the endpoint, for its page too. Raises :class:`NotFoundError`."""
    client = await get_client(session, client_id)
    if await withdraw_consent(session, client.id, channel, WithdrawnBy.STAFF):
        record_staff_action(
            session, staff.id, "client.text_consent_withdrawn", client.id, request_id=request_id, channel=str(channel)
        )
