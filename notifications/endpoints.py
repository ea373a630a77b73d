"""The development mailbox: every mail that a practice, or the platform, 'sent'. Absent in production."""

import base64
from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from notifications.rendering import render_page
from notifications.repository import MailboxRepository
from notifications.schemas import MailboxContents, MailboxItem
from todoenbalance.kit.database import PlatformSession, TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.web.dependencies import LocaleDep, PlatformSessionDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

# A mail's HTML styles itself in place; it is shown in a sandboxed frame, and nothing here runs a script.
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


async def mailbox_is_on(runtime: RuntimeDep) -> None:
    """Only where the mailbox is what carries mail, which production refuses. Raises :class:`NotFoundError`."""
    if runtime.settings.is_production or runtime.settings.mail.adapter != "mailbox":
        raise NotFoundError


# Two routers, because a practice's host and the platform's read different schemas in different transactions.
router = APIRouter(prefix="/dev/mailbox", tags=["development"], dependencies=[Depends(mailbox_is_on)])
platform_router = APIRouter(prefix="/dev/mailbox", tags=["development"], dependencies=[Depends(mailbox_is_on)])

_EITHER: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}}, **responses(NotFoundError)}


async def _contents(request: Request, session: TenantSession | PlatformSession, locale: str, owner: str) -> Response:
    contents = MailboxContents(items=[MailboxItem.of(row) for row in await MailboxRepository(session).list_newest()])
    if _wants_json(request):
        return JSONResponse(contents.model_dump(mode="json"), headers={"Cache-Control": "no-store"})
    page = render_page("mailbox.html.jinja", {"items": contents.items, "language": locale, "owner": owner})
    return HTMLResponse(page, headers=_PAGE_HEADERS)


def _wants_json(request: Request) -> bool:
    """Whoever names JSON gets it; browsers, and whoever takes anything, get the page."""
    accepted = [part.split(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return "application/json" in accepted and "text/html" not in accepted


async def _attachment(session: TenantSession | PlatformSession, message_id: UUID, filename: str) -> Response:
    message = await MailboxRepository(session).find(message_id)
    stored = [item for item in message.attachments["items"] if item["filename"] == filename] if message else []
    if not stored:
        raise NotFoundError
    return Response(
        base64.b64decode(stored[0]["content_base64"]),
        headers={
            "Content-Type": stored[0]["content_type"],
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename)}",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.get("", summary="What this practice mailed", response_model=MailboxContents, responses=_EITHER)
async def list_practice_mails(request: Request, session: TenantSessionDep, locale: LocaleDep) -> Response:
    """Every mail that this practice 'sent', newest first: a page, or JSON for whoever asks for it."""
    return await _contents(request, session, locale, session.tenant.name)


@router.get("/{message_id}/attachments/{filename}", summary="An attachment", responses=responses(NotFoundError))
async def get_practice_attachment(message_id: UUID, filename: str, session: TenantSessionDep) -> Response:
    """The file as it was attached."""
    return await _attachment(session, message_id, filename)


@platform_router.get("", summary="What the platform mailed", response_model=MailboxContents, responses=_EITHER)
async def list_platform_mails(request: Request, session: PlatformSessionDep, locale: LocaleDep) -> Response:
    """Every mail that the platform 'sent', newest first: a page, or JSON for whoever asks for it."""
    return await _contents(request, session, locale, "TODOenBALANCE")


@platform_router.get(
    "/{message_id}/attachments/{filename}", summary="An attachment", responses=responses(NotFoundError)
)
async def get_platform_attachment(message_id: UUID, filename: str, session: PlatformSessionDep) -> Response:
    """The file as it was attached."""
    return await _attachment(session, message_id, filename)
