"""Who waits for a time, for staff: ``/admin/waitlist``.

Seen with `view_calendar`, by practitioners as far as they see clients and could give what these wait for; changed by
those who may change calendars.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from admin_portal.calendar_access import CalendarEditor, CalendarSight, Editor, Sight, look_of
from scheduling.appointments.history import Actor
from scheduling.idempotent import Once
from scheduling.waitlist import service
from scheduling.waitlist.errors import AlreadyWaitingError, TooManyWaitlistEntriesError
from scheduling.waitlist.models import WaitlistEntry, WaitlistStatus
from scheduling.waitlist.repository import WaitlistFilter
from scheduling.waitlist.schemas import StaffWaitlistWish, WaitlistEntryAdminRead, WaitlistWish
from tenants.accounts.names import name_of
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.client_accounts import find_clients, get_client
from tenants.accounts.services.dependants import find_dependants
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.pagination import Cursor, Limit, Page
from todoenbalance.kit.web.dependencies import ContextDep, IdempotencyKeyHeader, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/waitlist", tags=["staff: waiting list"], responses=responses(NotAuthenticatedError, ForbiddenError)
)


def narrow(sight: CalendarSight, wanted: WaitlistFilter) -> WaitlistFilter:
    """The same question, about the entries that they may see: what a client wants of a colleague is not theirs."""
    if sight.sees_all:
        return wanted
    return replace(wanted, among=sight.among_clients(), open_to=sight.own_id)


@router.get("", responses=responses(InvalidInputError))
async def list_waitlist_entries(
    sight: Sight,
    session: TenantSessionDep,
    service_id: UUID | None = None,
    practitioner_id: UUID | None = None,
    client_id: UUID | None = None,
    statuses: Annotated[list[WaitlistStatus] | None, Query(alias="status")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WaitlistEntryAdminRead]:
    """Who waits, first come first; of the clients, and for the times, that the caller may know of."""
    wanted = WaitlistFilter(
        client_id=client_id,
        service_id=service_id,
        practitioner_id=practitioner_id,
        statuses=statuses or (),
    )
    rows, following = await service.list_entries(session, narrow(sight, wanted), limit=limit, cursor=cursor)
    return Page(items=await describe_for_staff(session, sight, rows), next_cursor=following)


@router.post(
    "",
    status_code=201,
    response_model=WaitlistEntryAdminRead,
    responses=responses(
        NotFoundError, InvalidInputError, AlreadyWaitingError, TooManyWaitlistEntriesError, IdempotencyKeyReusedError
    ),
)
async def add_waitlist_entry(
    body: StaffWaitlistWish,
    editor: Editor,
    session: TenantSessionDep,
    context: ContextDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> WaitlistEntryAdminRead | JSONResponse:
    """Put a client in the line, by the same rules as they would. A practitioner does so for their own calendar."""
    if editor.own_id is not None:
        body.practitioner_id = body.practitioner_id or editor.own_id
        editor.check(body.practitioner_id)
    once = await Once.claim(session, editor.staff.id, idempotency_key, "admin.waitlist.add", body)
    if once.replay is not None:
        return once.replay
    sight = await look_of(editor.staff, session)
    wish = WaitlistWish.model_validate({name: getattr(body, name) for name in WaitlistWish.model_fields})
    try:
        await get_client(session, body.client_id, among=sight.among_clients())
    except NotFoundError as error:
        raise InvalidInputError(["body", "client_id"], f"there is no {body.client_id}", "unknown_id") from error
    entry = await service.join_line(session, body.client_id, wish)
    record_waitlist_action(session, editor, "waitlist.added", entry, context.request_id)
    answer = (await describe_for_staff(session, sight, [entry]))[0]
    await once.remember(session, 201, answer)
    return answer


@router.delete("/{entry_id}", status_code=204, responses=responses(NotFoundError))
async def remove_waitlist_entry(entry_id: UUID, editor: Editor, session: TenantSessionDep, context: ContextDep) -> None:
    """Take a client out of the line; a time that is kept for them goes to the next."""
    await remove_entry(session, editor, entry_id, context.request_id)


async def remove_entry(session: TenantSession, editor: CalendarEditor, entry_id: UUID, request_id: str | None) -> None:
    """By the rules of the endpoint, for its page too. Raises :class:`NotFoundError`, :class:`ForbiddenError`."""
    sight = await look_of(editor.staff, session)
    found, _cursor = await service.list_entries(session, narrow(sight, WaitlistFilter(entry_id=entry_id)), limit=1)
    if not found:
        raise NotFoundError
    entry = found[0]
    shown = (await service.describe_entries(session, [entry], WaitlistEntryAdminRead))[0]
    if entry.practitioner_id is not None:
        editor.check(entry.practitioner_id)
    if shown.offer is not None:
        editor.check(shown.offer.practitioner_id)
    await service.leave_line(session, entry_id, actor=Actor.staff(editor.staff.id))
    record_waitlist_action(session, editor, "waitlist.removed", entry, request_id)


async def describe_for_staff(
    session: TenantSession, sight: CalendarSight, entries: Sequence[WaitlistEntry]
) -> list[WaitlistEntryAdminRead]:
    """With names; an offer in a calendar that is not theirs to see is left out."""
    reads = await service.describe_entries(session, entries, WaitlistEntryAdminRead)
    clients = await find_clients(session, {read.client_id for read in reads})
    people = await find_dependants(session, [read.dependant_id for read in reads])
    locale = session.tenant.locale
    return [
        read.model_copy(
            update={
                "client_name": name_of(clients[read.client_id], locale),
                "dependant_name": name_of(people[read.dependant_id], locale) if read.dependant_id in people else None,
                "offer": read.offer if read.offer and _may_see(sight, read.offer.practitioner_id) else None,
            }
        )
        for read in reads
    ]


def _may_see(sight: CalendarSight, practitioner_id: UUID) -> bool:
    return sight.sees_all or practitioner_id == sight.own_id


def record_waitlist_action(
    session: TenantSession, editor: CalendarEditor, action: str, entry: WaitlistEntry, request_id: str | None
) -> None:
    """A line in the audit trail."""
    detail = {"client_id": str(entry.client_id), "service_id": str(entry.service_id)}
    record_staff_action(session, editor.staff.id, action, entry.id, request_id=request_id, **detail)
