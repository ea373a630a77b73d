"""The pages behind the links of a change of address, the same on the booking site and in the portal."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from tenants.accounts.models import AccountKind
from tenants.accounts.schemas import TokenRequest
from tenants.accounts.services import email_changes
from tenants.accounts.services.email_changes import ChangeState
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.ratelimit import LINK
from todoenbalance.kit.web.limits import limited

TokenQuery = Annotated[str, Query(max_length=200)]


def include_email_links(router: APIRouter, visitor: Callable[..., Awaitable[Any]], kind: AccountKind) -> None:
    """Add ``/confirm-email`` and ``/cancel-email`` for accounts of ``kind``; ``visitor`` makes the surface's page.

    Each link leads to a button: programs that check mails follow links.
    """

    @router.get("/confirm-email")
    async def show_email_confirmation(page: Annotated[Any, Depends(visitor)], token: TokenQuery = "") -> Response:
        shown: Response = page.render("confirm_email.html", form=page.blank_form(token=token), state=None)
        return shown

    @router.post("/confirm-email", dependencies=[Depends(limited(LINK))])
    async def confirm_email(page: Annotated[Any, Depends(visitor)]) -> Response:
        """Confirm a change of address from one of the two."""
        form = await page.read_form()
        shown: Response
        try:
            body = form.parse(TokenRequest, {"token": form.get("token")})
            state = await email_changes.confirm_email_change(page.session, kind, body.token)
        except ProblemError as problem:
            shown = page.render_refused("confirm_email.html", form, problem, state=None)
            return shown
        said = "done" if state is ChangeState.CHANGED else "waiting"
        shown = page.render("confirm_email.html", form=form, state=said)
        return shown

    @router.get("/cancel-email")
    async def show_email_cancelling(page: Annotated[Any, Depends(visitor)], token: TokenQuery = "") -> Response:
        shown: Response = page.render("cancel_email.html", form=page.blank_form(token=token), is_done=False)
        return shown

    @router.post("/cancel-email", dependencies=[Depends(limited(LINK))])
    async def cancel_email(page: Annotated[Any, Depends(visitor)]) -> Response:
        """Stop a change of address that somebody else asked for."""
        form = await page.read_form()
        shown: Response
        try:
            body = form.parse(TokenRequest, {"token": form.get("token")})
            await email_changes.cancel_email_change(page.session, kind, body.token)
        except ProblemError as problem:
            shown = page.render_refused("cancel_email.html", form, problem, is_done=False)
            return shown
        shown = page.render("cancel_email.html", form=form, is_done=True)
        return shown
