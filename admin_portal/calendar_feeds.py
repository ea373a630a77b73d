"""Private addresses of practitioners' calendars, for those who may change these calendars."""

from uuid import UUID

from fastapi import APIRouter

from admin_portal.calendar_access import Editor
from scheduling.catalogue.service import get_practitioner
from scheduling.feeds import service
from scheduling.feeds.errors import NoFeedForThemError
from scheduling.feeds.models import FeedOwner
from scheduling.feeds.schemas import CalendarFeedMade, CalendarFeedRead
from tenants.accounts.auth import FreshStaffSignIn
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

FEED_MADE = "calendar_feed.made"
FEED_ENDED = "calendar_feed.ended"
router = APIRouter(
    prefix="/practitioners/{practitioner_id}/calendar-feed",
    tags=["staff: practitioners"],
    responses=responses(NotAuthenticatedError, ForbiddenError, NotFoundError),
)


@router.get("")
async def read_feed(practitioner_id: UUID, editor: Editor, session: TenantSessionDep) -> CalendarFeedRead:
    """Whether a practitioner's calendar can be read by a private address."""
    editor.check(practitioner_id)
    await get_practitioner(session, practitioner_id)
    return CalendarFeedRead.of(await service.find_feed(session, FeedOwner.PRACTITIONER, practitioner_id))


@router.post("", status_code=201, responses=responses(NoFeedForThemError, FreshSignInRequiredError))
async def make_feed(
    practitioner_id: UUID,
    editor: Editor,
    _fresh: FreshStaffSignIn,
    session: TenantSessionDep,
    tenant: TenantDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> CalendarFeedMade:
    """A new private address of a practitioner's calendar. It is said this once; the one before ends.

    It shows clients by their initials, and ends with the access of the practitioner or of whoever made it.
    Needs a fresh sign-in: the address outlives it.
    """
    editor.check(practitioner_id)
    feed, token = await service.make_practitioner_feed(session, practitioner_id, made_by=editor.staff.id)
    record_staff_action(session, editor.staff.id, FEED_MADE, practitioner_id, request_id=context.request_id)
    return CalendarFeedMade(url=service.address_of(runtime.settings, tenant, token), created_at=feed.created_at)


@router.delete("", status_code=204)
async def end_feed(practitioner_id: UUID, editor: Editor, session: TenantSessionDep, context: ContextDep) -> None:
    """End the address at once. Safe to repeat."""
    editor.check(practitioner_id)
    await get_practitioner(session, practitioner_id)
    if await service.end_feed(session, FeedOwner.PRACTITIONER, practitioner_id):
        record_staff_action(session, editor.staff.id, FEED_ENDED, practitioner_id, request_id=context.request_id)
