"""Which mails a member of staff gets, and when; and what a client asked them to switch off.

``/admin/auth/mail-preferences`` and ``/admin/clients/{client_id}/mail-preferences``.
"""

from collections.abc import Mapping
from datetime import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, Field

from notifications.digests.service import choose_digest_time, find_digest_time
from notifications.preferences.endpoints import preferences_of
from notifications.preferences.models import ChangedBy
from notifications.preferences.schemas import MailPreferencesPut, MailPreferencesRead
from notifications.preferences.service import (
    Account,
    ReaderChoseError,
    TopicNotOptionalError,
    change_choices,
    change_for_reader,
)
from tenants.accounts.auth import CurrentStaff, staff_who_may
from tenants.accounts.models import AccountKind, Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.client_accounts import get_client
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.web.dependencies import ContextDep, LocaleDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/auth/mail-preferences", tags=["sign-in of staff"], responses=responses(NotAuthenticatedError)
)
clients_router = APIRouter(
    prefix="/clients/{client_id}/mail-preferences",
    tags=["staff: people"],
    responses=responses(NotAuthenticatedError, ForbiddenError, NotFoundError),
)
MailViewer = Annotated[Staff, Depends(staff_who_may(Permission.VIEW_EMAILS))]


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


@clients_router.get("")
async def read_clients_preferences(
    client_id: UUID, _staff: MailViewer, session: TenantSessionDep, locale: LocaleDep
) -> MailPreferencesRead:
    """Which mails a client gets, of those that may be switched off."""
    client = await get_client(session, client_id)
    return await preferences_of(session, Account(AccountKind.CLIENT, client.id), locale)


@clients_router.put("", responses=responses(TopicNotOptionalError, ReaderChoseError))
async def change_clients_preferences(
    client_id: UUID,
    body: MailPreferencesPut,
    staff: MailViewer,
    session: TenantSessionDep,
    locale: LocaleDep,
    context: ContextDep,
) -> MailPreferencesRead:
    """Switch topics off because the client asked for it, or on again what staff switched off; the trail has it."""
    client = await get_client(session, client_id)
    account = Account(AccountKind.CLIENT, client.id)
    await change_for_reader(session, account, body.topics)
    record_staff_action(
        session, staff.id, "client.mail_preferences", client.id, request_id=context.request_id, **body.topics
    )
    return await preferences_of(session, account, locale)
