"""Whatever is changed behind the application's back, the chain shows it."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest

from billing.documents.verifactu.chain import verify_documents
from tests.support.checkout import Desk
from tests.support.documents import pay, refund, set_client, set_issuer
from todoenbalance.cli.invoices import verify_practices
from todoenbalance.devstack.postgres import EmbeddedPostgres

LAST_INVOICE_GONE = """
WITH gone AS (DELETE FROM document_records WHERE position = 3 RETURNING document_id)
DELETE FROM documents USING gone WHERE id = document_id
"""
Tamper = Callable[[str], Awaitable[list[str]]]


@pytest.fixture
async def tamper(desk: Desk, cluster: EmbeddedPostgres) -> Tamper:
    """Three invoices; ``tamper(sql)`` does it as who may do anything, and answers what the check says then."""
    await set_issuer(desk.runtime, desk.practice)
    await set_client(desk)
    await refund(desk, (await pay(desk)).id, 1000)
    await pay(desk)

    async def change(statement: str) -> list[str]:
        with psycopg.connect(cluster.admin_url, dbname="todoenbalance_test", autocommit=True) as admin:
            admin.execute("SET session_replication_role = replica")  # no trigger and no foreign key stands in the way
            admin.execute(f"SET search_path = {desk.practice.key}".encode())
            admin.execute(statement.encode())
        async with desk.runtime.database.tenant(desk.practice) as session:
            return (await verify_documents(session)).faults

    return change


async def test_what_nobody_touched_is_whole(tamper: Tamper) -> None:
    assert await tamper("SELECT 1") == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE documents SET total_minor = total_minor - 100, base_minor = base_minor - 100", "total"),
        ("UPDATE documents SET content = jsonb_set(content, '{footer}', '\"x\"')", "content"),
        ("UPDATE documents SET recipient = jsonb_set(recipient, '{tax_id}', '\"X1234567L\"')", "recipient"),
        ("UPDATE documents SET issued_on = issued_on - 1", "date"),
        ("UPDATE document_lines SET description = 'x'", "content"),
        ("UPDATE document_lines SET gross_minor = 1, base_minor = 1 WHERE gross_minor > 0", "lines"),
        ("UPDATE document_records SET hash = repeat('0', 64) WHERE position = 2", "hash"),
        ("UPDATE document_records SET total = '1.00'", "hash"),
        ("UPDATE document_records SET previous_hash = '' WHERE position = 3", "hash of the record before"),
        ("UPDATE document_records SET seal = repeat('0', 64) WHERE position = 1", "seal"),
        ("DELETE FROM document_records WHERE position = 2", "position in the chain"),
        ("DELETE FROM document_records WHERE position = 3", "1 invoices are not in the chain"),
        (LAST_INVOICE_GONE, "1 documents, highest number 1, counter 2"),
    ],
)
async def test_what_was_changed_is_found(tamper: Tamper, statement: str, expected: str) -> None:
    assert any(expected in fault for fault in await tamper(statement))


async def test_a_record_forged_with_its_own_hash_breaks_with_the_next(tamper: Tamper) -> None:
    forged = (
        "UPDATE document_records SET total = '1.00', hash = upper(encode(sha256(convert_to("
        "'IDEmisorFactura=' || issuer_tax_id || '&NumSerieFactura=' || number"
        " || '&FechaExpedicionFactura=' || issued_on"
        " || '&TipoFactura=' || invoice_type || '&CuotaTotal=' || tax_total || '&ImporteTotal=1.00&Huella='"
        " || previous_hash || '&FechaHoraHusoGenRegistro=' || generated_at, 'UTF8')), 'hex')) WHERE position = 1"
    )
    faults = await tamper(forged)
    assert any("hash of the record before" in fault for fault in faults)
    assert not any(fault.endswith(": hash does not agree") for fault in faults)


class TestTheCommand:
    async def test_says_which_practice_and_what(self, desk: Desk, tamper: Tamper) -> None:
        await tamper("UPDATE document_records SET hash = repeat('0', 64) WHERE position = 2")
        reports = await verify_practices(desk.runtime)
        mine = {slug: report for slug, report in reports.items() if report.faults}
        assert desk.practice.slug in mine  # other tests tampered with theirs
        assert any("hash does not agree" in fault for fault in mine[desk.practice.slug].faults)

    async def test_has_nothing_to_say_of_those_that_are_whole(self, desk: Desk, tamper: Tamper) -> None:
        await tamper("SELECT 1")
        report = (await verify_practices(desk.runtime, desk.practice.slug))[desk.practice.slug]
        assert (report.ok, report.checked) == (True, 3)
