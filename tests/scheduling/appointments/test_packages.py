"""Booking with a session of a package, and what becomes of the session when something becomes of the booking."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from billing.packages.errors import NoCreditLeftError, PackageExpiredError
from billing.packages.ledger import Balance
from billing.packages.models import PackagePurchase
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.approving import approve_request, decline_request
from scheduling.appointments.services.cancelling import Cancellation, Ruling, cancel_appointment
from scheduling.appointments.services.confirming import ConfirmOutcome, confirm_offline
from scheduling.appointments.services.moving import reschedule_appointment
from scheduling.appointments.services.outcomes import record_outcome
from scheduling.appointments.services.pricing import Means
from scheduling.appointments.services.quoting import RefundChoice, quote_cancellation
from scheduling.catalogue.models import Service
from tests.support.checkout import Desk, make_desk
from tests.support.packages import balance, check_ledger, give
from tests.support.practices import make_client, make_practice
from todoenbalance.kit import clock
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotFoundError, ProblemError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

WITH_PACKAGE = Means(use_package=True)
STAFF = Actor.staff(new_id())


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext) -> Desk:
    """A fresh practice; everything comes back until two days before, then half, and not coming costs 20."""
    desk = await make_desk(runtime, practice)
    await set_service(
        desk,
        refund_tiers=[{"hours_before": 48, "percent": 100}, {"hours_before": 24, "percent": 50}],
        no_show_fee_minor=2000,
    )
    return desk


async def set_service(desk: Desk, **values: Any) -> None:
    """Change the service."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        await session.execute(update(Service).where(Service.id == desk.service_id).values(**values))


async def bono(desk: Desk, **fields: Any) -> PackagePurchase:
    """A package of the desk's client."""
    return await give(desk.runtime, desk.practice, desk.client.id, **fields)


async def left(desk: Desk, bought: PackagePurchase) -> Balance:
    """Its balance, after a look at its whole ledger."""
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await check_ledger(session, bought.id)


async def cancel(desk: Desk, row: Appointment, ruling: Ruling | None = None, reason: str | None = None) -> Cancellation:
    """By the client, or with a ruling by staff."""
    actor = Actor.client(row.client_id) if ruling is None else STAFF
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await cancel_appointment(session, row.id, actor=actor, ruling=ruling, reason=reason)


async def test_it_is_confirmed_at_once_for_nothing(desk: Desk) -> None:
    bought = await bono(desk)
    row = await desk.book(means=WITH_PACKAGE)
    assert (row.status, row.amount_due_minor, row.price_minor) == (AppointmentStatus.CONFIRMED, 0, 4500)
    assert row.package_purchase_id == bought.id
    assert await left(desk, bought) == Balance(4, 1)


async def test_without_a_session_left_nothing_is_booked(desk: Desk) -> None:
    await bono(desk, sessions=1)
    first = await desk.book(means=WITH_PACKAGE)
    with pytest.raises(NoCreditLeftError):
        await desk.book(means=WITH_PACKAGE)
    # The hour that was refused is free: it takes a booking that is paid.
    again = await desk.book(starts_at=first.starts_at + timedelta(hours=1))
    assert again.status == AppointmentStatus.HELD


async def test_twenty_bookings_of_the_last_session_are_one(desk: Desk) -> None:
    bought = await bono(desk, sessions=1)
    results = await asyncio.gather(*(desk.book(means=WITH_PACKAGE) for _ in range(20)), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ProblemError):
            raise result
    assert Counter(type(result) for result in results) == {Appointment: 1, NoCreditLeftError: 19}
    assert await left(desk, bought) == Balance(0, 1)


async def test_a_package_of_somebody_else_is_not_there(desk: Desk) -> None:
    bought = await bono(desk)
    other = await make_client(desk.runtime, desk.practice)
    with pytest.raises(NotFoundError):
        await desk.book(other, means=Means(package_purchase_id=bought.id))


async def test_a_code_and_a_session_do_not_go_together(desk: Desk) -> None:
    await bono(desk)
    with pytest.raises(InvalidInputError):
        await desk.book(means=Means(use_package=True, code="DIEZ"))


@pytest.mark.parametrize("status", [AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW])
async def test_a_visit_uses_the_session_and_so_does_not_coming(desk: Desk, status: AppointmentStatus) -> None:
    bought = await bono(desk)
    row = await desk.book(means=WITH_PACKAGE)
    with clock.at(row.starts_at + timedelta(minutes=5)):
        for outcome in (status, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW):
            async with desk.runtime.database.tenant(desk.practice) as session:
                after = await record_outcome(session, row.id, outcome, actor=STAFF)
                assert after.no_show_fee_minor is None  # the session stands for the fee
            assert await left(desk, bought) == Balance(4, 0)


@pytest.mark.parametrize(("hours", "is_back"), [(49, True), (47, False), (1, False)])
async def test_a_client_who_cancels_gets_it_back_where_everything_comes_back(
    desk: Desk, hours: int, is_back: bool
) -> None:
    bought = await bono(desk)
    row = await desk.book(starts_at=desk.opens_at + timedelta(days=5), means=WITH_PACKAGE)
    with clock.at(row.starts_at - timedelta(hours=hours)):
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert (await quote_cancellation(session, row)).credit_back is is_back
        for _ in range(2):  # the second time it answers the same
            assert (await cancel(desk, row)).credit_back is is_back
    assert await left(desk, bought) == (Balance(5, 0) if is_back else Balance(4, 0))


