"""A secret that was entered is found nowhere: no answer, page, log, mail, audit line, queue row or table."""

import io
import logging
import secrets
import zipfile
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from billing.accounts.service import load_access
from tests.support.events import run_due_events
from tests.support.pages import HTML, form_of, sign_in
from tests.support.payment_accounts import API, PUBLISHABLE, Counter
from tests.support.practices import PASSWORD
from todoenbalance.cli.sealed import OF_A_PRACTICE
from todoenbalance.kit.database import PlatformSession, TenantSession

CANARY = f"canary{secrets.token_hex(8)}"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Whatever any logger writes, at the most talkative level; what the product quietens stays quiet."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


async def dump(session: TenantSession | PlatformSession, schema: str) -> str:
    """Every row of every table of a schema that the session may read, as text."""
    listed = await session.execute(
        text("SELECT table_name FROM information_schema.tables WHERE table_schema = :schema"), {"schema": schema}
    )
    rows = []
    for (name,) in listed.all():
        found = await session.execute(text(f'SELECT t::text FROM "{schema}"."{name}" t'))
        rows += [str(row[0]) for row in found.all()]
    return "\n".join(rows)


def unpacked(content: bytes) -> str:
    """What a file says; every part of one that is packed (XLSX is a ZIP archive)."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content.decode("utf-8-sig")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "\n".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


async def test_no_secret_is_found_anywhere(counter: Counter, logged: io.StringIO) -> None:
    account_ref, key = counter.own_account()
    held = counter.stripe.world.keys.pop(key)
    secret_key = f"sk_test_{CANARY}"
    counter.stripe.world.keys[secret_key] = held
    counter.paypal.add_app(counter.client_id, f"EF{CANARY}")
    seen: list[str] = []

    async def note(*answers: object) -> None:
        for answer in answers:
            seen.append(str(getattr(answer, "text", answer)))
            seen.append(repr(answer))

    # What is refused, in each field, and what is malformed.
    await note(
        await counter.put_keys(f"sk_live_{CANARY}"),
        await counter.put_keys(f"sk_test_wrong{CANARY}"),
        await counter.put_keys(f"pk_test_{CANARY}", f"sk_test_{CANARY}"),
        await counter.put_keys("x", f"sk_test_{CANARY}"),
        await counter.put_keys(f"sk_test_{CANARY}" * 20),
        await counter.put_paypal(client_secret=f"wrong{CANARY}"),
        await counter.put_paypal(client_secret=f"EF{CANARY}", mode="nonsense"),
        await counter.api.put(f"{API}/stripe/keys", json={"secret_key": {"a": CANARY}, "publishable_key": 1}),
        await counter.api.put(f"{API}/paypal", json={"client_secret": [CANARY]}),
        await counter.api.put(f"{API}/paypal", content=f'{{"client_secret": "{CANARY}"'),
    )
    # What works, what fails later, and what is left.
    connected = await counter.put_keys(secret_key)
    assert connected.json()["account"]["status"] == "active", connected.text
    await note(connected, await counter.put_paypal(client_secret=f"EF{CANARY}"))
    access = await load_access(counter.runtime, counter.practice, "stripe")
    webhook_secret = str(access.webhook_secret)
    assert secret_key in access.credentials.values()
    await note(repr(access), repr(await counter.present("stripe")), repr(counter.runtime))
    counter.stripe.faults.answer(500, "/v1/account", times=3)
    await note(await counter.api.post(f"{API}/stripe/check"))
    counter.stripe.faults.answer(401, "/v1/account")
    await note(await counter.api.post(f"{API}/stripe/check"), await counter.api.get(API))
    counter.paypal.withdraw(counter.client_id)
    await note(await counter.api.post(f"{API}/paypal/check"))
    # Pages, forms that come back included.
    browser = counter.api
    browser.headers.pop("Authorization")
    browser.headers.update(HTML)
    await sign_in(browser, "/admin/sign-in", counter.owner.email, PASSWORD)
    page = await browser.get("/admin/payment-accounts")
    assert page.status_code == 200
    for publishable, secret in ((f"sk_test_{CANARY}", "x"), (PUBLISHABLE, f"sk_test_no{CANARY}")):
        data = form_of(page, "/stripe/keys").data | {"publishable_key": publishable, "secret_key": secret}
        await note(await browser.post("/admin/payment-accounts/stripe/keys", data=data))
    data = form_of(page, "/payment-accounts/paypal").data | {"client_id": f"A{CANARY}", "client_secret": f"x{CANARY}"}
    await note(page, await browser.post("/admin/payment-accounts/paypal", data=data))
    await note(await browser.get("/admin/audit"), await browser.get("/admin"), await browser.get("/dev/mailbox"))
    # What leaves the house: the accountant's export, a person's own copy, the contract of the API.
    for address in (
        "/admin/documents/export?year=2026&quarter=4&format=csv",
        "/admin/documents/export?year=2026&quarter=4&format=xlsx",
        "/api/v1/openapi.json",
    ):
        answer = await browser.get(address)
        assert answer.status_code == 200, (address, answer.text)
        await note(unpacked(answer.content))
    await run_due_events(counter.runtime, counter.practice)
    async with counter.runtime.database.tenant(counter.practice) as session:
        tables = await dump(session, counter.practice.key)
    async with counter.runtime.database.platform() as platform:
        tables += await dump(platform, "platform")
    assert account_ref in tables  # the dump is of what there is
    everything = "\n".join([*seen, tables, logged.getvalue()])
    assert CANARY not in everything, everything[max(0, everything.find(CANARY) - 300) : everything.find(CANARY) + 40]
    assert webhook_secret not in everything
    assert {name for model, name in OF_A_PRACTICE if model.__tablename__ == "payment_accounts"} == {
        "credentials",
        "webhook_secret",
    }
