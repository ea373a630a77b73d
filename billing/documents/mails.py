"""The mail about an issued document: what it is and where to see it, nothing of what it was for."""

from pathlib import Path
from typing import Any
from uuid import UUID

from billing.documents import words
from billing.documents.models import DocumentKind
from billing.documents.rendering.view import day_text
from billing.documents.repository import DocumentRepository
from billing.documents.services.correcting import get_document
from notifications.formats import language_of
from notifications.recipients import Recipient
from notifications.rendering import register_templates
from notifications.service import ComposedMail, Notice, announce, register_composer
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime

DOCUMENT_ISSUED_MAIL = "document_issued"
DOCUMENT_PATH = "/account/documents"


async def compose_issued(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """In the reader's language now; the document itself is in that of its day."""
    document = await get_document(session, notice.subject_id)
    language = language_of(notice.reader.locale)
    related = await DocumentRepository(session).find(document.corrects_id) if document.corrects_id else None
    return ComposedMail(
        {
            "kind": DocumentKind(document.kind).value,
            "title": words.say(words.TITLES[document.kind], language),
            "number": document.number,
            "day": day_text(document.issued_on, language),
            "amount": Money(document.total_minor, document.currency).format(notice.reader.locale),
            "corrects": related.number if related is not None else "",
            "url": runtime.settings.practice_url(session.tenant.slug, DOCUMENT_PATH),
        }
    )


def register_document_mails() -> None:
    """Register composer and templates; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(DOCUMENT_ISSUED_MAIL, compose_issued)


async def on_document_issued(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``document.issued``: tell the client."""
    async with context.runtime.database.tenant(context.tenant) as session:
        document = await get_document(session, UUID(payload["document_id"]))
        recipients = [Recipient.client(document.client_id)]
        await announce(session, DOCUMENT_ISSUED_MAIL, subject_id=document.id, version=1, recipients=recipients)
