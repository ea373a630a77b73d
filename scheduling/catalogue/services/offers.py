"""Making, changing and taking away services."""

from typing import Any
from uuid import UUID

from scheduling.catalogue.errors import ServiceWasBookedError
from scheduling.catalogue.events import SERVICE_FOLLOW_UP_CHANGED, SERVICE_REMINDER_ADDED
from scheduling.catalogue.models import Practitioner, Service
from scheduling.catalogue.repository import CatalogueRepository, OwnTermsRow
from scheduling.catalogue.schemas import OwnTerms, ServiceAdminRead, ServiceCreate, ServicePatch
from scheduling.catalogue.service import get_service, read_service
from scheduling.catalogue.services.known import check_known
from tenants.settings.reminders import note_added, practice_reminders
from tenants.settings.service import SETTLED_AFTER, get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import MoneySchema
from todoenbalance.kit.outbox.publish import publish

_MONEY = {"price": "price_minor", "deposit": "deposit_minor", "no_show_fee": "no_show_fee_minor"}
_LINKS = ("practitioner_ids", "practitioners")
_AUDITED = (
    "price",
    "deposit",
    "practitioners",
    "cancel_notice_hours",
    "move_notice_hours",
    "refund_tiers",
    "no_show_fee",
    "free_first_visit",
    "tax_treatment",
    "archived",
)


async def create_service(session: TenantSession, new: ServiceCreate) -> ServiceAdminRead:
    """A new service. Raises :class:`InvalidInputError` for money or practitioners that don't fit."""
    fields = {name: getattr(new, name) for name in ServiceCreate.model_fields if name not in _LINKS}
    service = Service(
        id=new_id(), currency=session.tenant.currency, created_at=clock.now(), **_columns(session, fields)
    )
    _check_deposit(service)
    await CatalogueRepository(session).add(service)
    await _link(session, service.id, new)
    return await read_service(session, service.id)


async def change_service(session: TenantSession, service_id: UUID, patch: ServicePatch) -> ServiceAdminRead:
    """Change some fields.

    Raises :class:`NotFoundError`, :class:`InvalidInputError`, and :class:`ServiceWasBookedError` where a service that
    was booked would become a group service or cease to be one.
    """
    catalogue = CatalogueRepository(session)
    service = await catalogue.lock_service(service_id)
    if service is None:
        raise NotFoundError
    changes = {name: value for name, value in patch.changes().items() if name not in _LINKS}
    becomes_another = "capacity" in changes and (changes["capacity"] is None) != (service.capacity is None)
    if becomes_another and await catalogue.was_booked(service_id):
        raise ServiceWasBookedError
    reminders, follow_up = await _reminders(session, service), service.follow_up_hours
    for name, value in _columns(session, changes).items():
        setattr(service, name, value)
    if "price" in changes:
        service.currency = session.tenant.currency
    _check_deposit(service)
    present = await _reminders(session, service)
    added = set(present) - set(reminders)
    service.reminders_since = note_added(service.reminders_since, present, added, clock.now())
    await catalogue.flush()
    await _tell_of_mails(session, service, added, follow_up)
    await _link(session, service.id, patch)
    return await read_service(session, service_id)


async def _reminders(session: TenantSession, service: Service) -> list[int]:
    own = service.reminder_minutes
    return practice_reminders(await get_practice_settings(session)) if own is None else own


async def _tell_of_mails(session: TenantSession, service: Service, added: set[int], follow_up: int | None) -> None:
    """So that who has booked already gets them too."""
    service_id, due_at = str(service.id), clock.now() + SETTLED_AFTER
    for minutes in added:
        await publish(session, SERVICE_REMINDER_ADDED, {"service_id": service_id, "minutes": minutes}, run_at=due_at)
    hours = service.follow_up_hours
    if hours is not None and hours != follow_up:
        await publish(session, SERVICE_FOLLOW_UP_CHANGED, {"service_id": service_id, "hours": hours}, run_at=due_at)


async def remove_service(session: TenantSession, service_id: UUID) -> bool:
    """Delete a service that was never booked, else archive it; answers whether it is gone.

    Raises :class:`NotFoundError`.
    """
    service = await get_service(session, service_id)
    if await CatalogueRepository(session).delete_if_unreferenced(Service, service_id):
        return True
    service.archived = True
    return False


def audited_changes(before: ServiceAdminRead, after: ServiceAdminRead) -> dict[str, Any]:
    """What the audit trail says of a change: prices, terms and archiving, as they were and as they are now."""
    old, new = (one.model_dump(mode="json", include=set(_AUDITED)) for one in (before, after))
    return {name: {"from": old[name], "to": new[name]} for name in _AUDITED if old[name] != new[name]}


def _columns(session: TenantSession, fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of the API as columns: money in minor units, lists as plain values."""
    columns = {name: value for name, value in fields.items() if name not in _MONEY}
    for name in _MONEY.keys() & fields.keys():
        money = fields[name]
        columns[_MONEY[name]] = None if money is None else _amount(session, money, ["body", name])
    if "location_kinds" in columns:
        columns["location_kinds"] = [str(kind) for kind in columns["location_kinds"]]
    if columns.get("refund_tiers") is not None:
        columns["refund_tiers"] = [tier.model_dump() for tier in columns["refund_tiers"]]
    return columns


def _amount(session: TenantSession, money: MoneySchema, location: list[str | int]) -> int:
    if money.currency != session.tenant.currency:
        raise InvalidInputError(
            [*location, "currency"], f"the practice's currency is {session.tenant.currency}", "currency_mismatch"
        )
    return money.amount


def _check_deposit(service: Service) -> None:
    deposit = service.deposit_minor
    if deposit is not None and not 1 <= deposit <= service.price_minor:
        raise InvalidInputError(["body", "deposit"], "more than nothing and at most the price", "deposit_range")


async def _link(session: TenantSession, service_id: UUID, body: ServiceCreate | ServicePatch) -> None:
    """Who offers it, if the body says so: by id, or with prices and lengths of their own."""
    catalogue = CatalogueRepository(session)
    if body.practitioners and "practitioners" in body.model_fields_set:
        ids = [one.practitioner_id for one in body.practitioners]
        check_known(ids, await catalogue.known_ids(Practitioner, ids), "practitioners")
        terms = [_row(session, position, one) for position, one in enumerate(body.practitioners)]
        await catalogue.set_terms_of(service_id, terms)
    elif body.model_fields_set & set(_LINKS):
        ids = list(dict.fromkeys(body.practitioner_ids or []))
        check_known(ids, await catalogue.known_ids(Practitioner, ids), "practitioner_ids")
        await catalogue.set_practitioners_of(service_id, ids)


def _row(session: TenantSession, position: int, own: OwnTerms) -> OwnTermsRow:
    location: list[str | int] = ["body", "practitioners", position, "price"]
    price = None if own.price is None else _amount(session, own.price, location)
    return OwnTermsRow(own.practitioner_id, price, own.duration_minutes)
