"""Dependants: a person is not an e-mail. One account books for a child or a partner, each with their own record."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from tenants.accounts.errors import TooManyDependantsError, UnknownDependantError
from tenants.accounts.models import AccountKind, Client, Dependant, Relationship
from tenants.accounts.repository import AccountRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id

MAX_DEPENDANTS = 20
"""How many people one account may book for."""


@dataclass(frozen=True, slots=True)
class NewDependant:
    """What a client says of someone they book for."""

    first_name: str
    last_name: str
    relationship: Relationship
    birth_date: date | None = None


async def list_dependants(session: TenantSession, client_id: UUID, *, with_archived: bool = False) -> list[Dependant]:
    """Whom a client books for, in the order they were added."""
    statement = select(Dependant).where(Dependant.client_id == client_id).order_by(Dependant.id)
    if not with_archived:
        statement = statement.where(Dependant.archived_at.is_(None))
    return list((await session.scalars(statement)).all())


async def find_dependants(session: TenantSession, dependant_ids: Collection[UUID | None]) -> dict[UUID, Dependant]:
    """Dependants by their ids, archived ones too: the names of a list in one query."""
    wanted = {one for one in dependant_ids if one is not None}
    if not wanted:
        return {}
    rows = await session.scalars(select(Dependant).where(Dependant.id.in_(wanted)))
    return {row.id: row for row in rows}


async def find_dependant(session: TenantSession, dependant_id: UUID | None) -> Dependant | None:
    """A dependant by id, archived or not; None for None."""
    return await session.get(Dependant, dependant_id) if dependant_id is not None else None


async def add_dependant(session: TenantSession, client_id: UUID, new: NewDependant) -> Dependant:
    """Someone more to book for. Raises :class:`TooManyDependantsError`, :class:`NotFoundError`."""
    client = await AccountRepository(session).lock_account(AccountKind.CLIENT, client_id)
    if not isinstance(client, Client) or client.erased_at is not None:
        raise NotFoundError
    statement = select(func.count()).select_from(Dependant)
    mine = (Dependant.client_id == client_id) & Dependant.archived_at.is_(None)
    if (await session.scalar(statement.where(mine)) or 0) >= MAX_DEPENDANTS:
        raise TooManyDependantsError(limit=MAX_DEPENDANTS)
    dependant = Dependant(
        id=new_id(),
        client_id=client_id,
        first_name=new.first_name,
        last_name=new.last_name,
        birth_date=new.birth_date,
        relationship=new.relationship,
        created_at=clock.now(),
    )
    session.add(dependant)
    return dependant


async def change_dependant(
    session: TenantSession, client_id: UUID, dependant_id: UUID, changes: dict[str, Any]
) -> Dependant:
    """Change what is said of one of a client's own. Raises :class:`NotFoundError`."""
    dependant = await _lock_own(session, client_id, dependant_id)
    for name, value in changes.items():
        setattr(dependant, name, value)
    return dependant


async def remove_dependant(session: TenantSession, client_id: UUID, dependant_id: UUID) -> None:
    """Take one of a client's own away: archived if appointments name them, else deleted.

    Raises :class:`NotFoundError`.
    """
    dependant = await _lock_own(session, client_id, dependant_id)
    try:
        async with session.begin_nested():
            await session.delete(dependant)
    except IntegrityError:  # an appointment refers to them
        (await _lock_own(session, client_id, dependant_id)).archived_at = clock.now()


async def _lock_own(session: TenantSession, client_id: UUID, dependant_id: UUID) -> Dependant:
    statement = (
        select(Dependant)
        .where(Dependant.id == dependant_id, Dependant.client_id == client_id, Dependant.archived_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = (await session.scalars(statement)).one_or_none()
    if found is None:
        raise NotFoundError
    return found


async def hold_dependant(session: TenantSession, client_id: UUID, dependant_id: UUID) -> Dependant:
    """One of a client's own, to be booked for: kept as they are until the transaction ends.

    Raises :class:`UnknownDependantError` for anyone else's, an archived or an unknown one, told apart to nobody.
    """
    statement = (
        select(Dependant)
        .where(Dependant.id == dependant_id, Dependant.client_id == client_id, Dependant.archived_at.is_(None))
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    found = (await session.scalars(statement)).one_or_none()
    if found is None:
        raise UnknownDependantError(["body", "dependant_id"], f"there is no {dependant_id}", "unknown_dependant")
    return found
