"""Nothing is lost: killed workers, a broker that is down, a provider that repeats itself."""

import hashlib
import hmac
import json
import os
import shlex
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from billing.providers.sandbox import ORDER_CAPTURED, SIGNATURE_HEADER
from tests.e2e.test_story import Practice, book, free_times, ok, onboard, pay, register
from tests.support.stack import OPERATOR, RunningStack, wait_for
from todoenbalance.devstack.redis import EmbeddedRedis
from todoenbalance.kit.security.tokens import TokenSigner

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("crashes")]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A broker that the tests may stop."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory, redis_server: EmbeddedRedis) -> Iterator[RunningStack]:
    """A stack of this module's own, over the broker that the tests may stop."""
    running = RunningStack(tmp_path_factory.mktemp("fragile") / "data", TODOENBALANCE_REDIS_URL=redis_server.url)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def practice(fragile: RunningStack) -> Practice:
    """A practice of this module's own."""
    return onboard(fragile)


def worker_tree(stack: RunningStack) -> list[psutil.Process]:
    """The Celery worker's main process and its children, as they are now; empty while it is down."""
    for child in psutil.Process(stack.state()["pid"]).children():
        try:
            if "worker" in child.cmdline():
                return [child, *child.children(recursive=True)]
        except psutil.Error:
            continue
    return []


def signal_worker(stack: RunningStack, number: signal.Signals) -> None:
    for process in worker_tree(stack):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue


