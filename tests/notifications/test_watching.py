"""Who of the staff hears of what is not their own: by role, by choice, and only as long as they may."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from notifications.announcing import announce
from notifications.catalogue import Topic
from notifications.digests.service import choose_digest_time
from notifications.keys import MailKey
from notifications.mail_tasks.mails import MAIL_TASKS, announce_tasks
from notifications.mail_tasks.models import TaskReason
from notifications.mail_tasks.service import finish_task, list_tasks, open_task
from notifications.models import EmailLog, EmailStatus
from notifications.preferences.links import read_token
from notifications.preferences.models import ChangedBy
from notifications.preferences.service import (
    Account,
    TopicNotOptionalError,
    change_choices,
    read_choices,
)
from notifications.recipients import Recipient, RecipientKind
from notifications.rules import NOT_THEIRS, SWITCHED_OFF
from notifications.watching import list_practice_recipients
from scheduling.appointments.mails import CONFIRMED, CONFIRMED_PRACTICE
from scheduling.appointments.request_mails import REQUESTED_PRACTICE
from scheduling.appointments.services.booking import book_appointment
from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import AccountKind, Staff, StaffRole
from tests.support.events import run_due_events
from tests.support.mails import logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.scheduling import Offer, make_offer, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

MADRID = ZoneInfo("Europe/Madrid")
BOOKINGS = {Topic.BOOKINGS: False}
KINDS = {
    "bookings": CONFIRMED_PRACTICE,
    "requests": REQUESTED_PRACTICE,
    "money": "refund_failed_practice",
    "refunds": "refund_settled_practice",
    "mail": MAIL_TASKS,
}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2027, 3, day, hour, minute, tzinfo=MADRID)


@dataclass
class Team:
    """A practice with somebody of every role; the practitioner has a calendar that the client books in."""

    runtime: Runtime
    tenant: TenantContext
    offer: Offer
    client: SignedIn
    people: dict[str, SignedIn]

    async def hears(self, kind: str, *concerned: UUID) -> set[str]:
        """Roles of those who would be told, and ``contact``."""
        async with self.runtime.database.tenant(self.tenant) as session:
            told = await list_practice_recipients(session, kind, *concerned)
        roles = {str(one.id): role for role, one in self.people.items()}
        return {roles.get(one.id, "contact") for one in told}

    async def choose(self, role: str, by: ChangedBy = ChangedBy.PAGE, **topics: bool) -> None:
        async with self.runtime.database.tenant(self.tenant) as session:
            await change_choices(session, Account(AccountKind.STAFF, self.people[role].id), topics, by)

    async def become(self, who: str, **fields: object) -> None:
        """Change that person's row."""
        async with self.runtime.database.tenant(self.tenant) as session:
            staff = await session.get_one(Staff, self.people[who].id)
            for name, value in fields.items():
                setattr(staff, name, value)

    async def book(self, starts_at: datetime) -> None:
        async with self.runtime.database.tenant(self.tenant) as session:
            await book_appointment(
                session,
                client_id=self.client.id,
                service_id=self.offer.service_id,
                starts_at=starts_at.astimezone(UTC),
            )

    async def run(self) -> None:
        await run_due_events(self.runtime, self.tenant)

    async def outcomes(self, role: str, kind: str = CONFIRMED_PRACTICE) -> list[tuple[str, str | None]]:
        """Of that person's mails of a kind."""
        rows = await logs_of(self.runtime, self.tenant, kind)
        return [(row.status, row.failure) for row in rows if row.dedupe_key.endswith(str(self.people[role].id))]

    async def announce(self, role: str, appointment_id: UUID, *, is_watching: bool) -> None:
        recipient = Recipient(RecipientKind.STAFF, str(self.people[role].id), is_watching=is_watching)
        async with self.runtime.database.tenant(self.tenant) as session:
            await announce(session, CONFIRMED_PRACTICE, subject_id=appointment_id, version=0, recipients=[recipient])


