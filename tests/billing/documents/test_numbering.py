"""Numbers without gaps, whoever issues at the same time and whatever goes wrong; what was issued stays as it is."""

import asyncio
from itertools import pairwise
from uuid import UUID

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import IntegrityError

from billing.documents.models import Document, DocumentLine, DocumentRecord
from billing.documents.services.issuing import issue_invoice
from billing.documents.verifactu.chain import verify_documents
from tests.support.checkout import Desk
from tests.support.documents import issued_at, pay, pay_at_desk, records, series, set_client, set_issuer
from todoenbalance.kit import clock


class BrokenOffError(Exception):
    """The process went away after the number was taken and before the commit."""


async def issue(desk: Desk, payment_id: UUID, *, breaks: bool) -> None:
    async with desk.runtime.database.tenant(desk.practice) as session:
        await issue_invoice(session, desk.runtime.settings, payment_id)
        if breaks:
            raise BrokenOffError


class TestNumbers:
    async def test_forty_at_once_of_which_a_third_break_off_leave_no_gap(self, desk: Desk) -> None:
        await set_issuer(desk.runtime, desk.practice, issues_automatically=False)
        payments = [(await pay_at_desk(desk)).id for _ in range(40)]
        tries = [(payment_id, number % 3 == 0) for number, payment_id in enumerate(payments)]
        outcomes = await asyncio.gather(
            *(issue(desk, payment_id, breaks=breaks) for payment_id, breaks in tries), return_exceptions=True
        )
        assert sum(isinstance(one, BrokenOffError) for one in outcomes) == 14
        assert sum(one is None for one in outcomes) == 26
        # Those that broke off are tried again, twice at once.
        again = [payment_id for payment_id, breaks in tries if breaks]
        outcomes = await asyncio.gather(
            *(issue(desk, payment_id, breaks=False) for payment_id in (*again, *again)), return_exceptions=True
        )
        assert outcomes == [None] * 28
        documents = sorted(await issued_at(desk), key=lambda one: one.sequence)
        assert [one.sequence for one in documents] == list(range(1, 41))
        assert {one.payment_id for one in documents} == set(payments)
        assert all(before.issued_on <= after.issued_on for before, after in pairwise(documents))
        assert await series(desk) == {f"S-{clock.now().year}": 40}
        chain = await records(desk)
        assert [one.position for one in chain] == list(range(1, 41))
        assert all(after.previous_hash == before.hash for before, after in pairwise(chain))
        assert all(before.generated_at <= after.generated_at for before, after in pairwise(chain))
        async with desk.runtime.database.tenant(desk.practice) as session:
            report = await verify_documents(session)
        assert (report.faults, report.checked) == ([], 40)

    async def test_each_series_counts_for_itself_and_the_chain_goes_through_all(self, desk: Desk) -> None:
        await set_issuer(desk.runtime, desk.practice)
        await pay(desk)
        await set_client(desk)
        await pay(desk)
        await pay(desk)
        year = clock.now().year
        numbers = [one.number for one in await issued_at(desk)]
        assert numbers == [f"S-{year}-0001", f"F-{year}-0001", f"F-{year}-0002"]
        assert [one.number for one in await records(desk)] == numbers


class TestWhatWasIssued:
    @pytest.fixture
    async def invoice(self, desk: Desk) -> Document:
        await set_issuer(desk.runtime, desk.practice)
        await set_client(desk)
        await pay(desk)
        (made,) = await issued_at(desk)
        return made

    @pytest.mark.parametrize(
        ("model", "values"),
        [
            (Document, {"total_minor": 1, "base_minor": 1}),
            (Document, {"issued_on": text("issued_on - 1")}),
            (Document, {"content": {}}),
            (Document, {"recipient": {"legal_name": "Otra"}}),
            (Document, {"client_id": UUID(int=7)}),
            (DocumentLine, {"description": "x"}),
            (DocumentLine, {"description": text("description")}),
            (DocumentRecord, {"hash": "0" * 64}),
            (DocumentRecord, {"position": 7}),
        ],
    )
    async def test_can_not_be_changed(
        self, desk: Desk, invoice: Document, model: type, values: dict[str, object]
    ) -> None:
        with pytest.raises(IntegrityError, match="is refused"):
            async with desk.runtime.database.tenant(desk.practice) as session:
                await session.execute(update(model).values(**values))
        assert (await issued_at(desk))[0].content == invoice.content

    @pytest.mark.parametrize("model", [Document, DocumentLine, DocumentRecord])
    async def test_can_not_be_deleted(self, desk: Desk, invoice: Document, model: type) -> None:
        del invoice
        for statement in (delete(model), text(f"TRUNCATE {model.__tablename__} CASCADE")):  # type: ignore[attr-defined]  # a mapped class
            with pytest.raises(IntegrityError, match="is refused"):
                async with desk.runtime.database.tenant(desk.practice) as session:
                    await session.execute(statement)
        assert len(await issued_at(desk)) == 1

    async def test_may_lose_its_recipient_and_note_a_transmission(self, desk: Desk, invoice: Document) -> None:
        async with desk.runtime.database.tenant(desk.practice) as session:
            await session.execute(update(Document).values(recipient=None))
            await session.execute(update(DocumentRecord).values(transmission_note="x"))
            report = await verify_documents(session)
        assert report.ok, report.faults
        (after,) = await issued_at(desk)
        assert after.recipient is None
        assert after.recipient_digest == invoice.recipient_digest

    async def test_the_recipient_can_not_come_back_another(self, desk: Desk, invoice: Document) -> None:
        del invoice
        async with desk.runtime.database.tenant(desk.practice) as session:
            await session.execute(update(Document).values(recipient=None))
        with pytest.raises(IntegrityError, match="is refused"):
            async with desk.runtime.database.tenant(desk.practice) as session:
                await session.execute(update(Document).values(recipient={"legal_name": "x"}))
