"""Documents as they are listed and printed."""

from collections.abc import Sequence
from uuid import UUID

from billing.documents.models import Document, DocumentLine, DocumentRecord, PendingDocument
from billing.documents.rendering.pdf import render_pdf
from billing.documents.rendering.view import view_of
from billing.documents.rendering.web_page import render_html
from billing.documents.repository import DocumentFilter, DocumentRepository
from billing.documents.services.correcting import get_document
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.settings import Settings


async def list_documents(
    session: TenantSession, wanted: DocumentFilter, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[Document], str | None]:
    """A page, newest first."""
    return await DocumentRepository(session).page(wanted, limit=limit, cursor=cursor)


async def list_of_payments(session: TenantSession, payment_ids: Sequence[UUID]) -> list[Document]:
    """What was issued for these payments, oldest first."""
    return await DocumentRepository(session).list_of_payments(payment_ids)


async def list_pending(session: TenantSession) -> list[PendingDocument]:
    """The invoices that wait for somebody, oldest first; a hundred at most."""
    return await DocumentRepository(session).list_pending()


async def lines_of(session: TenantSession, documents: Sequence[Document]) -> dict[UUID, list[DocumentLine]]:
    """The lines of each."""
    return await DocumentRepository(session).list_lines([one.id for one in documents])


async def related_to(session: TenantSession, documents: Sequence[Document]) -> dict[UUID, Document]:
    """The documents that these correct, or stand in the place of, by id."""
    ids = {ref for one in documents for ref in (one.corrects_id, one.supersedes_id) if ref is not None}
    return await DocumentRepository(session).find_all(list(ids))


async def replaced_by(session: TenantSession, documents: Sequence[Document]) -> dict[UUID, Document]:
    """Which document stands in the place of each, if one does."""
    return await DocumentRepository(session).superseded_by([one.id for one in documents])


async def records_of(session: TenantSession, documents: Sequence[Document]) -> dict[UUID, DocumentRecord]:
    """The links of these invoices in the chain; a receipt has none."""
    return await DocumentRepository(session).find_records([one.id for one in documents])


async def print_pdf(
    session: TenantSession, settings: Settings, document_id: UUID, *, client_id: UUID | None = None
) -> tuple[Document, bytes]:
    """A document as PDF; no connection is held while it is set.

    Raises ``NotFoundError``, :class:`RenderingTimeoutError`.
    """
    document = await get_document(session, document_id, client_id=client_id)
    view = view_of(document, (await lines_of(session, [document]))[document.id])
    await give_connection_back(session)
    return document, await render_pdf(view, document.created_at, settings.documents.render_seconds)


async def print_html(
    session: TenantSession, document_id: UUID, *, client_id: UUID | None = None
) -> tuple[Document, str]:
    """The same as a page. Raises ``NotFoundError``."""
    document = await get_document(session, document_id, client_id=client_id)
    return document, render_html(view_of(document, (await lines_of(session, [document]))[document.id]))
