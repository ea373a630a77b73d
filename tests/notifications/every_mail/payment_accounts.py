"""What hangs on Stripe: the practice's account there, cards that clients keep, and the plan that the practice pays."""

from datetime import timedelta

from sqlalchemy import select

from billing.accounts.models import PaymentAccount
from billing.cards import giving
from scheduling.appointments.models import AppointmentStatus
from scheduling.appointments.services.outcomes import record_outcome
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import DAY, HOUR, NOW, WEDNESDAY, World
from tests.support.connected_accounts import connect_stripe
from tests.support.payment_accounts import API
from tests.support.platform_fees import make_plan, subscribe, subscription_of, tell
from todoenbalance.kit import clock

DUE = "individual.verification.document"


# ---- the plan: first, because accounts of practices make what the platform sold hard to find


async def hear(world: World, event_type: str, invoice: str) -> None:
    """Stripe tells of an invoice, now."""
    await tell(world.runtime, world.stripe, event_type, invoice, timestamp=int(clock.now().timestamp()))


@shows("plan_payment_due", "plan_restricted", "plan_restored")
async def a_plan_is_not_paid_for_a_while(world: World) -> None:
    plan = await make_plan(world.runtime, price_minor=2900, price_currency="EUR")
    ref = await subscribe(world.runtime, world.stripe, world.practice, plan)
    world.stripe.next_period(ref, pays=False)
    invoice = world.stripe.objects("invoice")[-1]["id"]
    await hear(world, "invoice.payment_failed", invoice)
    await world.run()
    since = (await subscription_of(world.runtime, world.practice)).past_due_since
    assert since == NOW
    for days in (3, 7, 14):
        await world.run(NOW + timedelta(days=days, minutes=1))
    world.stripe.pay_invoice(invoice)
    await hear(world, "invoice.paid", invoice)
    await world.run()


# ---- an account at Stripe


async def connect(world: World) -> str:
    """The owner connects an account; Stripe's name for it."""
    here = world.http(world.practice, headers=world.owner.headers)
    answer = await here.post(f"{API}/stripe/connect")
    assert answer.status_code == 200, answer.text
    async with world.session() as session:
        newest = select(PaymentAccount).order_by(PaymentAccount.id.desc()).limit(1)
        account_ref = str((await session.scalars(newest)).one().account_ref)
    world.stripe.onboard(account_ref)
    await check(world)
    return account_ref


async def check(world: World) -> None:
    """We look at the account, and tell what is to be told."""
    here = world.http(world.practice, headers=world.owner.headers)
    answer = await here.post(f"{API}/stripe/check")
    assert answer.status_code == 200, answer.text
    await world.run()


async def disconnect(world: World) -> None:
    """The owner does."""
    answer = await world.http(world.practice, headers=world.owner.headers).delete(f"{API}/stripe")
    assert answer.status_code == 200, answer.text
    await world.run()


@shows("payment_account_deadline")
async def an_account_needs_something_by_a_date(world: World) -> None:
    account_ref = await connect(world)
    world.stripe.require(account_ref, (DUE,), deadline=int((NOW + 5 * DAY).timestamp()))
    await check(world)


@shows("payment_account_restricted")
async def an_account_takes_no_payments_any_more(world: World) -> None:
    account_ref = await connect(world)
    due = ("external_account",)
    world.stripe.require(account_ref, due, past_due=due, disabled_reason="requirements.past_due")
    await check(world)


@shows("payment_account_disconnected")
async def an_account_is_disconnected(world: World) -> None:
    await connect(world)
    await disconnect(world)


@shows("no_show_fee_charged")
async def a_kept_card_pays_for_a_missed_visit(world: World) -> None:
    await connect_stripe(world.runtime, world.practice, world.stripe)
    offer, client = await world.offer(no_show_fee_minor=2000, reminder_minutes=[]), await world.client()
    home = "https://nuria.example.com/account/cards"
    card = await giving.start_card(world.runtime, world.practice, client.id, world.language, home, home)
    world.stripe.pay(str(card.setup_ref))
    await giving.confirm_card(world.runtime, world.practice, client.id, card.id)
    appointment = await world.book(offer, client)
    await world.run()
    world.travel(WEDNESDAY + HOUR / 2)
    async with world.session() as session:
        await record_outcome(session, appointment.id, AppointmentStatus.NO_SHOW, actor=world.by_owner)
    await world.run(WEDNESDAY + 2 * HOUR)
