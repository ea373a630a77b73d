"""What staff see of a client's text messages: what went, and what the client agreed to."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from notifications.texting.models import TextConsent, TextLog
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate


async def list_texts(
    session: TenantSession, client_id: UUID, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[TextLog], str | None]:
    """A page of the messages to a client, newest first."""
    statement = select(TextLog).where(TextLog.client_id == client_id)
    return await paginate(session, statement, [TextLog.id], limit=limit, cursor=cursor, descending=True)


async def list_confirmed_consents(session: TenantSession, client_id: UUID) -> Sequence[TextConsent]:
    """Every consent that counts or did, newest first."""
    statement = select(TextConsent).where(TextConsent.client_id == client_id, TextConsent.confirmed_at.is_not(None))
    return (await session.scalars(statement.order_by(TextConsent.id.desc()))).all()
