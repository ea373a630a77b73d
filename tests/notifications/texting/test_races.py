"""What meets while a text message is made: an erasure, and a queue that gives it up."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update

from notifications.catalogue import Channel
from notifications.events import NOTIFICATION_SEND
from notifications.handing_over import GIVEN_UP, MAY_HAVE_ARRIVED
from notifications.texting import deciding
from notifications.texting.consents import TEXT_CODE, give_consent, withdraw_consent
from notifications.texting.deciding import NO_CONSENT
from notifications.texting.events import TEXT_SEND
from notifications.texting.models import GivenBy, TextDelivery, TextStatus
from notifications.texting.port import TextMessage, TextUnavailableError
from notifications.texting.service import deliver_text, record_report, send_text
from tenants.privacy.erasure import erase_client
from tests.notifications.texting.helpers import texts_of
from tests.support.blocked import until_blocked
from tests.support.events import queued, run_due_events
from tests.support.practices import SignedIn
from tests.support.providers.text_gateway import TextGateway
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_personal_data_sources


async def ask_for_code(runtime: Runtime, tenant: TenantContext, client: SignedIn) -> OutboxEvent:
    async with runtime.database.tenant(tenant) as session:
        await give_consent(session, runtime, client.id, Channel.SMS, GivenBy.PAGE, "es")
    [row] = [row for row in await queued(runtime, tenant) if row.topic == TEXT_SEND]
    return row


def context(runtime: Runtime, tenant: TenantContext) -> TenantEventContext:
    return TenantEventContext(runtime, new_id(), TEXT_SEND, 1, tenant)


async def test_a_message_that_is_made_during_an_erasure_is_not_sent(
    runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
) -> None:
    register_personal_data_sources()
    row = await ask_for_code(runtime, texting, client)
    async with runtime.database.tenant(texting) as session:
        await erase_client(session, runtime.vault, client.id, requested_by="client")
        sending = asyncio.create_task(send_text(context(runtime, texting), row.payload))
        await until_blocked(session)
    await sending
    [log] = await texts_of(runtime, texting, TEXT_CODE)
    assert (log.status, log.failure, log.number) == (TextStatus.SKIPPED, NO_CONSENT, "")
    assert gateway.messages == {}


async def test_one_that_the_queue_gives_up_has_failed_and_goes_when_it_is_put_back(
    runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = runtime.settings.outbox.model_copy(update={"max_attempts": 1})
    impatient = replace(runtime, settings=runtime.settings.model_copy(update={"outbox": outbox}))
    row = await ask_for_code(impatient, texting, client)
    with monkeypatch.context() as broken:
        broken.setattr(deciding, "_CODE_TEXT", {})
        await run_due_events(impatient, texting)
    [log] = await texts_of(impatient, texting, TEXT_CODE)
    assert (log.status, log.failure, log.attempts) == (TextStatus.FAILED, GIVEN_UP, 0)
    async with impatient.database.platform() as session:
        statement = update(OutboxEvent).where(OutboxEvent.id == row.id)
        await session.execute(statement.values(parked_at=None, failures=0, run_at=clock.now()))
    await run_due_events(impatient, texting)
    [log] = await texts_of(impatient, texting, TEXT_CODE)
    assert (log.status, log.failure) == (TextStatus.SENT, None)
    assert len(gateway.messages) == 1
    assert not {TEXT_SEND, NOTIFICATION_SEND} & {one.topic for one in await queued(impatient, texting) if one.parked_at}


class Silent:
    """Takes a message and says nothing."""

    async def send(self, message: TextMessage) -> str:
        raise TextUnavailableError("ReadTimeout")


async def test_one_that_may_have_arrived_was_not_left_out(
    runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
) -> None:
    row = await ask_for_code(runtime, texting, client)
    with pytest.raises(RetryLaterError):
        await deliver_text(context(runtime, texting), row.payload, Silent())
    async with runtime.database.tenant(texting) as session:
        await withdraw_consent(session, client.id, Channel.SMS)
    await send_text(context(runtime, texting), row.payload)
    [log] = await texts_of(runtime, texting, TEXT_CODE)
    assert (log.status, log.failure) == (TextStatus.FAILED, f"{MAY_HAVE_ARRIVED}; {NO_CONSENT}")
    async with runtime.database.tenant(texting) as session:
        await record_report(session, runtime.signer, log.id, TextDelivery.DELIVERED, clock.now())
    [log] = await texts_of(runtime, texting, TEXT_CODE)
    assert (log.status, log.failure, log.delivery) == (TextStatus.SENT, None, TextDelivery.DELIVERED)
    assert gateway.messages == {}
