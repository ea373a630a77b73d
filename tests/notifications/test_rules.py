"""Whether a mail goes now: choices of its reader, their night, their day."""

import asyncio
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from notifications.account_mails import CLIENT_PASSWORD_RESET
from notifications.catalogue import Topic
from notifications.errors import MailUnderWayError
from notifications.events import NOTIFICATION_SEND
from notifications.models import EmailStatus, MailboxMessage
from notifications.port import Mail, MailUnavailableError
from notifications.preferences.links import mask, read_token
from notifications.preferences.models import ChangedBy, MailPreference
from notifications.preferences.service import Account, TopicNotOptionalError, change_choices
from notifications.resending import resend
from notifications.rules import SWITCHED_OFF, TOO_MANY_TODAY
from notifications.service import deliver, send_notification
from scheduling.appointments.history import Actor
from scheduling.appointments.mails import CANCELLED, CONFIRMED, CONFIRMED_PRACTICE
from scheduling.appointments.services.booking import book_appointment
from scheduling.appointments.services.cancelling import cancel_appointment
from scheduling.appointments.visit_mails import REMINDER
from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import AccountKind, StaffRole
from tests.support.events import queued, run_due_events
from tests.support.mails import links_in, logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_practice, make_staff_member
from tests.support.scheduling import Offer, make_offer, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

MADRID = ZoneInfo("Europe/Madrid")


def context(runtime: Runtime, tenant: TenantContext) -> TenantEventContext:
    return TenantEventContext(runtime=runtime, event_id=new_id(), topic=NOTIFICATION_SEND, attempt=1, tenant=tenant)


def to(client: SignedIn, kind: str, subject_id: UUID, version: int | str = 0) -> dict[str, Any]:
    return {
        "kind": kind,
        "subject_id": str(subject_id),
        "version": version,
        "recipient_kind": "client",
        "recipient_id": str(client.id),
    }


def morning(day: int, hour: int, minute: int = 0, *, month: int = 3) -> datetime:
    """On the wall clock of Madrid, next year: hours of 9 to 13 are open."""
    return datetime(2027, month, day, hour, minute, tzinfo=MADRID)


async def book(runtime: Runtime, tenant: TenantContext, offer: Offer, client: SignedIn, starts_at: datetime) -> UUID:
    async with runtime.database.tenant(tenant) as session:
        made = await book_appointment(
            session, client_id=client.id, service_id=offer.service_id, starts_at=starts_at.astimezone(UTC)
        )
    return made.id


async def choose(runtime: Runtime, tenant: TenantContext, account: Account, **topics: bool) -> None:
    async with runtime.database.tenant(tenant) as session:
        await change_choices(session, account, topics, ChangedBy.PAGE)


def account_of(client: SignedIn) -> Account:
    return Account(AccountKind.CLIENT, client.id)


@pytest.fixture
async def quiet(runtime: Runtime) -> TenantContext:
    """A practice in Madrid with the quiet hours that practices begin with."""
    return await make_practice(runtime, is_quiet_at_night=True)


