"""Services that the practice grants: the request, the yes, the no, silence; and all of them at once."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from billing.checkout.errors import AppointmentNotPayableError
from billing.checkout.schemas import PaymentCreate
from billing.checkout.service import start_checkout
from scheduling.appointments.errors import AppointmentStateError
from scheduling.appointments.events import TIME_FREED
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment, AppointmentChange, AppointmentStatus, HoldKind
from scheduling.appointments.request_mails import (
    APPROVED,
    DECLINED,
    REQUESTED,
    REQUESTED_PRACTICE,
    UNANSWERED,
)
from scheduling.appointments.services.approving import approve_request, decline_request
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.services.confirming import (
    ConfirmOutcome,
    confirm_offline,
    confirm_paid,
    expire_hold,
)
from scheduling.appointments.services.moving import reschedule_appointment
from tests.support.events import queued, run_due_events
from tests.support.mails import assert_speaks, links_in, logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_practice, make_staff_member
from tests.support.scheduling import Offer, make_offer, set_practice, stored
from todoenbalance.kit import clock
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

NOTES = "diabetes tipo 2"


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


def in_days(days: int) -> datetime:
    """At 9:00 UTC: within the hours of the offer."""
    return (datetime.now(UTC) + timedelta(days=days)).replace(hour=9, minute=0, second=0, microsecond=0)


@pytest.fixture
async def client(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client of the practice."""
    return await make_client(runtime, practice)


async def ask(
    runtime: Runtime, practice: TenantContext, client: SignedIn, offer: Offer, at: datetime | None = None
) -> UUID:
    """The client asks for a time; the id of the request."""
    async with runtime.database.tenant(practice) as session:
        made = await book_appointment(
            session,
            client_id=client.id,
            service_id=offer.service_id,
            starts_at=at or in_days(5),
            notes=NOTES,
        )
    return made.id


async def make_granted(runtime: Runtime, practice: TenantContext, **service: Any) -> Offer:
    """A service that the practice grants within two days."""
    return await make_offer(runtime, practice, **{"requires_approval": True, "approval_hours": 48} | service)


async def staff_of(runtime: Runtime, practice: TenantContext) -> Actor:
    return Actor.staff((await make_staff_member(runtime, practice)).id)


async def approve(runtime: Runtime, practice: TenantContext, request: UUID, actor: Actor) -> Appointment:
    async with runtime.database.tenant(practice) as session:
        return await approve_request(session, request, actor=actor)


async def decline(runtime: Runtime, practice: TenantContext, request: UUID, actor: Actor) -> Appointment:
    async with runtime.database.tenant(practice) as session:
        return await decline_request(session, request, actor=actor, reason="embarazo de riesgo")


async def expire(runtime: Runtime, practice: TenantContext, request: UUID) -> None:
    async with runtime.database.tenant(practice) as session:
        await expire_hold(session, request)


async def kinds_of(runtime: Runtime, practice: TenantContext, request: UUID) -> list[str]:
    """The history, in short."""
    async with runtime.database.tenant(practice) as session:
        rows = await session.scalars(
            select(AppointmentChange.kind)
            .where(AppointmentChange.appointment_id == request)
            .order_by(AppointmentChange.created_at, AppointmentChange.id)
        )
        return list(rows)


async def freed(runtime: Runtime, practice: TenantContext) -> list[dict[str, Any]]:
    """What was said to be free again."""
    return [event.payload for event in await queued(runtime, practice) if event.topic == TIME_FREED]


