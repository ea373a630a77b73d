"""What SendGrid tells: signed or refused, once, in any order, of the right practice's mails only."""

import base64
import itertools
import json
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from notifications.models import EmailLog
from notifications.tracking.endpoints import MAX_BODY_BYTES
from tenants.registry.models import Tenant, TenantStatus
from tests.notifications.tracking.conftest import KEY, Post
from tests.support.practices import make_client
from tests.support.problems import assert_problem
from tests.support.providers.sendgrid_server import SIGNATURE_HEADER, TIMESTAMP_HEADER
from todoenbalance.app import create_app
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.tenancy import TenantContext

BOUNCED = {"type": "bounce", "reason": "550 5.1.1 no such mailbox", "status": "5.1.1"}


@pytest.fixture
async def log(post: Post) -> EmailLog:
    return await post.notify(await make_client(post.runtime, post.practice))


class TestVerification:
    async def test_an_event_is_recorded_with_its_mail(self, post: Post, log: EmailLog) -> None:
        answer = await post.tell(post.event(log, "delivered", timestamp=1_760_000_000))
        assert (answer.status_code, answer.json()) == (200, {})
        [event] = await post.events()
        assert (event.email_log_id, event.kind, int(event.occurred_at.timestamp())) == (
            log.id,
            "delivered",
            1_760_000_000,
        )
        assert (await post.log(log.id)).delivery == "delivered"

    async def test_other_bytes_than_the_signed_ones_are_refused(self, post: Post, log: EmailLog) -> None:
        body, headers = post.server.webhook(KEY, [post.event(log, "delivered")])
        for other in (
            body.replace(b"delivered", b"spamreport"),
            body.rstrip(),
            json.dumps(json.loads(body)).encode() + b"\r\n",
            b"",
        ):
            assert_problem(await post.post(other, headers), 400, "invalid_signature")
        assert await post.events() == []

    async def test_headers_that_are_no_signature_are_refused(self, post: Post, log: EmailLog) -> None:
        body, headers = post.server.webhook(KEY, [post.event(log, "delivered")])
        right = headers[SIGNATURE_HEADER]
        for changed in (
            {SIGNATURE_HEADER: ""},
            {SIGNATURE_HEADER: "no base64!"},
            {SIGNATURE_HEADER: base64.b64encode(b"no signature").decode()},
            {SIGNATURE_HEADER: right * 10},
            {TIMESTAMP_HEADER: ""},
            {TIMESTAMP_HEADER: "now"},
            {TIMESTAMP_HEADER: "-5"},
            {TIMESTAMP_HEADER: "1e9"},
            {TIMESTAMP_HEADER: "9" * 5000},
            {TIMESTAMP_HEADER: str(int(headers[TIMESTAMP_HEADER]) - 1)},
        ):
            assert_problem(await post.post(body, {**headers, **changed}), 400, "invalid_signature")
        for missing in (SIGNATURE_HEADER, TIMESTAMP_HEADER):
            kept = {name: value for name, value in headers.items() if name != missing}
            assert_problem(await post.post(body, kept), 400, "invalid_signature")
        assert await post.events() == []

    async def test_a_signature_of_another_key_is_refused(self, post: Post, log: EmailLog) -> None:
        body, headers = post.server.webhook("SG.other", [post.event(log, "delivered")])
        assert_problem(await post.post(body, headers), 400, "invalid_signature")
        assert await post.events() == []

    async def test_retries_of_a_day_are_taken_and_nothing_older_or_of_the_future(
        self, post: Post, log: EmailLog
    ) -> None:
        event, now = post.event(log, "delivered"), int(time.time())
        for seconds in (-25 * 3600 - 60, 11 * 60):
            assert_problem(await post.tell(event, timestamp=now + seconds), 400, "invalid_signature")
        assert await post.events() == []
        for seconds in (-24 * 3600, 9 * 60):
            assert (await post.tell(event, timestamp=now + seconds)).status_code == 200

    async def test_what_is_signed_and_no_list_of_events_is_refused(self, post: Post) -> None:
        for body in (b"{}", b"nonsense", b"\xff", b"[" * 100_000):
            headers = _sign(post, body)
            assert_problem(await post.post(body, headers), 400, "invalid_signature")

    async def test_what_is_too_large_is_refused(self, post: Post) -> None:
        body = b" " * (MAX_BODY_BYTES + 1)
        assert_problem(await post.post(body, _sign(post, body)), 413, "too_large")

    async def test_two_keys_hold_while_one_is_replaced_and_without_one_nothing_is_believed(
        self, post: Post, log: EmailLog
    ) -> None:
        event = post.event(log, "delivered")
        both = f"{post.server.account('SG.other').public_key}, {post.server.account(KEY).public_key}"
        for keys, status in (("", 400), ("bm8ga2V5", 400), (both, 200)):
            providers = post.runtime.settings.providers
            sendgrid = providers.sendgrid.model_copy(update={"webhook_key": keys})
            changed = providers.model_copy(update={"sendgrid": sendgrid})
            settings = post.runtime.settings.model_copy(update={"providers": changed})
            app = create_app(replace(post.runtime, settings=settings))
            body, headers = post.server.webhook(KEY, [event])
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as http:
                answer = await http.post("/webhooks/sendgrid", content=body, headers=headers)
            assert answer.status_code == status


