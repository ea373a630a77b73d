"""What text messages leave behind about a client: what they agreed to, and lines of the log."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select, update

from notifications.models import MailboxMessage
from notifications.texting.models import TextConsent, TextLog
from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, listed
from todoenbalance.kit.database import TenantSession

_CONSENT = (
    "channel",
    "number",
    "sentence",
    "locale",
    "given_at",
    "given_by",
    "confirmed_at",
    "withdrawn_at",
    "withdrawn_by",
)
_LOG = ("id", "kind", "channel", "number", "locale", "segments", "status", "delivery", "created_at", "sent_at")


class TextData:
    """Messages go to clients only, each to the account that agreed."""

    name = "texts"
    tables = frozenset({"text_consents", "text_logs"})
    classes = frozenset({DataClass.TEXTS})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Nothing refers to a text message."""
        del session, client_id
        return frozenset()

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Both in full."""
        return {
            "text_consents": listed(await _consents_of(session, person), *_CONSENT),
            "texts": listed(await _logs_of(session, person), *_LOG),
        }

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """That a message was sent stays, for the practice's count; to which number, and the consents, do not."""
        count = len(await _consents_of(session, person)) + len(await _logs_of(session, person))
        return [Treatment(DataClass.TEXTS, Action.ANONYMISE, count, Reason.ACCOUNTABILITY)]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Nothing is kept."""
        sent = [row.id for row in await _logs_of(session, person)]
        await session.execute(delete(MailboxMessage).where(MailboxMessage.id.in_(sent)))
        await session.execute(
            update(TextLog).where(TextLog.client_id == person.id).values(number="", failure=None, provider_ref=None)
        )
        await session.execute(delete(TextConsent).where(TextConsent.client_id == person.id))
        return {}


async def _consents_of(session: TenantSession, person: Person) -> Sequence[TextConsent]:
    statement = select(TextConsent).where(TextConsent.client_id == person.id)
    return (await session.scalars(statement.order_by(TextConsent.id))).all()


async def _logs_of(session: TenantSession, person: Person) -> Sequence[TextLog]:
    statement = select(TextLog).where(TextLog.client_id == person.id)
    return (await session.scalars(statement.order_by(TextLog.id))).all()
