"""Webhooks of the sandbox: forged, repeated, late, reordered, lost, and sent for real over HTTP."""

import asyncio
import socket
from dataclasses import replace
from datetime import timedelta

import pytest
import uvicorn
from sqlalchemy import delete, func, select

from billing.accounts.models import EventTrouble
from billing.payments.models import PaymentStatus
from billing.providers import sandbox
from billing.providers.sandbox import SandboxOutcome, SandboxProvider, WebhookMode
from billing.webhooks.endpoints import MAX_BODY_BYTES
from billing.webhooks.handling import handle_event
from scheduling.appointments.models import AppointmentStatus
from tenants.registry.models import Tenant, TenantStatus
from tests.conftest import HttpFactory
from tests.support.checkout import PRICE, Desk, make_desk
from tests.support.events import queued
from tests.support.problems import assert_problem
from todoenbalance.app import create_app
from todoenbalance.kit import clock
from todoenbalance.kit.inbox.models import ProviderEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import SandboxSettings
from todoenbalance.kit.tenancy import TenantContext


async def stored(desk: Desk) -> list[ProviderEvent]:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return list((await session.scalars(select(ProviderEvent).order_by(ProviderEvent.id))).all())


class TestVerification:
    async def test_a_forged_body_is_refused_and_nothing_is_stored(self, desk: Desk, http: HttpFactory) -> None:
        payment = await desk.start(await desk.book())
        body, headers = await desk.signed_event(payment)
        forged = body.replace(b"order.captured", b"order.declined")
        answer = await http().post(f"/webhooks/sandbox/{desk.practice.key}", content=forged, headers=headers)
        assert_problem(answer, 400, "invalid_signature")
        assert await stored(desk) == []

    async def test_a_body_without_a_right_signature_is_refused(self, desk: Desk, http: HttpFactory) -> None:
        body, _ = await desk.signed_event(await desk.start(await desk.book()))
        for header in ("", "t=,v1=", "v1=00", "t=abc,v1=ñ", "t=1700000000", "nonsense"):
            headers = [(sandbox.SIGNATURE_HEADER.encode(), header.encode())]
            answer = await http().post(f"/webhooks/sandbox/{desk.practice.key}", content=body, headers=headers)
            assert_problem(answer, 400, "invalid_signature")
        assert await stored(desk) == []

    async def test_a_signature_of_another_time_is_refused(self, desk: Desk, http: HttpFactory) -> None:
        body, _ = await desk.signed_event(await desk.start(await desk.book()))
        provider = SandboxProvider(desk.runtime, desk.practice)
        for minutes in (-6, 6):
            headers = provider.sign_webhook(body, clock.now() + timedelta(minutes=minutes))
            answer = await http().post(f"/webhooks/sandbox/{desk.practice.key}", content=body, headers=headers)
            assert_problem(answer, 400, "invalid_signature")

    async def test_another_practices_signature_is_worthless(
        self, desk: Desk, http: HttpFactory, other_practice: TenantContext
    ) -> None:
        body, headers = await desk.signed_event(await desk.start(await desk.book()))
        answer = await http().post(f"/webhooks/sandbox/{other_practice.key}", content=body, headers=headers)
        assert_problem(answer, 400, "invalid_signature")

    async def test_a_signed_body_that_is_no_event_is_refused(self, desk: Desk, http: HttpFactory) -> None:
        headers = SandboxProvider(desk.runtime, desk.practice).sign_webhook(b"[]")
        answer = await http().post(f"/webhooks/sandbox/{desk.practice.key}", content=b"[]", headers=headers)
        assert_problem(answer, 400, "invalid_signature")

    async def test_an_unknown_practice_is_not_found(self, http: HttpFactory) -> None:
        assert_problem(await http().post("/webhooks/sandbox/t_aaaaaaaaaa", content=b"{}"), 404, "practice_not_found")
        assert_problem(await http().post("/webhooks/sandbox/nobody", content=b"{}"), 404, "practice_not_found")

    async def test_a_body_that_is_too_large_is_refused(self, desk: Desk, http: HttpFactory) -> None:
        answer = await http().post(f"/webhooks/sandbox/{desk.practice.key}", content=b"x" * (MAX_BODY_BYTES + 1))
        assert_problem(answer, 413, "too_large")


