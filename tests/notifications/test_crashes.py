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
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url, update

from notifications.account_mails import CLIENT_PASSWORD_RESET
from notifications.events import NOTIFICATION_SEND
from notifications.models import EmailLog, EmailStatus
from notifications.recipients import Recipient
from notifications.service import announce
from tests.support.events import queued, run_due_events
from tests.support.mail_server import MailServer, mail_server
from tests.support.mails import ROOT, links_in, logs_of
from tests.support.practices import make_client
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

    log: str | None
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


async def start_worker(settings: Settings, server: MailServer, event_id: UUID) -> asyncio.subprocess.Process:
    """A process that begins the row, with the settings of a deployment by SMTP."""
    own = {
        "ENVIRONMENT": settings.environment.value,
        "BASE_DOMAIN": settings.base_domain,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "SECRET_KEYS": settings.secret_keys.get_secret_value(),
        "MAIL__ADAPTER": "smtp",
        "MAIL__SMTP__HOST": "127.0.0.1",
        "MAIL__SMTP__PORT": str(server.port),
        "MAIL__SMTP__SECURITY": "none",
        "MAIL__SMTP__TIMEOUT_SECONDS": "50",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TODOENBALANCE_")}
    environment |= {f"TODOENBALANCE_{name}": value for name, value in own.items()}
    command = [sys.executable, "-m", "tests.support.one_delivery", str(event_id), "1"]
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)


async def queue_a_mail(runtime: Runtime, practice: TenantContext) -> UUID:
    """A mail to a client that the relay has just handed over; answers its row."""
    # The owner's invitation is on its way too, to another address.
    client = await make_client(runtime, practice, f"carla@{practice.slug}.example.com")
    async with runtime.database.tenant(practice) as session:
        recipients = [Recipient.client(client.id)]
        await announce(session, CLIENT_PASSWORD_RESET, subject_id=client.id, version="v", recipients=recipients)
    [row] = [row for row in await queued(runtime, practice) if row.topic == NOTIFICATION_SEND]
    async with runtime.database.platform() as session:
        await session.execute(update(OutboxEvent).where(OutboxEvent.id == row.id).values(attempts=1))
    return row.id


def by_smtp(runtime: Runtime, server: MailServer) -> Runtime:
    """The same for the worker that takes over, which is this process."""
    smtp = SmtpSettings(host="127.0.0.1", port=server.port, security=SmtpSecurity.NONE)
    mail = MailSettings(adapter="smtp", smtp=smtp)
    return replace(runtime, settings=runtime.settings.model_copy(update={"mail": mail}))


async def only_log(runtime: Runtime, practice: TenantContext) -> EmailLog | None:
    logs = await logs_of(runtime, practice, CLIENT_PASSWORD_RESET)
    assert len(logs) <= 1
    return logs[0] if logs else None


@pytest.mark.parametrize("step", Step)
async def test_a_killed_worker_loses_no_mail_and_repeats_none_that_can_be_known(
    step: Step, cluster: EmbeddedPostgres, runtime: Runtime, practice: TenantContext
) -> None:
    event_id = await queue_a_mail(runtime, practice)
    async with administrator(cluster, runtime.settings) as admin, mail_server() as server:
        gate = Gate(step, practice, event_id, admin)
        server.before_answering = gate
        await gate.close()
        worker = await start_worker(runtime.settings, server, event_id)
        try:
            await gate.is_reached()
        finally:
            worker.kill()
        assert await worker.wait() == -9
        await gate.open()
        log = await only_log(runtime, practice)
        assert (log.status if log else None) == EXPECTED[step].log

        await run_due_events(by_smtp(runtime, server), practice)
        arrived = [message for message in server.messages if message["To"] == f"carla@{practice.slug}.example.com"]
    assert len(arrived) == EXPECTED[step].copies
    log = await only_log(runtime, practice)
    assert log is not None
    assert (log.status, log.failure) == (EmailStatus.SENT, None)
    assert {message["Message-ID"] for message in arrived} == {log.provider_ref}
    assert NOTIFICATION_SEND not in [row.topic for row in await queued(runtime, practice)]
    body = arrived[-1].get_body(("plain",))
    assert body is not None
    assert links_in(body.get_content())  # the copy that came last is the one whose link works
