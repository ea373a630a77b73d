"""A worker is killed (SIGKILL) after the gateway took a message and before its answer came; another one takes over."""

import asyncio
import os
import sys
from datetime import timedelta

from sqlalchemy import update

from notifications.catalogue import Channel
from notifications.texting.consents import TEXT_CODE, give_consent
from notifications.texting.events import TEXT_SEND
from notifications.texting.models import GivenBy, TextStatus
from tests.notifications.texting.helpers import texts_of
from tests.support.events import queued, run_due_events
from tests.support.mails import ROOT
from tests.support.practices import SignedIn
from tests.support.providers.text_gateway import TextGateway
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

PATIENCE = timedelta(seconds=60)


def environment(settings: Settings) -> dict[str, str]:
    """Of a worker's process with these settings."""
    texts = settings.texts
    own = {
        "ENVIRONMENT": settings.environment.value,
        "BASE_DOMAIN": settings.base_domain,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "SECRET_KEYS": settings.secret_keys.get_secret_value(),
        "TEXTS__ADAPTER": texts.adapter,
        "TEXTS__URL": texts.url,
        "TEXTS__TOKEN": texts.token.get_secret_value(),
        "TEXTS__SIGNING_KEYS": texts.signing_keys.get_secret_value(),
    }
    rest = {name: value for name, value in os.environ.items() if not name.startswith("TODOENBALANCE_")}
    return rest | {f"TODOENBALANCE_{name}": value for name, value in own.items()}


async def test_a_killed_worker_loses_nothing_and_the_gateway_knows_the_repeat(
    runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
) -> None:
    async with runtime.database.tenant(texting) as session:
        await give_consent(session, runtime, client.id, Channel.SMS, GivenBy.PAGE, "es")
    [row] = [row for row in await queued(runtime, texting) if row.topic == TEXT_SEND]
    async with runtime.database.platform() as platform:
        await platform.execute(update(OutboxEvent).where(OutboxEvent.id == row.id).values(attempts=1))
    gateway.hold.clear()
    command = [sys.executable, "-m", "tests.support.one_delivery", str(row.id), "1"]
    worker = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment(runtime.settings))
    try:
        assert await asyncio.to_thread(gateway.taken.wait, PATIENCE.total_seconds())
    finally:
        worker.kill()
    assert await worker.wait() == -9
    gateway.hold.set()
    [log] = await texts_of(runtime, texting, TEXT_CODE)
    assert (log.status, log.attempts) == (TextStatus.SENDING, 1)  # it was recorded before the call

    await run_due_events(runtime, texting)
    [taken] = gateway.messages.values()
    assert taken.copies == 2
    [log] = await texts_of(runtime, texting, TEXT_CODE)
    assert (log.status, log.provider_ref, log.attempts) == (TextStatus.SENT, taken.reference, 2)
    assert TEXT_SEND not in [row.topic for row in await queued(runtime, texting)]
