"""Webhooks that need somebody, as operators find them and deal with them."""

import secrets
from datetime import timedelta
from typing import Protocol

import httpx
import pytest
import stripe
from pydantic import SecretStr
from sqlalchemy import delete, select

from billing.accounts.claims import claim_account
from billing.accounts.events import PAYMENT_ACCOUNT_CHECK
from billing.accounts.models import AccountKind, ParkedEvent, ProviderAccount
from billing.payments.models import SandboxOrder
from billing.webhooks.receiving import receive_webhook
from tests.conftest import HttpFactory
from tests.support.checkout import Desk, make_desk
from tests.support.connected_accounts import add_account
from tests.support.operators import make_operator
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.problems import assert_problem
from tests.support.providers.fixtures import stripe_server
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit import clock
from todoenbalance.kit.inbox.models import ProviderEvent
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings, StripeSettings
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.service import create_operator

__all__ = ["stripe_server"]

SECRET = "whsec_connect"


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    """A platform that listens to Stripe Connect."""
    connect = StripeSettings(webhook_secret=SecretStr(f"whsec_older,{SECRET}"))
    return settings.model_copy(update={"providers": settings.providers.model_copy(update={"stripe": connect})})


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    """A practice that can be paid."""
    return await make_desk(runtime, practice)


@pytest.fixture
async def operator(runtime: Runtime, http: HttpFactory) -> httpx.AsyncClient:
    """A client of the platform's host, signed in as an operator."""
    return http(headers=(await make_operator(runtime)).headers)


async def inbox(desk: Desk) -> list[ProviderEvent]:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return list((await session.scalars(select(ProviderEvent).order_by(ProviderEvent.id))).all())


async def failed_event(desk: Desk) -> tuple[ProviderEvent, SandboxOrder]:
    """An event in the inbox that was given up: the provider had lost the order of money that it had taken."""
    payment = await desk.pay(await desk.book())
    await desk.confirm(payment)
    order = await desk.order_of(payment)
    body, headers = await desk.signed_event(payment, f"evt-{secrets.token_hex(4)}")
    await receive_webhook(desk.runtime, desk.practice, "sandbox", headers, body)
    async with desk.runtime.database.tenant(desk.practice) as session:
        await session.execute(delete(SandboxOrder).where(SandboxOrder.id == order.id))
    await desk.run()
    (event,) = await inbox(desk)
    assert (event.status, event.problem) == ("failed", "order_not_found")
    return event, order


async def put_back(desk: Desk, order: SandboxOrder) -> None:
    """The provider has found it again."""
    values = {column.key: getattr(order, column.key) for column in SandboxOrder.__table__.columns}
    async with desk.runtime.database.tenant(desk.practice) as session:
        session.add(SandboxOrder(**values))


class TestTroubles:
    async def test_what_failed_is_on_one_list_and_goes_when_it_was_replayed(
        self, desk: Desk, operator: httpx.AsyncClient
    ) -> None:
        event, order = await failed_event(desk)
        address = f"/api/v1/platform/provider-events?tenant_id={desk.practice.id}"
        (row,) = (await operator.get(address)).json()["items"]
        assert row["provider_event_id"] == str(event.id)
        assert (row["slug"], row["status"], row["error"]) == (desk.practice.slug, "failed", "order_not_found")

        await put_back(desk, order)
        act = f"/api/v1/platform/tenants/{desk.practice.id}/provider-events/{event.id}/replay"
        assert (await operator.post(act)).json()["status"] == "received"
        await desk.run()
        assert [one.status for one in await inbox(desk)] == ["handled"]
        assert (await operator.get(address)).json()["items"] == []
        listed = await operator.get(f"/api/v1/platform/tenants/{desk.practice.id}/provider-events?status=handled")
        assert [one["id"] for one in listed.json()["items"]] == [str(event.id)]
        assert "body" not in listed.json()["items"][0]

    async def test_replaying_what_was_handled_changes_nothing(self, desk: Desk, operator: httpx.AsyncClient) -> None:
        payment = await desk.pay(await desk.book())
        body, headers = await desk.signed_event(payment)
        await receive_webhook(desk.runtime, desk.practice, "sandbox", headers, body)
        await desk.run()
        before = await desk.ledger(payment.id)
        (event,) = await inbox(desk)
        await operator.post(f"/api/v1/platform/tenants/{desk.practice.id}/provider-events/{event.id}/replay")
        await desk.run()
        assert await desk.ledger(payment.id) == before
        assert [one.status for one in await inbox(desk)] == ["handled"]

    async def test_one_may_be_ignored_with_a_reason(self, desk: Desk, operator: httpx.AsyncClient) -> None:
        event, _ = await failed_event(desk)
        act = f"/api/v1/platform/tenants/{desk.practice.id}/provider-events/{event.id}/ignore"
        assert_problem(await operator.post(act, json={"note": " "}), 422, "validation_error")
        answer = await operator.post(act, json={"note": "a test order"})
        assert (answer.json()["status"], answer.json()["problem"]) == ("ignored", "a test order")
        listed = await operator.get(f"/api/v1/platform/provider-events?tenant_id={desk.practice.id}")
        assert listed.json()["items"] == []
        audit = (await operator.get("/api/v1/platform/audit")).json()["items"]
        assert [one["action"] for one in audit[:1]] == ["provider_event.ignored"]

    async def test_an_event_of_another_practice_is_not_found(
        self, desk: Desk, operator: httpx.AsyncClient, other_practice: TenantContext
    ) -> None:
        event, _ = await failed_event(desk)
        act = f"/api/v1/platform/tenants/{other_practice.id}/provider-events/{event.id}/replay"
        assert_problem(await operator.post(act), 404, "not_found")


