"""A kept card that pays the fee of who did not come: once, or the client is asked for it."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from billing.accounts.models import PaymentAccount
from billing.cards import giving
from billing.cards.charging import Charge, charge_kept_card
from billing.cards.service import remove_card
from billing.checkout.schemas import PaymentCreate, Purpose
from billing.checkout.service import start_checkout
from billing.payments import settling
from billing.payments.models import Payment, PaymentStatus
from billing.providers.port import OutcomeUnknownError
from scheduling.appointments.events import FEE_KIND
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.outcomes import record_outcome, waive_no_show_fee
from scheduling.catalogue.models import Service
from tests.support.checkout import Desk, make_desk
from tests.support.connected_accounts import bring_own_stripe
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.platform_fees import make_plan, put_on_plan
from tests.support.providers.stripe.methods import Behaviour
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

FEE = 2000
HOME = "https://demo.example.com/account/cards"
EVERY = 1000
ASKED, CHARGED = "No viniste", "Hemos cobrado el cargo"


@pytest.fixture
async def at(desk: Desk) -> datetime:
    """When staff says that the client did not come, at a practice that wants a fee for it."""
    return await ask_fee(desk)


async def ask_fee(desk: Desk) -> datetime:
    async with desk.runtime.database.tenant(desk.practice) as session:
        await session.execute(update(Service).values(no_show_fee_minor=FEE))
    return desk.opens_at + timedelta(minutes=30)


async def keep_card(desk: Desk, server: StripeServer) -> UUID:
    client_id = desk.client.id
    card = await giving.start_card(desk.runtime, desk.practice, client_id, "es", HOME, HOME)
    server.pay(str(card.setup_ref))
    await giving.confirm_card(desk.runtime, desk.practice, client_id, card.id)
    return card.id


async def miss(desk: Desk, at: datetime) -> Appointment:
    """A visit to be paid at the desk, to which the client did not come."""
    appointment = await desk.book()
    await desk.start(appointment, "offline")
    with clock.at(at):
        await outcome(desk, appointment, AppointmentStatus.NO_SHOW)
    return await desk.appointment(appointment.id)


async def outcome(desk: Desk, appointment: Appointment, status: AppointmentStatus) -> None:
    async with desk.runtime.database.tenant(desk.practice) as session:
        await record_outcome(session, appointment.id, status, actor=Actor.staff(new_id()))


async def run(desk: Desk, instant: datetime) -> None:
    with clock.at(instant):
        await run_due_events(desk.runtime, desk.practice)


async def charges_of(desk: Desk) -> list[Payment]:
    async with desk.runtime.database.tenant(desk.practice) as session:
        statement = select(Payment).where(Payment.payable_kind == FEE_KIND).order_by(Payment.id)
        return list((await session.scalars(statement)).all())


async def subjects(desk: Desk, word: str) -> list[str]:
    return [mail.subject for mail in await mails_of(desk.runtime, desk.practice) if word in mail.subject]


def intents(server: StripeServer, account: PaymentAccount) -> list[Json]:
    return server.objects("payment_intent", str(account.account_ref))


def kept_method(server: StripeServer, account: PaymentAccount) -> str:
    return str(server.objects("payment_method", str(account.account_ref))[0]["id"])


async def test_it_is_charged_after_an_hour_once_and_the_client_is_told(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime
) -> None:
    await keep_card(desk, stripe_server)
    missed = await miss(desk, at)
    await run(desk, at + timedelta(minutes=59))
    assert intents(stripe_server, account) == []
    for minutes in (61, 75, 24 * 60):
        await run(desk, at + timedelta(minutes=minutes))
    (intent,) = intents(stripe_server, account)
    assert (intent["status"], intent["amount"], intent["metadata"]["off_session"]) == ("succeeded", FEE, "yes")
    (payment,) = await charges_of(desk)
    assert (payment.status, payment.captured_minor) == (PaymentStatus.SUCCEEDED, FEE)
    assert (await desk.appointment(missed.id)).no_show_fee_minor is None
    (mail,) = [mail for mail in await mails_of(desk.runtime, desk.practice) if CHARGED in mail.subject]
    assert "4242" in mail.text
    assert "20,00" in mail.text
    assert await subjects(desk, ASKED) == []


@pytest.mark.parametrize(
    "behaviour", [Behaviour(needs_authentication=True), Behaviour("insufficient_funds")], ids=["asks", "refuses"]
)
async def test_a_bank_that_asks_or_refuses_leads_to_the_link(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime, behaviour: Behaviour
) -> None:
    await keep_card(desk, stripe_server)
    missed = await miss(desk, at)
    stripe_server.change_card(kept_method(stripe_server, account), behaviour)
    for minutes in (61, 75, 24 * 60):
        await run(desk, at + timedelta(minutes=minutes))
    (intent,) = intents(stripe_server, account)
    assert intent["status"] == "canceled"
    (payment,) = await charges_of(desk)
    assert payment.status == PaymentStatus.FAILED
    assert len(await subjects(desk, ASKED)) == 1
    assert await subjects(desk, CHARGED) == []
    assert (await desk.appointment(missed.id)).no_show_fee_minor == FEE
    wanted = PaymentCreate.model_validate(
        {"appointment_id": missed.id, "purpose": Purpose.NO_SHOW_FEE, "method": "sandbox"}
    )
    asked = await start_checkout(desk.runtime, desk.practice, missed.client_id, wanted)
    await desk.decide(asked)
    assert (await desk.confirm(asked)).status is PaymentStatus.SUCCEEDED
    assert (await desk.appointment(missed.id)).no_show_fee_minor is None


@pytest.mark.parametrize("path", ["/v1/payment_intents", "/v1/payment_intents/*/confirm"])
@pytest.mark.parametrize("comes_back_after", [timedelta(minutes=20), timedelta(hours=26)], ids=["soon", "a day later"])
async def test_lost_answers_charge_once(
    desk: Desk,
    account: PaymentAccount,
    stripe_server: StripeServer,
    at: datetime,
    path: str,
    comes_back_after: timedelta,
) -> None:
    """Also where the key is forgotten when it is asked again: an intent that nobody confirmed takes nothing."""
    await keep_card(desk, stripe_server)
    missed = await miss(desk, at)
    stripe_server.faults.lose_answer(path, method="POST", times=EVERY)
    await run(desk, at + timedelta(minutes=61))
    stripe_server.faults.clear()
    for hours in range(3):
        await run(desk, at + timedelta(minutes=61, hours=hours) + comes_back_after)
    paid = [it for it in intents(stripe_server, account) if it["status"] == "succeeded"]
    fee_left = (await desk.appointment(missed.id)).no_show_fee_minor
    if paid:
        assert (len(paid), fee_left) == (1, None)
        assert len(await subjects(desk, CHARGED)) == 1
        assert await subjects(desk, ASKED) == []
    else:  # given up: then the client is asked instead
        assert fee_left == FEE
        assert len(await subjects(desk, ASKED)) == 1


async def charge_and_die(desk: Desk, monkeypatch: pytest.MonkeyPatch, instant: datetime) -> None:
    async def killed(*_: object, **__: object) -> Payment:
        raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(settling, "apply_reading", killed)
        await run(desk, instant)


async def test_what_is_delivered_again_after_a_crash_goes_on(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is killed when the money has moved and before a row says so."""
    await keep_card(desk, stripe_server)
    missed = await miss(desk, at)

    await charge_and_die(desk, monkeypatch, at + timedelta(minutes=61))
    (intent,) = intents(stripe_server, account)
    assert intent["status"] == "succeeded"
    assert (await desk.appointment(missed.id)).no_show_fee_minor == FEE
    await run(desk, at + timedelta(hours=3))
    assert len(intents(stripe_server, account)) == 1
    assert (await desk.appointment(missed.id)).no_show_fee_minor is None
    assert len(await subjects(desk, CHARGED)) == 1
    assert await subjects(desk, ASKED) == []