def deliver_webhook(stack: RunningStack, slug: str, page_url: str) -> int:
    """Send the sandbox's webhook for the order of ``page_url`` from here, signed as the provider signs."""
    lines = (stack.data_dir / "run" / "env").read_text().splitlines()
    environment = dict(shlex.split(line)[-1].partition("=")[::2] for line in lines if "=" in line)
    kid, _, secret = environment["TODOENBALANCE_SECRET_KEYS"].partition(":")
    order_id = page_url.rpartition("/")[2]
    body = json.dumps({"id": f"evt-{order_id}", "type": ORDER_CAPTURED, "data": {"order_id": order_id}}).encode()
    with stack.http() as platform:
        form = {"username": OPERATOR[0], "password": OPERATOR[1]}
        token = ok(platform.post("/api/v1/platform/auth/login", data=form))["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        items = ok(platform.get("/api/v1/platform/tenants", headers=headers))["items"]
        key = next(item["key"] for item in items if item["slug"] == slug)
        signing = TokenSigner({kid: secret}).digest(f"sandbox-webhook:{key}").encode()
        timestamp = str(int(time.time()))
        signature = hmac.new(signing, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        forged = {SIGNATURE_HEADER: f"t={timestamp},v1={'0' * 64}"}
        assert platform.post(f"/webhooks/sandbox/{slug}", content=body, headers=forged).status_code == 400
        signed = {SIGNATURE_HEADER: f"t={timestamp},v1={signature}"}
        return platform.post(f"/webhooks/sandbox/{key}", content=body, headers=signed).status_code


def confirmations(stack: RunningStack, slug: str, email: str) -> int:
    return sum("onfirmada" in mail["subject"] for mail in stack.mails(slug, email))


def test_a_worker_killed_between_the_webhook_and_the_mail_sends_it_once_after_its_restart(
    fragile: RunningStack, practice: Practice
) -> None:
    with fragile.http(practice.slug) as http:
        email, client = register(http)
        appointment = book(http, client, practice.service_id, free_times(http, practice.service_id)[0])
        payment = pay(http, client, appointment["id"], fragile.url(practice.slug))
        # The worker stands still: the webhook is taken in, and nothing of what follows from it is handled.
        http.post(payment["next_action"]["url"], data={"outcome": "approve", "webhook": "drop"})
        signal_worker(fragile, signal.SIGSTOP)
        for _ in range(2):  # the provider repeats itself
            assert deliver_webhook(fragile, practice.slug, payment["next_action"]["url"]) == 200
        state = ok(http.get(f"/api/v1/appointments/{appointment['id']}", headers=client))
        assert state["status"] == "held"
        assert confirmations(fragile, practice.slug, email) == 0
        signal_worker(fragile, signal.SIGKILL)
        wait_for(lambda: confirmations(fragile, practice.slug, email) > 0, "the mail after the restart", 60)
        time.sleep(5)  # past the lease, in which a second delivery would show
        assert confirmations(fragile, practice.slug, email) == 1


def test_workers_killed_at_random_moments_neither_lose_nor_repeat_a_mail(
    fragile: RunningStack, practice: Practice
) -> None:
    with fragile.http(practice.slug) as http:
        people = []
        for turn in range(6):
            email, client = register(http)
            slot = free_times(http, practice.service_id, days_ahead=4)[0]
            appointment = book(http, client, practice.service_id, slot)
            payment = pay(http, client, appointment["id"], fragile.url(practice.slug))
            http.post(payment["next_action"]["url"], data={"outcome": "approve", "webhook": "duplicate"})
            people.append((email, client, appointment["id"], payment["id"]))
            time.sleep(0.05 * turn)
            signal_worker(fragile, signal.SIGKILL)
            wait_for(lambda: len(worker_tree(fragile)) > 1, "the worker's restart", 60)

        def all_told() -> bool:
            return all(confirmations(fragile, practice.slug, email) > 0 for email, *_ in people)

        wait_for(all_told, "every confirmation", 90)
        time.sleep(5)  # past the lease, in which a second delivery would show
        for email, client, appointment_id, payment_id in people:
            assert confirmations(fragile, practice.slug, email) == 1
            assert ok(http.get(f"/api/v1/appointments/{appointment_id}", headers=client))["status"] == "confirmed"
            assert ok(http.get(f"/api/v1/payments/{payment_id}", headers=client))["status"] == "succeeded"


def test_with_the_broker_down_booking_goes_on_and_the_mail_follows_when_it_is_back(
    fragile: RunningStack, practice: Practice, redis_server: EmbeddedRedis
) -> None:
    with fragile.http(practice.slug) as http:
        redis_server.stop()
        try:
            started = time.monotonic()
            email, client = register(http)
            slot = free_times(http, practice.service_id, days_ahead=5)[0]
            appointment = book(http, client, practice.service_id, slot)
            payment = pay(http, client, appointment["id"], fragile.url(practice.slug))
            http.post(payment["next_action"]["url"], data={"outcome": "approve"})
            settled = ok(http.post(f"/api/v1/payments/{payment['id']}/confirm", headers=client))
            assert settled["status"] == "succeeded"
            state = ok(http.get(f"/api/v1/appointments/{appointment['id']}", headers=client))
            assert state["status"] == "confirmed"
            assert time.monotonic() - started < 15
            ready = http.get("/readyz")
            assert ready.status_code == 200
            assert ready.json()["checks"]["redis"]["ok"] is False
            assert confirmations(fragile, practice.slug, email) == 0
        finally:
            redis_server.start()
        wait_for(lambda: confirmations(fragile, practice.slug, email) > 0, "the mail when the broker is back", 90)
        time.sleep(5)  # past the lease, in which a second delivery would show
        assert confirmations(fragile, practice.slug, email) == 1


def test_the_sign_ins_and_bookings_survive_a_killed_supervisor(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    running = RunningStack(tmp_path_factory.mktemp("killed") / "data")
    running.start()
    with running.http("demo") as demo:
        form = {"username": "client@demo.example.com", "password": "client-demo-1"}
        tokens = ok(demo.post("/api/v1/auth/login", data=form))
    running.kill()
    running.start()
    with running.http("demo") as demo:
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert len(ok(demo.get("/api/v1/appointments", headers=headers))["items"]) == 5
    assert running.stop() == 0
