"""A request for one of the booking site's pages, and the client who is signed in, if anyone is."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Request
from starlette.responses import Response

from billing.cards.service import has_cards_page
from client_portal.sentences import SENTENCES
from tenants.accounts.auth import fresh_within
from tenants.accounts.models import AccountKind, Client
from tenants.accounts.services import sign_ins
from tenants.accounts.services.sign_ins import ClientSignIn
from tenants.privacy.service import Policy, find_unaccepted_policy
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pages.cookies import SignIn, drop_sign_in, keep_sign_in, read_sign_in
from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.pages.page import Page
from todoenbalance.kit.pages.redirects import SeeOtherError, with_next
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.sign_ins import EndReason, FreshSignInRequiredError, SignInMethod, check_fresh
from todoenbalance.kit.security.tokens import InvalidTokenError
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.dependencies import RuntimeDep, TenantDep, TenantSessionDep

PAGES = Pages(Path(__file__).parent, sentences=SENTENCES)
COOKIE = "client"
CONFIRM_PATH = "/account/confirm"


def cookie_audience(tenant: TenantContext) -> str:
    """Of the cookie's token: this practice's pages, and nothing else."""
    return f"client-page:{tenant.key}"


class VisitorPage(Page):
    """A page for anyone; ``client`` is None for an anonymous visitor."""

    def __init__(
        self, request: Request, runtime: Runtime, session: TenantSession, signed_in: ClientSignIn | None
    ) -> None:
        super().__init__(PAGES, request, runtime, signed_in.sign_in.id if signed_in else None)
        self.session = session
        self.signed_in = signed_in
        self.client = signed_in.account if signed_in else None
        self.unaccepted_policy: Policy | None = None
        self.has_cards_page = False

    @property
    def tenant(self) -> TenantContext:
        """The practice."""
        return self.session.tenant

    @property
    def timezone(self) -> str:
        """The zone in which times are shown: the client's own, else the practice's."""
        return self.client.timezone if self.client is not None else self.tenant.timezone

    def values(self) -> dict[str, Any]:
        """For the layout."""
        return {
            "owner": self.tenant.name,
            "layout": "site.html",
            "prefix": "",
            "client": self.client,
            "unaccepted_policy": self.unaccepted_policy,
        }

    async def sign_in(self, response: Response, client: Client, method: SignInMethod = SignInMethod.PASSWORD) -> None:
        """Begin a sign-in of ``client``, in place of the one there may be."""
        if self.session_id is not None:
            await sign_ins.end_session_by_id(self.session, self.session_id, EndReason.REPLACED)
        auth = self.runtime.settings.auth
        pair = await sign_ins.start_session(
            self.session, self.runtime.signer, auth, AccountKind.CLIENT, client.id, method=method, device=self.device
        )
        self.keep_sign_in(response, client, pair.session_id)

    def keep_sign_in(self, response: Response, client: Client, session_id: UUID) -> None:
        """Give the browser the cookie of a sign-in of ``client``."""
        lifetime = sign_ins.session_limits(AccountKind.CLIENT, self.runtime.settings.auth).absolute
        sign_in = SignIn(client.id, session_id)
        keep_sign_in(response, self.runtime, COOKIE, cookie_audience(self.tenant), sign_in, lifetime)

    async def sign_out(self, response: Response) -> None:
        """End the sign-in, here and in the database."""
        if self.session_id is not None:
            await sign_ins.end_session_by_id(self.session, self.session_id)
        drop_sign_in(response, self.runtime.settings, COOKIE)


class ClientPage(VisitorPage):
    """A page for a client who is signed in."""

    client: Client
    signed_in: ClientSignIn

    def need_fresh(self, back_to: str) -> None:
        """Have them prove once more who they are, unless they lately did, and come to ``back_to`` then.

        Raises :class:`SeeOtherError`.
        """
        try:
            check_fresh(self.signed_in.sign_in, fresh_within(self.runtime.settings.auth))
        except FreshSignInRequiredError as stale:
            raise SeeOtherError(f"{CONFIRM_PATH}?next={quote(back_to, safe='')}") from stale


async def visitor_page(
    request: Request, runtime: RuntimeDep, tenant: TenantDep, session: TenantSessionDep
) -> VisitorPage:
    """Whoever asks. A cookie whose sign-in has ended, or whose account is closed, is none."""
    cookie = read_sign_in(request, runtime, COOKIE, cookie_audience(tenant))
    if cookie is None:
        return VisitorPage(request, runtime, session, None)
    try:
        found = await sign_ins.get_signed_in_client(
            session, runtime.settings.auth, cookie.account_id, cookie.session_id
        )
    except InvalidTokenError:
        return VisitorPage(request, runtime, session, None)
    context_of(request).locale = found.account.locale
    page = VisitorPage(request, runtime, session, found)
    page.unaccepted_policy = await find_unaccepted_policy(session, found.account.id)
    return page


Visitor = Annotated[VisitorPage, Depends(visitor_page)]


async def client_page(visitor: Visitor) -> ClientPage:
    """A signed-in client; others are sent to sign in and come back. Raises :class:`SeeOtherError`."""
    if visitor.client is None:
        raise SeeOtherError(with_next("/sign-in", visitor.request))
    page = ClientPage(visitor.request, visitor.runtime, visitor.session, visitor.signed_in)
    page.unaccepted_policy = visitor.unaccepted_policy
    if page.request.url.path.startswith("/account"):  # where the account's navigation is
        page.has_cards_page = await has_cards_page(page.session, page.runtime.settings, page.client.id)
    return page


SignedIn = Annotated[ClientPage, Depends(client_page)]
