"""Reminders as staff write them: in the practice's settings, and where a service has its own."""

import httpx
import pytest

from admin_portal.pages.reminder_fields import write_reminders
from scheduling.catalogue.models import Service
from tenants.settings.service import get_practice_settings
from tests.admin_portal.test_pages import staff_browser
from tests.conftest import HttpFactory
from tests.support.pages import assert_sober, submit
from tests.support.scheduling import make_offer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

REFUSED = "Write up to four times, each once, from 15 min to 14 d: 2 d; 24 h; 30 min."


async def test_reminders_and_the_word_after_are_set_shown_again_and_refused_in_words(
    http: HttpFactory, runtime: Runtime, practice: TenantContext
) -> None:
    owner = await staff_browser(http, runtime, practice)
    offer = await make_offer(runtime, practice)

    async def service(**values: object) -> tuple[httpx.Response, Service]:
        page = await owner.get(f"/admin/services/{offer.service_id}")
        assert_sober(page)
        answer = await submit(owner, page, **values)
        async with runtime.database.tenant(practice) as session:
            return answer, await session.get_one(Service, offer.service_id)

    for wrong in ("soon", "10 min", "15 d", "1; 60 min", "1 2 3", "1;2;3;4;5"):
        answer, stored = await service(reminders="own", reminder_minutes=wrong)
        assert (answer.status_code, stored.reminder_minutes) == (422, None), wrong
        assert REFUSED in answer.text
    answer, stored = await service(reminders="own", reminder_minutes="30 min, 3D; 2", follow_up_hours="24")
    assert answer.status_code == 303
    assert (stored.reminder_minutes, stored.follow_up_hours) == ([3 * 1440, 120, 30], 24)
    _, stored = await service()  # as it is shown
    assert (stored.reminder_minutes, stored.follow_up_hours) == ([3 * 1440, 120, 30], 24)
    _, stored = await service(reminders="never", follow_up_hours="")
    assert (stored.reminder_minutes, stored.follow_up_hours) == ([], None)

    async def practices(**values: object) -> tuple[httpx.Response, list[int] | None]:
        answer = await submit(owner, await owner.get("/admin/settings"), "/settings", **values)
        async with runtime.database.tenant(practice) as session:
            return answer, (await get_practice_settings(session)).reminder_minutes

    for given, minutes in ((None, None), ("48 h; 2 h", [2880, 120]), ("", [])):
        answer, stored_minutes = await practices(**({} if given is None else {"reminder_minutes": given}))
        assert (answer.status_code, stored_minutes) == (303, minutes)
    answer, stored_minutes = await practices(reminder_minutes="soon")
    assert (answer.status_code, stored_minutes) == (422, [])
    assert REFUSED in answer.text


@pytest.mark.parametrize(
    ("minutes", "words"), [([20160, 2880, 1440, 90, 60], "14 d; 48 h; 24 h; 90 min; 1 h"), ([], ""), (None, "")]
)
def test_minutes_in_words(minutes: list[int] | None, words: str) -> None:
    assert write_reminders(minutes) == words
