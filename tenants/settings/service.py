"""A practice's own settings."""

from typing import Any

from sqlalchemy import ScalarSelect, select

from tenants.settings.models import PracticeSettings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession


async def get_practice_settings(session: TenantSession, *, for_update: bool = False) -> PracticeSettings:
    """The one row; made with the practice, so it is always there."""
    statement = select(PracticeSettings).where(PracticeSettings.id == 1)
    if for_update:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).one()


async def update_practice_settings(session: TenantSession, changes: dict[str, Any]) -> PracticeSettings:
    """Change some of them; the rest stays."""
    settings = await get_practice_settings(session, for_update=True)
    for name, value in changes.items():
        setattr(settings, name, value)
    settings.updated_at = clock.now()
    return settings


def second_factor_is_required() -> ScalarSelect[bool]:
    """For other queries: whether every member of staff needs a second factor here."""
    return select(PracticeSettings.second_factor_required).where(PracticeSettings.id == 1).scalar_subquery()
