"""A request for one of the console's pages, and the operator who is signed in, if anyone is."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from starlette.responses import Response

from tenants.accounts.auth import fresh_within
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.pages.cookies import SignIn, drop_sign_in, keep_sign_in, read_sign_in
from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.pages.redirects import SeeOtherError, with_next
from todoenbalance.kit.pages.security import SecurityPage, SecurityPaths
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.sign_ins import EndReason, FreshSignInRequiredError, SignInMethod, check_fresh
from todoenbalance.kit.security.tokens import InvalidTokenError
from todoenbalance.kit.web.dependencies import PlatformSessionDep, RuntimeDep
from todoenbalance.operators import service
from todoenbalance.operators.console.sentences import SENTENCES
from todoenbalance.operators.models import Operator
from todoenbalance.operators.second_factors import OperatorMultiFactor
from todoenbalance.operators.service import SignedInOperator

PAGES = Pages(Path(__file__).parent, sentences=SENTENCES)
COOKIE = "operator"
AUDIENCE = "operator-page"
CONFIRM_PATH = "/confirm"
SECOND_FACTOR_PATH = "/security/second-factor"


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


PATHS = SecurityPaths(
    prefix="",
    home="/",
    layout="console.html",
    step_cookie="operator-step",
    lost=_("Whoever runs the servers can reset your second factor from the command line."),
    password_page="/security/password",  # noqa: S106 - an address
)


class VisitorPage(SecurityPage):
    """A page for anyone; ``operator`` is None for someone who is not signed in."""

    paths = PATHS

    def __init__(
        self, request: Request, runtime: Runtime, session: PlatformSession, signed_in: SignedInOperator | None
    ) -> None:
        super().__init__(PAGES, request, runtime, signed_in.sign_in.id if signed_in else None)
        self.session = session
        self.signed_in = signed_in
        self.operator = signed_in.account if signed_in else None

    @property
    def steps(self) -> OperatorMultiFactor:
        """The rules of signing in, for this request."""
        return OperatorMultiFactor(self.session, self.runtime, self.device, self.request_id)

    @property
    def zone(self) -> ZoneInfo:
        """Operators are anywhere."""
        return ZoneInfo("UTC")

    def values(self) -> dict[str, Any]:
        """For the layout."""
        return {"owner": "TODOenBALANCE", "operator": self.operator}

    async def sign_in(
        self,
        response: Response,
        account: Operator,
        method: SignInMethod = SignInMethod.PASSWORD,
        *,
        has_second_factor: bool = False,
    ) -> None:
        """Begin a sign-in of ``account``, in place of the one there may be."""
        auth = self.runtime.settings.auth
        if self.session_id is not None:
            await service.end_session_by_id(self.session, auth, self.session_id, EndReason.REPLACED)
        pair = await self.steps.start(account, method, has_second_factor=has_second_factor)
        sign_in = SignIn(account.id, pair.session_id)
        keep_sign_in(response, self.runtime, COOKIE, AUDIENCE, sign_in, service.session_limits(auth).absolute)

    async def sign_out(self, response: Response) -> None:
        """End the sign-in, here and in the database."""
        if self.session_id is not None:
            await service.end_session_by_id(self.session, self.runtime.settings.auth, self.session_id)
        drop_sign_in(response, self.runtime.settings, COOKIE)


class OperatorPage(VisitorPage):
    """A page for an operator who is signed in."""

    operator: Operator
    signed_in: SignedInOperator

    def need_fresh(self, back_to: str) -> None:
        """Have them prove once more who they are, unless they lately did, and come to ``back_to`` then.

        Raises :class:`SeeOtherError`.
        """
        try:
            check_fresh(self.signed_in.sign_in, fresh_within(self.runtime.settings.auth))
        except FreshSignInRequiredError as stale:
            raise SeeOtherError(f"{CONFIRM_PATH}?next={quote(back_to, safe='')}") from stale


async def visitor_page(request: Request, runtime: RuntimeDep, session: PlatformSessionDep) -> VisitorPage:
    """Whoever asks. A cookie whose sign-in has ended, or whose owner is an operator no more, is none."""
    cookie = read_sign_in(request, runtime, COOKIE, AUDIENCE)
    if cookie is None:
        return VisitorPage(request, runtime, session, None)
    try:
        found = await service.get_signed_in(session, runtime.settings, cookie.account_id, cookie.session_id)
    except InvalidTokenError:
        return VisitorPage(request, runtime, session, None)
    return VisitorPage(request, runtime, session, found)


Visitor = Annotated[VisitorPage, Depends(visitor_page)]


async def incomplete_operator_page(visitor: Visitor) -> OperatorPage:
    """Someone signed in, also if they still owe a second factor; others are sent to sign in and come back."""
    if visitor.operator is None:
        raise SeeOtherError(with_next("/sign-in", visitor.request))
    page = OperatorPage(visitor.request, visitor.runtime, visitor.session, visitor.signed_in)
    page.needs_second_factor = page.signed_in.needs_second_factor
    return page


IncompleteSignedIn = Annotated[OperatorPage, Depends(incomplete_operator_page)]
"""For setting up the second factor that is owed, and nothing else."""


async def operator_page(page: IncompleteSignedIn) -> OperatorPage:
    """A signed-in operator; one who owes a second factor is sent to set it up. Raises :class:`SeeOtherError`."""
    if page.signed_in.needs_second_factor:
        raise SeeOtherError(SECOND_FACTOR_PATH)
    return page


SignedIn = Annotated[OperatorPage, Depends(operator_page)]