@pytest.fixture
async def team(runtime: Runtime, practice: TenantContext) -> Team:
    people = {str(role): await make_staff_member(runtime, practice, role) for role in StaffRole}
    offer = await make_offer(runtime, practice)
    client = await make_client(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        (await session.get_one(Practitioner, offer.practitioner_id)).staff_id = people["practitioner"].id
    return Team(runtime, practice, offer, client, people)


async def test_roles_decide_until_people_do_and_owners_can_not_leave_what_must_be_done(team: Team) -> None:
    practitioner = team.people["practitioner"].id
    desk = {"owner", "manager", "reception", "contact"}
    assert await team.hears(KINDS["bookings"], practitioner) == {"owner", "practitioner", "contact"}
    assert await team.hears(KINDS["requests"], practitioner) == desk | {"practitioner"}
    assert await team.hears(KINDS["money"]) == desk
    assert await team.hears(KINDS["refunds"]) == {"owner", "contact"}
    assert await team.hears(KINDS["mail"]) == desk

    await team.choose("reception", all_bookings=True, requests=False)
    await team.choose("manager", payments=True, money_trouble=False, unreached=False)
    await team.choose("owner", all_bookings=False, payments=False)
    assert await team.hears(KINDS["bookings"], practitioner) == {"reception", "practitioner", "contact"}
    assert await team.hears(KINDS["requests"]) == {"owner", "manager", "contact"}
    assert await team.hears(KINDS["money"]) == {"owner", "reception", "contact"}
    assert await team.hears(KINDS["refunds"]) == {"manager", "contact"}
    assert await team.hears(KINDS["mail"]) == {"owner", "reception", "contact"}
    # Of what is their own an owner hears all the same.
    assert await team.hears(KINDS["bookings"], team.people["owner"].id) == {"reception", "owner", "contact"}

    for topic in ("requests", "money_trouble"):
        with pytest.raises(TopicNotOptionalError):
            await team.choose("owner", ChangedBy.PAGE, **{topic: False})
    for topic in ("all_bookings", "requests", "payments", "unreached"):  # nothing that they may not see
        with pytest.raises(TopicNotOptionalError):
            await team.choose("practitioner", ChangedBy.PAGE, **{topic: True})


async def test_the_page_says_what_comes_by_role(team: Team) -> None:
    async with team.runtime.database.tenant(team.tenant) as session:
        found = {
            role: {
                one.topic: (one.is_on, one.is_fixed)
                for one in await read_choices(session, Account(AccountKind.STAFF, person.id))
            }
            for role, person in team.people.items()
        }
    off, on, fixed = (False, False), (True, False), (True, True)
    desk = {"bookings": on, "all_bookings": off, "requests": on, "money_trouble": on, "payments": off, "unreached": on}
    assert found["practitioner"] == {"bookings": on}
    assert found["reception"] == found["manager"] == desk
    assert found["owner"] == desk | {"all_bookings": on, "requests": fixed, "money_trouble": fixed, "payments": on}


async def test_who_wanted_no_bookings_before_there_was_a_choice_hears_of_none(team: Team) -> None:
    await team.choose("owner", by=ChangedBy.ONE_CLICK, bookings=False)
    assert await team.hears(KINDS["bookings"]) == {"contact"}
    await team.choose("owner", all_bookings=True)
    assert await team.hears(KINDS["bookings"]) == {"owner", "contact"}


async def test_nobody_is_written_to_before_they_accepted_the_invitation(team: Team) -> None:
    await team.become("reception", accepted_at=None)
    await team.become("manager", is_active=False)
    assert await team.hears(KINDS["requests"]) == {"owner", "contact"}


async def test_who_lost_the_right_or_the_post_or_the_wish_meanwhile_gets_nothing(team: Team) -> None:
    await set_practice(team.runtime, team.tenant, practitioners_see_all=True)
    for role in ("reception", "manager", "practitioner"):
        await team.choose(role, all_bookings=True)
    subject = new_id()
    for role in ("reception", "manager", "practitioner", "owner"):
        await team.announce(role, subject, is_watching=True)
    await team.become("reception", is_active=False)
    await team.become("manager", role=StaffRole.PRACTITIONER)
    await set_practice(team.runtime, team.tenant, practitioners_see_all=False)
    await team.choose("owner", all_bookings=False)
    await team.run()
    assert await team.outcomes("reception") == [(EmailStatus.SKIPPED, "nobody to write to")]
    assert await team.outcomes("manager") == [(EmailStatus.SKIPPED, NOT_THEIRS)]
    assert await team.outcomes("practitioner") == [(EmailStatus.SKIPPED, NOT_THEIRS)]
    assert await team.outcomes("owner") == [(EmailStatus.SKIPPED, SWITCHED_OFF)]


async def test_the_link_of_a_colleagues_booking_ends_colleagues_bookings(team: Team) -> None:
    await team.choose("reception", all_bookings=True)
    with clock.at(at(1, 10)):
        await team.book(at(8, 9))
        await team.run()
    links = {}
    for role in ("reception", "practitioner"):
        [mail] = await mails_of(team.runtime, team.tenant, team.people[role].email)
        assert mail.attachments["items"] == [] or role == "practitioner"
        token = mail.headers["List-Unsubscribe"].strip("<>").rpartition("/")[2]
        links[role] = read_token(team.runtime.signer, team.tenant, token).topic
    assert links == {"reception": Topic.ALL_BOOKINGS, "practitioner": Topic.BOOKINGS}
    await team.choose("reception", by=ChangedBy.ONE_CLICK, all_bookings=False)
    assert "reception" not in await team.hears(KINDS["bookings"])


async def test_a_digest_has_no_line_of_what_its_reader_may_not_see_any_more(team: Team) -> None:
    await team.choose("manager", all_bookings=True)
    async with team.runtime.database.tenant(team.tenant) as session:
        await choose_digest_time(session, team.people["manager"].id, time(18))
    with clock.at(at(1, 10)):
        await team.book(at(8, 9))
        await team.run()
        assert await team.outcomes("manager") == [(EmailStatus.HELD, None)]
        await team.become("manager", role=StaffRole.PRACTITIONER)
    with clock.at(at(1, 18)):
        await team.run()
    assert await mails_of(team.runtime, team.tenant, team.people["manager"].email) == []
    assert [status for status, _ in await team.outcomes("manager")] == [EmailStatus.SKIPPED]


class TestTasks:
    def is_to(self, team: Team, row: EmailLog) -> bool:
        return row.dedupe_key.endswith(str(team.people["reception"].id))

    async def bounce(self, team: Team, client: SignedIn) -> None:
        """A mail to a client comes back for good."""
        async with team.runtime.database.tenant(team.tenant) as session:
            subject = new_id()
            log = EmailLog(
                id=new_id(),
                kind=CONFIRMED,
                dedupe_key=str(MailKey(CONFIRMED, subject, 0, Recipient.client(client.id))),
                subject_id=subject,
                recipient=client.email,
                locale="es",
                status=EmailStatus.SENT,
                created_at=clock.now(),
            )
            session.add(log)
            await session.flush()
            await announce_tasks(session, await open_task(session, log, TaskReason.HARD_BOUNCE, clock.now()))

    async def test_the_desk_hears_once_of_all_of_an_hour_and_of_none_that_is_done(self, team: Team) -> None:
        others = [await make_client(team.runtime, team.tenant) for _ in range(2)]
        with clock.at(at(1, 10, 5)):
            for client in (team.client, *others, team.client):
                await self.bounce(team, client)
            await team.run()
            [queued] = [row for row in await logs_of(team.runtime, team.tenant, MAIL_TASKS) if self.is_to(team, row)]
            assert (queued.is_queued, queued.not_before) == (True, at(1, 11))
            async with team.runtime.database.tenant(team.tenant) as session:
                rows, _ = await list_tasks(session)
                assert len(rows) == 3
                await finish_task(session, rows[0].id, staff_id=team.people["reception"].id)
        with clock.at(at(1, 11)):
            await team.run()
        [mail] = await mails_of(team.runtime, team.tenant, team.people["reception"].email)
        assert mail.subject == "Hay que llamar a 2 personas: no les llega el correo"
        assert "/admin/mail-tasks" in mail.text
        assert not [one for one in others if one.email in mail.text]
        assert await team.outcomes("practitioner", MAIL_TASKS) == []

        with clock.at(at(1, 12, 59)):
            await self.bounce(team, await make_client(team.runtime, team.tenant))
            async with team.runtime.database.tenant(team.tenant) as session:
                rows, _ = await list_tasks(session)
                for row in rows:
                    await finish_task(session, row.id, staff_id=team.people["reception"].id)
        with clock.at(at(1, 13) + timedelta(minutes=1)):
            await team.run()
        assert [status for status, _ in await team.outcomes("reception", MAIL_TASKS)] == ["sent", "skipped"]
