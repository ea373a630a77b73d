"""What the practice offers and who gives it, open to everyone: ``GET /services``, ``GET /practitioners``."""

from fastapi import APIRouter

from scheduling.catalogue import service
from scheduling.catalogue.schemas import PractitionerRead, ServiceRead
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(tags=["catalogue"])


@router.get("/services", responses=responses(InvalidInputError))
async def list_services(session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None) -> Page[ServiceRead]:
    """What can be booked. Archived services are left out."""
    items, following = await service.list_services(session, limit=limit, cursor=cursor)
    return Page(items=items, next_cursor=following)


@router.get("/practitioners", responses=responses(InvalidInputError))
async def list_practitioners(
    session: TenantSessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[PractitionerRead]:
    """Who sees clients. Archived practitioners are left out."""
    items, following = await service.list_practitioners(session, limit=limit, cursor=cursor)
    return Page(items=items, next_cursor=following)
