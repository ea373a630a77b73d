"""Agreeing, booking and reading the log."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update

from notifications.catalogue import Channel
from notifications.texting.consents import codes_of, confirm_consent, give_consent
from notifications.texting.models import GivenBy, TextConsent, TextLog
from tenants.accounts.models import Client
from tests.support.practices import SignedIn
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def agree(runtime: Runtime, tenant: TenantContext, client: SignedIn, channel: Channel = Channel.SMS) -> None:
    """Give consent and confirm it, without the code being sent."""
    async with runtime.database.tenant(tenant) as session:
        await give_consent(session, runtime, client.id, channel, GivenBy.PAGE, "es")
    async with runtime.database.tenant(tenant) as session:
        statement = select(TextConsent).where(
            TextConsent.client_id == client.id, TextConsent.channel == channel, TextConsent.withdrawn_at.is_(None)
        )
        row = (await session.scalars(statement)).one()
        await confirm_consent(session, runtime, client.id, channel, codes_of(runtime.signer, session, row)[0])


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
