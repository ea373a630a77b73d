"""An erasure takes the recipient out of what was issued, and leaves numbers, amounts and chain whole."""

import json

import httpx
import pytest
from sqlalchemy import func, select

from billing.documents.models import BillingProfile, Document, PendingDocument
from billing.documents.verifactu.chain import verify_documents
from tenants.privacy.erasure import unseal
from tenants.privacy.models import Erasure
from tests.conftest import HttpFactory
from tests.support.checkout import Desk
from tests.support.documents import CLIENT, issued_at, pay, price, print_pdf, set_client, set_issuer, text_of
from tests.support.privacy import dump

NAME = "Qarlacanary Documentada"


@pytest.fixture
async def invoiced(desk: Desk) -> Desk:
    """A client with a simplified and a full invoice, details, and one that waits."""
    await set_issuer(desk.runtime, desk.practice)
    await price(desk, 50_000)
    await pay(desk)  # waits for details
    await price(desk, 4500)
    await pay(desk)
    return desk


async def erase(http: HttpFactory, desk: Desk) -> dict[str, object]:
    here: httpx.AsyncClient = http(desk.practice, headers=desk.client.headers)
    answer = await here.delete("/api/v1/users/me")
    assert answer.status_code == 200, answer.text
    receipt: dict[str, object] = answer.json()
    return receipt


class TestErasing:
    async def test_leaves_the_books_whole_and_the_name_sealed(self, invoiced: Desk, http: HttpFactory) -> None:
        await set_client(invoiced, legal_name=NAME)
        await invoiced.run()
        before = [(one.number, one.total_minor, one.content_digest) for one in await issued_at(invoiced)]
        assert NAME in await dump(invoiced.runtime, invoiced.practice)
        receipt = await erase(http, invoiced)
        classes = {one["class"]: one["action"] for one in receipt["classes"]}  # type: ignore[attr-defined]  # JSON
        assert (classes["documents"], classes["billing_profile"]) == ("block", "delete")
        found = await dump(invoiced.runtime, invoiced.practice)
        assert NAME not in found
        assert CLIENT["tax_id"] not in found
        documents = await issued_at(invoiced)
        assert [(one.number, one.total_minor, one.content_digest) for one in documents] == before
        assert all(one.recipient is None for one in documents)
        async with invoiced.runtime.database.tenant(invoiced.practice) as session:
            assert (await verify_documents(session)).faults == []
            assert await session.scalar(select(func.count()).select_from(BillingProfile)) == 0
            erasure = (await session.scalars(select(Erasure))).one()
            opened = json.dumps(await unseal(session, invoiced.runtime.vault, erasure.id), ensure_ascii=False)
        assert NAME in opened
        full = next(one for one in documents if one.kind == "full")
        text = text_of(await print_pdf(invoiced, full))
        assert "bloqueados" in text
        assert NAME not in text

    async def test_what_waits_for_details_waits_no_more(self, invoiced: Desk, http: HttpFactory) -> None:
        await erase(http, invoiced)
        async with invoiced.runtime.database.tenant(invoiced.practice) as session:
            assert await session.scalar(select(func.count()).select_from(PendingDocument)) == 0
            assert await session.scalar(select(func.count()).select_from(Document)) == 1


async def test_the_export_has_every_document_and_the_details(invoiced: Desk, http: HttpFactory) -> None:
    await set_client(invoiced, legal_name=NAME)
    await invoiced.run()
    here = http(invoiced.practice, headers=invoiced.client.headers)
    data = (await here.get("/api/v1/users/me/export")).json()["data"]["documents"]
    assert data["billing_profile"]["legal_name"] == NAME
    assert [one["recipient"].get("legal_name") for one in data["documents"]] == [None, NAME]
    assert "salt" not in json.dumps(data)
    assert data["documents"][0]["lines"][0]["gross_minor"] == 4500
