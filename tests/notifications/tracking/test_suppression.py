"""Addresses that bounce or complain: what is left out, what is tried, and the front desk that lifts it."""

import time
from datetime import timedelta

import pytest

from notifications.account_mails import CLIENT_PASSWORD_RESET
from notifications.models import EmailLog, EmailStatus
from scheduling.appointments.visit_mails import REMINDER
from tenants.accounts.models import Client, StaffRole
from tenants.privacy.erasure import erase_client
from tenants.privacy.export import export_client
from tenants.privacy.retention import LOG_KEPT, clean_practice
from tests.notifications.tracking.conftest import Post
from tests.notifications.tracking.test_endpoints import BOUNCED
from tests.support.checkout import Desk, make_desk
from tests.support.practices import SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.terms import audit_of
from todoenbalance.kit import clock
from todoenbalance.subscriptions import register_personal_data_sources

LIST = "/api/v1/admin/mail-suppressions"


@pytest.fixture
async def client(post: Post) -> SignedIn:
    return await make_client(post.runtime, post.practice, phone="+34600000000")


@pytest.fixture
async def desk(post: Post, client: SignedIn) -> Desk:
    return await make_desk(post.runtime, post.practice, client)


async def remind(post: Post, desk: Desk, client: SignedIn) -> EmailLog:
    """A reminder of a paid appointment, as the queue sends it."""
    appointment = await desk.book(client)
    payment = await desk.pay(appointment)
    await desk.confirm(payment)
    return await post.notify(client, REMINDER, subject_id=str(appointment.id), version=appointment.version)


class TestSuppressing:
    @pytest.mark.parametrize(
        ("event", "fields", "reason"), [("bounce", BOUNCED, "hard_bounce"), ("spamreport", {}, "complaint")]
    )
    async def test_it_stops_a_reminder_and_not_a_password_reset(
        self, post: Post, desk: Desk, client: SignedIn, event: str, fields: dict[str, str], reason: str
    ) -> None:
        first = await remind(post, desk, client)
        assert first.status == EmailStatus.SENT
        await post.tell(post.event(first, event, **fields))
        [suppression] = await post.suppressions()
        assert (suppression.address, suppression.reason, suppression.client_id) == (client.email, reason, client.id)
        left_out = await remind(post, desk, client)
        assert (left_out.status, left_out.failure, left_out.attempts) == (EmailStatus.SKIPPED, "suppressed", 0)
        assert (await post.notify(client, CLIENT_PASSWORD_RESET)).status == EmailStatus.SENT

    async def test_a_block_a_deferral_and_a_drop_say_nothing_of_the_address(self, post: Post, client: SignedIn) -> None:
        log = await post.notify(client)
        blocked = post.event(log, "bounce", type="blocked", reason="421 reputation")
        await post.tell(blocked, post.event(log, "deferred"), post.event(log, "dropped", reason="Bounced Address"))
        assert await post.suppressions() == []
        line = await post.log(log.id)
        assert (line.delivery, line.delivery_reason) == ("bounced", "421 reputation")

    async def test_what_is_told_of_another_address_suppresses_neither(self, post: Post, client: SignedIn) -> None:
        log = await post.notify(client)
        await post.tell(post.event(log, "bounce", email="victim@example.com", **BOUNCED))
        assert await post.suppressions() == []
        await post.tell(post.event(log, "bounce", email=client.email.upper(), **BOUNCED))
        assert [it.address for it in await post.suppressions()] == [client.email]

    async def test_whoever_changes_their_address_is_written_to_again(
        self, post: Post, desk: Desk, client: SignedIn
    ) -> None:
        await post.tell(post.event(await post.notify(client), "bounce", **BOUNCED))
        async with post.runtime.database.tenant(post.practice) as session:
            (await session.get_one(Client, client.id)).email = "new@example.com"
        assert (await remind(post, desk, client)).status == EmailStatus.SENT

    async def test_in_any_order_a_complaint_and_the_first_moment_hold(self, post: Post) -> None:
        now = int(time.time())
        for order in ((0, 1), (1, 0)):
            someone = await make_client(post.runtime, post.practice)
            log = await post.notify(someone)
            told = [
                post.event(log, "bounce", timestamp=now - 60, **BOUNCED),
                post.event(log, "spamreport", timestamp=now),
            ]
            for index in order:
                await post.tell(told[index])
            [found] = [it for it in await post.suppressions() if it.address == someone.email]
            assert (found.reason, int(found.since.timestamp())) == ("complaint", now - 60)


