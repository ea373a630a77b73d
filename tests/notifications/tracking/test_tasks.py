"""Whom the front desk is to call: opened by what becomes of mails, closed by staff or by itself."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from notifications.account_mails import CLIENT_PASSWORD_RESET, CLIENT_WELCOME
from notifications.events import NOTIFICATION_SEND
from notifications.handing_over import GIVEN_UP, MAY_HAVE_ARRIVED
from notifications.mail_tasks.mails import MAIL_TASKS, announce_tasks
from notifications.mail_tasks.models import MailTask, TaskReason
from notifications.mail_tasks.service import note_failure, open_task
from notifications.models import EmailLog, EmailStatus
from notifications.port import Mail, MailUnavailableError
from notifications.service import deliver
from tenants.accounts.events import EMAIL_CHANGED
from tenants.accounts.models import AccountKind, Client, EmailChange, StaffRole
from tests.notifications.tracking.conftest import Post
from tests.notifications.tracking.test_endpoints import BOUNCED
from tests.support.blocked import until_blocked
from tests.support.checkout import make_desk
from tests.support.events import run_due_events
from tests.support.mails import logs_of
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.terms import audit_of
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

TASKS = "/api/v1/admin/mail-tasks"
LATER = 60


@pytest.fixture
async def client(post: Post) -> SignedIn:
    return await make_client(post.runtime, post.practice, phone="+34600000000")


async def tasks_of(post: Post) -> list[tuple[str, str | None]]:
    """Reason and ending of each, oldest first."""
    async with post.runtime.database.tenant(post.practice) as session:
        rows = await session.scalars(select(MailTask).order_by(MailTask.id))
        return [(row.reason, row.closed_as) for row in rows]


async def change_address(post: Post, client: SignedIn, address: str) -> None:
    """As a confirmed change of address does it, with its event."""
    async with post.runtime.database.tenant(post.practice) as session:
        row = await session.get_one(Client, client.id)
        change = EmailChange(
            id=new_id(),
            account_kind=AccountKind.CLIENT,
            account_id=client.id,
            old_email=row.email,
            new_email=address,
            sign_in_id=new_id(),
            created_at=clock.now(),
            expires_at=clock.now() + timedelta(hours=1),
            closed_at=clock.now(),
        )
        row.email = address
        session.add(change)
        await publish(session, EMAIL_CHANGED, {"change_id": str(change.id)})
    await run_due_events(post.runtime, post.practice)


async def test_a_bounce_is_one_call_with_what_it_takes_and_who_made_it(post: Post, client: SignedIn) -> None:
    desk = await make_desk(post.runtime, post.practice, client)
    first = await desk.book(client)
    await desk.confirm(await desk.pay(first))
    log = await post.notify(client)
    await post.tell(post.event(log, "bounce", **BOUNCED), post.event(await post.notify(client), "bounce", **BOUNCED))

    reception = await make_staff_member(post.runtime, post.practice, StaffRole.RECEPTION)
    here = post.http(post.practice, headers=reception.headers)
    [task] = (await here.get(TASKS)).json()["items"]
    assert (task["client_id"], task["client_phone"], task["address"]) == (
        str(client.id),
        "+34600000000",
        client.email,
    )
    assert (task["reason"], task["next_appointment_id"]) == ("hard_bounce", str(first.id))
    assert task["suppression_id"] == str((await post.suppressions())[0].id)

    for _ in range(2):
        done = (await here.post(f"{TASKS}/{task['id']}/done")).json()
        assert (done["closed_as"], done["closed_by"]) == ("done", str(reception.id))
    assert [it for it in await audit_of(post.runtime, post.practice) if it[0] == "mail_task.done"] == [
        ("mail_task.done", {})
    ]
    assert (await here.get(TASKS)).json()["items"] == []
    assert len((await here.get(TASKS, params={"include_closed": True})).json()["items"]) == 1

    # What happened before the call is dealt with; what happens after it is not.
    await post.tell(post.event(log, "bounce", timestamp=int(time.time()) - LATER, **BOUNCED))
    assert await tasks_of(post) == [("hard_bounce", "done")]
    await post.tell(post.event(log, "bounce", timestamp=int(time.time()) + LATER, **BOUNCED))
    assert await tasks_of(post) == [("hard_bounce", "done"), ("hard_bounce", None)]


async def test_another_address_or_a_later_arrival_ends_it_but_no_arrival_ends_a_complaint(post: Post) -> None:
    moved, reached, angry = [await make_client(post.runtime, post.practice) for _ in range(3)]
    for someone, event, fields in ((moved, "bounce", BOUNCED), (reached, "bounce", BOUNCED), (angry, "spamreport", {})):
        await post.tell(post.event(await post.notify(someone), event, **fields))
    assert await tasks_of(post) == [("hard_bounce", None), ("hard_bounce", None), ("complaint", None)]

    await change_address(post, moved, "new@example.com")
    for someone in (reached, angry):
        await post.tell(post.event(await post.notify(someone), "delivered"))
    assert await tasks_of(post) == [
        ("hard_bounce", "address_changed"),
        ("hard_bounce", "delivered"),
        ("complaint", None),
    ]


async def test_mails_that_fail_one_after_the_other_are_a_call_and_one_alone_is_not(
    post: Post, client: SignedIn
) -> None:
    blocked = {"type": "blocked", "reason": "421 reputation"}
    for event, fields in (("dropped", {}), ("bounce", blocked), ("delivered", {}), ("dropped", {}), ("dropped", {})):
        await post.tell(post.event(await post.notify(client), event, **fields))
        assert await tasks_of(post) == []
        await let_time_pass(post)
    await post.tell(post.event(await post.notify(client), "bounce", **blocked))
    assert await tasks_of(post) == [("failures", None)]
    # A graver reason takes its place.
    await post.tell(post.event(await post.notify(client), "bounce", **BOUNCED))
    assert await tasks_of(post) == [("hard_bounce", None)]


async def test_who_registers_an_address_that_does_not_exist_is_not_called(post: Post, client: SignedIn) -> None:
    async with post.runtime.database.tenant(post.practice) as session:
        (await session.get_one(Client, client.id)).is_verified = False
    await post.tell(post.event(await post.notify(client), "bounce", **BOUNCED))
    assert await tasks_of(post) == []


async def let_time_pass(post: Post) -> None:
    """Three mails on a stranger's request are the most in 15 minutes: let the earlier ones be older."""
    async with post.runtime.database.tenant(post.practice) as session:
        for log in await session.scalars(select(EmailLog)):
            log.created_at -= timedelta(minutes=15)