class TestReceiving:
    async def test_an_event_that_was_seen_has_no_effect(self, post: Post, log: EmailLog) -> None:
        event = post.event(log, "delivered")
        assert (await post.tell(event, event)).status_code == 200
        assert (await post.tell(event | {"event": "bounce", **BOUNCED})).status_code == 200
        assert len(await post.events()) == 1
        assert (await post.log(log.id)).delivery == "delivered"
        assert await post.suppressions() == []

    async def test_what_names_no_mail_of_ours_is_accepted_and_dropped(self, post: Post, log: EmailLog) -> None:
        event = post.event(log, "bounce", **BOUNCED)
        orphans: list[dict[str, Any]] = [
            event | {"message": str(new_id()), "sg_event_id": "a"},
            event | {"message": "no id", "sg_event_id": "b"},
            event | {"practice": "t_aaaaaaaaaa", "sg_event_id": "c"},
            event | {"practice": post.practice.slug, "sg_event_id": "d"},
            {name: value for name, value in event.items() if name not in ("message", "practice")},
        ]
        assert (await post.tell(*orphans)).status_code == 200
        assert await post.events() == []
        assert await post.suppressions() == []

    async def test_strange_fields_are_dropped_or_cleaned(self, post: Post, log: EmailLog) -> None:
        event = post.event(log, "bounce", **BOUNCED)
        strange: list[Any] = [
            7,
            None,
            event | {"sg_event_id": "x\x00y"},
            event | {"sg_event_id": 5},
            event | {"timestamp": 10**400, "sg_event_id": "1"},
            event | {"timestamp": True, "sg_event_id": "2"},
            event | {"timestamp": "yesterday", "sg_event_id": "3"},
            event | {"event": ["bounce"], "sg_event_id": "4"},
            event | {"event": "open", "sg_event_id": "5"},
            event | {"reason": "\x00\ud800 550\r\n" + "x" * 5000, "sg_event_id": "6"},
        ]
        body = json.dumps(strange).encode()
        assert (await post.post(body, _sign(post, body))).status_code == 200
        [kept] = await post.events()
        assert kept.reason is not None
        assert (kept.sg_event_id, len(kept.reason), kept.reason[:5]) == ("6", 300, "550 x")

    async def test_another_practices_mail_is_an_orphan(
        self, post: Post, log: EmailLog, other_practice: TenantContext
    ) -> None:
        event = post.event(log, "spamreport", practice=other_practice.key)
        assert (await post.tell(event)).status_code == 200
        assert await post.events() == await post.events(other_practice) == []
        assert (await post.log(log.id)).delivery is None

    async def test_at_a_practices_address_only_its_own_events_are_taken(
        self, post: Post, log: EmailLog, other_practice: TenantContext
    ) -> None:
        event = post.event(log, "delivered")
        assert (await post.tell(event, path=f"/{other_practice.key}")).status_code == 200
        assert await post.events() == await post.events(other_practice) == []
        for name in (post.practice.slug, post.practice.key):
            assert (await post.tell(event, path=f"/{name}")).status_code == 200
        assert len(await post.events()) == 1
        assert_problem(await post.tell(event, path="/t_aaaaaaaaaa"), 404, "practice_not_found")

    @pytest.mark.parametrize(("status", "count"), [(TenantStatus.SUSPENDED, 1), (TenantStatus.CLOSING, 0)])
    async def test_a_closing_practices_events_are_accepted_and_dropped(
        self, post: Post, log: EmailLog, status: TenantStatus, count: int
    ) -> None:
        event = post.event(log, "delivered")
        async with post.runtime.database.platform() as session:
            (await session.get_one(Tenant, post.practice.id)).status = status
        for path in ("", f"/{post.practice.key}"):
            assert (await post.tell(event, path=path)).status_code == 200
        assert len(await post.events()) == count

    async def test_the_order_of_events_makes_no_difference(self, post: Post) -> None:
        client = await make_client(post.runtime, post.practice)
        told = [
            ("processed", {}, None),
            ("deferred", {"response": "421 later"}, "deferred"),
            ("delivered", {}, "delivered"),
            ("bounce", BOUNCED, "bounced"),
            ("spamreport", {}, "complained"),
        ]
        now = int(time.time())
        for length in range(1, len(told) + 1):
            outcomes = set()
            orders = list(itertools.permutations(range(length)))
            for order in (orders[0], orders[-1], orders[len(orders) // 2]):
                log = await post.notify(client, "client_password_changed")
                for index in order:
                    kind, fields, _ = told[index]
                    event = post.event(log, kind, timestamp=now + index, **fields)
                    assert (await post.tell(event)).status_code == 200
                line = await post.log(log.id)
                outcomes.add((line.delivery, line.delivery_reason))
            assert {delivery for delivery, _ in outcomes} == {told[length - 1][2]}
            assert len(outcomes) == 1


def _sign(post: Post, body: bytes) -> dict[str, str]:
    """Headers as SendGrid makes them, of bytes that it would never send."""
    moment = str(int(time.time()))
    made = post.server.account(KEY).signing.sign(moment.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {SIGNATURE_HEADER: base64.b64encode(made).decode(), TIMESTAMP_HEADER: moment}
