"""Signing in by Google or Facebook: ``/auth/oauth``, and one's own identities: ``/users/me/identities``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from tenants.accounts.auth import CurrentClient, FreshClientSignIn, client_sign_in
from tenants.accounts.endpoints import to_answer
from tenants.accounts.errors import EmailTakenError
from tenants.accounts.models import AccountKind
from tenants.accounts.schemas import TokenAnswer
from tenants.accounts.services import sign_ins
from tenants.accounts.services.sign_ins import ClientSignIn
from tenants.social import service, sign_ups
from tenants.social.browser import check_return_to, keep_secret, new_or_known_secret, read_secret
from tenants.social.errors import (
    AccountUnconfirmedError,
    AddressUnconfirmedError,
    AlreadyConnectedError,
    IdentityTakenError,
    InvalidHandoffError,
    InvalidSignUpError,
    LastWayInError,
    OAuthBrowserMismatchError,
    ProviderNotOfferedError,
    SignInRefusedError,
    WrongCodeError,
)
from tenants.social.exchange import AddressWanted, Connected, redeem_handoff
from tenants.social.flows import begin_flow
from tenants.social.models import SocialProvider
from tenants.social.recognition import Recognised
from tenants.social.registrations import list_offered
from tenants.social.schemas import (
    AuthorizationAnswer,
    EmailRequired,
    HandoffRequest,
    IdentityConnected,
    IdentityList,
    IdentityRead,
    LinkRequest,
    OfferedProviders,
    SignUpCode,
    SignUpEmail,
)
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import InvalidInputError, NotAuthenticatedError, NotFoundError, TooManyRequestsError
from todoenbalance.kit.ratelimit import LINK, MAIL, OAUTH
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.web.context import RequestContext
from todoenbalance.kit.web.dependencies import ContextDep, LocaleDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.limits import limit_account, limited
from todoenbalance.kit.web.problems import responses

oauth_router = APIRouter(prefix="/auth/oauth", tags=["sign-in of clients"])
identities_router = APIRouter(prefix="/users/me/identities", tags=["own account"])


@oauth_router.get("/providers")
async def read_providers(session: TenantSessionDep, runtime: RuntimeDep) -> OfferedProviders:
    """By whom clients may sign in at this practice. Open to everyone."""
    return OfferedProviders(items=await list_offered(session, runtime))


@oauth_router.get(
    "/{provider}/authorize",
    dependencies=[Depends(limited(OAUTH))],
    responses=responses(ProviderNotOfferedError, InvalidInputError),
)
async def authorize(
    provider: SocialProvider,
    request: Request,
    response: Response,
    runtime: RuntimeDep,
    tenant: TenantDep,
    locale: LocaleDep,
    return_to: Annotated[str, Query(max_length=2000, description="a path on this host")] = "/",
) -> AuthorizationAnswer:
    """Begin a sign-in: where to send the browser, which gets a cookie that only it can finish the sign-in with.

    It comes back to `return_to` with `handoff` in the query, or with `social` = `denied` or `unavailable`.
    Opening an account this way accepts the practice's privacy policy: say so by the button.
    """
    way_back = check_return_to(return_to, "query")
    secret = new_or_known_secret(request, runtime.settings)
    url = await begin_flow(
        runtime,
        tenant,
        provider,
        hostname=tenant.hostname,
        return_to=way_back,
        locale=locale,
        browser_secret=secret,
    )
    keep_secret(response, runtime.settings, secret)
    return AuthorizationAnswer(authorization_url=url)


async def find_caller(
    request: Request, runtime: RuntimeDep, tenant: TenantDep, session: TenantSessionDep
) -> ClientSignIn | None:
    """The client who is signed in, or None: whoever signs in may still carry an old token."""
    try:
        return await client_sign_in(request, runtime, tenant, session, None)
    except NotAuthenticatedError:
        return None


@oauth_router.post(
    "/exchange",
    dependencies=[Depends(limited(OAUTH))],
    responses=responses(
        InvalidHandoffError,
        OAuthBrowserMismatchError,
        SignInRefusedError,
        AccountUnconfirmedError,
        AlreadyConnectedError,
        IdentityTakenError,
        AddressUnconfirmedError,
    ),
)
async def exchange(
    body: HandoffRequest,
    request: Request,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    caller: Annotated[ClientSignIn | None, Depends(find_caller)],
) -> TokenAnswer | EmailRequired | IdentityConnected:
    """Sign in with a handoff, once, within a minute, in the browser that began.

    Somebody new whose address the provider does not vouch for is asked for it first. A handoff of connecting an
    identity needs the token of the client who began that, and adds it.
    """
    secret = read_secret(request, runtime.settings)
    outcome = await redeem_handoff(session, runtime.settings.auth, body.handoff, secret, caller=caller)
    if isinstance(outcome, AddressWanted):
        return EmailRequired(signup_token=outcome.signup_token, suggested_email=outcome.suggested_email)
    if isinstance(outcome, Connected):
        return IdentityConnected(connected=IdentityRead.model_validate(outcome.identity))
    return await _sign_in(session, runtime, context, outcome)


async def _sign_in(session: TenantSession, runtime: Runtime, context: RequestContext, who: Recognised) -> TokenAnswer:
    pair = await sign_ins.start_session(
        session,
        runtime.signer,
        runtime.settings.auth,
        AccountKind.CLIENT,
        who.client.id,
        method=who.method,
        device=context.device,
    )
    return to_answer(pair)


@oauth_router.post(
    "/email",
    status_code=202,
    dependencies=[Depends(limited(MAIL))],
    responses=responses(InvalidSignUpError, TooManyRequestsError),
)
async def ask_for_code(
    body: SignUpEmail, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> dict[str, str]:
    """Mail a code to the address of somebody new; for an address that is taken its owner hears of it instead."""
    await limit_account(runtime, context, MAIL, body.email, purpose=sign_ups.CODE_PURPOSE)
    await sign_ups.request_code(session, body.signup_token, body.email)
    return {"status": "accepted"}


@oauth_router.post(
    "/email/confirm",
    dependencies=[Depends(limited(LINK))],
    responses=responses(InvalidSignUpError, WrongCodeError, EmailTakenError, SignInRefusedError),
)
async def confirm_code(
    body: SignUpCode, session: TenantSessionDep, runtime: RuntimeDep, context: ContextDep
) -> TokenAnswer:
    """Open the account with the code that was mailed, and sign in. Five wrong codes end the sign-up."""
    code = body.code.replace(" ", "")
    who = await sign_ups.confirm_address(session, runtime.signer, body.signup_token, code)
    return await _sign_in(session, runtime, context, who)


@identities_router.get("")
async def read_identities(client: CurrentClient, session: TenantSessionDep) -> IdentityList:
    """By whom one may sign in."""
    rows = await service.list_identities(session, client.id)
    return IdentityList(items=[IdentityRead.model_validate(row) for row in rows])


@identities_router.post(
    "/{provider}",
    dependencies=[Depends(limited(OAUTH))],
    responses=responses(ProviderNotOfferedError, AlreadyConnectedError, AddressUnconfirmedError, InvalidInputError),
)
async def connect(
    provider: SocialProvider,
    found: FreshClientSignIn,
    request: Request,
    response: Response,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    tenant: TenantDep,
    body: LinkRequest | None = None,
) -> AuthorizationAnswer:
    """Begin to add an identity to one's account; the handoff is exchanged with one's own token."""
    way_back = check_return_to((body or LinkRequest()).return_to, "body")
    await service.check_connectable(session, found.account, provider)
    await give_connection_back(session)
    secret = new_or_known_secret(request, runtime.settings)
    url = await begin_flow(
        runtime,
        tenant,
        provider,
        hostname=tenant.hostname,
        return_to=way_back,
        locale=found.account.locale,
        browser_secret=secret,
        link_client_id=found.account.id,
    )
    keep_secret(response, runtime.settings, secret)
    return AuthorizationAnswer(authorization_url=url)


@identities_router.delete("/{identity_id}", status_code=204, responses=responses(NotFoundError, LastWayInError))
async def disconnect(identity_id: UUID, found: FreshClientSignIn, session: TenantSessionDep) -> None:
    """Take an identity away from one's account."""
    await service.disconnect_identity(session, found.account.id, identity_id)
