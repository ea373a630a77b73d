"""Agreeing, booking and reading the log."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update

from notifications.catalogue import Channel
from notifications.texting.consents import TEXT_CODE, codes_of, confirm_consent, give_consent
from notifications.texting.models import GivenBy, TextConsent, TextLog, TextStatus
from tenants.accounts.models import Client
from tests.support.practices import SignedIn
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def agree(runtime: Runtime, tenant: TenantContext, client: SignedIn, channel: Channel = Channel.SMS) -> None:
    """Give consent and confirm it: the code is on record as sent, though no gateway saw it."""
    async with runtime.database.tenant(tenant) as session:
        await give_consent(session, runtime, client.id, channel, GivenBy.PAGE, "es")
    async with runtime.database.tenant(tenant) as session:
        statement = select(TextConsent).where(
            TextConsent.client_id == client.id, TextConsent.channel == channel, TextConsent.withdrawn_at.is_(None)
        )
        row = (await session.scalars(statement)).one()
        if row.confirmed_at is None:
            session.add(_code_of(row))
            await session.flush()
        await confirm_consent(session, runtime, client.id, channel, codes_of(runtime.signer, session, row)[0])


def _code_of(consent: TextConsent) -> TextLog:
    return TextLog(
        id=new_id(),
        kind=TEXT_CODE,
        dedupe_key=f"{TEXT_CODE}:{consent.id}:1:{consent.client_id}:{consent.channel}",
        subject_id=consent.id,
        client_id=consent.client_id,
        channel=consent.channel,
        locale="es",
        status=TextStatus.SENT,
        attempts=1,
        created_at=clock.now(),
    )


async def consents_of(runtime: Runtime, tenant: TenantContext, client_id: UUID) -> Sequence[TextConsent]:
    async with runtime.database.tenant(tenant) as session:
        statement = select(TextConsent).where(TextConsent.client_id == client_id).order_by(TextConsent.id)
        return (await session.scalars(statement)).all()


async def texts_of(runtime: Runtime, tenant: TenantContext, kind: str) -> Sequence[TextLog]:
    async with runtime.database.tenant(tenant) as session:
        return (await session.scalars(select(TextLog).where(TextLog.kind == kind).order_by(TextLog.id))).all()


async def set_phone(runtime: Runtime, tenant: TenantContext, client: SignedIn, phone: str | None) -> None:
    async with runtime.database.tenant(tenant) as session:
        await session.execute(update(Client).where(Client.id == client.id).values(phone=phone))