class TestFrontDesk:
    async def test_staff_see_what_became_of_a_mail_and_whom_to_call(self, post: Post, client: SignedIn) -> None:
        staff = await make_staff_member(post.runtime, post.practice, StaffRole.RECEPTION)
        log = await post.notify(client)
        await post.tell(post.event(log, "processed"), post.event(log, "bounce", **BOUNCED))
        here = post.http(post.practice, headers=staff.headers)
        [item] = (await here.get("/api/v1/admin/email-logs", params={"client_id": str(client.id)})).json()["items"]
        assert (item["delivery"], item["delivery_reason"]) == ("bounced", BOUNCED["reason"])
        assert {event["kind"] for event in item["events"]} == {"processed", "bounced"}
        [found] = (await here.get(LIST)).json()["items"]
        assert (found["address"], found["reason"], found["is_current"]) == (client.email, "hard_bounce", True)
        assert (found["client_id"], found["client_phone"]) == (str(client.id), "+34600000000")

    async def test_lifting_is_audited_and_holds_against_what_was_told_of_before(
        self, post: Post, desk: Desk, client: SignedIn
    ) -> None:
        staff = await make_staff_member(post.runtime, post.practice, StaffRole.RECEPTION)
        log = await post.notify(client)
        await post.tell(post.event(log, "bounce", **BOUNCED))
        here = post.http(post.practice, headers=staff.headers)
        [found] = (await here.get(LIST)).json()["items"]
        for _ in range(2):
            answer = await here.post(f"{LIST}/{found['id']}/lift")
            assert (answer.status_code, answer.json()["lifted_by"]) == (200, str(staff.id))
        lifts = [it for it in await audit_of(post.runtime, post.practice) if it[0] == "mail_suppression.lifted"]
        assert lifts == [("mail_suppression.lifted", {"reason": "hard_bounce"})]
        assert (await here.get(LIST)).json()["items"] == []
        assert len((await here.get(LIST, params={"include_lifted": True})).json()["items"]) == 1

        await post.tell(post.event(log, "bounce", timestamp=int(time.time()) - 60, **BOUNCED))
        assert (await remind(post, desk, client)).status == EmailStatus.SENT
        await post.tell(post.event(log, "bounce", timestamp=int(time.time()) + 60, **BOUNCED))
        assert (await remind(post, desk, client)).failure == "suppressed"

    async def test_what_is_not_there_can_not_be_lifted_nor_by_anybody(self, post: Post, client: SignedIn) -> None:
        practitioner = await make_staff_member(post.runtime, post.practice, StaffRole.PRACTITIONER)
        owner = await make_staff_member(post.runtime, post.practice, StaffRole.OWNER)
        path = f"{LIST}/{client.id}/lift"
        assert_problem(await post.http(post.practice, headers=owner.headers).post(path), 404, "not_found")
        assert_problem(await post.http(post.practice, headers=practitioner.headers).post(path), 403, "forbidden")


class TestPrivacy:
    async def test_an_export_has_it_and_an_erasure_leaves_no_address(self, post: Post, client: SignedIn) -> None:
        register_personal_data_sources()
        log = await post.notify(client)
        event = post.event(log, "bounce", type="bounce", reason=f"550 no {client.email}", status="5.1.1")
        await post.tell(event)
        client_id = client.id
        async with post.runtime.database.tenant(post.practice) as session:
            data = (await export_client(session, client_id))["data"]["mails"]
        assert data["mails"][0]["delivery"] == "bounced"
        assert data["mail_events"][0]["reason"] == f"550 no {client.email}"
        assert data["addresses_not_written_to"][0]["address"] == client.email
        async with post.runtime.database.tenant(post.practice) as session:
            await erase_client(session, post.runtime.vault, client_id, requested_by="client")
        await post.tell(event | {"sg_event_id": "late"})
        line = await post.log(log.id)
        assert (line.recipient, line.delivery, line.delivery_reason) == ("", "bounced", None)
        assert [it.reason for it in await post.events()] == [None, None]
        assert await post.suppressions() == []

    async def test_after_its_time_it_goes_with_the_log(self, post: Post, client: SignedIn) -> None:
        register_personal_data_sources()
        await post.tell(post.event(await post.notify(client), "bounce", **BOUNCED))
        with clock.at(clock.now() + LOG_KEPT + timedelta(days=1)):
            await clean_practice(post.runtime.database, post.practice)
        assert await post.events() == []
        assert await post.suppressions() == []
