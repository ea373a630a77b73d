"""The whole way through the product, with the real SDK against the local Stripe: booked, paid, disputed, given back."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from billing.accounts.models import PaymentAccount
from billing.checkout.schemas import PaymentCreate, PaymentRead, RedirectAction, StripeElementsAction
from billing.checkout.service import get_own_payment, start_checkout
from billing.disputes.service import list_disputes
from billing.payments.errors import AmountNotAcceptedError, MethodNotOfferedError, ProviderUnavailableError
from billing.payments.models import AttemptStatus, PaymentAttempt, PaymentStatus, RefundStatus
from billing.payments.repository import PaymentRepository
from billing.payments.service import latest_attempt
from billing.payments.settling import settle
from billing.providers.port import Flow
from billing.providers.stripe.client import RETRIES
from billing.providers.stripe.events import event_of, read_event
from billing.reconciliation.service import read_state, reconcile
from billing.refunds.errors import PaymentNotRefundableError
from billing.refunds.service import request_refund
from billing.webhooks.receiving import receive_account_event
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.catalogue.models import Service
from tenants.registry.service import TenantDirectory
from tests.conftest import HttpFactory
from tests.support.checkout import PRICE, Desk, make_desk
from tests.support.connected_accounts import CONNECT_SECRET, bring_own_stripe
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.platform_fees import make_plan, put_on_plan
from tests.support.practices import make_staff_member
from tests.support.providers.stripe.sessions import Outcome
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def order_of(desk: Desk, payment: PaymentRead) -> PaymentAttempt:
    """The payment's last attempt."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await latest_attempt(session, payment.id)


async def start(desk: Desk) -> tuple[Appointment, PaymentRead, str]:
    """A held appointment, its payment, and the session at Stripe."""
    appointment = await desk.book()
    payment = await desk.start(appointment, "stripe")
    return appointment, payment, str((await order_of(desk, payment)).provider_ref)


async def confirmed(desk: Desk, server: StripeServer) -> tuple[Appointment, PaymentRead, str]:
    """A paid one; with its charge."""
    appointment, payment, order = await start(desk)
    server.pay(order)
    await desk.confirm(payment)
    return appointment, payment, str((await order_of(desk, payment)).charge_ref)


async def tell(desk: Desk, server: StripeServer, event_type: str, thing: str) -> bool:
    """Stripe tells of it, signed, at the address for all connected accounts."""
    body, headers = server.webhook(event_type, thing, secret=CONNECT_SECRET)
    event = read_event({name.lower(): value for name, value in headers.items()}, body, [CONNECT_SECRET])
    directory = TenantDirectory(desk.runtime.database, desk.runtime.settings)
    return await receive_account_event(desk.runtime, directory, "stripe", event, body)


async def books_agree(desk: Desk) -> bool:
    """Whether the daily comparison has nothing to say."""
    await reconcile(desk.runtime, desk.practice)
    async with desk.runtime.database.tenant(desk.practice) as session:
        return (await read_state(session)).disagreeing == 0