class TestAsking:
    async def test_holds_the_time_and_tells_client_and_practice(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        offer = await make_granted(runtime, practice, price_minor=4500)
        request = await ask(runtime, practice, client, offer)
        row = await stored(runtime, practice, request)
        assert (row.status, row.hold_kind) == (AppointmentStatus.HELD, HoldKind.APPROVAL)
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, client.email)
        assert mail.subject.startswith("Hemos recibido tu solicitud")
        assert "45,00\xa0€" in mail.text
        [log] = await logs_of(runtime, practice, REQUESTED_PRACTICE)
        assert log.recipient == f"owner@{practice.slug}.example.com"
        [told] = [mail for mail in await mails_of(runtime, practice, log.recipient) if mail.subject == log.subject]
        assert f"http://{practice.slug}.localhost:8000/admin/appointments/{request}" in links_in(told.text)
        assert NOTES not in told.text + told.html + mail.text

    async def test_nothing_can_be_paid_before_the_answer(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        offer = await make_granted(runtime, practice, price_minor=4500)
        request = await ask(runtime, practice, client, offer)
        for method in ("sandbox", "offline"):
            wanted = PaymentCreate(appointment_id=request, method=method)
            with pytest.raises(AppointmentNotPayableError):
                await start_checkout(runtime, practice, client.id, wanted)
        async with runtime.database.tenant(practice) as session:
            assert await confirm_paid(session, request) is ConfirmOutcome.NOT_BOOKABLE
        assert (await stored(runtime, practice, request)).status == AppointmentStatus.HELD

    async def test_a_moved_request_is_told_anew_and_never_outlives_its_start(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        offer = await make_granted(runtime, practice, approval_hours=200)
        request = await ask(runtime, practice, client, offer)
        async with runtime.database.tenant(practice) as session:
            await reschedule_appointment(session, request, in_days(2), client_id=client.id)
        row = await stored(runtime, practice, request)
        assert row.hold_expires_at == row.starts_at == in_days(2)
        [old] = await freed(runtime, practice)
        assert datetime.fromisoformat(old["starts_at"]) == in_days(5)
        await run_due_events(runtime, practice)
        assert len(await mails_of(runtime, practice, client.email)) == 1
        with clock.at(in_days(2) + timedelta(seconds=2)):
            await run_due_events(runtime, practice)
        assert (await stored(runtime, practice, request)).status == AppointmentStatus.EXPIRED

    async def test_staffs_own_booking_waits_for_nobody(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        offer, actor = await make_granted(runtime, practice), await staff_of(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            made = await book_appointment(
                session,
                client_id=client.id,
                service_id=offer.service_id,
                starts_at=in_days(5),
                actor=actor,
            )
        assert made.status == AppointmentStatus.CONFIRMED


class TestYes:
    async def test_confirms_what_costs_nothing(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        request = await ask(runtime, practice, client, await make_granted(runtime, practice))
        actor = await staff_of(runtime, practice)
        for _ in range(2):  # safe to repeat
            assert (await approve(runtime, practice, request, actor)).status == AppointmentStatus.CONFIRMED
        assert await kinds_of(runtime, practice, request) == ["booked", "approved", "confirmed"]
        await run_due_events(runtime, practice)
        subjects = [mail.subject.split(":")[0] for mail in await mails_of(runtime, practice, client.email)]
        assert subjects == ["Cita confirmada"]  # the request's mail was overtaken

    async def test_gives_time_to_pay_what_is_due(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        await set_practice(runtime, practice, approved_hold_hours=30)
        request = await ask(runtime, practice, client, await make_granted(runtime, practice, price_minor=4500))
        actor = await staff_of(runtime, practice)
        for _ in range(2):
            await approve(runtime, practice, request, actor)
        row = await stored(runtime, practice, request)
        assert (row.status, row.hold_kind) == (AppointmentStatus.HELD, HoldKind.PAYMENT)
        assert row.hold_expires_at is not None
        assert timedelta(hours=29) < row.hold_expires_at - clock.now() <= timedelta(hours=30)
        await run_due_events(runtime, practice)
        [mail] = [one for one in await mails_of(runtime, practice, client.email) if "aceptada" in one.subject]
        assert f"http://{practice.slug}.localhost:8000/appointments/{request}" in links_in(mail.text)
        wanted = PaymentCreate(appointment_id=request, method="offline")
        await start_checkout(runtime, practice, client.id, wanted)
        assert (await stored(runtime, practice, request)).status == AppointmentStatus.CONFIRMED

    async def test_does_not_hold_past_the_start(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        await set_practice(runtime, practice, approved_hold_hours=336)
        request = await ask(runtime, practice, client, await make_granted(runtime, practice, price_minor=4500))
        await approve(runtime, practice, request, await staff_of(runtime, practice))
        row = await stored(runtime, practice, request)
        assert row.hold_expires_at == row.starts_at

    async def test_what_is_not_paid_then_is_free_again(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        request = await ask(runtime, practice, client, await make_granted(runtime, practice, price_minor=4500))
        await approve(runtime, practice, request, await staff_of(runtime, practice))
        with clock.at(clock.now() + timedelta(hours=25)):
            await expire(runtime, practice, request)
            await run_due_events(runtime, practice)
        assert (await stored(runtime, practice, request)).status == AppointmentStatus.EXPIRED
        assert await logs_of(runtime, practice, UNANSWERED) == []

    async def test_comes_too_late_once_the_request_has_lapsed(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        request = await ask(runtime, practice, client, await make_granted(runtime, practice))
        actor = await staff_of(runtime, practice)
        with clock.at(clock.now() + timedelta(hours=49)), pytest.raises(AppointmentStateError):
            await approve(runtime, practice, request, actor)

    async def test_may_be_said_with_who_pays_at_the_practice(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        request = await ask(runtime, practice, client, await make_granted(runtime, practice, price_minor=4500))
        actor = await staff_of(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            outcome = await confirm_offline(session, request, actor=actor)
        assert outcome is ConfirmOutcome.CONFIRMED
        assert await kinds_of(runtime, practice, request) == ["booked", "approved", "confirmed"]

    async def test_is_no_answer_to_what_was_no_request(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        held = await ask(runtime, practice, client, await make_offer(runtime, practice, price_minor=4500))
        actor = await staff_of(runtime, practice)
        for answer in (approve, decline):
            with pytest.raises(AppointmentStateError):
                await answer(runtime, practice, held, actor)


class TestNo:
    async def test_frees_the_time_and_tells_the_client_but_not_why(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        request = await ask(runtime, practice, client, await make_granted(runtime, practice, price_minor=4500))
        actor = await staff_of(runtime, practice)
        for _ in range(2):
            row = await decline(runtime, practice, request, actor)
        assert (row.status, row.cancelled_by) == (AppointmentStatus.CANCELLED, "staff")
        assert await kinds_of(runtime, practice, request) == ["booked", "declined"]
        assert [datetime.fromisoformat(one["starts_at"]) for one in await freed(runtime, practice)] == [in_days(5)]
        await run_due_events(runtime, practice)
        [mail] = await mails_of(runtime, practice, client.email)
        assert mail.subject.startswith("Solicitud rechazada")
        assert "embarazo" not in mail.text + mail.html
        assert [log.kind for log in await logs_of(runtime, practice, DECLINED)] == [DECLINED]
        again = await ask(runtime, practice, client, Offer(row.practitioner_id, row.service_id))
        assert again != request


class TestSilence:
    async def test_frees_the_time_and_says_so(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        request = await ask(runtime, practice, client, await make_granted(runtime, practice))
        with clock.at(clock.now() + timedelta(hours=49)):
            await run_due_events(runtime, practice)
            assert (await stored(runtime, practice, request)).status == AppointmentStatus.EXPIRED
        [mail] = [
            one for one in await mails_of(runtime, practice, client.email) if "respondido a tiempo" in one.subject
        ]
        assert "No se te ha cobrado nada" in " ".join(mail.text.split())

    async def test_is_told_too_where_another_takes_the_time(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn
    ) -> None:
        offer = await make_granted(runtime, practice)
        lost = await ask(runtime, practice, client, offer)
        rival = await make_client(runtime, practice)
        with clock.at(clock.now() + timedelta(hours=49)):
            await ask(runtime, practice, rival, offer)
            assert len(await freed(runtime, practice)) == 1
            await run_due_events(runtime, practice)
        assert (await stored(runtime, practice, lost)).status == AppointmentStatus.EXPIRED
        assert len(await logs_of(runtime, practice, UNANSWERED)) == 1


async def test_a_cancelled_request_was_news_to_nobody(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    request = await ask(runtime, practice, client, await make_granted(runtime, practice))
    async with runtime.database.tenant(practice) as session:
        await cancel_appointment(session, request, actor=Actor.client(client.id), client_id=client.id)
    await run_due_events(runtime, practice)
    [mail] = await mails_of(runtime, practice, client.email)
    assert mail.attachments == {"items": []}
    owners = await mails_of(runtime, practice, f"owner@{practice.slug}.example.com")
    assert [mail.subject for mail in owners if "Carla" in mail.subject] == []


async def test_every_way_to_lose_a_time_says_that_it_is_free(
    runtime: Runtime, practice: TenantContext, client: SignedIn
) -> None:
    offer = await make_offer(runtime, practice, buffer_before_minutes=0, buffer_after_minutes=30)
    first = await ask(runtime, practice, client, offer)
    async with runtime.database.tenant(practice) as session:
        await reschedule_appointment(session, first, in_days(6), actor=Actor.client(client.id))
    async with runtime.database.tenant(practice) as session:
        await cancel_appointment(session, first, actor=Actor.client(client.id))
    ranges = [(one["starts_at"], one["ends_at"]) for one in await freed(runtime, practice)]
    times = [(datetime.fromisoformat(begin), datetime.fromisoformat(end)) for begin, end in ranges]
    long = timedelta(minutes=90)
    assert times == [(in_days(5), in_days(5) + long), (in_days(6), in_days(6) + long)]
    assert {one["practitioner_id"] for one in await freed(runtime, practice)} == {str(offer.practitioner_id)}


@pytest.mark.parametrize("due", [0, 4500])
async def test_of_yes_no_silence_and_another_booking_at_once_one_wins(
    runtime: Runtime, practice: TenantContext, client: SignedIn, due: int
) -> None:
    offer = await make_granted(runtime, practice, price_minor=due)
    actor, rival = await staff_of(runtime, practice), await make_client(runtime, practice)
    seen: Counter[str] = Counter()
    for day in range(3, 9):
        at = in_days(day)
        request = await ask(runtime, practice, client, offer, at)
        # On one side of the end, or on the other: some of them see it as lapsed, some don't.
        moment = clock.now() + timedelta(hours=48 if day % 2 else 47)
        with clock.at(moment):
            work: list[Coroutine[Any, Any, Any]] = [
                approve(runtime, practice, request, actor),
                decline(runtime, practice, request, actor),
                expire(runtime, practice, request),
                ask(runtime, practice, rival, offer, at),
                approve(runtime, practice, request, actor),
            ]
            results = await asyncio.gather(*work, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    assert isinstance(result, ProblemError), result
            row = await stored(runtime, practice, request)
            async with runtime.database.tenant(practice) as session:
                live = await session.scalars(
                    select(Appointment.id).where(
                        Appointment.starts_at == at, Appointment.status.in_(["held", "confirmed"])
                    )
                )
                assert len(live.all()) <= 1
            history = await kinds_of(runtime, practice, request)
            decided = [kind for kind in history if kind in ("approved", "declined", "expired")]
            assert len(decided) == 1, history
            expected = {"declined": "cancelled", "expired": "expired", "approved": "held" if due else "confirmed"}
            assert row.status == expected[decided[0]]
            seen[decided[0]] += 1
            with contextlib.suppress(ProblemError):  # make room for the next round
                async with runtime.database.tenant(practice) as session:
                    await cancel_appointment(session, request, actor=actor)
    assert sum(seen.values()) == 6


@pytest.mark.parametrize("language", ["es", "en"])
async def test_no_mail_of_a_request_tells_health_or_speaks_another_language(runtime: Runtime, language: str) -> None:
    practice = await make_practice(runtime, locale=language)
    client, actor = await make_client(runtime, practice), await staff_of(runtime, practice)
    offer = await make_granted(runtime, practice, price_minor=4500)
    for day, answer in ((5, approve), (6, decline), (7, None)):
        request = await ask(runtime, practice, client, offer, in_days(day))
        await run_due_events(runtime, practice)
        if answer is not None:
            await answer(runtime, practice, request, actor)
    await run_due_events(runtime, practice)
    with clock.at(clock.now() + timedelta(hours=49)):
        await run_due_events(runtime, practice)
    for kind in (REQUESTED, REQUESTED_PRACTICE, APPROVED, DECLINED, UNANSWERED):
        assert await logs_of(runtime, practice, kind), kind
    for mail in await mails_of(runtime, practice):
        names = (practice.name, "Primera visita", "Pilar Practicante", "Carla Cliente", "Carla", "Olga", "Sara")
        assert_speaks(language, mail, *names)
        assert NOTES not in mail.text + mail.html
        assert "embarazo" not in mail.text + mail.html
