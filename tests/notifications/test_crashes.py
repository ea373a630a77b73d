"""A worker is killed (the process, by SIGKILL) at each step of sending; another one takes over after it.

Each step is held open by a lock in the database or by the mail server's silence, so that the process dies exactly
there and nothing depends on luck.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import make_url, update

from notifications.account_mails import CLIENT_PASSWORD_RESET
from notifications.events import NOTIFICATION_SEND
from notifications.models import EmailLog, EmailStatus
from notifications.recipients import Recipient
from notifications.service import announce
from tests.contract.documents import CheckedRequest
from tests.support.events import queued, run_due_events
from tests.support.mail_server import MailServer, mail_server
from tests.support.mails import ROOT, links_in, logs_of
from tests.support.practices import make_client
from tests.support.providers.sendgrid_server import Account, SendGridServer
from tests.support.providers.server import Answer
from todoenbalance.devstack.postgres import EmbeddedPostgres
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import MailSettings, Settings, SmtpSecurity, SmtpSettings
from todoenbalance.kit.tenancy import TenantContext

PATIENCE_SECONDS = 60


class Step(Enum):
    """Where the process dies."""

    COMPOSING = "queued, and nothing else is recorded"
    CONNECTED = "recorded, and the server greeted"
    HANDED_OVER = "the server has the content, its answer does not come"
    ACCEPTED = "the server's yes has arrived, the outcome is not recorded"
    RECORDED = "the outcome is recorded, the row is still in the queue"


@dataclass(frozen=True, slots=True)
class After:
    """What is to be found: the log when the process is dead, and how many copies arrived in the end."""

    log: EmailStatus
    copies: int


EXPECTED = {
    Step.COMPOSING: After(EmailStatus.SENDING, 1),
    Step.CONNECTED: After(EmailStatus.SENDING, 1),
    # The window that SMTP leaves open: never lost, and the copies can be told to be one mail.
    Step.HANDED_OVER: After(EmailStatus.SENDING, 2),
    Step.ACCEPTED: After(EmailStatus.SENDING, 2),
    Step.RECORDED: After(EmailStatus.SENT, 1),
}


class Gate:
    """Holds the worker at a step; ``reached`` is set when it can go no further."""

    def __init__(self, step: Step, tenant: TenantContext, event_id: UUID, admin: psycopg.AsyncConnection[Any]) -> None:
        self.step, self.reached, self.opened = step, asyncio.Event(), asyncio.Event()
        self._tenant, self._event_id, self._admin = tenant, event_id, admin

    async def close(self) -> None:
        """What has to be held before the worker begins."""
        if self.step is Step.COMPOSING:
            await self._lock("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", self._tenant.key, "email_logs")

    async def __call__(self, step: str) -> None:
        """The server is about to answer."""
        if self.opened.is_set():
            return
        if (self.step, step) in ((Step.CONNECTED, "sender"), (Step.HANDED_OVER, "content")):
            self.reached.set()
            await self.opened.wait()
        elif step == "content" and self.step is Step.ACCEPTED:
            await self._lock("SELECT FROM {} FOR UPDATE", self._tenant.key, "email_logs")
        elif step == "content" and self.step is Step.RECORDED:
            query = "SELECT FROM {} WHERE id = {} FOR UPDATE"
            await self._lock(query, "platform", "outbox", sql.Literal(self._event_id))

    async def is_reached(self) -> None:
        """Returns when the worker stands at the step: held by the server, or waiting for a lock of ours."""
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.reached.is_set():
                if (await self._admin.execute(waiting, [self._admin.info.backend_pid])).rowcount:
                    return
                await asyncio.sleep(0.02)

    async def open(self) -> None:
        """Hold nothing any more."""
        self.opened.set()
        await self._admin.rollback()

    async def _lock(self, query: str, *table: str | sql.Literal) -> None:
        names = [part for part in table if isinstance(part, str)]
        values = [part for part in table if isinstance(part, sql.Literal)]
        await self._admin.execute(sql.SQL(query).format(sql.Identifier(*names), *values))


@asynccontextmanager
async def administrator(cluster: EmbeddedPostgres, settings: Settings) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    database = make_url(settings.database_url.get_secret_value()).database
    connection = await psycopg.AsyncConnection.connect(cluster.admin_url, dbname=database)
    try:
        yield connection
    finally:
        await connection.close()


class Carrier(Protocol):
    """Whoever carries the mails of a deployment."""

    environment: dict[str, str]

    def hold(self, gate: Gate) -> None:
        """Have ``gate`` awaited before each answer."""

    def takes_over(self, runtime: Runtime) -> Runtime:
        """The same deployment for the worker that takes over, which is this process."""

    def copies(self, to: str) -> list[tuple[str, str]]:
        """Of what arrived for somebody, oldest first: ``Message-ID`` and text."""


class BySmtp:
    """A mail server."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self.environment = {
            "MAIL__ADAPTER": "smtp",
            "MAIL__SMTP__HOST": "127.0.0.1",
            "MAIL__SMTP__PORT": str(server.port),
            "MAIL__SMTP__SECURITY": "none",
            "MAIL__SMTP__TIMEOUT_SECONDS": "50",
        }

    def hold(self, gate: Gate) -> None:
        self._server.before_answering = gate

    def takes_over(self, runtime: Runtime) -> Runtime:
        smtp = SmtpSettings(host="127.0.0.1", port=self._server.port, security=SmtpSecurity.NONE)
        mail = MailSettings(adapter="smtp", smtp=smtp)
        return replace(runtime, settings=runtime.settings.model_copy(update={"mail": mail}))

    def copies(self, to: str) -> list[tuple[str, str]]:
        arrived = [message for message in self._server.messages if message["To"] == to]
        bodies = [message.get_body(("plain",)) for message in arrived]
        return [
            (str(message["Message-ID"]), body.get_content() if body is not None else "")
            for message, body in zip(arrived, bodies, strict=True)
        ]