class TestReceiving:
    async def test_an_event_settles_the_payment_and_confirms_the_appointment(
        self, desk: Desk, http: HttpFactory
    ) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        answer = await desk.send_event(http(), payment)
        assert (answer.status_code, answer.json()) == (200, {})
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED
        assert [event.status for event in await stored(desk)] == ["handled"]

    async def test_the_slug_is_accepted_in_the_address(self, desk: Desk, http: HttpFactory) -> None:
        body, headers = await desk.signed_event(await desk.pay(await desk.book()))
        answer = await http().post(f"/webhooks/sandbox/{desk.practice.slug}", content=body, headers=headers)
        assert answer.status_code == 200

    async def test_a_repeated_event_is_accepted_and_has_no_effect(self, desk: Desk, http: HttpFactory) -> None:
        payment = await desk.pay(await desk.book())
        answers = await asyncio.gather(*(desk.send_event(http(), payment) for _ in range(3)))
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert len(await stored(desk)) == 1
        events = [event for event in await queued(desk.runtime, desk.practice) if "provider_event" in event.topic]
        assert len(events) == 1
        await desk.run()
        assert (await desk.send_event(http(), payment)).status_code == 200
        await desk.run()
        assert await desk.ledger(payment.id) == [("capture", PRICE)]

    async def test_an_event_of_an_unknown_type_is_kept_and_ignored(self, desk: Desk, http: HttpFactory) -> None:
        payment = await desk.start(await desk.book())
        assert (await desk.send_event(http(), payment, event_type="order.pondered")).status_code == 200
        assert [event.status for event in await stored(desk)] == ["ignored"]
        assert not [e for e in await queued(desk.runtime, desk.practice) if e.topic == "provider_event.received"]

    async def test_what_an_event_claims_is_not_believed(self, desk: Desk, http: HttpFactory) -> None:
        payment = await desk.start(await desk.book())
        await desk.send_event(http(), payment)  # 'captured', says the event; nobody has paid
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.REQUIRES_ACTION

    async def test_events_in_the_wrong_order_end_in_the_truth(self, desk: Desk, http: HttpFactory) -> None:
        payment = await desk.start(await desk.book())
        await desk.decide(payment, SandboxOutcome.DECLINE)
        await desk.decide(payment, forced=True)
        await desk.send_event(http(), payment, "evt-2", event_type=sandbox.ORDER_CAPTURED)
        await desk.run()
        await desk.send_event(http(), payment, "evt-1", event_type=sandbox.ORDER_DECLINED)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        assert await desk.ledger(payment.id) == [("capture", PRICE)]

    @pytest.mark.parametrize("status", [TenantStatus.SUSPENDED, TenantStatus.CLOSING])
    async def test_a_practice_that_serves_nobody_still_hears_of_its_money(
        self, desk: Desk, http: HttpFactory, status: TenantStatus
    ) -> None:
        payment = await desk.pay(await desk.book())
        async with desk.runtime.database.platform() as session:
            (await session.get_one(Tenant, desk.practice.id)).status = status
        assert (await desk.send_event(http(), payment)).status_code == 200
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED

    async def test_an_event_about_an_order_that_nobody_knows_waits_for_an_hour(
        self, desk: Desk, http: HttpFactory
    ) -> None:
        payment = await desk.start(await desk.book())
        body, _ = await desk.signed_event(payment)
        body = body.replace((await desk.order_of(payment)).id.encode(), b"sbx_nobody")
        headers = SandboxProvider(desk.runtime, desk.practice).sign_webhook(body)
        await http().post(f"/webhooks/sandbox/{desk.practice.key}", content=body, headers=headers)
        await desk.run()
        assert [event.status for event in await stored(desk)] == ["received"]
        with clock.at(clock.now() + timedelta(hours=2)):
            await desk.run()
        [event] = await stored(desk)
        assert event.status == "failed"
        # Its worker died before operators were told, and the queue comes again.
        async with desk.runtime.database.platform() as session:
            await session.execute(delete(EventTrouble).where(EventTrouble.provider_event_id == event.id))
        await handle_event(desk.runtime, desk.practice, event.id)
        async with desk.runtime.database.platform() as session:
            known = await session.get_one(EventTrouble, (desk.practice.key, event.id))
        assert (known.status, known.error, known.failures) == ("failed", "unknown_order", 1)


