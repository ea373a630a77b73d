"""Making, changing and taking away practitioners."""

from typing import Any
from uuid import UUID

from scheduling.catalogue.errors import StaffAlreadyLinkedError
from scheduling.catalogue.models import Practitioner, Service
from scheduling.catalogue.repository import CatalogueRepository
from scheduling.catalogue.schemas import PractitionerAdminRead, PractitionerCreate, PractitionerPatch
from scheduling.catalogue.service import get_practitioner, read_practitioner
from scheduling.catalogue.services.known import check_known
from tenants.accounts.services.staff_accounts import get_staff
from tenants.plans.capabilities import Capability, need
from tenants.plans.errors import PlanLimitReachedError
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id


async def create_practitioner(session: TenantSession, new: PractitionerCreate) -> PractitionerAdminRead:
    """A new practitioner.

    Raises :class:`InvalidInputError`, :class:`StaffAlreadyLinkedError`, and by the practice's plan
    ``PracticePastDueError``, ``NotInPlanError``, ``PlanLimitReachedError``.
    """
    await _check_room(session)
    values = new.model_dump(exclude={"service_ids"})
    values["timezone"] = new.timezone or session.tenant.timezone
    practitioner = Practitioner(id=new_id(), created_at=clock.now(), **values)
    await _check_practitioner(session, practitioner)
    await CatalogueRepository(session).add(practitioner)
    await _link_services(session, practitioner.id, new.service_ids)
    return await read_practitioner(session, practitioner.id)


async def change_practitioner(
    session: TenantSession, practitioner_id: UUID, patch: PractitionerPatch
) -> PractitionerAdminRead:
    """Change some fields; appointments keep their instants when the zone changes.

    Raises :class:`NotFoundError`, :class:`InvalidInputError`, :class:`StaffAlreadyLinkedError`; for one who comes back
    out of the archive the plan's errors of :func:`create_practitioner`.
    """
    practitioner = await get_practitioner(session, practitioner_id)
    changes = patch.changes()
    if practitioner.archived and changes.get("archived") is False:
        await _check_room(session)
    offers = changes.pop("service_ids", None)
    with session.no_autoflush:
        for name, value in changes.items():
            setattr(practitioner, name, value)
        await _check_practitioner(session, practitioner)
    await CatalogueRepository(session).flush()
    if offers is not None:
        await _link_services(session, practitioner.id, offers)
    return await read_practitioner(session, practitioner_id)


async def remove_practitioner(session: TenantSession, practitioner_id: UUID) -> bool:
    """Delete a practitioner who was never booked, else archive them; answers whether they are gone.

    Raises :class:`NotFoundError`.
    """
    practitioner = await get_practitioner(session, practitioner_id)
    if await CatalogueRepository(session).delete_if_unreferenced(Practitioner, practitioner_id):
        return True
    practitioner.archived = True
    return False


def audited_changes(before: PractitionerAdminRead, after: PractitionerAdminRead) -> dict[str, Any]:
    """What the audit trail says of a change: archiving, as it was and as it is now."""
    return {} if before.archived == after.archived else {"archived": {"from": before.archived, "to": after.archived}}


async def _check_room(session: TenantSession) -> None:
    """Whether the practice's plan allows one more active practitioner; who asks at once waits for the other."""
    tenant = session.tenant
    need(tenant, Capability.ADD_PRACTITIONERS)
    if tenant.practitioner_limit is None:
        return
    await get_practice_settings(session, for_update=True)
    if await CatalogueRepository(session).count_active_practitioners() >= tenant.practitioner_limit:
        raise PlanLimitReachedError(limit=tenant.practitioner_limit)


async def _check_practitioner(session: TenantSession, practitioner: Practitioner) -> None:
    catalogue = CatalogueRepository(session)
    if not await catalogue.database_knows_zone(practitioner.timezone):
        raise InvalidInputError(["body", "timezone"], "not an IANA time zone", "timezone_unknown")
    if practitioner.staff_id is None:
        return
    try:
        await get_staff(session, practitioner.staff_id)
    except NotFoundError as error:
        raise InvalidInputError(["body", "staff_id"], "nobody of the staff has this id", "unknown_id") from error
    other = await catalogue.find_practitioner_of_staff(practitioner.staff_id)
    if other is not None and other.id != practitioner.id:
        raise StaffAlreadyLinkedError


async def _link_services(session: TenantSession, practitioner_id: UUID, ids: list[UUID]) -> None:
    catalogue = CatalogueRepository(session)
    check_known(ids, await catalogue.known_ids(Service, ids), "service_ids")
    await catalogue.set_services_of(practitioner_id, dict.fromkeys(ids))
