"""Reminders by text message: to whom, when, how often, and what is left out."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from notifications.catalogue import Channel
from notifications.models import NOT_TRUE
from notifications.preferences.models import ChangedBy
from notifications.preferences.service import Account, change_choices
from notifications.rules import SWITCHED_OFF, TOO_MANY_TODAY
from notifications.texting.choices import TOO_MANY_THIS_MONTH, choose, read_quota
from notifications.texting.consents import TEXT_CODE, give_consent, withdraw_consent
from notifications.texting.deciding import NO_CONSENT
from notifications.texting.events import TEXT_SEND
from notifications.texting.mails import LIMIT_REACHED
from notifications.texting.models import GivenBy, TextLog, TextStatus
from notifications.texting.port import TextMessage, TextUnavailableError
from notifications.texting.service import deliver_text, send_text
from scheduling.appointments.history import Actor
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.visit_mails import REMINDER
from tenants.accounts.models import AccountKind, Relationship
from tenants.accounts.services.dependants import NewDependant, add_dependant
from tests.notifications.texting.conftest import NUMBER, PHONE
from tests.notifications.texting.helpers import agree, consents_of, set_phone, texts_of
from tests.support.events import queued, run_due_events
from tests.support.mails import logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_practice, make_staff_member
from tests.support.providers.text_gateway import TextGateway
from tests.support.scheduling import Offer, make_offer, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.text_settings import TextSettings

MADRID = ZoneInfo("Europe/Madrid")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """In March of next year, on the wall clock of Madrid: hours of 9 to 13 are open."""
    return datetime(2027, 3, day, hour, minute, tzinfo=MADRID)


async def book(runtime: Runtime, tenant: TenantContext, offer: Offer, client: SignedIn, starts_at: datetime) -> UUID:
    async with runtime.database.tenant(tenant) as session:
        made = await book_appointment(
            session, client_id=client.id, service_id=offer.service_id, starts_at=starts_at.astimezone(UTC)
        )
    return made.id


def context(runtime: Runtime, tenant: TenantContext) -> TenantEventContext:
    return TenantEventContext(runtime=runtime, event_id=new_id(), topic=TEXT_SEND, attempt=1, tenant=tenant)


def reminder(client: SignedIn, appointment_id: UUID, channel: Channel = Channel.SMS) -> dict[str, Any]:
    return {
        "kind": REMINDER,
        "subject_id": str(appointment_id),
        "version": "0-1440",
        "client_id": str(client.id),
        "channel": channel,
    }


async def only(runtime: Runtime, tenant: TenantContext) -> TextLog:
    [log] = await texts_of(runtime, tenant, REMINDER)
    return log


class TestReminders:
    async def test_once_besides_the_mail_and_with_nothing_of_the_visits_reason(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
    ) -> None:
        offer = await make_offer(runtime, texting, name="Trastornos alimentarios")
        with clock.at(at(1, 10)):
            await agree(runtime, texting, client)
            appointment_id = await book(runtime, texting, offer, client, at(6, 9))
            await run_due_events(runtime, texting)
        with clock.at(at(5, 9)):
            await run_due_events(runtime, texting)
            await send_text(context(runtime, texting), reminder(client, appointment_id))  # the row runs again
        assert gateway.texts == [f"{texting.name}: recordatorio de tu cita, sabado 6 de marzo a las 09:00."]
        [taken] = gateway.messages.values()
        assert taken.copies == 1
        log = await only(runtime, texting)
        assert (log.status, log.number, log.provider_ref, log.segments) == ("sent", NUMBER, taken.reference, 1)
        assert [row.status for row in await logs_of(runtime, texting, REMINDER)] == ["sent"]

    async def test_instead_of_the_mail_for_whoever_switched_that_off(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
    ) -> None:
        offer = await make_offer(runtime, texting)
        with clock.at(at(1, 10)):
            await agree(runtime, texting, client)
            await book(runtime, texting, offer, client, at(6, 9))
            async with runtime.database.tenant(texting) as session:
                account = Account(AccountKind.CLIENT, client.id)
                await change_choices(session, account, {"reminders": False}, ChangedBy.PAGE)
        with clock.at(at(5, 9)):
            await run_due_events(runtime, texting)
        assert [row.status for row in await logs_of(runtime, texting, REMINDER)] == ["skipped"]
        assert len(gateway.messages) == 1

    async def test_by_each_channel_in_the_readers_language_and_zone(
        self, runtime: Runtime, texting: TenantContext, gateway: TextGateway
    ) -> None:
        both = runtime.settings.model_copy(update={"texts": gateway.settings(channels="sms,whatsapp")})
        wide = replace(runtime, settings=both)
        client = await make_client(wide, texting, phone=PHONE, locale="en", timezone="Atlantic/Canary")
        offer = await make_offer(wide, texting)
        with clock.at(at(1, 10)):
            for channel in (Channel.SMS, Channel.WHATSAPP):
                await agree(wide, texting, client, channel)
            await book(wide, texting, offer, client, at(6, 9))
        with clock.at(at(5, 9)):
            await run_due_events(wide, texting)
        expected = f"{texting.name}: reminder of your appointment, Saturday 6 March at 08:00 (Canary time, UTC+0)."
        assert gateway.texts == [expected] * 2
        assert {one.body["channel"] for one in gateway.messages.values()} == {"sms", "whatsapp"}

    async def test_without_consent_that_counts_nothing_is_queued(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
    ) -> None:
        offer = await make_offer(runtime, texting)
        with clock.at(at(1, 10)):
            await book(runtime, texting, offer, client, at(6, 9))
        with clock.at(at(5, 9)):
            await run_due_events(runtime, texting)
        assert await texts_of(runtime, texting, REMINDER) == []
        assert gateway.exchanges == []

    @pytest.mark.parametrize(
        "what", ["cancelled", "number changed", "number gone", "switched off", "withdrawn", "late"]
    )
    async def test_what_changed_since_it_was_queued_counts(
        self, what: str, runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
    ) -> None:
        offer = await make_offer(runtime, texting)
        with clock.at(at(1, 10)):
            await agree(runtime, texting, client)
            appointment_id = await book(runtime, texting, offer, client, at(6, 9))
            async with runtime.database.tenant(texting) as session:
                if what == "cancelled":
                    await cancel_appointment(session, appointment_id, actor=Actor.client(client.id))
                elif what == "switched off":
                    await choose(session, runtime.settings, is_on=False, monthly_limit=500)
                elif what == "withdrawn":
                    await withdraw_consent(session, client.id, Channel.SMS)
        if what.startswith("number"):
            await set_phone(runtime, texting, client, "+34 699 999 999" if what == "number changed" else None)
        with clock.at(at(6, 9, 1) if what == "late" else at(5, 9)):
            await send_text(context(runtime, texting), reminder(client, appointment_id))
        log = await only(runtime, texting)
        expected = {"cancelled": NOT_TRUE, "late": NOT_TRUE, "switched off": SWITCHED_OFF}.get(what, NO_CONSENT)
        assert (log.status, log.failure, log.number) == (TextStatus.SKIPPED, expected, "")
        assert gateway.exchanges == []


class TestRules:
    async def test_it_waits_for_the_readers_morning(self, runtime: Runtime, gateway: TextGateway) -> None:
        quiet = await make_practice(runtime, is_quiet_at_night=True)
        async with runtime.database.tenant(quiet) as session:
            await choose(session, runtime.settings, is_on=True, monthly_limit=500)
        client = await make_client(runtime, quiet, phone=PHONE)
        offer = await make_offer(runtime, quiet)
        with clock.at(at(1, 10)):
            await agree(runtime, quiet, client)
            appointment_id = await book(runtime, quiet, offer, client, at(6, 12))
        with clock.at(at(5, 23)), pytest.raises(RetryLaterError) as caught:
            await send_text(context(runtime, quiet), reminder(client, appointment_id))
        assert caught.value.delay_seconds == 9 * 3600
        assert await texts_of(runtime, quiet, REMINDER) == []
        with clock.at(at(6, 8)):
            await send_text(context(runtime, quiet), reminder(client, appointment_id))
        assert len(gateway.messages) == 1

    async def test_not_more_a_day_than_mails(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
    ) -> None:
        await set_practice(runtime, texting, daily_mail_limit=2)
        offer = await make_offer(runtime, texting)
        with clock.at(at(1, 10)):
            await agree(runtime, texting, client)
            booked = [await book(runtime, texting, offer, client, at(6, hour)) for hour in (9, 10, 11, 12)]
        with clock.at(at(5, 13)):  # at once: each must see the others
            await asyncio.gather(*(send_text(context(runtime, texting), reminder(client, one)) for one in booked))
        logs = await texts_of(runtime, texting, REMINDER)
        assert sorted(row.failure or "" for row in logs) == ["", "", TOO_MANY_TODAY, TOO_MANY_TODAY]
        assert len(gateway.messages) == 2

    async def test_the_months_limit_stops_them_and_the_owners_hear_of_it_once(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
    ) -> None:
        owner = await make_staff_member(runtime, texting, email="owner@limits.example.com")
        offer = await make_offer(runtime, texting)
        with clock.at(at(1, 10)):
            await agree(runtime, texting, client)
            booked = [await book(runtime, texting, offer, client, at(6, hour)) for hour in (9, 10, 11, 12)]
            booked += [await book(runtime, texting, offer, client, datetime(2027, 4, 2, 9, tzinfo=MADRID))]
            async with runtime.database.tenant(texting) as session:
                await choose(session, runtime.settings, is_on=True, monthly_limit=1)
        with clock.at(at(5, 13)):
            await asyncio.gather(*(send_text(context(runtime, texting), reminder(client, one)) for one in booked[:4]))
            await run_due_events(runtime, texting)
            logs = [row for row in await texts_of(runtime, texting, REMINDER) if row.subject_id in booked[:4]]
            assert sorted(row.failure or "" for row in logs) == ["", *[TOO_MANY_THIS_MONTH] * 3]
            [mail] = [one for one in await mails_of(runtime, texting, owner.email) if "agotado" in one.subject]
            assert "límite de este mes (1)" in mail.text
            assert {row.status for row in await logs_of(runtime, texting, LIMIT_REACHED)} == {"sent"}
            async with runtime.database.tenant(texting) as session:
                assert (await read_quota(session, runtime.settings)).used == 1
        with clock.at(datetime(2027, 4, 1, 12, tzinfo=MADRID)):
            await send_text(context(runtime, texting), reminder(client, booked[4]))
        assert len(gateway.messages) == 2

    async def test_codes_that_strangers_ask_for_leave_most_of_it_to_reminders(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
    ) -> None:
        owner = await make_staff_member(runtime, texting, email="owner@limits.example.com")
        offer = await make_offer(runtime, texting)
        with clock.at(at(1, 10)):
            async with runtime.database.tenant(texting) as session:
                await choose(session, runtime.settings, is_on=True, monthly_limit=8)
            await agree(runtime, texting, client)
            appointment_id = await book(runtime, texting, offer, client, at(6, 9))
            for digit in range(1, 5):
                stranger = await make_client(runtime, texting, phone=f"+34 600 000 00{digit}")
                async with runtime.database.tenant(texting) as session:
                    await give_consent(session, runtime, stranger.id, Channel.SMS, GivenBy.API, "es")
            await run_due_events(runtime, texting)
            assert len(gateway.messages) == 2
            failures = [row.failure for row in await texts_of(runtime, texting, TEXT_CODE)]
            assert failures.count(TOO_MANY_THIS_MONTH) == 2
            await run_due_events(runtime, texting)
            [mail] = [one for one in await mails_of(runtime, texting, owner.email) if "códigos" in one.subject]
        assert "más códigos de lo normal" in mail.text
        with clock.at(at(5, 9)):
            await send_text(context(runtime, texting), reminder(client, appointment_id))
        assert len(gateway.messages) == 3

    async def test_a_bots_night_leaves_codes_for_the_days_after_it(
        self, runtime: Runtime, texting: TenantContext, gateway: TextGateway
    ) -> None:
        async def ask(first: int, count: int) -> None:
            for number in range(first, first + count):
                stranger = await make_client(runtime, texting, phone=f"+34 600 000 {number:03}")
                async with runtime.database.tenant(texting) as session:
                    await give_consent(session, runtime, stranger.id, Channel.SMS, GivenBy.API, "es")
            await run_due_events(runtime, texting)

        with clock.at(at(1, 23)):
            async with runtime.database.tenant(texting) as session:
                await choose(session, runtime.settings, is_on=True, monthly_limit=80)
            await ask(0, 7)
        failures = [row.failure for row in await texts_of(runtime, texting, TEXT_CODE)]
        assert sorted(one or "" for one in failures) == ["", "", "", "", "", TOO_MANY_TODAY, TOO_MANY_TODAY]
        with clock.at(at(2, 1)):
            await ask(10, 1)
        assert len(gateway.messages) == 6

    async def test_the_operators_limit_holds_whatever_the_practice_wishes(
        self, runtime: Runtime, texting: TenantContext, gateway: TextGateway
    ) -> None:
        low = runtime.settings.model_copy(update={"texts": gateway.settings(monthly_limit=3)})
        async with runtime.database.tenant(texting) as session:
            quota = await read_quota(session, low)
        assert (quota.is_on, quota.limit, quota.most, quota.used) == (True, 3, 3, 0)


class Down:
    """A gateway that says later."""

    async def send(self, message: TextMessage) -> str:
        del message
        raise TextUnavailableError("busy", 120.0)


class TestFailures:
    async def test_it_is_tried_for_a_day_and_not_counted_against_itself(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn
    ) -> None:
        offer = await make_offer(runtime, texting)
        with clock.at(at(1, 10)):
            await agree(runtime, texting, client)
            appointment_id = await book(runtime, texting, offer, client, at(6, 9))
            async with runtime.database.tenant(texting) as session:
                await choose(session, runtime.settings, is_on=True, monthly_limit=1)
        for hours in (0, 23):
            with clock.at(at(4, 9) + timedelta(hours=hours)), pytest.raises(RetryLaterError) as caught:
                await deliver_text(context(runtime, texting), reminder(client, appointment_id), Down())
            assert caught.value.delay_seconds == 120
        with clock.at(at(5, 9, 1)):
            await deliver_text(context(runtime, texting), reminder(client, appointment_id), Down())
        log = await only(runtime, texting)
        assert (log.status, log.attempts, log.failure) == (TextStatus.FAILED, 3, "busy")

    async def test_what_the_gateway_refuses_is_failed_at_once(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
    ) -> None:
        offer = await make_offer(runtime, texting)
        with clock.at(at(1, 10)):
            await agree(runtime, texting, client)
            appointment_id = await book(runtime, texting, offer, client, at(6, 9))
        gateway.faults.answer(422, body={"code": "unknown_number"})
        with clock.at(at(5, 9)):
            await send_text(context(runtime, texting), reminder(client, appointment_id))
        log = await only(runtime, texting)
        assert (log.status, log.failure) == (TextStatus.FAILED, "the gateway answered 422, unknown_number")


async def test_on_a_laptop_it_lands_in_the_mailbox_marked_as_what_it_is(
    runtime: Runtime, texting: TenantContext, client: SignedIn
) -> None:
    laptop = replace(runtime, settings=runtime.settings.model_copy(update={"texts": TextSettings(adapter="mailbox")}))
    offer = await make_offer(laptop, texting)
    with clock.at(at(1, 10)):
        await agree(laptop, texting, client)
        await book(laptop, texting, offer, client, at(6, 9))
    with clock.at(at(5, 9)):
        await run_due_events(laptop, texting)
    [mail] = await mails_of(laptop, texting, NUMBER)
    assert (mail.subject, mail.text) == (
        "[SMS]",
        f"{texting.name}: recordatorio de tu cita, sabado 6 de marzo a las 09:00.",
    )


@pytest.mark.parametrize(
    ("name", "locale", "whose"),
    [
        ("Leo", "es", "la cita de Leo"),
        ("Leo", "en", "Leo's appointment"),
        ("María de los Ángeles " * 4, "es", "tu cita"),
        ("\u041b\u0435\u0432", "es", "tu cita"),
    ],
)
async def test_of_a_childs_visit_it_names_the_child_where_that_costs_nothing(
    runtime: Runtime, texting: TenantContext, gateway: TextGateway, name: str, locale: str, whose: str
) -> None:
    client = await make_client(runtime, texting, phone=PHONE, locale=locale)
    offer = await make_offer(runtime, texting)
    with clock.at(at(1, 10)):
        await agree(runtime, texting, client)
        async with runtime.database.tenant(texting) as session:
            new = NewDependant(first_name=name, last_name="Gil", relationship=Relationship.CHILD, birth_date=None)
            child = await add_dependant(session, client.id, new)
            await book_appointment(
                session,
                client_id=client.id,
                service_id=offer.service_id,
                starts_at=at(6, 9).astimezone(UTC),
                dependant_id=child.id,
            )
        await run_due_events(runtime, texting)
    with clock.at(at(5, 9)):
        await run_due_events(runtime, texting)
    [text] = gateway.texts
    assert f": recordatorio de {whose}, " in text or f": reminder of {whose}, " in text
    assert (await only(runtime, texting)).segments == 1


async def test_without_a_gateway_nothing_is_queued_and_what_was_is_dropped(
    runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
) -> None:
    off = replace(runtime, settings=runtime.settings.model_copy(update={"texts": TextSettings()}))
    offer = await make_offer(off, texting)
    with clock.at(at(1, 10)):
        await agree(runtime, texting, client)
        appointment_id = await book(off, texting, offer, client, at(6, 9))
    with clock.at(at(5, 9)):
        await run_due_events(off, texting)
        await send_text(context(off, texting), reminder(client, appointment_id))
    assert TEXT_SEND not in [row.topic for row in await queued(off, texting)]
    assert await texts_of(off, texting, REMINDER) == []
    assert gateway.exchanges == []
    assert [row.confirmed_at is not None for row in await consents_of(off, texting, client.id)] == [True]