class HeldSendGrid(SendGridServer):
    """Takes a mail and then waits for the test, on the test's loop, before it says so."""

    gate: Gate | None = None
    loop: asyncio.AbstractEventLoop | None = None

    def _send(self, account: Account, checked: CheckedRequest) -> Answer:
        answer = super()._send(account, checked)
        if self.gate is not None and self.loop is not None:
            asyncio.run_coroutine_threadsafe(self.gate("content"), self.loop).result(PATIENCE_SECONDS)
        return answer


class BySendGrid:
    """The API of a local SendGrid, with SendGrid's own package."""

    KEY = "SG.crashes"

    def __init__(self, server: HeldSendGrid) -> None:
        self._server = server
        self.environment = {
            "MAIL__ADAPTER": "sendgrid",
            "PROVIDERS__SENDGRID__API_KEY": self.KEY,
            "PROVIDERS__SENDGRID__API_BASE": server.url,
        }

    def hold(self, gate: Gate) -> None:
        self._server.gate, self._server.loop = gate, asyncio.get_running_loop()

    def takes_over(self, runtime: Runtime) -> Runtime:
        known = {"api_key": SecretStr(self.KEY), "api_base": self._server.url}
        sendgrid = runtime.settings.providers.sendgrid.model_copy(update=known)
        providers = runtime.settings.providers.model_copy(update={"sendgrid": sendgrid})
        mail = runtime.settings.mail.model_copy(update={"adapter": "sendgrid"})
        changes = {"providers": providers, "mail": mail}
        return replace(runtime, settings=runtime.settings.model_copy(update=changes))

    def copies(self, to: str) -> list[tuple[str, str]]:
        sent = self._server.account(self.KEY).sent
        arrived = [one for one in sent if one["personalizations"][0]["to"][0]["email"] == to]
        return [(one["headers"]["Message-ID"], one["content"][0]["value"]) for one in arrived]


@asynccontextmanager
async def carrier_of(name: str) -> AsyncIterator[Carrier]:
    if name == "smtp":
        async with mail_server() as server:
            yield BySmtp(server)
        return
    with HeldSendGrid() as sendgrid:
        yield BySendGrid(sendgrid)
    sendgrid.assert_clean()


async def start_worker(
    settings: Settings, carrier: Carrier, event_id: UUID, attempt: int = 1
) -> asyncio.subprocess.Process:
    """A process that begins the row, with the settings of such a deployment."""
    own = {
        **carrier.environment,
        "ENVIRONMENT": settings.environment.value,
        "BASE_DOMAIN": settings.base_domain,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "SECRET_KEYS": settings.secret_keys.get_secret_value(),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TODOENBALANCE_")}
    environment |= {f"TODOENBALANCE_{name}": value for name, value in own.items()}
    command = [sys.executable, "-m", "tests.support.one_delivery", str(event_id), str(attempt)]
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)