async def test_a_late_bounce_of_the_address_of_before_calls_nobody(post: Post, client: SignedIn) -> None:
    log = await post.notify(client)
    await change_address(post, client, "new@example.com")
    await post.tell(post.event(log, "bounce", **BOUNCED))
    assert [it.address for it in await post.suppressions()] == [client.email]
    assert await tasks_of(post) == []
    assert (await post.notify(client)).recipient == "new@example.com"


class LostOnce:
    """Takes a mail and loses the answer, the first time."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def send(self, mail: Mail) -> str:
        """As the port says."""
        self.addresses.append(mail.to)
        if len(self.addresses) == 1:
            raise MailUnavailableError("the answer was lost")
        return "taken"


@pytest.mark.parametrize("told_before_the_second", [True, False])
async def test_a_bounce_of_a_copy_at_the_old_address_does_nothing_to_the_new_one(
    post: Post, client: SignedIn, *, told_before_the_second: bool
) -> None:
    port, old = LostOnce(), client.email
    context = TenantEventContext(
        runtime=post.runtime, event_id=new_id(), topic=NOTIFICATION_SEND, attempt=1, tenant=post.practice
    )
    payload: dict[str, Any] = {
        "kind": CLIENT_PASSWORD_RESET,
        "subject_id": str(client.id),
        "version": str(new_id()),
        "recipient_kind": "client",
        "recipient_id": str(client.id),
    }
    with pytest.raises(RetryLaterError):
        await deliver(context, payload, port)
    async with post.runtime.database.tenant(post.practice) as session:
        log = (await session.scalars(select(EmailLog).where(EmailLog.recipient == old))).one()
    bounce = post.event(log, "bounce", **BOUNCED)
    if told_before_the_second:
        await post.tell(bounce)
    await change_address(post, client, "new@example.com")
    await deliver(context, payload, port)
    if not told_before_the_second:
        await post.tell(bounce)

    assert port.addresses == [old, "new@example.com"]
    line = await post.log(log.id)
    assert (line.recipient, line.status, line.delivery) == ("new@example.com", EmailStatus.SENT, None)
    assert "new@example.com" not in [it.address for it in await post.suppressions()]
    assert all(ending == "address_changed" for _, ending in await tasks_of(post))
    assert [it.is_elsewhere for it in await post.events() if it.email_log_id == log.id] == [True]
    # What is told of the new one counts.
    await post.tell(post.event(line, "bounce", **BOUNCED))
    assert "new@example.com" in [it.address for it in await post.suppressions()]


async def test_tasks_are_the_practices_own_and_not_everybodys(
    post: Post, client: SignedIn, other_practice: Any
) -> None:
    await post.tell(post.event(await post.notify(client), "bounce", **BOUNCED))
    practitioner = await make_staff_member(post.runtime, post.practice, StaffRole.PRACTITIONER)
    assert_problem(await post.http(post.practice, headers=practitioner.headers).get(TASKS), 403, "forbidden")
    stranger = await make_staff_member(post.runtime, other_practice, StaffRole.OWNER)
    there = post.http(other_practice, headers=stranger.headers)
    assert (await there.get(TASKS)).json()["items"] == []
    async with post.runtime.database.tenant(post.practice) as session:
        task_id = (await session.scalars(select(MailTask.id))).one()
    assert_problem(await there.post(f"{TASKS}/{task_id}/done"), 404, "not_found")


async def test_what_nobody_said_of_a_mail_the_provider_may_tell_later(post: Post, client: SignedIn) -> None:
    log = await post.notify(client)
    event = post.event(log, "delivered", response="250 OK")
    told_at = clock.now() - timedelta(seconds=5)
    async with post.runtime.database.tenant(post.practice) as session:
        row = await session.get_one(EmailLog, log.id)
        row.status, row.failure, row.sent_at, row.provider = EmailStatus.FAILED, "may have arrived; gone", None, None
    await post.tell(event)
    found = await post.log(log.id)
    assert (found.status, found.failure, found.delivery) == (EmailStatus.SENT, None, "delivered")
    assert (found.provider, found.sent_at is not None and found.sent_at >= told_at) == ("sendgrid", True)
    [told] = await post.events()
    assert found.sent_at == told.occurred_at  # so the timeline has it in its order


@pytest.mark.parametrize(("reason", "is_called"), [(GIVEN_UP, True), ("no longer true", False)])
async def test_of_what_may_have_arrived_only_what_was_given_up_is_a_reason_to_call(
    post: Post, client: SignedIn, reason: str, *, is_called: bool
) -> None:
    for _ in range(2):
        await post.tell(post.event(await post.notify(client), "dropped", reason="Invalid"))
    log = await post.notify(client)
    async with post.runtime.database.tenant(post.practice) as session:
        row = await session.get_one(EmailLog, log.id)
        row.status, row.failure = EmailStatus.FAILED, f"{MAY_HAVE_ARRIVED}; {reason}"
        row.recipient = client.email
        client_row = await session.get_one(Client, client.id)
        client_row.is_verified = True
        await session.flush()
        await note_failure(session, row, clock.now())
    assert bool(await tasks_of(post)) is is_called


async def test_two_who_open_the_first_tasks_of_an_hour_wait_for_each_other_and_not_in_a_circle(
    post: Post, client: SignedIn
) -> None:
    await make_staff_member(post.runtime, post.practice, StaffRole.OWNER)
    other = await make_client(post.runtime, post.practice)
    first, second = sorted((client, other), key=lambda one: one.email)
    log = await post.notify(second, CLIENT_WELCOME)
    events = [
        post.event(await post.notify(one), "dropped", reason="Invalid") for one in (first, second) for _ in range(3)
    ]
    async with post.runtime.database.tenant(post.practice) as session:
        row = await session.get_one(EmailLog, log.id)
        task_id = await open_task(session, row, TaskReason.FAILURES, clock.now())
        batch = asyncio.create_task(post.tell(*events))
        await until_blocked(session)  # it has opened the first, and waits for what becomes of the second
        await announce_tasks(session, task_id)
    assert (await batch).status_code == 200
    assert await tasks_of(post) == [("failures", None)] * 2
    told = await logs_of(post.runtime, post.practice, MAIL_TASKS)
    assert len({row.dedupe_key.rpartition(":")[2] for row in told if row.is_queued}) == len(told) > 0
