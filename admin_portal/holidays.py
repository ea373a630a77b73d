"""The public holidays that close the practice, for staff: ``/admin/holidays``."""

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel

from tenants.accounts.auth import CurrentStaff
from tenants.settings.service import get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.errors import InvalidInputError, NotAuthenticatedError
from todoenbalance.kit.holidays import public_holidays
from todoenbalance.kit.web.dependencies import LocaleDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/holidays", tags=["staff: settings"], responses=responses(NotAuthenticatedError))


class HolidayRead(BaseModel):
    """A public holiday."""

    date: date
    name: str


class HolidayList(BaseModel):
    """The public holidays of a year in order; none where the practice has chosen no country."""

    country: str | None
    region: str | None
    year: int
    items: list[HolidayRead]


@router.get("", responses=responses(InvalidInputError))
async def list_holidays(
    _staff: CurrentStaff,
    session: TenantSessionDep,
    tenant: TenantDep,
    locale: LocaleDep,
    year: Annotated[int | None, Query(ge=2000, le=2199, description="By default this year.")] = None,
) -> HolidayList:
    """The holidays of the country and region in the settings, on which weekly hours don't count (but for
    practitioners who work on holidays)."""
    settings = await get_practice_settings(session)
    year = year or clock.now().astimezone(ZoneInfo(tenant.timezone)).year
    found = public_holidays(settings.holidays_country, settings.holidays_region, [year], locale)
    return HolidayList(
        country=settings.holidays_country,
        region=settings.holidays_region,
        year=year,
        items=[HolidayRead(date=day, name=name) for day, name in found.items()],
    )