class MakeEvent(Protocol):
    """Makes the body of an event about a dispute; the account is the platform's own where none is named."""

    def __call__(self, account: str, *, livemode: bool = False) -> bytes: ...


@pytest.fixture
def stripe_event(stripe_server: StripeServer) -> MakeEvent:
    """Bodies of Stripe's events, held against its contract."""

    def make(account: str, *, livemode: bool = False) -> bytes:
        dispute = stripe_server.world.shapes.make("dispute", id="dp_1", charge="ch_1", status="needs_response")
        body, _ = stripe_server.webhook(
            "charge.dispute.created", dispute, account_id=account, livemode=livemode, secret=SECRET
        )
        return body

    return make


def signed(body: bytes, secret: str = SECRET, shift: timedelta = timedelta(0)) -> dict[str, str]:
    at = int((clock.now() + shift).timestamp())
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at)}


async def parked(runtime: Runtime, account: str) -> list[ParkedEvent]:
    async with runtime.database.platform() as session:
        statement = select(ParkedEvent).where(ParkedEvent.account_ref == account)
        return list((await session.scalars(statement)).all())


class TestConnect:
    async def test_the_account_says_whose_an_event_is(
        self, desk: Desk, http: HttpFactory, stripe_event: MakeEvent
    ) -> None:
        account = f"acct_{secrets.token_hex(6)}"
        async with desk.runtime.database.platform() as session:
            row = ProviderAccount(
                provider="stripe",
                account_ref=account,
                tenant_key=desk.practice.key,
                mode="test",
                created_at=clock.now(),
            )
            session.add(row)
        body = stripe_event(account)
        for _ in range(2):
            assert (await http().post("/webhooks/stripe", content=body, headers=signed(body))).status_code == 200
        (event,) = await inbox(desk)
        assert (event.provider, event.object_ref, event.account_ref) == ("stripe", "ch_1", account)
        assert event.body == {}
        assert event.raw is not None
        assert b"ch_1" not in event.raw.encode()

    async def test_what_was_parked_is_the_practices_once_the_account_is(
        self, desk: Desk, http: HttpFactory, stripe_event: MakeEvent
    ) -> None:
        account = f"acct_{secrets.token_hex(6)}"
        for livemode in (False, True):
            body = stripe_event(account, livemode=livemode)
            await http().post("/webhooks/stripe", content=body, headers=signed(body))
        assert [one.status for one in await parked(desk.runtime, account)] == ["waiting", "waiting"]
        await claim_account(desk.runtime, desk.practice, "stripe", account, "test")
        row = await add_account(desk.runtime, desk.practice, "stripe", AccountKind.CONNECT, account)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await publish(session, PAYMENT_ACCOUNT_CHECK, {"account_id": str(row.id)})
        await desk.run()
        assert [one.status for one in await parked(desk.runtime, account)] == ["assigned", "assigned"]
        first, of_other_mode = await inbox(desk)
        assert (first.object_ref, of_other_mode.status) == ("ch_1", "ignored")

    async def test_one_of_a_practice_that_is_gone_is_parked(
        self, runtime: Runtime, http: HttpFactory, stripe_event: MakeEvent
    ) -> None:
        account = f"acct_{secrets.token_hex(6)}"
        async with runtime.database.platform() as session:
            session.add(
                ProviderAccount(
                    provider="stripe", account_ref=account, tenant_key="t_gone", mode="test", created_at=clock.now()
                )
            )
        body = stripe_event(account)
        assert (await http().post("/webhooks/stripe", content=body, headers=signed(body))).status_code == 200
        assert [one.status for one in await parked(runtime, account)] == ["waiting"]

    @pytest.mark.parametrize(
        ("secret", "shift"),
        [("whsec_other", timedelta(0)), (SECRET, timedelta(minutes=-6)), (SECRET, timedelta(minutes=6))],
    )
    async def test_what_was_not_signed_now_by_the_endpoints_secret_is_refused(
        self, runtime: Runtime, http: HttpFactory, secret: str, shift: timedelta, stripe_event: MakeEvent
    ) -> None:
        account = f"acct_{secrets.token_hex(6)}"
        body = stripe_event(account)
        answer = await http().post("/webhooks/stripe", content=body, headers=signed(body, secret, shift))
        assert_problem(answer, 400, "invalid_signature")
        assert await parked(runtime, account) == []

    @pytest.mark.parametrize("body", [b"\xff\xfe", b"[]", b"{}", b'{"id": "evt_1", "object": "v2.core.event"}'])
    async def test_signed_bytes_that_are_no_event_are_refused(self, http: HttpFactory, body: bytes) -> None:
        at = int(clock.now().timestamp())
        text = body.decode("latin-1")
        header = stripe.WebhookSignature.generate_signature_header(text, SECRET, at)
        answer = await http().post("/webhooks/stripe", content=body, headers={"Stripe-Signature": header})
        assert_problem(answer, 400, "invalid_signature")

    async def test_an_event_of_the_other_mode_is_kept_and_does_nothing(
        self, desk: Desk, http: HttpFactory, stripe_event: MakeEvent
    ) -> None:
        account = f"acct_{secrets.token_hex(6)}"
        async with desk.runtime.database.platform() as session:
            session.add(
                ProviderAccount(
                    provider="stripe",
                    account_ref=account,
                    tenant_key=desk.practice.key,
                    mode="live",
                    created_at=clock.now(),
                )
            )
        body = stripe_event(account)  # of test mode
        assert (await http().post("/webhooks/stripe", content=body, headers=signed(body))).status_code == 200
        assert [one.status for one in await inbox(desk)] == ["ignored"]

    async def test_an_older_secret_counts_while_it_is_being_replaced(
        self, http: HttpFactory, stripe_event: MakeEvent
    ) -> None:
        body = stripe_event(f"acct_{secrets.token_hex(6)}")
        answer = await http().post("/webhooks/stripe", content=body, headers=signed(body, "whsec_older"))
        assert answer.status_code == 200


