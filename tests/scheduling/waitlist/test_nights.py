"""Offers at night: the time is kept, and the client is told, and asked, in the morning."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from notifications.models import EmailStatus
from scheduling.waitlist.mail_kinds import LAPSED, OFFERED
from scheduling.waitlist.models import WaitlistEntry
from scheduling.waitlist.service import accept
from tests.support.events import queued
from tests.support.mails import logs_of, mails_of
from tests.support.practices import SignedIn, make_client, make_practice
from tests.support.waitlist import DAY, Line
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime

pytestmark = pytest.mark.usefixtures("monday_morning")
MADRID = ZoneInfo("Europe/Madrid")


def at(hour: int, minute: int = 0, *, days_before: int = 2) -> datetime:
    """On the practice's clock, so many days before the day that everybody waits for."""
    day = DAY - timedelta(days=days_before)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=MADRID)


@pytest.fixture
async def line(runtime: Runtime) -> Line:
    """A practice with the quiet hours that practices begin with; offers last two hours."""
    return await Line.make(runtime, await make_practice(runtime, is_quiet_at_night=True))


async def free_at(line: Line, moment: datetime, hour: int = 0) -> None:
    with clock.at(moment):
        await line.free(hour)
        await line.run()


async def told(line: Line, client: SignedIn) -> bool:
    mails = await mails_of(line.runtime, line.practice, client.email)
    return any("libre" in mail.subject for mail in mails)


async def join(line: Line, **fields: object) -> tuple[SignedIn, WaitlistEntry]:
    client = await make_client(line.runtime, line.practice, **fields)  # type: ignore[arg-type]  # any column
    with clock.at(at(12)):
        entry = await line.join(client)
        await line.run()
    return client, entry


async def test_who_is_asleep_is_told_in_the_morning_and_has_all_their_time(line: Line) -> None:
    client, entry = await join(line)
    _, second = await join(line)
    await free_at(line, at(23))
    offered = await line.offered(entry)
    morning = at(8, days_before=1)
    assert offered.hold_expires_at == morning + timedelta(hours=2)
    assert not await told(line, client)
    [log] = await logs_of(line.runtime, line.practice, OFFERED)
    assert (log.is_queued, log.not_before) == (True, morning)
    # It is nobody else's meanwhile, and does not run out.
    with clock.at(at(7, 59, days_before=1)):
        await line.run()
        assert await line.statuses(entry, second) == ["offered", "waiting"]
    with clock.at(morning):
        await line.run()
        assert await told(line, client)
    with clock.at(morning + timedelta(hours=2, minutes=15)):
        await line.run()
        assert await line.statuses(entry, second) == ["waiting", "offered"]


async def test_who_looks_at_night_may_answer_and_gets_no_mail_of_an_offer_any_more(line: Line) -> None:
    client, entry = await join(line)
    await free_at(line, at(23))
    with clock.at(at(23, 30)):
        async with line.runtime.database.tenant(line.practice) as session:
            await accept(session, entry.id, client_id=client.id)
        await line.run()
    with clock.at(at(8, days_before=1)):
        await line.run()
    assert not await told(line, client)
    [log] = await logs_of(line.runtime, line.practice, OFFERED)
    assert log.status == EmailStatus.SKIPPED


async def test_a_visit_early_in_the_morning_is_offered_at_once(line: Line) -> None:
    client, entry = await join(line)
    night = at(23, days_before=1)
    await free_at(line, night)  # at nine: an hour after the night
    assert (await line.offered(entry)).hold_expires_at == night + timedelta(hours=2)
    assert await told(line, client)


async def test_it_is_the_clients_own_night(line: Line) -> None:
    awake, entry = await join(line, timezone="America/Bogota")
    await free_at(line, at(23))  # five in the afternoon there
    assert await told(line, awake)
    assert (await line.offered(entry)).hold_expires_at == at(23) + timedelta(hours=2)
    assert await logs_of(line.runtime, line.practice, LAPSED) == []
    assert not [row for row in await queued(line.runtime, line.practice) if row.payload.get("kind") == OFFERED]
