"""Every query of documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from billing.documents.models import (
    BillingProfile,
    Document,
    DocumentKind,
    DocumentLine,
    DocumentRecord,
    DocumentSeries,
    IssuerProfile,
    PendingDocument,
    TaxRate,
)
from billing.payments.models import Payment
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents; ``since`` and ``until`` are days of issue, ``until`` included."""

    since: date | None = None
    until: date | None = None
    series: str | None = None
    kind: str | None = None
    client_id: UUID | None = None
    payment_id: UUID | None = None

    def apply(self, statement: Select[tuple[Document]]) -> Select[tuple[Document]]:
        """``statement`` with these conditions."""
        if self.since is not None:
            statement = statement.where(Document.issued_on >= self.since)
        if self.until is not None:
            statement = statement.where(Document.issued_on <= self.until)
        for name in ("series", "kind", "client_id", "payment_id"):
            value = getattr(self, name)
            if value is not None:
                statement = statement.where(getattr(Document, name) == value)
        return statement


class DocumentRepository:
    """Documents of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def add(self, *rows: Any) -> None:
        """Insert now: what follows refers to it, and a constraint may refuse it."""
        self._session.add_all(rows)
        await self._session.flush()

    async def find_issuer(self, *, for_update: bool = False) -> IssuerProfile | None:
        """The practice as issuer, or None. With ``for_update`` nobody else issues until the transaction ends."""
        statement = select(IssuerProfile).where(IssuerProfile.id == 1)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def rates(self) -> list[TaxRate]:
        """The practice's own rates, oldest first."""
        return list(
            (await self._session.scalars(select(TaxRate).order_by(TaxRate.treatment, TaxRate.valid_from))).all()
        )

    async def replace_rates(self, rows: Sequence[TaxRate]) -> None:
        """These instead of those."""
        await self._session.execute(delete(TaxRate))
        await self.add(*rows)

    async def find_billing_profile(self, client_id: UUID, *, for_update: bool = False) -> BillingProfile | None:
        """A client's billing details, or None."""
        statement = select(BillingProfile).where(BillingProfile.client_id == client_id)
        if for_update:
            statement = statement.with_for_update()
        return (await self._session.scalars(statement)).one_or_none()

    async def remove_billing_profile(self, client_id: UUID) -> None:
        """Take them away."""
        await self._session.execute(delete(BillingProfile).where(BillingProfile.client_id == client_id))

    async def lock_series(self, code: str, year: int, day: date) -> DocumentSeries:
        """The series of that year, made if there is none, locked until the transaction ends."""
        fresh = insert(DocumentSeries).values(code=code, year=year, last_number=0, last_issued_on=day)
        await self._session.execute(fresh.on_conflict_do_nothing())
        statement = select(DocumentSeries).where(DocumentSeries.code == code, DocumentSeries.year == year)
        statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one()

    async def last_record(self, issuer_tax_id: str) -> DocumentRecord | None:
        """The end of an issuer's chain."""
        statement = select(DocumentRecord).where(DocumentRecord.issuer_tax_id == issuer_tax_id)
        return (await self._session.scalars(statement.order_by(DocumentRecord.position.desc()).limit(1))).one_or_none()

    async def find(self, document_id: UUID, *, client_id: UUID | None = None) -> Document | None:
        """By id, of one client if one is given."""
        statement = select(Document).where(Document.id == document_id)
        if client_id is not None:
            statement = statement.where(Document.client_id == client_id)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_all(self, ids: Sequence[UUID]) -> dict[UUID, Document]:
        """Those with these ids."""
        rows = await self._session.scalars(select(Document).where(Document.id.in_(ids)))
        return {row.id: row for row in rows}

    async def find_of_refund(self, refund_id: UUID) -> Document | None:
        """The rectifying invoice of a refund."""
        return (await self._session.scalars(select(Document).where(Document.refund_id == refund_id))).one_or_none()

    async def list_of_payment(self, payment_id: UUID) -> list[Document]:
        """Everything issued for a payment, oldest first."""
        statement = select(Document).where(Document.payment_id == payment_id).order_by(Document.id)
        return list((await self._session.scalars(statement)).all())

    async def list_of_payments(self, payment_ids: Sequence[UUID]) -> list[Document]:
        """The same for several."""
        statement = select(Document).where(Document.payment_id.in_(payment_ids)).order_by(Document.id)
        return list((await self._session.scalars(statement)).all())

    async def list_of_client(self, client_id: UUID) -> list[Document]:
        """Everything issued to a client, oldest first; what was changed meanwhile is read anew."""
        statement = select(Document).where(Document.client_id == client_id).order_by(Document.id)
        return list((await self._session.scalars(statement.execution_options(populate_existing=True))).all())

    async def superseded_by(self, ids: Sequence[UUID]) -> dict[UUID, Document]:
        """By which document each of these was replaced, if it was."""
        rows = await self._session.scalars(select(Document).where(Document.supersedes_id.in_(ids)))
        return {row.supersedes_id: row for row in rows if row.supersedes_id is not None}

    async def list_lines(self, ids: Sequence[UUID]) -> dict[UUID, list[DocumentLine]]:
        """The lines of each document, in their order."""
        statement = select(DocumentLine).where(DocumentLine.document_id.in_(ids))
        found: dict[UUID, list[DocumentLine]] = {one: [] for one in ids}
        for row in await self._session.scalars(statement.order_by(DocumentLine.document_id, DocumentLine.position)):
            found[row.document_id].append(row)
        return found

    async def find_record(self, document_id: UUID, *, for_update: bool = False) -> DocumentRecord | None:
        """The record of an invoice."""
        statement = select(DocumentRecord).where(DocumentRecord.document_id == document_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_records(self, ids: Sequence[UUID]) -> dict[UUID, DocumentRecord]:
        """The records of those that have one."""
        rows = await self._session.scalars(select(DocumentRecord).where(DocumentRecord.document_id.in_(ids)))
        return {row.document_id: row for row in rows}

    async def list_chain(self, after: tuple[str, int] | None, limit: int) -> list[tuple[DocumentRecord, Document]]:
        """Records with their documents along the chains, from one place on."""
        statement = select(DocumentRecord, Document).join(Document, Document.id == DocumentRecord.document_id)
        if after is not None:
            tax_id, position = after
            statement = statement.where(
                (DocumentRecord.issuer_tax_id > tax_id)
                | ((DocumentRecord.issuer_tax_id == tax_id) & (DocumentRecord.position > position))
            )
        statement = statement.order_by(DocumentRecord.issuer_tax_id, DocumentRecord.position).limit(limit)
        return [(record, document) for record, document in await self._session.execute(statement)]

    async def count_invoices_without_record(self) -> int:
        """How many invoices the chain does not know: there must be none."""
        statement = (
            select(func.count())
            .select_from(Document)
            .outerjoin(DocumentRecord, DocumentRecord.document_id == Document.id)
            .where(Document.kind != DocumentKind.RECEIPT, DocumentRecord.document_id.is_(None))
        )
        return await self._session.scalar(statement) or 0

    async def list_series(self) -> list[tuple[DocumentSeries, int, int]]:
        """Each series and year with how many documents it has and its highest number: all three must agree."""
        counted = (
            select(
                Document.series, Document.year, func.count().label("number"), func.max(Document.sequence).label("last")
            )
            .group_by(Document.series, Document.year)
            .subquery()
        )
        statement = select(DocumentSeries, counted.c.number, counted.c.last).outerjoin(
            counted, (counted.c.series == DocumentSeries.code) & (counted.c.year == DocumentSeries.year)
        )
        return [(series, number or 0, last or 0) for series, number, last in await self._session.execute(statement)]

    async def page(
        self, wanted: DocumentFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[Document], str | None]:
        """Newest first."""
        statement = wanted.apply(select(Document))
        return await paginate(self._session, statement, [Document.id], limit=limit, cursor=cursor, descending=True)

    async def list_all(self, wanted: DocumentFilter) -> list[Document]:
        """In the order of series and number, for the books."""
        statement = wanted.apply(select(Document)).order_by(Document.series, Document.year, Document.sequence)
        return list((await self._session.scalars(statement)).all())

    async def note_pending(self, payment: Payment, row: PendingDocument) -> None:
        """That the payment's invoice waits, or why it waits now."""
        statement = insert(PendingDocument).values(
            payment_id=payment.id, client_id=row.client_id, reason=row.reason, created_at=row.created_at
        )
        again = statement.on_conflict_do_update(index_elements=["payment_id"], set_={"reason": row.reason})
        await self._session.execute(again)

    async def clear_pending(self, payment_id: UUID) -> None:
        """It waits no more."""
        await self._session.execute(delete(PendingDocument).where(PendingDocument.payment_id == payment_id))

    async def list_pending(self, *, client_id: UUID | None = None, limit: int = 100) -> list[PendingDocument]:
        """What waits, oldest first."""
        statement = select(PendingDocument).order_by(PendingDocument.created_at, PendingDocument.payment_id)
        if client_id is not None:
            statement = statement.where(PendingDocument.client_id == client_id)
        return list((await self._session.scalars(statement.limit(limit))).all())
