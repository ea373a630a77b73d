"""A client's private calendar address, and what calendars read there and at practitioners' addresses."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from scheduling.feeds import service
from scheduling.feeds.errors import FeedEndedError
from scheduling.feeds.models import FeedOwner
from scheduling.feeds.schemas import CalendarFeedMade, CalendarFeedRead
from tenants.accounts.auth import CurrentClient, FreshClientSignIn
from todoenbalance.kit.errors import NotAuthenticatedError
from todoenbalance.kit.ratelimit import CALENDAR
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError
from todoenbalance.kit.security.tokens import hash_opaque_token
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.limits import limit_account, limited
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/users/me/calendar-feed", tags=["own account"], responses=responses(NotAuthenticatedError))
public_router = APIRouter(tags=["calendars"])

_NOT_SHARED = {
    # Asked again each time: what was cancelled must not be shown from a cache, nor what an ended address showed.
    "Cache-Control": "private, no-cache",
    # The address is the key: it must not travel on.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


@router.get("")
async def read_own_feed(client: CurrentClient, session: TenantSessionDep) -> CalendarFeedRead:
    """Whether the caller's appointments can be read by a private address."""
    return CalendarFeedRead.of(await service.find_feed(session, FeedOwner.CLIENT, client.id))


@router.post("", status_code=201, responses=responses(FreshSignInRequiredError))
async def make_own_feed(
    found: FreshClientSignIn, session: TenantSessionDep, tenant: TenantDep, runtime: RuntimeDep
) -> CalendarFeedMade:
    """A new private address to subscribe to in a calendar app. It is said this once; the one before ends.

    Needs a fresh sign-in: the address outlives it.
    """
    feed, token = await service.make_client_feed(session, found.account.id)
    return CalendarFeedMade(url=service.address_of(runtime.settings, tenant, token), created_at=feed.created_at)


@router.delete("", status_code=204)
async def end_own_feed(client: CurrentClient, session: TenantSessionDep) -> None:
    """End the address at once. Safe to repeat."""
    await service.end_feed(session, FeedOwner.CLIENT, client.id)


@public_router.get(
    service.PATH,
    response_class=Response,
    responses=responses(FeedEndedError)
    | {200: {"content": {"text/calendar": {}}}, 304: {"description": "As it was at `If-None-Match`"}},
    dependencies=[Depends(limited(CALENDAR))],
)
async def read_calendar(
    token: str,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    if_none_match: Annotated[str | None, Header(max_length=2000)] = None,
) -> Response:
    """A calendar, for whoever has its private address; no sign-in is asked for."""
    await limit_account(runtime, context, CALENDAR, hash_opaque_token(token))
    subscription = await service.read_feed(session, token)
    tag = f'"{subscription.tag}"'
    if _is_known(tag, if_none_match):
        return Response(status_code=304, headers={"ETag": tag, **_NOT_SHARED})
    return Response(
        await asyncio.to_thread(subscription.render),
        media_type="text/calendar; charset=utf-8",
        headers={"ETag": tag, "Content-Disposition": 'inline; filename="calendar.ics"', **_NOT_SHARED},
    )


def _is_known(tag: str, if_none_match: str | None) -> bool:
    """By the weak comparison, because proxies that compress weaken tags (RFC 9110, 13.1.2)."""
    given = [one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")]
    return tag in given or "*" in given