async def test_what_the_practice_cancels_gives_it_back_however_late(desk: Desk) -> None:
    bought = await bono(desk)
    row = await desk.book(means=WITH_PACKAGE)
    with clock.at(row.starts_at - timedelta(hours=1)):
        assert (await cancel(desk, row, Ruling())).credit_back
    assert await left(desk, bought) == Balance(5, 0)


async def test_staff_who_deviate_from_the_terms_may_do_so_and_say_why(desk: Desk) -> None:
    bought = await bono(desk)
    row = await desk.book(means=WITH_PACKAGE)
    with clock.at(row.starts_at - timedelta(hours=1)):
        kind = Ruling(RefundChoice.FULL, on_behalf_of_client=True)
        with pytest.raises(ForbiddenError):
            await cancel(desk, row, kind, "enfermó")
        allowed = Ruling(RefundChoice.FULL, on_behalf_of_client=True, may_deviate=True)
        with pytest.raises(InvalidInputError):
            await cancel(desk, row, allowed)
        assert (await cancel(desk, row, allowed, "enfermó")).credit_back
    assert await left(desk, bought) == Balance(5, 0)


async def test_moving_keeps_it_but_not_beyond_the_end_of_the_package(desk: Desk) -> None:
    bought = await bono(desk, validity_days=10)
    row = await desk.book(means=WITH_PACKAGE)
    async with desk.runtime.database.tenant(desk.practice) as session:
        later = row.starts_at + timedelta(days=1)
        moved = await reschedule_appointment(session, row.id, later, client_id=row.client_id)
        assert moved.package_purchase_id == bought.id
    async with desk.runtime.database.tenant(desk.practice) as session:
        with pytest.raises(PackageExpiredError):
            await reschedule_appointment(session, row.id, later + timedelta(days=10), client_id=row.client_id)
    async with desk.runtime.database.tenant(desk.practice) as session:  # the practice may
        await reschedule_appointment(session, row.id, later + timedelta(days=10), actor=STAFF)
    assert await left(desk, bought) == Balance(4, 1)


class TestRequests:
    @pytest.fixture(autouse=True)
    async def _on_request(self, desk: Desk) -> None:
        await set_service(desk, requires_approval=True)

    async def test_a_yes_confirms_it_at_once(self, desk: Desk) -> None:
        bought = await bono(desk)
        row = await desk.book(means=WITH_PACKAGE)
        assert (row.status, row.hold_kind) == (AppointmentStatus.HELD, "approval")
        assert await left(desk, bought) == Balance(4, 1)
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert (await approve_request(session, row.id, actor=STAFF)).status == AppointmentStatus.CONFIRMED
        assert await left(desk, bought) == Balance(4, 1)

    async def test_a_no_gives_it_back(self, desk: Desk) -> None:
        bought = await bono(desk)
        row = await desk.book(means=WITH_PACKAGE)
        for _ in range(2):
            async with desk.runtime.database.tenant(desk.practice) as session:
                await decline_request(session, row.id, actor=STAFF)
        assert await left(desk, bought) == Balance(5, 0)

    async def test_no_answer_gives_it_back(self, desk: Desk) -> None:
        bought = await bono(desk)
        row = await desk.book(means=WITH_PACKAGE)
        await desk.expire(row)
        await desk.run()
        await desk.run()
        assert await left(desk, bought) == Balance(5, 0)

    async def test_whoever_takes_the_time_of_a_request_that_ran_out_gives_it_back(self, desk: Desk) -> None:
        bought = await bono(desk)
        row = await desk.book(means=WITH_PACKAGE)
        await desk.let_hold_lapse(row)
        await desk.book(await make_client(desk.runtime, desk.practice), starts_at=row.starts_at)
        await desk.run()
        assert await left(desk, bought) == Balance(5, 0)

    @pytest.mark.parametrize("is_spent", [False, True])
    async def test_a_late_yes_takes_it_again_if_it_is_still_there(self, desk: Desk, is_spent: bool) -> None:
        bought = await bono(desk, sessions=1)
        row = await desk.book(means=WITH_PACKAGE)
        await desk.expire(row)
        await desk.run()
        if is_spent:
            await desk.book(means=WITH_PACKAGE)
        async with desk.runtime.database.tenant(desk.practice) as session:
            outcome = await confirm_offline(session, row.id, actor=STAFF)
        assert outcome is (ConfirmOutcome.SLOT_TAKEN if is_spent else ConfirmOutcome.CONFIRMED)
        assert await left(desk, bought) == Balance(0, 1)


async def test_with_a_currency_without_minor_units_it_is_the_same(runtime: Runtime) -> None:
    desk = await make_desk(runtime, await make_practice(runtime, currency="JPY"))
    bought = await bono(desk)
    row = await desk.book(means=WITH_PACKAGE)
    assert (row.amount_due_minor, row.currency) == (0, "JPY")
    assert (await balance(runtime, desk.practice, bought.id)).reserved == 1


async def test_what_is_free_anyway_takes_no_session(desk: Desk) -> None:
    bought = await bono(desk)
    await set_service(desk, price_minor=0)
    row = await desk.book(means=WITH_PACKAGE)
    assert row.package_purchase_id is None
    assert await left(desk, bought) == Balance(5, 0)
