"""What the catalogue answers: services, practitioners, who offers what at which price."""

from uuid import UUID

from scheduling.catalogue.models import Practitioner, Service
from scheduling.catalogue.repository import CatalogueRepository
from scheduling.catalogue.schemas import PractitionerAdminRead, PractitionerRead, ServiceAdminRead, ServiceRead
from tenants.settings.service import get_practice_settings
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError

# ---- what everyone may see


async def list_services(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[ServiceRead], str | None]:
    """A page of what the practice offers; archived services and practitioners are left out."""
    catalogue = CatalogueRepository(session)
    rows, following = await catalogue.page_of_services(include_archived=False, limit=limit, cursor=cursor)
    links = await catalogue.links_of([row.id for row in rows], include_archived=False)
    notice = await _practice_notice(session)
    return [ServiceRead.of(row, links[row.id], notice) for row in rows], following


async def list_practitioners(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[PractitionerRead], str | None]:
    """A page of who sees clients; archived practitioners and services are left out."""
    catalogue = CatalogueRepository(session)
    rows, following = await catalogue.page_of_practitioners(include_archived=False, limit=limit, cursor=cursor)
    offers = await catalogue.services_of([row.id for row in rows], include_archived=False)
    return [PractitionerRead.of(row, offers[row.id]) for row in rows], following


async def get_offered_service(session: TenantSession, service_id: UUID) -> Service:
    """A service that is not archived. Raises :class:`NotFoundError`."""
    service = await CatalogueRepository(session).find(Service, service_id)
    if service is None or service.archived:
        raise NotFoundError
    return service


async def get_offered_practitioner(session: TenantSession, practitioner_id: UUID) -> Practitioner:
    """A practitioner who is not archived. Raises :class:`NotFoundError`."""
    practitioner = await CatalogueRepository(session).find(Practitioner, practitioner_id)
    if practitioner is None or practitioner.archived:
        raise NotFoundError
    return practitioner


async def _practice_notice(session: TenantSession) -> int:
    return (await get_practice_settings(session)).cancellation_notice_hours


# ---- for staff


async def get_service(session: TenantSession, service_id: UUID) -> Service:
    """A service by id, archived or not. Raises :class:`NotFoundError`."""
    service = await CatalogueRepository(session).find(Service, service_id)
    if service is None:
        raise NotFoundError
    return service


async def read_service(session: TenantSession, service_id: UUID) -> ServiceAdminRead:
    """The same with its practitioners. Raises :class:`NotFoundError`."""
    service = await get_service(session, service_id)
    links = await CatalogueRepository(session).links_of([service.id], include_archived=True)
    return ServiceAdminRead.of(service, links[service.id], await _practice_notice(session))


async def list_all_services(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[ServiceAdminRead], str | None]:
    """A page of services, archived ones too."""
    catalogue = CatalogueRepository(session)
    rows, following = await catalogue.page_of_services(include_archived=True, limit=limit, cursor=cursor)
    links = await catalogue.links_of([row.id for row in rows], include_archived=True)
    notice = await _practice_notice(session)
    return [ServiceAdminRead.of(row, links[row.id], notice) for row in rows], following


async def get_practitioner(session: TenantSession, practitioner_id: UUID) -> Practitioner:
    """A practitioner by id, archived or not. Raises :class:`NotFoundError`."""
    practitioner = await CatalogueRepository(session).find(Practitioner, practitioner_id)
    if practitioner is None:
        raise NotFoundError
    return practitioner


async def find_practitioner_of_staff(session: TenantSession, staff_id: UUID) -> Practitioner | None:
    """The practitioner that a member of staff is, or None."""
    return await CatalogueRepository(session).find_practitioner_of_staff(staff_id)


async def find_zone_of_staff(session: TenantSession, staff_id: UUID) -> str | None:
    """By which clock a member of staff works, if they are a practitioner; else None."""
    practitioner = await find_practitioner_of_staff(session, staff_id)
    return practitioner.timezone if practitioner else None


async def read_practitioner(session: TenantSession, practitioner_id: UUID) -> PractitionerAdminRead:
    """The same with what they offer. Raises :class:`NotFoundError`."""
    practitioner = await get_practitioner(session, practitioner_id)
    offers = await CatalogueRepository(session).services_of([practitioner.id], include_archived=True)
    return PractitionerAdminRead.of(practitioner, offers[practitioner.id])


async def list_all_practitioners(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[PractitionerAdminRead], str | None]:
    """A page of practitioners, archived ones too."""
    catalogue = CatalogueRepository(session)
    rows, following = await catalogue.page_of_practitioners(include_archived=True, limit=limit, cursor=cursor)
    offers = await catalogue.services_of([row.id for row in rows], include_archived=True)
    return [PractitionerAdminRead.of(row, offers[row.id]) for row in rows], following
