"""An erasure and a message to the same client at once: whoever comes second sees what the other did."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from notifications.account_mails import CLIENT_PASSWORD_RESET
from notifications.credential_mails import CHANGE_OLD
from notifications.mailbox import Mailbox
from notifications.models import EmailLog, EmailStatus
from notifications.recipients import Recipient
from notifications.sending import MailSending
from notifications.service import send_notification
from tenants.accounts.models import AccountKind, EmailChange
from tenants.privacy.erasure import erase_client
from tests.notifications.test_service import context, payload
from tests.support.blocked import until_blocked
from tests.support.mails import mails_of
from tests.support.practices import SignedIn, make_client
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_personal_data_sources


@pytest.fixture(autouse=True)
def _sources() -> None:
    register_personal_data_sources()


async def erase(runtime: Runtime, practice: TenantContext, client_id: UUID) -> None:
    async with runtime.database.tenant(practice) as session:
        await erase_client(session, runtime.vault, client_id, requested_by="client")


async def mail_to(
    runtime: Runtime, practice: TenantContext, client: SignedIn, *, at_old_address: bool
) -> dict[str, object]:
    """A row of the queue: to the client, or to the address of before of theirs."""
    if not at_old_address:
        return payload(client, CLIENT_PASSWORD_RESET)
    now = clock.now()
    change = EmailChange(
        id=new_id(),
        account_kind=AccountKind.CLIENT,
        account_id=client.id,
        old_email=client.email,
        new_email="new@example.com",
        sign_in_id=new_id(),
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    recipient = Recipient.changing_address(change.id, is_new=False)
    async with runtime.database.tenant(practice) as session:
        session.add(change)
    row = payload(client, CHANGE_OLD) | {"subject_id": str(change.id)}
    return row | {"recipient_kind": str(recipient.kind), "recipient_id": recipient.id}


async def only_log(runtime: Runtime, practice: TenantContext, kind: object) -> EmailLog:
    async with runtime.database.tenant(practice) as session:
        return (await session.scalars(select(EmailLog).where(EmailLog.kind == kind))).one()


@pytest.mark.parametrize("at_old_address", [False, True])
async def test_a_mail_that_is_made_during_an_erasure_is_not_sent(
    runtime: Runtime, practice: TenantContext, *, at_old_address: bool
) -> None:
    client = await make_client(runtime, practice)
    row = await mail_to(runtime, practice, client, at_old_address=at_old_address)
    async with runtime.database.tenant(practice) as session:
        await erase_client(session, runtime.vault, client.id, requested_by="client")
        sending = asyncio.create_task(send_notification(context(runtime, practice), row))
        await until_blocked(session)
    await sending
    log = await only_log(runtime, practice, row["kind"])
    assert (log.status, log.recipient, log.subject) == (EmailStatus.SKIPPED, "", "")
    assert await mails_of(runtime, practice) == []


@pytest.mark.parametrize("at_old_address", [False, True])
async def test_an_erasure_waits_for_a_mail_that_is_being_made_and_finds_it(
    runtime: Runtime, practice: TenantContext, *, at_old_address: bool
) -> None:
    client = await make_client(runtime, practice)
    row = await mail_to(runtime, practice, client, at_old_address=at_old_address)
    sending = MailSending(context(runtime, practice), row, Mailbox(runtime.database, practice))
    async with runtime.database.tenant(practice) as session:
        mail = await sending.prepare(session)
        assert mail is not None
        erasing = asyncio.create_task(erase(runtime, practice, client.id))
        await until_blocked(session)
    await erasing
    log = await only_log(runtime, practice, row["kind"])
    assert (log.status, log.recipient, log.subject) == (EmailStatus.SENDING, "", "")
