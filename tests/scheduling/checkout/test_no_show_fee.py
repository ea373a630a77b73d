"""A client who did not come pays the fee by the link in the mail; waived or corrected it is owed no more."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from billing.checkout.errors import AppointmentNotPayableError
from billing.checkout.schemas import PaymentCreate, PaymentRead, Purpose
from billing.checkout.service import start_checkout
from billing.payments.models import PaymentStatus
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.outcomes import record_outcome, waive_no_show_fee
from scheduling.catalogue.models import Service
from tests.support.checkout import Desk
from tests.support.documents import issued_at, lines_of, print_html, set_issuer
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.practices import make_client
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id

FEE = 2000


@pytest.fixture
async def missed(desk: Desk) -> Appointment:
    """A visit to be paid at the desk, to which the client did not come."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        await session.execute(update(Service).values(no_show_fee_minor=FEE))
    appointment = await desk.book()
    await desk.start(appointment, "offline")
    with clock.at(appointment.starts_at + timedelta(minutes=30)):
        await outcome(desk, appointment, AppointmentStatus.NO_SHOW)
    return await desk.appointment(appointment.id)


async def outcome(desk: Desk, appointment: Appointment, status: AppointmentStatus) -> None:
    async with desk.runtime.database.tenant(desk.practice) as session:
        await record_outcome(session, appointment.id, status, actor=Actor.staff(new_id()))


async def pay(desk: Desk, appointment: Appointment, method: str = "sandbox") -> PaymentRead:
    wanted = PaymentCreate.model_validate(
        {"appointment_id": appointment.id, "purpose": Purpose.NO_SHOW_FEE, "method": method}
    )
    return await start_checkout(desk.runtime, desk.practice, appointment.client_id, wanted)


async def test_the_client_is_told_after_an_hour_and_pays(desk: Desk, missed: Appointment) -> None:
    assert missed.no_show_fee_minor == FEE
    at = missed.starts_at + timedelta(minutes=30)
    with clock.at(at):
        await run_due_events(desk.runtime, desk.practice, until=at + timedelta(minutes=59))
        assert not [mail for mail in await mails_of(desk.runtime, desk.practice) if "No viniste" in mail.subject]
        await run_due_events(desk.runtime, desk.practice, until=at + timedelta(minutes=61))
    (mail,) = [mail for mail in await mails_of(desk.runtime, desk.practice) if "No viniste" in mail.subject]
    assert f"/appointments/{missed.id}" in mail.text
    payment = await pay(desk, missed)
    assert (payment.amount.amount, payment.purpose) == (FEE, Purpose.NO_SHOW_FEE)
    await desk.decide(payment)
    assert (await desk.confirm(payment)).status is PaymentStatus.SUCCEEDED
    assert (await desk.appointment(missed.id)).no_show_fee_minor is None
    with pytest.raises(AppointmentNotPayableError):
        await pay(desk, missed)


async def test_its_invoice_is_that_of_a_compensation(desk: Desk, missed: Appointment) -> None:
    await set_issuer(desk.runtime, desk.practice)
    payment = await pay(desk, missed)
    await desk.decide(payment)
    with clock.at(missed.starts_at + timedelta(hours=3)):
        await desk.confirm(payment)
        await desk.run()
    (invoice,) = await issued_at(desk, payment.id)
    assert (invoice.total_minor, invoice.tax_minor) == (FEE, 0)
    (line,) = await lines_of(desk, invoice)
    assert line.description == "Cargo por no acudir a la cita"
    assert "art. 78.Tres.1.º" in await print_html(desk, invoice)


async def test_corrected_in_time_nobody_is_told(desk: Desk, missed: Appointment) -> None:
    at = missed.starts_at + timedelta(minutes=40)
    with clock.at(at):
        await outcome(desk, missed, AppointmentStatus.COMPLETED)
        await run_due_events(desk.runtime, desk.practice, until=at + timedelta(hours=2))
    assert not [mail for mail in await mails_of(desk.runtime, desk.practice) if "No viniste" in mail.subject]
    with pytest.raises(AppointmentNotPayableError):
        await pay(desk, missed)


async def test_paid_after_it_was_waived_the_money_goes_back(desk: Desk, missed: Appointment) -> None:
    payment = await pay(desk, missed)
    async with desk.runtime.database.tenant(desk.practice) as session:
        await waive_no_show_fee(session, missed.id, "Nieve", actor=Actor.staff(new_id()))
    await desk.decide(payment)
    await desk.confirm(payment)
    await desk.run()
    assert (await desk.payment(payment.id)).status == PaymentStatus.REFUNDED


async def test_paid_it_is_not_owed_again_when_the_outcome_is_corrected(desk: Desk, missed: Appointment) -> None:
    payment = await pay(desk, missed)
    await desk.decide(payment)
    await desk.confirm(payment)
    with clock.at(missed.starts_at + timedelta(hours=2)):
        await outcome(desk, missed, AppointmentStatus.COMPLETED)
        await outcome(desk, missed, AppointmentStatus.NO_SHOW)
    assert (await desk.appointment(missed.id)).no_show_fee_minor is None


async def test_it_is_not_promised_for_the_desk_and_not_another_clients(desk: Desk, missed: Appointment) -> None:
    with pytest.raises(AppointmentNotPayableError):
        await pay(desk, missed, "offline")
    stranger = await make_client(desk.runtime, desk.practice)
    wanted = PaymentCreate(appointment_id=missed.id, purpose=Purpose.NO_SHOW_FEE, method="sandbox")
    with pytest.raises(NotFoundError):
        await start_checkout(desk.runtime, desk.practice, stranger.id, wanted)
