"""Whom a client books for: ``/users/me/dependants``."""

from uuid import UUID

from fastapi import APIRouter

from tenants.accounts.auth import CurrentClient
from tenants.accounts.errors import TooManyDependantsError
from tenants.accounts.models import Dependant
from tenants.accounts.schemas import DependantCreate, DependantPatch, DependantRead
from tenants.accounts.services import dependants
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.pagination import Page
from todoenbalance.kit.web.dependencies import TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/users/me/dependants", tags=["own account"])


@router.get("")
async def list_dependants(client: CurrentClient, session: TenantSessionDep) -> Page[DependantRead]:
    """Everybody one books for, at most twenty; those taken away are left out."""
    rows = await dependants.list_dependants(session, client.id)
    return Page(items=[DependantRead.model_validate(row) for row in rows], next_cursor=None)


@router.post("", status_code=201, response_model=DependantRead, responses=responses(TooManyDependantsError))
async def add_dependant(body: DependantCreate, client: CurrentClient, session: TenantSessionDep) -> Dependant:
    """Someone more to book for: a person of their own, without an account."""
    return await dependants.add_dependant(session, client.id, dependants.NewDependant(**body.model_dump()))


@router.patch("/{dependant_id}", response_model=DependantRead, responses=responses(NotFoundError))
async def change_dependant(
    dependant_id: UUID, body: DependantPatch, client: CurrentClient, session: TenantSessionDep
) -> Dependant:
    """Change what is said of one of them; the rest stays."""
    return await dependants.change_dependant(session, client.id, dependant_id, body.changes())


@router.delete("/{dependant_id}", status_code=204, responses=responses(NotFoundError))
async def remove_dependant(dependant_id: UUID, client: CurrentClient, session: TenantSessionDep) -> None:
    """Take one of them away; past appointments still name them."""
    await dependants.remove_dependant(session, client.id, dependant_id)