class TestParked:
    async def test_an_event_of_nobodys_account_is_kept_once_and_told_nobody(
        self, runtime: Runtime, http: HttpFactory, operator: httpx.AsyncClient, stripe_event: MakeEvent
    ) -> None:
        account = f"acct_{secrets.token_hex(6)}"
        body = stripe_event(account)
        for _ in range(2):
            assert (await http().post("/webhooks/stripe", content=body, headers=signed(body))).status_code == 200
        (row,) = await parked(runtime, account)
        assert b"ch_1" not in row.body.encode()
        listed = (await operator.get("/api/v1/platform/parked-events")).json()["items"]
        assert str(row.id) in {one["id"] for one in listed}

    async def test_an_operator_gives_it_to_a_practice_once(
        self, desk: Desk, http: HttpFactory, operator: httpx.AsyncClient, stripe_event: MakeEvent
    ) -> None:
        account = f"acct_{secrets.token_hex(6)}"
        body = stripe_event(account)
        await http().post("/webhooks/stripe", content=body, headers=signed(body))
        (row,) = await parked(desk.runtime, account)
        act = f"/api/v1/platform/parked-events/{row.id}/assign"
        answer = await operator.post(act, json={"tenant_id": str(desk.practice.id)})
        assert (answer.json()["status"], answer.json()["tenant_key"]) == ("assigned", desk.practice.key)
        (event,) = await inbox(desk)
        assert (event.account_ref, event.status) == (account, "received")
        again = await operator.post(act, json={"tenant_id": str(desk.practice.id)})
        assert_problem(again, 409, "parked_event_decided")

    async def test_or_says_that_it_is_nobodys(
        self, runtime: Runtime, http: HttpFactory, operator: httpx.AsyncClient, stripe_event: MakeEvent
    ) -> None:
        account = f"acct_{secrets.token_hex(6)}"
        body = stripe_event(account)
        await http().post("/webhooks/stripe", content=body, headers=signed(body))
        (row,) = await parked(runtime, account)
        answer = await operator.post(f"/api/v1/platform/parked-events/{row.id}/ignore", json={"note": "old test"})
        assert (answer.json()["status"], answer.json()["note"]) == ("ignored", "old test")


class TestConsole:
    async def test_the_page_replays_ignores_and_assigns(
        self, desk: Desk, runtime: Runtime, http: HttpFactory, stripe_event: MakeEvent
    ) -> None:
        email = f"op-{secrets.token_hex(4)}@example.com"
        async with runtime.database.platform() as session:
            await create_operator(session, email=email, password="operator of the tests")
        browser = http(headers=HTML)
        await sign_in(browser, "/sign-in", email, "operator of the tests")
        event, order = await failed_event(desk)
        await put_back(desk, order)
        account = f"acct_{secrets.token_hex(6)}"
        body = stripe_event(account)
        await http().post("/webhooks/stripe", content=body, headers=signed(body))
        (row,) = await parked(runtime, account)

        page = await browser.get("/webhooks-inbox")
        assert_sober(page)
        assert desk.practice.name in page.text
        assert account in page.text
        replay = f"/webhooks-inbox/{desk.practice.id}/{event.id}/replay"
        assert (await submit(browser, page, replay)).status_code == 303
        await desk.run()
        assert [one.status for one in await inbox(desk)] == ["handled"]
        assign = f"/webhooks-inbox/parked/{row.id}/assign"
        refused = await submit(browser, page, assign, slug="nobody-there")
        assert refused.status_code == 404
        assert (await submit(browser, page, assign, slug=desk.practice.slug)).status_code == 303
        assert [one.status for one in await parked(runtime, account)] == ["assigned"]