class TestRaces:
    async def test_return_page_and_webhook_at_once_count_the_money_once(self, desk: Desk, http: HttpFactory) -> None:
        appointment = await desk.book()
        payment = await desk.pay(appointment)
        await desk.send_event(http(), payment)
        await asyncio.gather(*(desk.confirm(payment) for _ in range(3)), desk.run())
        await desk.run()
        assert await desk.ledger(payment.id) == [("capture", PRICE)]
        assert (await desk.payment(payment.id)).captured_minor == PRICE
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED


class TestSending:
    """The sandbox's own webhooks, over a real socket to a real server."""

    @pytest.mark.parametrize("mode", [WebhookMode.NORMAL, WebhookMode.DUPLICATE])
    async def test_the_webhook_of_an_approval_settles_the_payment(
        self, runtime: Runtime, practice: TenantContext, mode: WebhookMode
    ) -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            port = listening.getsockname()[1]
            own = SandboxSettings(webhook_base_url=f"http://127.0.0.1:{port}")
            settings = runtime.settings.model_copy(update={"sandbox": own})
            reachable = replace(runtime, settings=settings)
            app = create_app(reachable)
            server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", log_config=None))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            desk = await make_desk(reachable, practice)
            appointment = await desk.book()
            payment = await desk.start(appointment)
            await desk.decide(payment, webhook=mode)
            await desk.run()
            server.should_exit = True
            await serving
        assert len(await stored(desk)) == 1
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_late_duplicate_and_drop_are_what_they_say(self, desk: Desk) -> None:
        async def webhooks(mode: WebhookMode) -> list[float]:
            payment = await desk.start(await desk.book())
            order = await desk.order_of(payment)
            await desk.decide(payment, webhook=mode)
            rows = [row for row in await queued(desk.runtime, desk.practice) if row.topic == sandbox.SEND_WEBHOOK]
            return [
                (row.run_at - row.created_at).total_seconds() for row in rows if row.payload["order_id"] == order.id
            ]

        assert await webhooks(WebhookMode.DROP) == []
        assert await webhooks(WebhookMode.NORMAL) == [0.0]
        assert await webhooks(WebhookMode.DUPLICATE) == [0.0, 0.0]
        (delay,) = await webhooks(WebhookMode.LATE)
        assert delay > 1

    async def test_a_webhook_that_nobody_takes_is_sent_again(self, runtime: Runtime, practice: TenantContext) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
            own = SandboxSettings(webhook_base_url=f"http://127.0.0.1:{closed.getsockname()[1]}")
            settings = runtime.settings.model_copy(update={"sandbox": own})
            desk = await make_desk(replace(runtime, settings=settings), practice)
            await desk.decide(await desk.start(await desk.book()), webhook=WebhookMode.NORMAL)
            await desk.run()
            (row,) = [row for row in await queued(runtime, practice) if row.topic == sandbox.SEND_WEBHOOK]
            assert row.last_error == "ConnectError"
            assert row.parked_at is None


async def test_the_inbox_has_one_row_for_an_event(desk: Desk, http: HttpFactory) -> None:
    payment = await desk.pay(await desk.book())
    for event_id in ("a", "b", "a"):
        await desk.send_event(http(), payment, event_id)
    async with desk.runtime.database.tenant(desk.practice) as session:
        assert await session.scalar(select(func.count()).select_from(ProviderEvent)) == 2
