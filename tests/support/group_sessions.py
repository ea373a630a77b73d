"""Group services and their sessions for tests."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from scheduling.appointments.history import SYSTEM, Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.booking import book_appointment
from scheduling.group_sessions.models import GroupSession
from scheduling.group_sessions.services.planning import Plan, plan_sessions
from tests.support.practices import SignedIn
from tests.support.scheduling import Offer, make_offer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def make_group_offer(runtime: Runtime, tenant: TenantContext, capacity: int = 3, **service: Any) -> Offer:
    """Someone who works from 9 to 13 every day and gives one group service."""
    return await make_offer(runtime, tenant, capacity=capacity, **service)


async def plan(
    runtime: Runtime, tenant: TenantContext, offer: Offer, at: datetime, *, actor: Actor = SYSTEM, **fields: Any
) -> GroupSession:
    """One session, committed."""
    wanted = Plan(service_id=offer.service_id, practitioner_id=offer.practitioner_id, starts_at=at, **fields)
    async with runtime.database.tenant(tenant) as session:
        [group] = await plan_sessions(session, wanted, actor=actor)
    return group


async def take(
    runtime: Runtime, tenant: TenantContext, offer: Offer, client: SignedIn, at: datetime, **wish: Any
) -> Appointment:
    """Book in a transaction of its own."""
    async with runtime.database.tenant(tenant) as session:
        return await book_appointment(session, client_id=client.id, service_id=offer.service_id, starts_at=at, **wish)


async def seats_of(runtime: Runtime, tenant: TenantContext, group_id: UUID) -> list[Appointment]:
    """Every seat of a session, of any status, oldest first."""
    async with runtime.database.tenant(tenant) as session:
        statement = select(Appointment).where(Appointment.group_session_id == group_id).order_by(Appointment.id)
        return list((await session.scalars(statement)).all())


async def stored_session(runtime: Runtime, tenant: TenantContext, group_id: UUID) -> GroupSession:
    """A session as the database has it."""
    async with runtime.database.tenant(tenant) as session:
        return await session.get_one(GroupSession, group_id)
