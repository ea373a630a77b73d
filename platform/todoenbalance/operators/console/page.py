"""A request for one of the console's pages, and the operator who is signed in, if anyone is."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from starlette.responses import Response

from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.pages.cookies import SignIn, drop_sign_in, keep_sign_in, read_sign_in
from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.pages.page import Page
from todoenbalance.kit.pages.redirects import SeeOtherError, with_next
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import InvalidTokenError
from todoenbalance.kit.web.dependencies import PlatformSessionDep, RuntimeDep
from todoenbalance.operators import service
from todoenbalance.operators.console.sentences import SENTENCES
from todoenbalance.operators.models import Operator

PAGES = Pages(Path(__file__).parent, sentences=SENTENCES)
COOKIE = "operator"
AUDIENCE = "operator-page"


class VisitorPage(Page):
    """A page for anyone; ``operator`` is None for someone who is not signed in."""

    def __init__(
        self,
        request: Request,
        runtime: Runtime,
        session: PlatformSession,
        operator: Operator | None,
        session_id: UUID | None,
    ) -> None:
        super().__init__(PAGES, request, runtime, session_id)
        self.session = session
        self.operator = operator

    def values(self) -> dict[str, Any]:
        """For the layout."""
        return {"owner": "TODOenBALANCE", "operator": self.operator}

    async def sign_in(self, response: Response, operator: Operator) -> None:
        """Begin a sign-in of ``operator``, in place of the one there may be."""
        if self.session_id is not None:
            await service.end_session_by_id(self.session, self.session_id)
        auth = self.runtime.settings.auth
        pair = await service.start_session(self.session, self.runtime.signer, auth, operator)
        sign_in = SignIn(operator.id, pair.session_id)
        lifetime = timedelta(hours=auth.operator_refresh_hours)
        keep_sign_in(response, self.runtime, COOKIE, AUDIENCE, sign_in, lifetime)

    async def sign_out(self, response: Response) -> None:
        """End the sign-in, here and in the database."""
        if self.session_id is not None:
            await service.end_session_by_id(self.session, self.session_id)
        drop_sign_in(response, self.runtime.settings, COOKIE)


class OperatorPage(VisitorPage):
    """A page for an operator who is signed in."""

    operator: Operator


async def visitor_page(request: Request, runtime: RuntimeDep, session: PlatformSessionDep) -> VisitorPage:
    """Whoever asks. A cookie whose sign-in has ended, or whose owner is an operator no more, is none."""
    operator, session_id = None, None
    sign_in = read_sign_in(request, runtime, COOKIE, AUDIENCE)
    if sign_in is not None and await service.session_is_live(session, sign_in.session_id):
        try:
            operator = await service.get_signed_in(session, sign_in.account_id)
        except InvalidTokenError:
            operator = None
        else:
            session_id = sign_in.session_id
    return VisitorPage(request, runtime, session, operator, session_id)


Visitor = Annotated[VisitorPage, Depends(visitor_page)]


async def operator_page(visitor: Visitor) -> OperatorPage:
    """A signed-in operator; others are sent to sign in and come back. Raises :class:`SeeOtherError`."""
    if visitor.operator is None:
        raise SeeOtherError(with_next("/sign-in", visitor.request))
    return OperatorPage(visitor.request, visitor.runtime, visitor.session, visitor.operator, visitor.session_id)


SignedIn = Annotated[OperatorPage, Depends(operator_page)]
