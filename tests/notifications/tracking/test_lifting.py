"""Lifting also at SendGrid: its own lists, by the queue, against a local SendGrid that holds every call against the
contract."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.notifications.tracking.conftest import KEY, Post
from tests.notifications.tracking.test_endpoints import BOUNCED
from tests.support.events import queued, run_due_events
from tests.support.practices import make_client, make_staff_member
from tests.support.providers.sendgrid_server import Account, SendGridServer
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

LIST = "/api/v1/admin/mail-suppressions"
ADDRESS = "clara+citas@example.com"


@pytest.fixture
async def runtime(runtime: Runtime, sendgrid: SendGridServer) -> Runtime:
    """SendGrid carries mails."""
    settings = runtime.settings
    known = settings.providers.sendgrid.model_copy(update={"api_key": SecretStr(KEY), "api_base": sendgrid.url})
    changes = {
        "mail": settings.mail.model_copy(update={"adapter": "sendgrid"}),
        "providers": settings.providers.model_copy(update={"sendgrid": known}),
    }
    return replace(runtime, settings=settings.model_copy(update=changes))


@pytest.fixture
def post(runtime: Runtime, practice: TenantContext, sendgrid: SendGridServer, http: HttpFactory) -> Post:
    return Post(runtime, practice, sendgrid, http)


async def suppress(post: Post, event: str) -> tuple[str, Account]:
    """An address that SendGrid has on all its lists, suppressed here for the reason of ``event``."""
    client = await make_client(post.runtime, post.practice, ADDRESS)
    log = await post.notify(client)
    account = post.server.account(KEY)
    post.server.bounce(KEY, ADDRESS)
    for listed in (account.blocks, account.invalid_emails, account.spam_reports):
        listed.add(ADDRESS)
    await post.tell(post.event(log, event, **(BOUNCED if event == "bounce" else {})))
    return str((await post.suppressions())[0].id), account


@pytest.mark.parametrize(("event", "still"), [("bounce", {ADDRESS}), ("spamreport", set())])
async def test_the_address_goes_off_the_lists_of_its_reason(post: Post, event: str, still: set[str]) -> None:
    row_id, account = await suppress(post, event)
    staff = await make_staff_member(post.runtime, post.practice, StaffRole.RECEPTION)
    here = post.http(post.practice, headers=staff.headers)
    asked = (await here.post(f"{LIST}/{row_id}/lift")).json()
    assert asked["provider_state"] == "queued"
    assert account.bounces  # no call within the request
    await run_due_events(post.runtime, post.practice)
    assert (account.bounces, account.blocks, account.invalid_emails, account.spam_reports) == ({}, set(), set(), still)
    [row] = await post.suppressions()
    assert (row.provider_state, row.provider_failure) == ("cleared", None)
    # Again changes nothing, and asks nobody.
    await here.post(f"{LIST}/{row_id}/lift")
    assert not [it for it in await queued(post.runtime, post.practice) if it.topic == "mail_suppression.lifted"]


async def test_a_key_that_may_not_is_shown_and_asking_again_tries_again(post: Post) -> None:
    row_id, account = await suppress(post, "bounce")
    staff = await make_staff_member(post.runtime, post.practice, StaffRole.RECEPTION)
    here = post.http(post.practice, headers=staff.headers)
    post.server.faults.answer(403, "/v3/suppression/*")
    await here.post(f"{LIST}/{row_id}/lift")
    await run_due_events(post.runtime, post.practice)
    [shown] = (await here.get(LIST, params={"include_lifted": True})).json()["items"]
    assert (shown["provider_state"], shown["provider_failure"]) == ("failed", "sendgrid refuses our account (403)")
    assert ADDRESS in account.bounces

    assert (await here.post(f"{LIST}/{row_id}/lift")).json()["provider_state"] == "queued"
    await run_due_events(post.runtime, post.practice)
    assert (await post.suppressions())[0].provider_state == "cleared"
    assert account.bounces == {}


async def test_while_sendgrid_is_busy_it_is_tried_again(post: Post) -> None:
    row_id, account = await suppress(post, "bounce")
    staff = await make_staff_member(post.runtime, post.practice, StaffRole.RECEPTION)
    post.server.faults.answer(503, "/v3/suppression/*")
    await post.http(post.practice, headers=staff.headers).post(f"{LIST}/{row_id}/lift")
    await run_due_events(post.runtime, post.practice)
    assert ((await post.suppressions())[0].provider_state, list(account.bounces)) == ("queued", [ADDRESS])
    await run_due_events(post.runtime, post.practice, until=clock.now() + timedelta(hours=1))
    assert ((await post.suppressions())[0].provider_state, account.bounces) == ("cleared", {})