class TestChoices:
    async def test_what_is_switched_off_is_left_out_and_what_is_due_is_sent(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        client = await make_client(runtime, practice)
        offer = await make_offer(runtime, practice)
        with clock.at(morning(1, 10)):
            appointment_id = await book(runtime, practice, offer, client, morning(2, 9))
            await choose(runtime, practice, account_of(client), reminders=False)
            for kind in (REMINDER, CONFIRMED):
                await send_notification(context(runtime, practice), to(client, kind, appointment_id))
        assert len(await mails_of(runtime, practice, client.email)) == 1
        [reminder], [confirmed] = [await logs_of(runtime, practice, kind) for kind in (REMINDER, CONFIRMED)]
        assert (reminder.status, reminder.failure, reminder.attempts) == (EmailStatus.SKIPPED, SWITCHED_OFF, 0)
        assert confirmed.status == EmailStatus.SENT

    async def test_a_choice_is_one_accounts_at_one_practice_and_may_be_taken_back(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        client, other = [await make_client(runtime, practice) for _ in range(2)]
        offer = await make_offer(runtime, practice)
        await choose(runtime, practice, account_of(client), reminders=False)
        by_link = {"changed_by": ChangedBy.ONE_CLICK, "changed_at": clock.now(), "is_on": False, "topic": "reminders"}
        async with runtime.database.tenant(practice) as session:
            session.add(MailPreference(account_kind=AccountKind.STAFF, account_id=other.id, **by_link))
        with clock.at(morning(1, 10)):
            theirs = await book(runtime, practice, offer, other, morning(2, 9))
            await send_notification(context(runtime, practice), to(other, REMINDER, theirs))
            await choose(runtime, practice, account_of(client), reminders=True)
            own = await book(runtime, practice, offer, client, morning(2, 10))
            await send_notification(context(runtime, practice), to(client, REMINDER, own))
        assert [row.status for row in await logs_of(runtime, practice, REMINDER)] == [EmailStatus.SENT] * 2

    @pytest.mark.parametrize("topic", ["security", "bookings", "payments", "no_such", "x' OR 1=1"])
    async def test_a_client_can_not_switch_off_what_is_due(
        self, runtime: Runtime, practice: TenantContext, topic: str
    ) -> None:
        account = Account(AccountKind.CLIENT, new_id())
        with pytest.raises(TopicNotOptionalError):
            await choose(runtime, practice, account, reminders=False, **{topic: False})
        async with runtime.database.tenant(practice) as session:
            assert await session.get(MailPreference, (account.kind, account.id, "reminders")) is None


class TestHeaders:
    async def test_only_what_may_be_switched_off_says_how(
        self, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        es, en = [await make_client(runtime, practice, locale=locale) for locale in ("es", "en")]
        offer = await make_offer(runtime, practice)
        footers = {"es": "Qué correos recibo", "en": "Which mails I get"}
        with clock.at(morning(1, 10)):
            for hour, (locale, client) in enumerate((("es", es), ("en", en)), start=9):
                appointment_id = await book(runtime, practice, offer, client, morning(2, hour))
                for kind in (CONFIRMED, REMINDER):
                    await send_notification(context(runtime, practice), to(client, kind, appointment_id))
                confirmed, reminder = await mails_of(runtime, practice, client.email)
                if "List-Unsubscribe" in confirmed.headers:
                    confirmed, reminder = reminder, confirmed
                assert not {"List-Unsubscribe", "List-Unsubscribe-Post"} & set(confirmed.headers)
                assert footers[locale] not in confirmed.text + confirmed.html
                assert "mail-preferences" not in confirmed.text + confirmed.html
                self._assert_says_how(runtime, practice, client, reminder, footers[locale])
                token = reminder.headers["List-Unsubscribe"].strip("<>").rpartition("/")[2]
                with pytest.raises(NotFoundError):
                    read_token(runtime.signer, other_practice, token)

    def _assert_says_how(
        self, runtime: Runtime, practice: TenantContext, client: SignedIn, mail: MailboxMessage, footer: str
    ) -> None:
        value = mail.headers["List-Unsubscribe"]
        url = value.strip("<>")
        assert value == f"<{url}>"
        assert url.startswith(runtime.settings.practice_url(practice.slug, "/mail-preferences/"))
        assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert f"{footer}: {url}" in mail.text
        assert f'href="{url}"' in mail.html
        assert footer in mail.html
        assert url in links_in(mail.text)
        link = read_token(runtime.signer, practice, url.rpartition("/")[2])
        assert (link.account, link.topic) == (account_of(client), Topic.REMINDERS)

    def test_a_masked_address_tells_its_owner_alone(self) -> None:
        assert mask("carla.perez@example.com") == "c•••@e•••.com"
        assert mask("c@d.es") == "c•••@d•••.es"


class TestQuietHours:
    async def _remind(
        self, runtime: Runtime, tenant: TenantContext, client: SignedIn, appointment_id: UUID, now: datetime
    ) -> float | None:
        """After how many seconds the reminder is tried again, None if it was sent."""
        with clock.at(now):
            try:
                await send_notification(context(runtime, tenant), to(client, REMINDER, appointment_id))
            except RetryLaterError as later:
                return later.delay_seconds
        rows = await logs_of(runtime, tenant, REMINDER)
        assert [row.status for row in rows if row.subject_id == appointment_id] == [EmailStatus.SENT]
        return None

    async def test_a_reminder_waits_for_the_readers_own_morning(self, runtime: Runtime, quiet: TenantContext) -> None:
        offer = await make_offer(runtime, quiet)
        here = await make_client(runtime, quiet)
        bogota = await make_client(runtime, quiet, timezone="America/Bogota")
        with clock.at(morning(1, 10)):
            mine = await book(runtime, quiet, offer, here, morning(3, 10))
            theirs = await book(runtime, quiet, offer, bogota, morning(3, 11))
        assert await self._remind(runtime, quiet, here, mine, morning(2, 7)) == 3600
        [waits] = await logs_of(runtime, quiet, REMINDER)
        assert (waits.is_queued, waits.failure, waits.not_before) == (True, "quiet hours", morning(2, 8))
        assert (waits.recipient, waits.subject) == ("", "")
        assert await self._remind(runtime, quiet, bogota, theirs, morning(2, 7)) == 7 * 3600  # it is 1:00 there
        assert await self._remind(runtime, quiet, here, mine, morning(2, 8)) is None
        assert await self._remind(runtime, quiet, bogota, theirs, morning(2, 23)) is None  # 17:00 there

    @pytest.mark.parametrize(("day", "hours"), [(27, 10), (20, 11)])
    async def test_the_night_of_change_is_shorter(
        self, runtime: Runtime, quiet: TenantContext, day: int, hours: int
    ) -> None:
        offer = await make_offer(runtime, quiet)
        client = await make_client(runtime, quiet)
        with clock.at(morning(1, 10)):
            appointment_id = await book(runtime, quiet, offer, client, morning(day + 1, 12))
        assert await self._remind(runtime, quiet, client, appointment_id, morning(day, 21)) == hours * 3600

    async def test_what_would_come_too_late_is_sent_at_night(self, runtime: Runtime, quiet: TenantContext) -> None:
        offer = await make_offer(runtime, quiet)
        client = await make_client(runtime, quiet)
        await set_practice(runtime, quiet, quiet_until=time(8, 30))
        with clock.at(morning(1, 10)):
            early = await book(runtime, quiet, offer, client, morning(3, 9))
            later = await book(runtime, quiet, offer, client, morning(3, 10))
        # At half past eight who is expected at nine should be on the way.
        assert await self._remind(runtime, quiet, client, early, morning(3, 7)) is None
        assert await self._remind(runtime, quiet, client, later, morning(3, 8)) == 1800

    async def test_a_reminder_wakes_nobody_whom_the_next_one_reaches_in_the_morning(
        self, runtime: Runtime, quiet: TenantContext
    ) -> None:
        offer = await make_offer(runtime, quiet, reminder_minutes=[10 * 60, 9 * 60])
        client = await make_client(runtime, quiet)
        with clock.at(morning(1, 10)):
            await book(runtime, quiet, offer, client, morning(3, 12))
        for now, sent in ((morning(3, 2), 0), (morning(3, 3), 0), (morning(3, 8), 1)):
            with clock.at(now):
                await run_due_events(runtime, quiet)
            rows = await logs_of(runtime, quiet, REMINDER)
            assert [row.status for row in rows].count(EmailStatus.SENT) == sent, now
            assert [row.is_queued for row in rows] == [not sent] * len(rows)

    async def test_what_is_due_does_not_wait_and_a_practice_may_have_no_quiet_hours(
        self, runtime: Runtime, quiet: TenantContext
    ) -> None:
        offer = await make_offer(runtime, quiet)
        client = await make_client(runtime, quiet)
        with clock.at(morning(1, 23)):
            appointment_id = await book(runtime, quiet, offer, client, morning(3, 10))
            await send_notification(context(runtime, quiet), to(client, CONFIRMED, appointment_id))
            await send_notification(context(runtime, quiet), to(client, CLIENT_PASSWORD_RESET, client.id))
        assert len(await mails_of(runtime, quiet, client.email)) == 2
        await set_practice(runtime, quiet, quiet_from=None, quiet_until=None)
        assert await self._remind(runtime, quiet, client, appointment_id, morning(2, 3)) is None

    async def test_the_queue_brings_it_back_at_the_end_and_asks_again_what_is_true(
        self, runtime: Runtime, quiet: TenantContext
    ) -> None:
        offer = await make_offer(runtime, quiet)
        client = await make_client(runtime, quiet)
        with clock.at(morning(1, 10)):
            kept = await book(runtime, quiet, offer, client, morning(3, 10))
            given_up = await book(runtime, quiet, offer, client, morning(3, 11))
            await run_due_events(runtime, quiet)
        with clock.at(morning(2, 22)):
            await run_due_events(runtime, quiet)
            waiting = [row for row in await queued(runtime, quiet) if row.payload.get("kind") == REMINDER]
            assert {(row.run_at, row.last_error, row.failures) for row in waiting} == {
                (morning(3, 8).astimezone(UTC), "quiet hours", 0)
            }
            assert {row.payload["subject_id"] for row in waiting} == {str(kept), str(given_up)}
            async with runtime.database.tenant(quiet) as session:
                await cancel_appointment(session, given_up, actor=Actor.client(client.id))
            await run_due_events(runtime, quiet)
            assert len(await logs_of(runtime, quiet, CANCELLED)) == 1
        with clock.at(morning(3, 8)):
            await run_due_events(runtime, quiet)
        found = {row.subject_id: row.status for row in await logs_of(runtime, quiet, REMINDER)}
        assert found == {kept: EmailStatus.SENT, given_up: EmailStatus.SKIPPED}

    async def test_staff_are_left_alone_by_the_clock_that_they_work_by(
        self, runtime: Runtime, quiet: TenantContext
    ) -> None:
        register_composers()
        offer = await make_offer(runtime, quiet)
        client = await make_client(runtime, quiet)
        far = await make_staff_member(runtime, quiet, StaffRole.PRACTITIONER)
        async with runtime.database.tenant(quiet) as session:
            practitioner = await session.get_one(Practitioner, offer.practitioner_id)
            practitioner.staff_id, practitioner.timezone = far.id, "America/Bogota"
        with clock.at(morning(1, 9)):  # three in the morning there
            await book(runtime, quiet, offer, client, morning(8, 16))
            await run_due_events(runtime, quiet)
        rows = {row.dedupe_key[-36:]: row for row in await logs_of(runtime, quiet, CONFIRMED_PRACTICE)}
        assert rows[str(far.id)].not_before == morning(1, 14)
        assert [row.status for key, row in rows.items() if key != str(far.id)] == [EmailStatus.SENT]

    async def test_what_waits_is_one_mail_counts_as_none_and_is_as_old_as_its_announcement(
        self, runtime: Runtime, quiet: TenantContext
    ) -> None:
        register_composers()
        await set_practice(runtime, quiet, daily_mail_limit=1)
        offer = await make_offer(runtime, quiet)
        client = await make_client(runtime, quiet)
        with clock.at(morning(1, 10)):
            first, second = [await book(runtime, quiet, offer, client, morning(3, hour)) for hour in (10, 11)]
            await run_due_events(runtime, quiet)
        with clock.at(morning(2, 22)):  # both were due at ten and eleven, the workers were down
            await run_due_events(runtime, quiet)
            waiting = await logs_of(runtime, quiet, REMINDER)
            assert [row.is_queued for row in waiting] == [True] * 2
            async with runtime.database.tenant(quiet) as session:
                with pytest.raises(MailUnderWayError):
                    await resend(session, runtime, waiting[0].id)
        with clock.at(morning(3, 8)):
            await run_due_events(runtime, quiet)
            await run_due_events(runtime, quiet)
        rows = await logs_of(runtime, quiet, REMINDER)
        assert {row.subject_id for row in rows} == {first, second}
        assert sorted(row.status for row in rows) == [EmailStatus.SENT, EmailStatus.SKIPPED]  # the limit is one a day
        for row in rows:
            assert (row.announced_at, row.created_at) == (morning(2, 22), morning(3, 8))
            assert (row.not_before, row.is_queued) == (None, False)


class Down:
    """A provider that says later."""

    async def send(self, mail: Mail) -> str:
        del mail
        raise MailUnavailableError("busy", 120.0)


class TestDailyLimit:
    async def test_over_it_the_optional_is_left_out_and_nothing_else_until_the_readers_midnight(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        await set_practice(runtime, practice, daily_mail_limit=2)
        client = await make_client(runtime, practice, timezone="America/Bogota")
        offer = await make_offer(runtime, practice)
        with clock.at(morning(1, 10)):
            booked = [await book(runtime, practice, offer, client, morning(5 + n, 9)) for n in range(6)]
        with clock.at(morning(2, 12)):
            # At once: each must see the others.
            await asyncio.gather(
                *(send_notification(context(runtime, practice), to(client, REMINDER, one)) for one in booked[:4])
            )
            await send_notification(context(runtime, practice), to(client, CONFIRMED, booked[0]))
            await send_notification(context(runtime, practice), to(client, CLIENT_PASSWORD_RESET, client.id))
        rows = await logs_of(runtime, practice, REMINDER)
        assert sorted(row.status for row in rows) == [EmailStatus.SENT] * 2 + [EmailStatus.SKIPPED] * 2
        assert {row.failure for row in rows if row.status == EmailStatus.SKIPPED} == {TOO_MANY_TODAY}
        assert len(await mails_of(runtime, practice, client.email)) == 4
        for now in (morning(3, 5, 59), morning(3, 6)):  # midnight in Bogotá is at six here
            with clock.at(now):
                await send_notification(context(runtime, practice), to(client, REMINDER, booked.pop()))
            rows = await logs_of(runtime, practice, REMINDER)
            assert len([row for row in rows if row.status == EmailStatus.SKIPPED]) == 3

    async def test_one_that_met_a_provider_that_was_down_is_not_counted_against_itself(
        self, runtime: Runtime, practice: TenantContext
    ) -> None:
        await set_practice(runtime, practice, daily_mail_limit=1)
        client = await make_client(runtime, practice)
        offer = await make_offer(runtime, practice)
        with clock.at(morning(1, 10)):
            first = await book(runtime, practice, offer, client, morning(2, 9))
            second = await book(runtime, practice, offer, client, morning(2, 10))
            with pytest.raises(RetryLaterError) as caught:
                await deliver(context(runtime, practice), to(client, REMINDER, first), Down())
            assert caught.value.delay_seconds == 120
            await send_notification(context(runtime, practice), to(client, REMINDER, second))
            await send_notification(context(runtime, practice), to(client, REMINDER, first))
        statuses = {row.subject_id: row.status for row in await logs_of(runtime, practice, REMINDER)}
        assert statuses == {first: EmailStatus.SENT, second: EmailStatus.SKIPPED}