async def queue_a_mail(runtime: Runtime, practice: TenantContext) -> UUID:
    """A mail to a client that the relay has just handed over; answers its row."""
    # The owner's invitation is on its way too, to another address.
    client = await make_client(runtime, practice, f"carla@{practice.slug}.example.com")
    async with runtime.database.tenant(practice) as session:
        recipients = [Recipient.client(client.id)]
        await announce(session, CLIENT_PASSWORD_RESET, subject_id=client.id, version="v", recipients=recipients)
    [row] = [row for row in await queued(runtime, practice) if row.topic == NOTIFICATION_SEND]
    await hand_over(runtime, row.id, 1)
    return row.id


async def hand_over(runtime: Runtime, event_id: UUID, attempt: int) -> None:
    """As the relay does it, again when the lease is over."""
    async with runtime.database.platform() as session:
        await session.execute(update(OutboxEvent).where(OutboxEvent.id == event_id).values(attempts=attempt))


async def only_log(runtime: Runtime, practice: TenantContext) -> EmailLog:
    [log] = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
    return log


async def kill_at(
    step: Step, carrier: Carrier, runtime: Runtime, practice: TenantContext, cluster: EmbeddedPostgres, event_id: UUID
) -> Gate:
    """Begin the row and kill the process there; answers the gate, which holds nothing any more."""
    row = next(row for row in await queued(runtime, practice) if row.id == event_id)
    async with administrator(cluster, runtime.settings) as admin:
        gate = Gate(step, practice, event_id, admin)
        carrier.hold(gate)
        await gate.close()
        worker = await start_worker(runtime.settings, carrier, event_id, row.attempts)
        try:
            await gate.is_reached()
        finally:
            worker.kill()
        assert await worker.wait() == -9
        await gate.open()
        return gate


@pytest.mark.parametrize(
    ("name", "step"),
    # Whatever SendGrid has heard of a mail is the whole of it, so there is no being connected without it.
    [(name, step) for name in ("smtp", "sendgrid") for step in Step if (name, step) != ("sendgrid", Step.CONNECTED)],
)
async def test_a_killed_worker_loses_no_mail_and_repeats_none_that_can_be_known(
    name: str, step: Step, cluster: EmbeddedPostgres, runtime: Runtime, practice: TenantContext
) -> None:
    event_id = await queue_a_mail(runtime, practice)
    async with carrier_of(name) as carrier:
        await kill_at(step, carrier, runtime, practice, cluster, event_id)
        assert (await only_log(runtime, practice)).status == EXPECTED[step].log
        await run_due_events(carrier.takes_over(runtime), practice)
        arrived = carrier.copies(f"carla@{practice.slug}.example.com")
    await assert_is_one_mail(runtime, practice, arrived, EXPECTED[step].copies)


@pytest.mark.parametrize("name", ["smtp", "sendgrid"])
@pytest.mark.parametrize(
    ("steps", "copies"),
    [
        ((Step.HANDED_OVER, Step.ACCEPTED), 3),
        ((Step.COMPOSING, Step.HANDED_OVER), 2),
        ((Step.ACCEPTED, Step.RECORDED), 2),
    ],
)
async def test_two_workers_killed_over_one_mail_leave_one_mail(
    name: str,
    steps: tuple[Step, Step],
    copies: int,
    cluster: EmbeddedPostgres,
    runtime: Runtime,
    practice: TenantContext,
) -> None:
    event_id = await queue_a_mail(runtime, practice)
    async with carrier_of(name) as carrier:
        for attempt, step in enumerate(steps, 1):
            await hand_over(runtime, event_id, attempt)
            await kill_at(step, carrier, runtime, practice, cluster, event_id)
        await run_due_events(carrier.takes_over(runtime), practice)
        arrived = carrier.copies(f"carla@{practice.slug}.example.com")
    await assert_is_one_mail(runtime, practice, arrived, copies)


async def assert_is_one_mail(
    runtime: Runtime, practice: TenantContext, arrived: list[tuple[str, str]], copies: int
) -> None:
    """One line of the log that says so, and as many copies, which can be told to be one mail."""
    assert len(arrived) == copies
    log = await only_log(runtime, practice)
    assert (log.status, log.failure) == (EmailStatus.SENT, None)
    assert {message_id for message_id, _text in arrived} == {f"<{log.id}@todoenbalance.example>"}
    assert NOTIFICATION_SEND not in [row.topic for row in await queued(runtime, practice)]
    assert links_in(arrived[-1][1])  # the copy that came last is the one whose link works