async def test_waived_in_time_nothing_is_charged(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime
) -> None:
    await keep_card(desk, stripe_server)
    missed = await miss(desk, at)
    async with desk.runtime.database.tenant(desk.practice) as session:
        await waive_no_show_fee(session, missed.id, "Nieve", actor=Actor.staff(new_id()))
    await run(desk, at + timedelta(hours=2))
    assert intents(stripe_server, account) == []
    assert (await subjects(desk, CHARGED), await subjects(desk, ASKED)) == ([], [])


async def test_waived_while_it_is_charged_the_money_goes_back(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was killed when the money had moved; before another goes on, staff waives."""
    await keep_card(desk, stripe_server)
    missed = await miss(desk, at)
    await charge_and_die(desk, monkeypatch, at + timedelta(minutes=61))
    (intent,) = intents(stripe_server, account)
    assert intent["status"] == "succeeded"
    async with desk.runtime.database.tenant(desk.practice) as session:
        await waive_no_show_fee(session, missed.id, "Nieve", actor=Actor.staff(new_id()))
    for hours in (2, 3):
        await run(desk, at + timedelta(hours=hours))
    (payment,) = await charges_of(desk)
    assert (payment.status, payment.refunded_minor) == (PaymentStatus.REFUNDED, FEE)
    assert (await subjects(desk, CHARGED), await subjects(desk, ASKED)) == ([], [])


async def test_a_card_that_was_taken_back_is_not_charged(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime
) -> None:
    card_id = await keep_card(desk, stripe_server)
    await miss(desk, at)
    async with desk.runtime.database.tenant(desk.practice) as session:
        await remove_card(session, desk.client.id, card_id)
    await run(desk, at + timedelta(hours=2))
    assert intents(stripe_server, account) == []
    assert len(await subjects(desk, ASKED)) == 1


async def test_taken_back_while_it_is_charged_the_client_is_asked(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime
) -> None:
    """The intent is there and unconfirmed when Stripe forgets the card."""
    card_id = await keep_card(desk, stripe_server)
    await miss(desk, at)
    stripe_server.faults.drop("/v1/payment_intents/*/confirm", method="POST", times=EVERY)
    await run(desk, at + timedelta(minutes=61))
    stripe_server.faults.clear()
    assert [it["status"] for it in intents(stripe_server, account)] == ["requires_confirmation"]
    async with desk.runtime.database.tenant(desk.practice) as session:
        await remove_card(session, desk.client.id, card_id)
    for hours in (2, 4):
        await run(desk, at + timedelta(hours=hours))
    assert [it["status"] for it in intents(stripe_server, account)] == ["canceled"]
    assert len(await subjects(desk, ASKED)) == 1


async def test_two_workers_at_once_charge_once(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime
) -> None:
    """The queue may hand an event out again while a slow worker is still at it."""
    await keep_card(desk, stripe_server)
    missed = await miss(desk, at)
    with clock.at(at + timedelta(minutes=61)):
        charges = await asyncio.gather(
            *(
                charge_kept_card(
                    desk.runtime, desk.practice, FEE_KIND, missed.id, missed.client_id, locale="es", home=HOME
                )
                for _ in range(4)
            ),
            return_exceptions=True,
        )
        await run_due_events(desk.runtime, desk.practice)
    assert Charge.MADE in charges
    assert all(one is Charge.MADE or isinstance(one, OutcomeUnknownError) for one in charges), charges
    assert [it["status"] for it in intents(stripe_server, account)] == ["succeeded"]
    (payment,) = await charges_of(desk)
    assert (payment.captured_minor, payment.status) == (FEE, PaymentStatus.SUCCEEDED)
    assert await desk.ledger(payment.id) == [("capture", FEE)]


async def test_an_outcome_that_is_said_again_charges_once(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime
) -> None:
    await keep_card(desk, stripe_server)
    missed = await miss(desk, at)
    with clock.at(at + timedelta(minutes=20)):
        await outcome(desk, missed, AppointmentStatus.COMPLETED)
        await outcome(desk, missed, AppointmentStatus.NO_SHOW)
    await run(desk, at + timedelta(minutes=61))
    assert intents(stripe_server, account) == []
    await run(desk, at + timedelta(minutes=82))
    assert [it["status"] for it in intents(stripe_server, account)] == ["succeeded"]
    assert len(await subjects(desk, CHARGED)) == 1


async def test_the_platform_has_its_fee_of_it_on_a_connected_account_only(
    desk: Desk, account: PaymentAccount, stripe_server: StripeServer, at: datetime
) -> None:
    plan = await make_plan(desk.runtime, fee_basis_points=250)
    desk = replace(desk, practice=await put_on_plan(desk.runtime, desk.practice, plan))
    await keep_card(desk, stripe_server)
    await miss(desk, at)
    await run(desk, at + timedelta(hours=2))
    (intent,) = intents(stripe_server, account)
    (payment,) = await charges_of(desk)
    assert payment.platform_fee_minor == 50
    assert intent["application_fee_amount"] == payment.platform_fee_minor == payment.fee_taken_minor


async def test_a_practice_with_keys_of_its_own_charges_too(
    stripe_side: Runtime, practice: TenantContext, stripe_server: StripeServer
) -> None:
    own = await bring_own_stripe(stripe_side, practice, stripe_server)
    desk = await make_desk(stripe_side, practice)
    instant = await ask_fee(desk)
    await keep_card(desk, stripe_server)
    await miss(desk, instant)
    await run(desk, instant + timedelta(hours=2))
    (intent,) = intents(stripe_server, own)
    assert (intent["status"], intent["application_fee_amount"]) == ("succeeded", None)
    assert len(await subjects(desk, CHARGED)) == 1
