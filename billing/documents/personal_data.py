"""What documents store about a client: invoices, which are kept as books are, and the details they are made out to."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from billing.documents.models import Document
from billing.documents.repository import DocumentRepository
from billing.documents.snapshot import PARTY
from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, facts, listed, years_after
from todoenbalance.kit.database import TenantSession

_DOCUMENT = ("id", "kind", "number", "issued_on", "currency", "total_minor", "payment_id", "created_at")
_LINE = ("description", "quantity", "gross_minor", "operation_on")


class DocumentData:
    """Numbers, amounts and the chain stay where they are and name nobody; to whom an invoice was made out is sealed.

    That is the one change that the database allows of an issued document. Its lines name the practice's services,
    never a person; the account's number in it leads nowhere once the account is erased.
    """

    name = "documents"
    tables = frozenset({"documents", "document_lines", "document_records", "billing_profiles", "pending_documents"})
    classes = frozenset({DataClass.DOCUMENTS, DataClass.BILLING_PROFILE})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Mails are about documents."""
        return frozenset(row.id for row in await DocumentRepository(session).list_of_client(client_id))

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Every document as it stands, and the details."""
        documents = DocumentRepository(session)
        rows = await documents.list_of_client(person.id)
        lines = await documents.list_lines([row.id for row in rows])
        profile = await documents.find_billing_profile(person.id)
        return {
            "documents": [
                {**_described(row), "lines": listed(lines[row.id], *_LINE), "issuer": row.content["issuer"]}
                for row in rows
            ],
            "billing_profile": facts(profile, *PARTY, "updated_at") if profile is not None else None,
        }

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """Invoices are books; the details are needed for new ones only."""
        documents = DocumentRepository(session)
        rows = await documents.list_of_client(person.id)
        profile = await documents.find_billing_profile(person.id)
        until = _kept_until(rows, person.settings.invoice_years)
        return [
            Treatment(DataClass.DOCUMENTS, Action.BLOCK, len(rows), Reason.BOOKS, until),
            Treatment(DataClass.BILLING_PROFILE, Action.DELETE, int(profile is not None), Reason.NOT_NEEDED),
        ]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Take the recipients out; answers them, to be sealed. What waits for details waits no more."""
        documents = DocumentRepository(session)
        rows = await documents.list_of_client(person.id)
        kept: Json = {"documents": [_described(row) for row in rows]} if rows else {}
        for row in rows:
            row.recipient = None
        await documents.remove_billing_profile(person.id)
        for pending in await documents.list_pending(client_id=person.id, limit=1000):
            await documents.clear_pending(pending.payment_id)
        return kept


def _described(row: Document) -> Json:
    recipient = row.recipient or {}
    return {**facts(row, *_DOCUMENT), "recipient": {name: recipient[name] for name in PARTY if name in recipient}}


def _kept_until(rows: Sequence[Document], years: int) -> date | None:
    return years_after(max(row.issued_on for row in rows), years) if rows else None
