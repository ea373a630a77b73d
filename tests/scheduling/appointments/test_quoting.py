"""What cancelling gives back: the quote, the act and the erasure's preview say the same, always."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduling.appointments.errors import CancellationTooLateError
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.personal_data import AppointmentCancelling
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.quoting import quote_cancellation
from scheduling.appointments.terms import falls_at, percent_back
from tests.conftest import HttpFactory
from tests.support.practices import SignedIn, make_client
from tests.support.problems import assert_problem
from tests.support.scheduling import make_offer, set_practice
from tests.support.terms import add_payment
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

START = datetime(2026, 3, 10, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)

hours = st.integers(0, 200)
tiers = (
    st.lists(hours, unique=True, max_size=4)
    .map(lambda found: sorted(found, reverse=True))
    .flatmap(
        lambda found: st.lists(st.integers(0, 100), min_size=len(found), max_size=len(found)).map(
            lambda shares: [
                {"hours_before": one, "percent": share}
                for one, share in zip(found, sorted(shares, reverse=True), strict=True)
            ]
        )
    )
)
payments = st.lists(
    st.tuples(st.integers(1, 10_000), st.integers(0, 10_000), st.integers(0, 10_000), st.booleans()), max_size=3
)


def one_at(starts_at: datetime, kept: list[dict[str, int]], notice: int, cap: int | None) -> Appointment:
    """An appointment with these terms and nothing else of interest."""
    terms = {"tiers": kept, "cancel_notice_hours": notice, "move_notice_hours": 0, "no_show_fee_minor": None}
    return Appointment(
        starts_at=starts_at, status="confirmed", terms=terms, refund_cap_percent=cap, refund_deadline=None
    )


@given(kept=tiers, cap=st.none() | st.integers(0, 100), before=st.integers(-2, 250 * 60))
def test_the_share_holds_until_the_instant_that_is_named_and_falls_right_after(
    kept: list[dict[str, int]], cap: int | None, before: int
) -> None:
    row = one_at(START, kept, 0, cap)
    now = START - timedelta(minutes=before)
    percent, end = percent_back(row, now), falls_at(row, now)
    assert 0 <= percent <= (100 if cap is None else cap)
    if end is None:
        assert percent_back(row, START + HOUR) == percent
    else:
        assert end >= now
        assert percent_back(row, end) == percent
        assert percent_back(row, end + timedelta(microseconds=1)) < percent


@pytest.fixture
async def booked_id(session: TenantSession, runtime: Runtime, practice: TenantContext) -> UUID:
    """A confirmed appointment, whose terms each example sets anew."""
    offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
    with clock.at(START - 300 * HOUR):
        made = await book_appointment(session, client_id=client.id, service_id=offer.service_id, starts_at=START)
    return made.id


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    kept=tiers,
    notice=hours,
    cap=st.none() | st.integers(0, 100),
    before=st.integers(-60, 250 * 60),
    paid=payments,
    is_held=st.booleans(),
)
async def test_the_quote_the_cancellation_and_the_erasures_preview_agree(
    session: TenantSession,
    booked_id: UUID,
    kept: list[dict[str, int]],
    notice: int,
    cap: int | None,
    before: int,
    paid: list[tuple[int, int, int, bool]],
    is_held: bool,
) -> None:
    savepoint = await session.begin_nested()
    row = await session.get_one(Appointment, booked_id, populate_existing=True)
    row.terms = {"tiers": kept, "cancel_notice_hours": notice, "move_notice_hours": 0, "no_show_fee_minor": None}
    row.refund_cap_percent = cap
    if is_held:
        row.status, row.hold_kind, row.hold_expires_at = "held", "payment", START
    await session.flush()
    with clock.at(START - timedelta(minutes=before)):
        for captured, refunded, pending, is_disputed in paid:
            refunded = min(refunded, captured)
            await add_payment(
                session,
                row.id,
                row.client_id,
                captured,
                refunded_minor=refunded,
                pending_minor=min(pending, captured - refunded),
                status="disputed" if is_disputed else "succeeded",
            )
        quote = await quote_cancellation(session, row)
        previews = {
            one.appointment_id: one.refund for one in await AppointmentCancelling().preview(session, row.client_id)
        }
        problem = None
        try:
            done = await cancel_appointment(session, row.id, actor=Actor.client(row.client_id), client_id=row.client_id)
        except ProblemError as refused:
            problem = refused
    assert quote.can_cancel is (problem is None)
    assert quote.paid == quote.refund + quote.kept
    assert quote.refund.amount >= 0
    assert quote.kept.amount >= 0
    late = not is_held and before * 60 < notice * 3600
    assert (problem is None) is (before > 0 and not late)
    if problem is None:
        assert done.refund == (quote.refund if paid else None)
        assert previews[row.id] == done.refund
        if quote.changes_at is not None:
            assert START - timedelta(minutes=before) <= quote.changes_at < START
    elif before > 0:
        assert isinstance(problem, CancellationTooLateError)
    await savepoint.rollback()


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client of the practice."""
    return await make_client(runtime, practice)


