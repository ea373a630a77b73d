"""Erasing a person (GDPR, art. 17): a preview before, a receipt after, and what the law keeps, sealed until a date.

All of it is one transaction under the lock of the account's row, which booking takes too: whoever comes second
finds the account erased, or the booking to cancel.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tenants.accounts.models import AccountKind, Client
from tenants.accounts.repository import AccountRepository
from tenants.privacy.errors import AlreadyErasedError, NothingSealedError
from tenants.privacy.events import BLOCK_OVER
from tenants.privacy.models import Erasure
from tenants.privacy.port import (
    Action,
    Cancellation,
    Json,
    Person,
    Reason,
    Treatment,
    cancelling_features,
    personal_data_sources,
)
from tenants.privacy.repository import PrivacyRepository
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.encryption import Vault
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish

FORMAT = 1
"""Of receipts and sealed records; readers of old ones go by it."""


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure would do; ``blocked_until`` is the last date of what is kept, None if nothing is."""

    treatments: list[Treatment]
    cancellations: list[Cancellation]

    @property
    def blocked_until(self) -> date | None:
        """When the last of what is kept will be destroyed."""
        return max((one.until for one in self.treatments if one.until is not None), default=None)


async def preview_erasure(session: TenantSession, client_id: UUID) -> ErasurePlan:
    """What erasing this client would do now. Raises :class:`NotFoundError`, :class:`AlreadyErasedError`."""
    client = _unerased(await AccountRepository(session).find_client(client_id))
    cancellations = [one for feature in cancelling_features() for one in await feature.preview(session, client.id)]
    _person, treatments = await _plan(session, await find_person(session, client))
    return ErasurePlan(treatments, cancellations)


def _unerased(client: object) -> Client:
    if not isinstance(client, Client):
        raise NotFoundError
    if client.erased_at is not None:
        raise AlreadyErasedError
    return client


async def find_person(session: TenantSession, client: Client) -> Person:
    """A client with everything of the practice's that they are the subject of."""
    subjects: set[UUID] = set()
    for source in personal_data_sources():
        subjects |= await source.find_subjects(session, client.id)
    return Person(
        client=client,
        settings=await get_practice_settings(session),
        today=_today(session),
        subject_ids=frozenset(subjects),
    )


def _today(session: TenantSession) -> date:
    return clock.now().astimezone(ZoneInfo(session.tenant.timezone)).date()


async def _plan(session: TenantSession, person: Person) -> tuple[Person, list[Treatment]]:
    """Asked twice: what must be kept decides whether the identity that it belongs to is."""
    first = await _treatments(session, person)
    kept = [one for one in first if one.action is Action.BLOCK]
    person = replace(
        person,
        kept_until=max((one.until for one in kept if one.until is not None), default=None),
        kept_ids=frozenset().union(*(one.keeps for one in kept)),
    )
    return person, await _treatments(session, person)


async def _treatments(session: TenantSession, person: Person) -> list[Treatment]:
    planned = [one for source in personal_data_sources() for one in await source.plan(session, person) if one.count]
    return [_unless_over(one, person.today) for one in planned]


def _unless_over(treatment: Treatment, today: date) -> Treatment:
    """What had to be kept until a day that has passed is not blocked any more: there is no reason to keep it."""
    if treatment.action is not Action.BLOCK or treatment.until is None or treatment.until >= today:
        return treatment
    return Treatment(treatment.data_class, Action.ANONYMISE, treatment.count, Reason.NOT_NEEDED)


async def erase_client(session: TenantSession, vault: Vault, client_id: UUID, *, requested_by: str) -> Erasure:
    """Erase a client; answers the receipt. ``requested_by``: ``client`` or ``staff``.

    Raises :class:`NotFoundError`, :class:`AlreadyErasedError`.
    """
    client = _unerased(await AccountRepository(session).lock_account(AccountKind.CLIENT, client_id))
    person = await find_person(session, client)
    cancellations = [one for feature in cancelling_features() for one in await feature.cancel(session, client_id)]
    person = replace(person, cancelled_ids=frozenset(one.appointment_id for one in cancellations))
    person, treatments = await _plan(session, person)
    blocked = {one.data_class for one in treatments if one.action is Action.BLOCK}
    erased = [(source, await source.erase(session, person)) for source in personal_data_sources()]
    kept = {source.name: data for source, data in erased if source.classes & blocked}
    plan = ErasurePlan(treatments, cancellations)
    erasure = Erasure(
        id=new_id(),
        client_id=client_id,
        receipt={**describe_plan(plan), "requested_by": requested_by},
        sealed=_seal(session, vault, client_id, kept) if plan.blocked_until else None,
        blocked_until=plan.blocked_until,
        created_at=clock.now(),
    )
    PrivacyRepository(session).add(erasure)
    if plan.blocked_until is not None:
        due = _day_after(plan.blocked_until, session.tenant.timezone)
        await publish(session, BLOCK_OVER, {"erasure_id": str(erasure.id)}, run_at=due)
    return erasure


def _seal(session: TenantSession, vault: Vault, client_id: UUID, kept: dict[str, Json]) -> str:
    record = {
        "format": FORMAT,
        "client_id": str(client_id),
        "sealed_at": clock.now().isoformat(),
        "records": {name: content for name, content in kept.items() if content},
    }
    return vault.encrypt(json.dumps(record, ensure_ascii=False), tenant_key=session.tenant.key)


def _day_after(day: date, timezone: str) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(timezone))


def describe_plan(plan: ErasurePlan) -> Json:
    """A plan as a receipt holds it: codes, numbers, dates and ids, nobody's name."""
    return {
        "format": FORMAT,
        "classes": [
            {
                "class": one.data_class,
                "action": one.action,
                "count": one.count,
                "until": one.until.isoformat() if one.until else None,
                "reason": one.reason,
            }
            for one in plan.treatments
        ],
        "cancellations": [
            {
                "appointment_id": str(one.appointment_id),
                "starts_at": one.starts_at.isoformat(),
                "refund": {"amount": one.refund.amount, "currency": one.refund.currency} if one.refund else None,
            }
            for one in plan.cancellations
        ],
        "blocked_until": plan.blocked_until.isoformat() if plan.blocked_until else None,
    }


async def list_erasures(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[Erasure], str | None]:
    """A page of receipts, newest first."""
    return await PrivacyRepository(session).page_of_erasures(limit=limit, cursor=cursor)


async def unseal(session: TenantSession, vault: Vault, erasure_id: UUID) -> dict[str, Any]:
    """What is kept of an erased person, for judges, prosecutors and authorities (LOPDGDD, art. 32.2).

    Raises :class:`NotFoundError`, :class:`NothingSealedError`.
    """
    erasure = await PrivacyRepository(session).find_erasure(erasure_id)
    if erasure is None:
        raise NotFoundError
    if erasure.sealed is None:
        raise NothingSealedError
    opened: dict[str, Any] = json.loads(vault.decrypt(erasure.sealed, tenant_key=session.tenant.key))
    return opened


async def destroy_sealed(session: TenantSession, erasure_id: UUID) -> datetime | None:
    """Destroy what was kept, once its time is over. Harmless to repeat.

    Answers when to come again if it is too early, else None.
    """
    erasure = await PrivacyRepository(session).find_erasure(erasure_id, for_update=True)
    if erasure is None or erasure.blocked_until is None or erasure.destroyed_at is not None:
        return None
    if _today(session) <= erasure.blocked_until:
        return _day_after(erasure.blocked_until, session.tenant.timezone)
    erasure.sealed, erasure.destroyed_at = None, clock.now()
    return None
