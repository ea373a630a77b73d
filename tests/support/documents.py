"""A practice that issues invoices, and looks at what it issued."""

import io
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pypdf
import pypdfium2  # type: ignore[import-untyped]  # it has no types
import zxingcpp
from sqlalchemy import select, update

from billing.checkout.schemas import PaymentRead
from billing.documents.models import Document, DocumentLine, DocumentRecord, DocumentSeries, PendingDocument
from billing.documents.services import profiles, reading
from billing.payments.receipts import ReceiptKind, record_offline_receipt
from billing.refunds.service import request_refund
from scheduling.catalogue.models import Service
from tests.support.checkout import Desk
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

ISSUER: dict[str, Any] = {
    "legal_name": "Nutrición Ñandú, S.L.",
    "tax_id": "B58378431",
    "address": "Gran Vía 1",
    "postal_code": "28013",
    "city": "Madrid",
    "region": None,
    "country": "ES",
    "tax_area": "es_common",
    "regime_note": "",
    "exempt_note": "",
    "footer": "Gracias por tu confianza.",
    "simplified_series": "S",
    "full_series": "F",
    "rectifying_series": "R",
    "receipt_series": "J",
    "simplified_limit": "standard",
    "issues_automatically": True,
}
CLIENT: dict[str, Any] = {
    "legal_name": "Carla Cliente Núñez",
    "tax_id": "12345678Z",
    "address": "Calle Mayor 5",
    "postal_code": "41001",
    "city": "Sevilla",
    "region": None,
    "country": "ES",
}


async def set_issuer(runtime: Runtime, practice: TenantContext, **changes: Any) -> None:
    """The practice says as who it issues."""
    async with runtime.database.tenant(practice) as session:
        await profiles.set_issuer(session, ISSUER | changes)


async def set_client(desk: Desk, **changes: Any) -> None:
    """The desk's client says to whom theirs are made out."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        await profiles.set_billing_profile(session, desk.client.id, CLIENT | changes)


async def price(desk: Desk, price_minor: int, **columns: Any) -> None:
    """The desk's service costs this much from now on."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        values = {"price_minor": price_minor, **columns}
        await session.execute(update(Service).where(Service.id == desk.service_id).values(**values))


async def pay(desk: Desk) -> PaymentRead:
    """An hour is booked and paid, and everybody has heard of it."""
    payment = await desk.pay(await desk.book())
    await desk.confirm(payment)
    await desk.run()
    return payment


async def pay_at_desk(desk: Desk, kind: ReceiptKind = ReceiptKind.CASH, amount_minor: int | None = None) -> PaymentRead:
    """The same at the practice."""
    payment = await desk.start(await desk.book(), "offline")
    async with desk.runtime.database.tenant(desk.practice) as session:
        await record_offline_receipt(session, payment.id, kind, amount_minor)
    await desk.run()
    return payment


async def refund(desk: Desk, payment_id: UUID, amount_minor: int | None = None) -> UUID:
    """Money goes back, and everybody has heard of it; answers the refund's id."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        made = await request_refund(session, payment_id, amount_minor)
    await desk.run()
    return made.id


async def issued(runtime: Runtime, practice: TenantContext, payment_id: UUID | None = None) -> list[Document]:
    """What was issued (for a payment), oldest first."""
    async with runtime.database.tenant(practice) as session:
        statement = select(Document).order_by(Document.id)
        if payment_id is not None:
            statement = statement.where(Document.payment_id == payment_id)
        return list((await session.scalars(statement)).all())


async def issued_at(desk: Desk, payment_id: UUID | None = None) -> list[Document]:
    """The same at a desk."""
    return await issued(desk.runtime, desk.practice, payment_id)


async def lines_of(desk: Desk, document: Document) -> list[DocumentLine]:
    """A document's lines."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return (await reading.lines_of(session, [document]))[document.id]


async def records(desk: Desk) -> list[DocumentRecord]:
    """The practice's chain."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return list((await session.scalars(select(DocumentRecord).order_by(DocumentRecord.position))).all())


async def series(desk: Desk) -> dict[str, int]:
    """How far each series has come."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        rows = await session.scalars(select(DocumentSeries))
        return {f"{row.code}-{row.year}": row.last_number for row in rows}


async def pending(desk: Desk) -> list[tuple[UUID, str]]:
    """What waits, and for what."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return [(row.payment_id, row.reason) for row in await session.scalars(select(PendingDocument))]


async def print_pdf(desk: Desk, document: Document) -> bytes:
    """As it is downloaded."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return (await reading.print_pdf(session, desk.runtime.settings, document.id))[1]


async def print_html(desk: Desk, document: Document) -> str:
    """As it is shown."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return (await reading.print_html(session, document.id))[1]


def text_of(pdf: bytes) -> str:
    """What a reader finds in it, with single spaces."""
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code on a page: what it says, and how wide it is on paper."""

    text: str
    millimetres: float


def codes_in(pdf: bytes) -> list[Code]:
    """The QR codes of the first page, as a camera reads them."""
    scale = 4.0
    picture = pypdfium2.PdfDocument(pdf)[0].render(scale=scale).to_pil()
    found = []
    for one in zxingcpp.read_barcodes(picture):
        left, right = one.position.top_left.x, one.position.top_right.x
        found.append(Code(one.text, (right - left) / scale / 72 * 25.4))
    return found
