"""What waits, on the console's page and by the API, and having what was given up tried again."""

from uuid import UUID

import pytest

from tests.conftest import HttpFactory
from tests.support import operator_mails as support
from tests.support.operators import make_operator
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, make_practice
from tests.support.problems import assert_problem
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.operators.service import list_audit

API = "/api/v1/platform/waiting"


@pytest.fixture
async def runtime(fresh_runtime: Runtime) -> Runtime:
    """A platform of the test's own."""
    return fresh_runtime


async def is_parked(runtime: Runtime, event_id: UUID) -> bool:
    async with runtime.database.platform() as session:
        return (await session.get_one(OutboxEvent, event_id)).parked_at is not None


async def last_action(runtime: Runtime) -> tuple[str, dict[str, object]]:
    async with runtime.database.platform() as session:
        [entry], _ = await list_audit(session, limit=1, cursor=None)
        return entry.action, entry.detail


async def test_the_page_shows_what_waits_and_tries_again(runtime: Runtime, http: HttpFactory) -> None:
    operator, practice = await make_operator(runtime), await make_practice(runtime)
    browser = http(headers=HTML)
    await sign_in(browser, "/sign-in", operator.email, PASSWORD)
    empty = await browser.get("/waiting")
    assert_sober(empty)
    assert "Nothing waits for anybody." in empty.text
    event_id = await support.park_task(runtime, practice)
    await support.park_webhook(runtime)
    await support.owe_a_plan(runtime, practice)
    page = await browser.get("/waiting")
    assert_sober(page)
    for words in (
        "Tasks that were given up",
        "refund.requested",
        f'href="/practices/{practice.id}"',
        "/webhooks-inbox",
    ):
        assert words in page.text
    done = await submit(browser, page, f"/tasks/{event_id}/retry")
    assert (done.status_code, done.headers["location"]) == (303, "/waiting")
    assert not await is_parked(runtime, event_id)
    assert await last_action(runtime) == ("task.retried", {"event_id": str(event_id), "topic": "refund.requested"})


async def test_the_api_says_and_does_the_same(runtime: Runtime, http: HttpFactory) -> None:
    here, practice = http(headers=(await make_operator(runtime)).headers), await make_practice(runtime)
    event_id = await support.park_task(runtime, practice)
    await support.park_task(runtime)
    assert (await here.get(API)).json() == {
        "items": [{"section": "tasks", "count": 2, "practices": [f"Consulta {practice.slug}"]}]
    }
    [_, task] = (await here.get(f"{API}/tasks")).json()["items"]
    assert (task["id"], task["tenant"], task["topic"]) == (str(event_id), practice.key, "refund.requested")
    assert "payload" not in task
    assert (await here.post(f"{API}/tasks/{event_id}/retry")).status_code == 204
    assert not await is_parked(runtime, event_id)
    for path in (event_id, new_id()):
        assert_problem(await here.post(f"{API}/tasks/{path}/retry"), 404, "not_found")
