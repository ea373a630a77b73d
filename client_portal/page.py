"""A request for one of the booking site's pages, and the client who is signed in, if anyone is."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from starlette.responses import Response

from client_portal.sentences import SENTENCES
from tenants.accounts import service as accounts
from tenants.accounts.models import AccountKind, Client
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pages.cookies import SignIn, drop_sign_in, keep_sign_in, read_sign_in
from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.pages.page import Page
from todoenbalance.kit.pages.redirects import SeeOtherError, with_next
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import InvalidTokenError
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.dependencies import RuntimeDep, TenantDep, TenantSessionDep

PAGES = Pages(Path(__file__).parent, sentences=SENTENCES)
COOKIE = "client"


def cookie_audience(tenant: TenantContext) -> str:
    """Of the cookie's token: this practice's pages, and nothing else."""
    return f"client-page:{tenant.key}"


class VisitorPage(Page):
    """A page for anyone; ``client`` is None for an anonymous visitor."""

    def __init__(
        self, request: Request, runtime: Runtime, session: TenantSession, client: Client | None, session_id: UUID | None
    ) -> None:
        super().__init__(PAGES, request, runtime, session_id)
        self.session = session
        self.client = client

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
        return {"owner": self.tenant.name, "client": self.client}

    async def sign_in(self, response: Response, client: Client) -> None:
        """Begin a sign-in of ``client``, in place of the one there may be."""
        if self.session_id is not None:
            await accounts.end_session_by_id(self.session, self.session_id)
        auth = self.runtime.settings.auth
        pair = await accounts.start_session(self.session, self.runtime.signer, auth, AccountKind.CLIENT, client.id)
        lifetime = timedelta(days=auth.client_refresh_days)
        sign_in = SignIn(client.id, pair.session_id)
        keep_sign_in(response, self.runtime, COOKIE, cookie_audience(self.tenant), sign_in, lifetime)

    async def sign_out(self, response: Response) -> None:
        """End the sign-in, here and in the database."""
        if self.session_id is not None:
            await accounts.end_session_by_id(self.session, self.session_id)
        drop_sign_in(response, self.runtime.settings, COOKIE)


class ClientPage(VisitorPage):
    """A page for a client who is signed in."""

    client: Client


async def visitor_page(
    request: Request, runtime: RuntimeDep, tenant: TenantDep, session: TenantSessionDep
) -> VisitorPage:
    """Whoever asks. A cookie whose sign-in has ended, or whose account is closed, is none."""
    client, session_id = None, None
    sign_in = read_sign_in(request, runtime, COOKIE, cookie_audience(tenant))
    if sign_in is not None and await accounts.session_is_live(session, sign_in.session_id):
        try:
            client = await accounts.get_signed_in_client(session, sign_in.account_id)
        except InvalidTokenError:
            client = None
        else:
            session_id = sign_in.session_id
            context_of(request).locale = client.locale
    return VisitorPage(request, runtime, session, client, session_id)


Visitor = Annotated[VisitorPage, Depends(visitor_page)]


async def client_page(visitor: Visitor) -> ClientPage:
    """A signed-in client; others are sent to sign in and come back. Raises :class:`SeeOtherError`."""
    if visitor.client is None:
        raise SeeOtherError(with_next("/sign-in", visitor.request))
    return ClientPage(visitor.request, visitor.runtime, visitor.session, visitor.client, visitor.session_id)


SignedIn = Annotated[ClientPage, Depends(client_page)]
