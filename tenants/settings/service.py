"""A practice's own settings."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ScalarSelect, select, update

from tenants.plans.capabilities import Capability, need
from tenants.settings.events import REMINDER_ADDED
from tenants.settings.models import PracticeSettings
from tenants.settings.reminders import note_added, practice_reminders
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.holidays import check_country_region
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.settings import Settings

SETTLED_AFTER = timedelta(minutes=1)
"""By then every booking that was made by the former settings is committed, so that it is found."""


async def get_practice_settings(session: TenantSession, *, for_update: bool = False) -> PracticeSettings:
    """The one row; made with the practice, so it is always there."""
    if not for_update:
        return await session.get_one(PracticeSettings, 1)
    statement = select(PracticeSettings).where(PracticeSettings.id == 1).with_for_update()
    return (await session.scalars(statement)).one()


NEEDS_ACCOUNT = ("stripe", "paypal")
"""Methods of payment that need an account of the practice's at a provider."""


def available_methods(settings: Settings, practice: PracticeSettings) -> list[str]:
    """What the practice could offer now: providers whose account works, the sandbox where there is one, the desk."""
    return [*practice.connected_methods, *(["sandbox"] if settings.has_sandbox else []), "offline"]


def usable_methods(settings: Settings, practice: PracticeSettings) -> list[str]:
    """Of the methods that a practice chose, in its order, those that work now."""
    works = available_methods(settings, practice)
    return [method for method in practice.payment_methods if method in works]


async def set_method_connected(session: TenantSession, method: str, *, is_connected: bool) -> None:
    """Say whether the practice's account at the provider ``method`` works; when it begins to, clients are offered it.

    A practice that took it off its list meanwhile is not overruled by hearing again that it works.
    """
    practice = await get_practice_settings(session, for_update=True)
    connected = [one for one in practice.connected_methods if one != method]
    if is_connected:
        connected.append(method)
        if method not in practice.payment_methods and method not in practice.connected_methods:
            practice.payment_methods = [method, *practice.payment_methods]
    if sorted(connected) != sorted(practice.connected_methods):
        practice.connected_methods = connected


async def update_practice_settings(session: TenantSession, changes: dict[str, Any]) -> PracticeSettings:
    """Change some of them; the rest stays. With another country of holidays the region goes, unless one is given.

    ``reminder_hours`` without ``reminder_minutes`` takes the place of the list. A reminder that was not there before is
    told of, so that who has booked already gets it too.

    Raises :class:`InvalidInputError` for a country or region whose holidays are not known or half of quiet hours, and
    ``PracticePastDueError`` or ``NotInPlanError`` for branding that the practice's plan withholds.
    """
    if "branding" in changes:
        need(session.tenant, Capability.CHANGE_BRANDING)
    settings = await get_practice_settings(session, for_update=True)
    if changes.get("holidays_country", settings.holidays_country) != settings.holidays_country:
        changes = {"holidays_region": None} | changes
    if "holidays_country" in changes or "holidays_region" in changes:
        country, region = (
            changes.get(name, getattr(settings, name)) for name in ("holidays_country", "holidays_region")
        )
        check_country_region(country, region)
    begins, ends = (changes.get(name, getattr(settings, name)) for name in ("quiet_from", "quiet_until"))
    if (begins is None) != (ends is None) or (begins is not None and begins == ends):
        raise InvalidInputError(["body", "quiet_until"], "quiet hours have a beginning and another end, or neither")
    if "reminder_hours" in changes:  # whoever knows of one reminder only means that there be this one
        changes = {"reminder_minutes": None} | changes
    reminders = practice_reminders(settings)
    for name, value in changes.items():
        setattr(settings, name, value)
    present = practice_reminders(settings)
    added, now = set(present) - set(reminders), clock.now()
    settings.reminders_since = note_added(settings.reminders_since, present, added, now)
    for minutes in added:
        await publish(session, REMINDER_ADDED, {"minutes": minutes}, run_at=now + SETTLED_AFTER)
    settings.updated_at = now
    return settings


async def lock_waitlist_sweep(session: TenantSession) -> datetime | None:
    """When the waiting list is gone through next (None: it is not), kept so until the transaction ends."""
    statement = select(PracticeSettings.waitlist_sweep_at).where(PracticeSettings.id == 1)
    return await session.scalar(statement.with_for_update())


async def set_waitlist_sweep(session: TenantSession, at: datetime | None) -> None:
    """Say when that is, under the lock."""
    await session.execute(update(PracticeSettings).where(PracticeSettings.id == 1).values(waitlist_sweep_at=at))


def second_factor_is_required() -> ScalarSelect[bool]:
    """For other queries: whether every member of staff needs a second factor here."""
    return select(PracticeSettings.second_factor_required).where(PracticeSettings.id == 1).scalar_subquery()
