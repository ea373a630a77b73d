"""Money that comes, goes back, is asked back elsewhere or does not add up; packages; documents."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import update

from billing.checkout.schemas import PaymentRead
from billing.disputes.service import apply_disputes_seen
from billing.payments.models import SandboxOrder
from billing.payments.receipts import ReceiptKind, record_offline_receipt
from billing.payments.service import get_payment
from billing.providers.port import DisputeSeen, DisputeState
from billing.reconciliation.service import reconcile
from billing.refunds.by_hand import HandoverKind, record_handover
from billing.refunds.service import request_refund
from scheduling.appointments.history import Actor
from scheduling.appointments.services.cancelling import cancel_appointment
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import CANARY, DAY, NOW, World
from tests.support import packages
from tests.support.checkout import Desk
from tests.support.documents import set_issuer

PRICE = 4500


async def desk_of(world: World) -> Desk:
    """A client, and something that costs 45 €."""
    return world.desk(await world.offer(price_minor=PRICE), await world.client())


async def paid(world: World) -> tuple[Desk, PaymentRead]:
    """The client has paid for a visit, and everybody was told."""
    desk = await desk_of(world)
    payment = await desk.pay(await desk.book())
    await desk.confirm(payment)
    await world.run()
    await world.letters()
    return desk, payment


async def give_back(world: World, payment: PaymentRead, amount_minor: int | None = None) -> None:
    """Staff give money back, and say why."""
    async with world.session() as session:
        await request_refund(session, payment.id, amount_minor, reason=CANARY)
    await world.run()


# ---- books: first, because all payments are compared


@shows("payments_disagree")
async def more_went_back_than_had_come(world: World) -> None:
    desk, payment = await paid(world)
    order = await desk.order_of(payment)
    async with world.session() as session:
        refunds = {str(UUID(int=7)): PRICE + 1}
        await session.execute(update(SandboxOrder).where(SandboxOrder.id == order.id).values(refunds=refunds))
    await reconcile(world.runtime, world.practice)
    await world.run()


# ---- refunds


@shows("refund_settled")
async def staff_give_a_part_back(world: World) -> None:
    _, payment = await paid(world)
    await give_back(world, payment, 1250)


@shows("refund_settled")
async def a_client_cancels_what_is_paid(world: World) -> None:
    desk, payment = await paid(world)
    async with world.session() as session:
        by = Actor.client(desk.client.id)
        assert payment.appointment_id is not None
        await cancel_appointment(session, payment.appointment_id, actor=by, client_id=desk.client.id, reason=CANARY)
    await world.run()


@shows("refund_settled")
async def what_was_paid_by_hand_goes_back_by_hand(world: World) -> None:
    desk = await desk_of(world)
    payment = await desk.start(await desk.book(), "offline")
    async with world.session() as session:
        await record_offline_receipt(session, payment.id, ReceiptKind.CASH, None)
    await world.run()
    await give_back(world, payment)
    [refund] = await desk.refunds(payment.id)
    async with world.session() as session:
        await record_handover(session, refund.id, HandoverKind.CASH, staff_id=world.owner.id, note=CANARY)
    await world.run()


@shows("refund_settled", "refund_settled_practice")
async def money_comes_when_the_time_is_somebody_elses(world: World) -> None:
    desk = await desk_of(world)
    appointment = await desk.book()
    payment = await desk.pay(appointment)
    await desk.expire(appointment)
    await desk.book(await world.client("another"), appointment.starts_at)
    await desk.confirm(payment)
    await world.run()


@shows("refund_failed_practice")
async def the_provider_gives_nothing_back(world: World) -> None:
    await world.front_desk()
    desk, payment = await paid(world)
    order = await desk.order_of(payment)
    async with world.session() as session:  # it was given back there already
        await session.execute(update(SandboxOrder).where(SandboxOrder.id == order.id).values(refunded_minor=PRICE))
    await give_back(world, payment, 1250)


# ---- disputes


async def dispute(world: World, payment: PaymentRead, state: DisputeState) -> None:
    """The provider tells how a dispute about it stands."""
    async with world.session() as session:
        row = await get_payment(session, payment.id, for_update=True)
        seen = DisputeSeen(
            f"dp_{payment.id}",
            PRICE,
            "EUR",
            state,
            "general",
            state.value,
            NOW,
            evidence_due_by=NOW + 10 * DAY,
            is_withdrawn=True,
        )
        await apply_disputes_seen(session, row, "sandbox", [seen])
    await world.run()


@shows("dispute_opened")
async def a_payment_is_disputed(world: World) -> None:
    await world.front_desk()
    _, payment = await paid(world)
    await dispute(world, payment, DisputeState.NEEDS_RESPONSE)


@shows("dispute_closed")
async def a_dispute_is_lost(world: World) -> None:
    await world.front_desk()
    _, payment = await paid(world)
    await dispute(world, payment, DisputeState.NEEDS_RESPONSE)
    await dispute(world, payment, DisputeState.LOST)


@shows("dispute_closed")
async def a_dispute_is_won(world: World) -> None:
    _, payment = await paid(world)
    await dispute(world, payment, DisputeState.NEEDS_RESPONSE)
    await dispute(world, payment, DisputeState.WON)


# ---- packages


@shows("package_bought")
async def a_package_is_bought(world: World) -> None:
    desk = await desk_of(world)
    await packages.pay(desk, await packages.buy(desk, name="Nutri-60", validity_days=90))
    await world.run()


@shows("package_bought")
async def a_package_is_a_gift(world: World) -> None:
    await packages.give(world.runtime, world.practice, (await world.client()).id, name="Nutri-60")
    await world.run()


@shows("package_expiring")
async def a_package_is_about_to_run_out(world: World) -> None:
    client = await world.client()
    await packages.give(world.runtime, world.practice, client.id, name="Nutri-60", validity_days=30)
    await world.run()
    await world.run(NOW + 16 * DAY + timedelta(minutes=1))


# ---- documents: last, because from here on every payment has one


@shows("document_issued")
async def what_is_paid_and_given_back_has_documents(world: World) -> None:
    await set_issuer(world.runtime, world.practice)
    _, payment = await paid_and_told(world)
    await give_back(world, payment, 1250)


async def paid_and_told(world: World) -> tuple[Desk, PaymentRead]:
    """The same as :func:`paid`, of which the mails count."""
    desk = await desk_of(world)
    payment = await desk.pay(await desk.book())
    await desk.confirm(payment)
    await world.run()
    return desk, payment