class TestPaying:
    async def test_return_page_and_webhook_at_once_count_the_money_once(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        appointment, payment, order = await start(desk)
        assert isinstance(payment.next_action, RedirectAction)
        stripe_server.pay(order)
        await tell(desk, stripe_server, "checkout.session.completed", order)
        await asyncio.gather(*(desk.confirm(payment) for _ in range(3)), desk.run())
        await desk.run()
        assert await desk.ledger(payment.id) == [("capture", PRICE)]
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED
        row = await desk.payment(payment.id)
        assert (row.status, row.review_reason) == (PaymentStatus.SUCCEEDED, None)
        assert await books_agree(desk)

    async def test_a_closed_tab_and_a_lost_webhook_are_found_by_looking(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        appointment, payment, order = await start(desk)
        stripe_server.pay(order)
        await run_due_events(desk.runtime, desk.practice, until=clock.now() + timedelta(minutes=6))
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_events_in_any_order_and_any_number_end_in_the_truth(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        _, payment, order = await start(desk)
        stripe_server.pay(order, Outcome.DECLINE)
        intent = stripe_server.find(order)["payment_intent"]
        stripe_server.pay(order)
        charge = stripe_server.find(intent)["latest_charge"]
        for event_type, thing in (
            ("charge.succeeded", charge),
            ("payment_intent.succeeded", intent),
            ("payment_intent.payment_failed", intent),
            ("checkout.session.completed", order),
            ("checkout.session.expired", order),
        ):
            await tell(desk, stripe_server, event_type, thing)
            await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        assert await desk.ledger(payment.id) == [("capture", PRICE)]

    async def test_what_an_event_says_is_not_believed(self, desk: Desk, stripe_server: StripeServer) -> None:
        _, payment, order = await start(desk)
        await tell(desk, stripe_server, "checkout.session.completed", order)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.REQUIRES_ACTION

    async def test_a_completed_session_that_is_unpaid_is_on_its_way(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        appointment, payment, order = await start(desk)
        stripe_server.pay(order, Outcome.SLOW)
        assert (await desk.confirm(payment)).status is PaymentStatus.PROCESSING
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.HELD
        stripe_server.settle(order)
        await tell(desk, stripe_server, "checkout.session.async_payment_succeeded", order)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.SUCCEEDED
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_a_hold_that_ends_ends_the_session_at_stripe_too(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        appointment, payment, order = await start(desk)
        await desk.expire(appointment)
        await desk.run()
        assert stripe_server.find(order)["status"] == "expired"
        assert (await desk.payment(payment.id)).status == PaymentStatus.CANCELLED

    async def test_a_lost_answer_is_asked_for_again_under_the_same_key(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        appointment = await desk.book()
        stripe_server.faults.lose_answer("/v1/checkout/sessions", method="POST", times=RETRIES + 1)
        with pytest.raises(ProviderUnavailableError):
            await desk.start(appointment, "stripe", key="k")
        payment = await desk.start(appointment, "stripe", key="k")
        assert len(stripe_server.objects("checkout.session")) == 1
        assert payment.next_action is not None

    async def test_a_lost_answer_that_nobody_asks_for_again_is_found_by_looking(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        appointment = await desk.book()
        stripe_server.faults.lose_answer("/v1/checkout/sessions", method="POST", times=RETRIES + 1)
        with pytest.raises(ProviderUnavailableError):
            await desk.start(appointment, "stripe")
        await run_due_events(desk.runtime, desk.practice, until=clock.now() + timedelta(minutes=6))
        (session,) = stripe_server.objects("checkout.session")
        async with desk.runtime.database.tenant(desk.practice) as database:
            (attempt,) = (await database.scalars(select(PaymentAttempt))).all()
        assert (attempt.status, attempt.provider_ref) == (AttemptStatus.AWAITING_CUSTOMER, session["id"])

    async def test_money_of_the_other_mode_settles_nothing(
        self, desk: Desk, stripe_server: StripeServer, account: PaymentAccount
    ) -> None:
        _, payment, order = await start(desk)
        stripe_server.pay(order)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await session.execute(update(PaymentAttempt).values(mode="live"))
        row = await settle(desk.runtime, desk.practice, payment.id)
        assert (row.review_reason, row.captured_minor) == ("mode_mismatch", 0)
        assert account.mode == "test"

    async def test_an_order_that_has_lapsed_is_not_offered_again(self, desk: Desk, stripe_server: StripeServer) -> None:
        """Nobody asked Stripe since: the page of a balance may be opened again hours later."""
        appointment, payment, _ = await start(desk)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await session.execute(update(PaymentAttempt).values(expires_at=clock.now() - timedelta(minutes=1)))
        another = await desk.start(appointment, "stripe")
        assert another.id != payment.id
        assert isinstance(another.next_action, RedirectAction)
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert (await get_own_payment(session, appointment.client_id, payment.id)).next_action is None

    async def test_own_keys_on_a_plan_with_a_fee_agree(
        self, stripe_side: Runtime, other_practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        """Stripe knows nothing of that fee: it is noted here, and invoiced by the month."""
        await bring_own_stripe(stripe_side, other_practice, stripe_server)
        plan = await make_plan(stripe_side, fee_basis_points=150)
        desk = await make_desk(stripe_side, await put_on_plan(stripe_side, other_practice, plan))
        _, payment, _ = await confirmed(desk, stripe_server)
        row = await desk.payment(payment.id)
        assert (row.platform_fee_minor, row.fee_taken_minor) == (67, 0)
        assert await books_agree(desk)

    async def test_the_payment_element_gets_account_and_key_together(
        self, desk: Desk, stripe_server: StripeServer, account: PaymentAccount
    ) -> None:
        appointment = await desk.book()
        wanted = PaymentCreate(appointment_id=appointment.id, method="stripe", flow=Flow.ELEMENTS)
        payment = await start_checkout(desk.runtime, desk.practice, appointment.client_id, wanted)
        assert isinstance(payment.next_action, StripeElementsAction)
        assert payment.next_action.stripe_account == account.account_ref
        stripe_server.confirm(str((await order_of(desk, payment)).provider_ref))
        assert (await order_of(desk, payment)).next_action is not None
        assert (await desk.confirm(payment)).status is PaymentStatus.SUCCEEDED
        assert (await desk.confirm(payment)).next_action is None
        assert (await order_of(desk, payment)).next_action is None  # the form's secret is kept no longer than needed

    async def test_an_amount_below_stripes_minimum_is_refused_before_anything_is_opened(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        async with desk.runtime.database.tenant(desk.practice) as session:
            await session.execute(update(Service).values(price_minor=20))
        appointment = await desk.book()
        with pytest.raises(AmountNotAcceptedError):
            await desk.start(appointment, "stripe")
        assert stripe_server.requests() == []

    async def test_without_an_account_it_is_not_offered(self, desk: Desk, stripe_server: StripeServer) -> None:
        appointment = await desk.book()
        async with desk.runtime.database.tenant(desk.practice) as session:
            await session.execute(update(PaymentAccount).values(charges_enabled=False))
        with pytest.raises(MethodNotOfferedError):
            await desk.start(appointment, "stripe")
        assert stripe_server.requests() == []


async def give_back(desk: Desk, payment_id: UUID, amount: int | None = None) -> UUID:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return (await request_refund(session, payment_id, amount)).id


class TestGivingBack:
    async def test_part_by_part_until_all_is_back(self, desk: Desk, stripe_server: StripeServer) -> None:
        _, payment, charge = await confirmed(desk, stripe_server)
        await give_back(desk, payment.id, 1500)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.PARTIALLY_REFUNDED
        await give_back(desk, payment.id)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.REFUNDED
        assert stripe_server.find(charge)["amount_refunded"] == PRICE
        assert await books_agree(desk)

    async def test_a_lost_answer_gives_back_once(self, desk: Desk, stripe_server: StripeServer) -> None:
        _, payment, charge = await confirmed(desk, stripe_server)
        await give_back(desk, payment.id, 1500)
        stripe_server.faults.lose_answer("/v1/refunds", method="POST", times=RETRIES + 1)
        await desk.run()
        await run_due_events(desk.runtime, desk.practice, until=clock.now() + timedelta(minutes=5))
        assert [one.status for one in await desk.refunds(payment.id)] == [RefundStatus.SUCCEEDED]
        assert stripe_server.find(charge)["amount_refunded"] == 1500

    async def test_one_that_fails_after_it_had_succeeded_is_taken_back(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        _, payment, _ = await confirmed(desk, stripe_server)
        await give_back(desk, payment.id, 1500)
        await desk.run()
        (refund,) = await desk.refunds(payment.id)
        stripe_server.settle_refund(str(refund.provider_ref), succeeds=False)
        await tell(desk, stripe_server, "refund.failed", str(refund.provider_ref))
        await desk.run()
        (refund,) = await desk.refunds(payment.id)
        row = await desk.payment(payment.id)
        assert (refund.status, row.refunded_minor, row.status) == (RefundStatus.FAILED, 0, PaymentStatus.SUCCEEDED)
        assert sum(amount for _, amount in await desk.ledger(payment.id)) == PRICE

    async def test_at_stripes_own_site_it_is_entered_here(self, desk: Desk, stripe_server: StripeServer) -> None:
        _, payment, charge = await confirmed(desk, stripe_server)
        made = stripe_server.refund_at_stripe(charge, 700)
        await tell(desk, stripe_server, "refund.created", made)
        await desk.run()
        (refund,) = await desk.refunds(payment.id)
        assert (refund.cause, refund.amount_minor, refund.provider_ref) == ("provider", 700, made)
        assert await books_agree(desk)

    async def test_an_event_that_names_no_order_is_not_anothers(self, desk: Desk, stripe_server: StripeServer) -> None:
        """``refund.charge`` may be null (Stripe, "The Refund object"), and some attempts have no order either."""
        stripe_server.faults.drop("/v1/checkout/sessions", method="POST", times=1000)
        with pytest.raises(ProviderUnavailableError):
            await desk.start(await desk.book(), "stripe")
        stripe_server.faults.clear()
        async with desk.runtime.database.tenant(desk.practice) as session:
            payments = PaymentRepository(session)
            assert await payments.find_by_event("stripe", None, None) is None
        _, _, charge = await confirmed(desk, stripe_server)
        made = stripe_server.find(stripe_server.refund_at_stripe(charge, 700)) | {"charge": None}
        body = {"object": "event", "id": "evt_1", "type": "refund.created", "livemode": False, "created": 1}
        event = event_of(body | {"account": "acct_1", "data": {"object": made}})
        assert event.object_ref == made["payment_intent"]


class TestDisputes:
    async def test_lost_the_money_is_gone(self, desk: Desk, stripe_server: StripeServer) -> None:
        _, payment, charge = await confirmed(desk, stripe_server)
        dispute = stripe_server.open_dispute(charge)
        await tell(desk, stripe_server, "charge.dispute.created", dispute)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.DISPUTED
        with pytest.raises(PaymentNotRefundableError):
            await give_back(desk, payment.id, 100)
        stripe_server.close_dispute(dispute, won=False)
        await tell(desk, stripe_server, "charge.dispute.closed", dispute)
        await desk.run()
        row = await desk.payment(payment.id)
        assert (row.status, row.refunded_minor, row.disputed_minor) == (PaymentStatus.REFUNDED, PRICE, 0)
        assert [one.cause for one in await desk.refunds(payment.id)] == ["dispute"]
        assert sum(amount for _, amount in await desk.ledger(payment.id)) == 0
        assert await books_agree(desk)

    async def test_lost_while_a_refund_is_under_way_it_is_entered_when_that_fails(
        self, desk: Desk, stripe_server: StripeServer
    ) -> None:
        _, payment, charge = await confirmed(desk, stripe_server)
        await desk.run()
        async with desk.runtime.database.tenant(desk.practice) as session:
            await request_refund(session, payment.id, 3000)
        stripe_server.close_dispute(stripe_server.open_dispute(charge), won=False)
        await settle(desk.runtime, desk.practice, payment.id, with_captured=True)
        assert (await desk.payment(payment.id)).refunded_minor == PRICE - 3000
        await desk.run()  # Stripe refuses the refund: the money is gone already
        for _ in range(2):
            await reconcile(desk.runtime, desk.practice)
        row = await desk.payment(payment.id)
        assert (row.status, row.refunded_minor, row.refund_pending_minor) == (PaymentStatus.REFUNDED, PRICE, 0)
        assert await books_agree(desk)
        assert sum(amount for _, amount in await desk.ledger(payment.id)) == 0

    async def test_won_the_payment_is_what_it_was(self, desk: Desk, stripe_server: StripeServer) -> None:
        _, payment, charge = await confirmed(desk, stripe_server)
        await give_back(desk, payment.id, 500)
        await desk.run()
        dispute = stripe_server.open_dispute(charge, amount=PRICE - 500)
        for event_type in ("charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.created"):
            await tell(desk, stripe_server, event_type, dispute)
        await desk.run()
        async with desk.runtime.database.tenant(desk.practice) as session:
            (row,) = await list_disputes(session, [payment.id])
        assert row.evidence_due_by is not None
        assert (await desk.payment(payment.id)).status == PaymentStatus.DISPUTED
        stripe_server.close_dispute(dispute, won=True)
        await tell(desk, stripe_server, "charge.dispute.closed", dispute)
        await desk.run()
        assert (await desk.payment(payment.id)).status == PaymentStatus.PARTIALLY_REFUNDED
        assert await books_agree(desk)

    async def test_the_practice_sees_them_with_their_deadline_and_is_mailed(
        self, desk: Desk, stripe_server: StripeServer, http: HttpFactory
    ) -> None:
        _, payment, charge = await confirmed(desk, stripe_server)
        due = clock.now() + timedelta(days=9)
        dispute = stripe_server.open_dispute(charge, due_by=int(due.timestamp()))
        await tell(desk, stripe_server, "charge.dispute.created", dispute)
        await desk.run()
        staff = await make_staff_member(desk.runtime, desk.practice)
        (item,) = (await http(desk.practice, headers=staff.headers).get("/api/v1/admin/disputes")).json()["items"]
        assert (item["payment_id"], item["status"]) == (str(payment.id), "needs_response")
        assert item["amount"] == {"amount": PRICE, "currency": "EUR"}
        assert datetime.fromisoformat(item["evidence_due_by"]) == due.replace(microsecond=0)
        subjects = [mail.subject for mail in await mails_of(desk.runtime, desk.practice)]
        assert any("reclamado" in subject for subject in subjects)
        stripe_server.close_dispute(dispute, won=True)
        await tell(desk, stripe_server, "charge.dispute.closed", dispute)
        await desk.run()
        assert (await http(desk.practice, headers=staff.headers).get("/api/v1/admin/disputes")).json()["items"] == []
