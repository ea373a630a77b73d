"""Which mails a member of staff gets, and when: ``/admin/auth/mail-preferences``."""

from collections.abc import Mapping
from datetime import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import AfterValidator, Field

from notifications.digests.service import choose_digest_time, find_digest_time
from notifications.preferences.endpoints import preferences_of
from notifications.preferences.models import ChangedBy
from notifications.preferences.schemas import MailPreferencesPut, MailPreferencesRead
from notifications.preferences.service import Account, TopicNotOptionalError, change_choices
from tenants.accounts.auth import CurrentStaff
from tenants.accounts.models import AccountKind
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotAuthenticatedError
from todoenbalance.kit.web.dependencies import LocaleDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/auth/mail-preferences", tags=["sign-in of staff"], responses=responses(NotAuthenticatedError)
)


def _whole_minutes(value: time | None) -> time | None:
    if value is not None and (value.tzinfo is not None or value.second or value.microsecond):
        raise ValueError("a time of the wall clock in whole minutes")
    return value


class StaffMailPreferencesRead(MailPreferencesRead):
    """With ``digest_at``: when, by the practice's clock, what may wait comes in one mail; null: everything at once."""

    digest_at: time | None


class StaffMailPreferencesPut(MailPreferencesPut):
    """Topics to switch on or off (others stay), and the time of the digest (null: everything at once)."""

    digest_at: Annotated[
        time | None, AfterValidator(_whole_minutes), Field(description="By the practice's clock. Null: at once.")
    ]


async def read_own(session: TenantSession, staff_id: UUID, locale: str) -> StaffMailPreferencesRead:
    """A member of staff's choices; for the API and the page alike."""
    known = await preferences_of(session, Account(AccountKind.STAFF, staff_id), locale)
    return StaffMailPreferencesRead(items=known.items, digest_at=await find_digest_time(session, staff_id))


async def change_own(
    session: TenantSession, staff_id: UUID, topics: Mapping[str, bool], digest_at: time | None
) -> None:
    """Change them. Raises :class:`TopicNotOptionalError`."""
    await change_choices(session, Account(AccountKind.STAFF, staff_id), topics, ChangedBy.PAGE)
    await choose_digest_time(session, staff_id, digest_at)


@router.get("")
async def read_own_preferences(
    staff: CurrentStaff, session: TenantSessionDep, locale: LocaleDep
) -> StaffMailPreferencesRead:
    """Which mails the caller gets, and when."""
    return await read_own(session, staff.id, locale)


@router.put("", responses=responses(TopicNotOptionalError))
async def change_own_preferences(
    body: StaffMailPreferencesPut, staff: CurrentStaff, session: TenantSessionDep, locale: LocaleDep
) -> StaffMailPreferencesRead:
    """Change them. Safe to repeat."""
    await change_own(session, staff.id, body.topics, body.digest_at)
    await session.flush()  # the choice of the digest is read back
    return await read_own(session, staff.id, locale)
