"""The mails about the waiting list, in both languages."""

import pytest

from scheduling.waitlist import service
from tests.scheduling.conftest import MONDAY
from tests.support.mails import assert_speaks, links_in, mails_of
from tests.support.practices import make_client
from tests.support.scheduling import minutes
from tests.support.waitlist import Line
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

pytestmark = pytest.mark.usefixtures("monday_morning")


@pytest.mark.parametrize("language", ["es", "en"])
async def test_the_client_is_told_of_the_line_the_offer_its_end_and_the_end_of_it_all(
    runtime: Runtime, practice: TenantContext, language: str
) -> None:
    line = await Line.make(runtime, practice, price_minor=6000)
    client = await make_client(runtime, practice, locale=language)
    entry = await line.join(client)
    for number in range(3):
        with clock.at(MONDAY + number * minutes(121)):
            await line.run()
            await line.free(number)
            await line.run()
            if number == 0:
                offered = await line.offered(entry)
    with clock.at(MONDAY + 3 * minutes(121)):
        await line.run()
    mails = await mails_of(runtime, practice, client.email)
    words = {
        "es": ["Estás en la lista", "Ha quedado libre", "Ya no te guardamos"],
        "en": ["You are on the waiting", "A time has come free", "The time is no longer kept"],
    }[language]
    starts = [mail.subject for mail in mails]
    assert [one for one in starts if one.startswith(words[0])] == [starts[0]]
    assert sum(one.startswith(words[1]) for one in starts) == 3
    assert sum(one.startswith(words[2]) for one in starts) == 2
    assert len(starts) == 7
    for mail in mails:
        assert_speaks(language, mail, "Primera visita", "Pilar Practicante", "Carla", practice.name)
    offer = next(mail for mail in mails if mail.subject.startswith(words[1]))
    assert any(f"/appointments/{offered.id}" in link for link in links_in(offer.text))
    assert "60" in offer.text


async def test_an_offer_that_was_answered_before_its_mail_went_out_is_not_told_of(
    runtime: Runtime, practice: TenantContext
) -> None:
    line = await Line.make(runtime, practice)
    client = await make_client(runtime, practice)
    await line.join(client)
    await line.run()
    before = len(await mails_of(runtime, practice, client.email))
    await line.free(1)
    await line.hear(1)
    with clock.at(MONDAY + minutes(120)):
        await line.run()
    subjects = [mail.subject for mail in (await mails_of(runtime, practice, client.email))[before:]]
    assert [one.split(":")[0] for one in subjects] == ["Ya no te guardamos la hora"]


async def test_declining_makes_no_mail_of_a_cancelled_appointment(runtime: Runtime, practice: TenantContext) -> None:
    line = await Line.make(runtime, practice)
    client = await make_client(runtime, practice)
    entry = await line.join(client)
    await line.free(1)
    await line.run()
    before = len(await mails_of(runtime, practice))
    async with runtime.database.tenant(practice) as session:
        await service.decline(session, entry.id, client_id=entry.client_id, stay=True)
    await line.run()
    assert len(await mails_of(runtime, practice)) == before