async def book_over_http(
    runtime: Runtime, practice: TenantContext, http: HttpFactory, client: SignedIn, **service: object
) -> tuple[httpx.AsyncClient, str]:
    """The client's own caller, and the address of their confirmed appointment at :data:`START`."""
    offer = await make_offer(runtime, practice, **service)
    own = http(practice, headers=client.headers)
    made = await own.post(
        "/api/v1/appointments", json={"service_id": str(offer.service_id), "starts_at": START.isoformat()}
    )
    assert made.status_code == 201, made.text
    return own, f"/api/v1/appointments/{made.json()['id']}"


async def test_the_client_reads_what_cancelling_gives_back_and_until_when(
    runtime: Runtime, practice: TenantContext, http: HttpFactory, client: SignedIn
) -> None:
    await set_practice(runtime, practice, cancellation_notice_hours=24)
    steps = [{"hours_before": 48, "percent": 100}, {"hours_before": 6, "percent": 50}]
    with clock.at(START - 50 * HOUR):
        client = await make_client(runtime, practice)
        own, path = await book_over_http(
            runtime,
            practice,
            http,
            client,
            refund_tiers=steps,
            cancel_notice_hours=2,
            move_notice_hours=49,
            no_show_fee_minor=2000,
        )
        async with runtime.database.tenant(practice) as session:
            await add_payment(session, UUID(path.rpartition("/")[2]), client.id, 4501)
        quote = (await own.get(f"{path}/cancellation-quote")).json()
    assert quote["can_cancel"] is True
    assert quote["can_move"] is True
    assert quote["paid"] == quote["refund"] == {"amount": 4501, "currency": "EUR"}
    assert quote["kept"]["amount"] == 0
    assert quote["percent"] == 100
    assert datetime.fromisoformat(quote["changes_at"]) == START - 48 * HOUR
    assert datetime.fromisoformat(quote["cancel_until"]) == START - 2 * HOUR
    assert datetime.fromisoformat(quote["move_until"]) == START - 49 * HOUR
    assert quote["no_show_fee"] == {"amount": 2000, "currency": "EUR"}
    assert quote["terms"] == {"refund_tiers": steps, "cancel_notice_hours": 2, "move_notice_hours": 49}


async def test_with_less_notice_than_agreed_the_client_is_sent_to_the_telephone(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    with clock.at(START - 5 * HOUR):
        client = await make_client(runtime, practice)
        own, path = await book_over_http(runtime, practice, http, client, cancel_notice_hours=6, move_notice_hours=6)
        quote = (await own.get(f"{path}/cancellation-quote")).json()
        assert (quote["can_cancel"], quote["can_move"], quote["changes_at"]) == (False, False, None)
        refused = assert_problem(await own.post(f"{path}/cancel"), 409, "cancellation_too_late")
        assert "consulta" in str(refused["detail"]) or "practice" in str(refused["detail"])
        later = {"starts_at": (START + HOUR).isoformat()}
        assert_problem(await own.post(f"{path}/reschedule", json=later), 409, "move_too_late")
        stranger = http(practice, headers=(await make_client(runtime, practice)).headers)
        assert_problem(await stranger.get(f"{path}/cancellation-quote"), 404, "not_found")
        assert_problem(await stranger.get(f"{path}/history"), 404, "not_found")


async def test_an_erasure_cancels_whatever_the_notice(session: TenantSession, booked_id: UUID) -> None:
    booked = await session.get_one(Appointment, booked_id)
    booked.terms = {"tiers": [], "cancel_notice_hours": 72, "move_notice_hours": 0, "no_show_fee_minor": None}
    await session.flush()
    with clock.at(START - HOUR):
        [gone] = await AppointmentCancelling().cancel(session, booked.client_id)
    assert gone.appointment_id == booked_id
    assert booked.status == "cancelled"


async def test_a_hold_may_be_given_up_and_moved_whatever_the_notice(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    with clock.at(START - 3 * HOUR):
        client = await make_client(runtime, practice)
        own, path = await book_over_http(
            runtime, practice, http, client, price_minor=4500, cancel_notice_hours=72, move_notice_hours=72
        )
        later = {"starts_at": (START + HOUR).isoformat()}
        assert (await own.post(f"{path}/reschedule", json=later)).status_code == 200
        assert (await own.post(f"{path}/cancel")).status_code == 200
