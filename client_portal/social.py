"""Signing in by Google or Facebook on the pages, and what is connected with one's account."""

from typing import Annotated
from urllib.parse import quote, urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from client_portal.page import SignedIn, Visitor, VisitorPage
from client_portal.social_buttons import PROVIDER_NAMES, outcome_words
from tenants.social import service, sign_ups
from tenants.social.browser import keep_secret, new_or_known_secret, read_secret
from tenants.social.errors import InvalidSignUpError, ProviderNotOfferedError
from tenants.social.exchange import AddressWanted, Connected, redeem_handoff
from tenants.social.flows import begin_flow
from tenants.social.models import SocialProvider
from tenants.social.recognition import Recognised
from tenants.social.registrations import list_offered
from tenants.social.schemas import SignUpCode, SignUpEmail
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.cookies import cookie_name, drop_sign_in, set_cookie
from todoenbalance.kit.pages.forms import FormRefusedError
from todoenbalance.kit.pages.redirects import safe_next, see_other
from todoenbalance.kit.ratelimit import LINK, MAIL, OAUTH
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account, limited

router = APIRouter(include_in_schema=False)

HOME, CONNECTIONS = "/appointments", "/account/connections"
BACK, EMAIL, CODE = "/sign-in/social", "/sign-in/social/email", "/sign-in/social/code"
NextQuery = Annotated[str, Query(alias="next", max_length=2000)]
_COOKIE = "social_sign_up"
_LIMITED = [Depends(limited(OAUTH))]


def _with_next(path: str, onward: str, **given: str) -> str:
    query = "".join(f"{name}={quote(value, safe='')}&" for name, value in given.items())
    return f"{path}?{query}next={quote(onward, safe='')}"


def _known(provider: str) -> SocialProvider:
    """The provider of an address, after its form was checked. Raises :class:`ProviderNotOfferedError`."""
    try:
        return SocialProvider(provider)
    except ValueError as error:
        raise ProviderNotOfferedError from error


async def _leave(page: VisitorPage, provider: SocialProvider, onward: str, link_client_id: UUID | None) -> Response:
    """Over a page of ours: browsers hold the redirect that answers a form to ``form-action`` (CSP 3, 6.4.1)."""
    await give_connection_back(page.session)
    settings = page.runtime.settings
    secret = new_or_known_secret(page.request, settings)
    url = await begin_flow(
        page.runtime,
        page.tenant,
        provider,
        hostname=page.tenant.hostname,
        return_to=safe_next(_with_next(BACK, onward), _with_next(BACK, HOME)),  # quoting may make it too long
        locale=page.locale,
        browser_secret=secret,
        link_client_id=link_client_id,
    )
    response = page.render("social_leaving.html", url=url, provider=PROVIDER_NAMES[provider])
    keep_secret(response, settings, secret)
    return response


def _problem(page: VisitorPage, problem: ProblemError, onward: str) -> Response:
    status = 422 if problem.status == 401 else problem.status
    again = onward if page.client is not None else _with_next("/sign-in", onward)
    return page.render("social_problem.html", status=status, sentence=problem.detail(page.locale), again=again)


@router.post("/sign-in/with/{provider}", dependencies=_LIMITED)
async def leave(page: Visitor, provider: str) -> Response:
    """Go to the provider to sign in."""
    form = await page.read_form()
    return await _leave(page, _known(provider), safe_next(form.get("next"), HOME), None)


@router.get(BACK, dependencies=_LIMITED)
async def come_back(
    page: Visitor,
    handoff: Annotated[str, Query(max_length=200)] = "",
    social: Annotated[str, Query(max_length=20)] = "",
    onward: NextQuery = HOME,
) -> Response:
    """Back from the provider. The handoff works once, and in the browser that left: so a link does no harm here."""
    target = safe_next(onward, HOME)
    if not handoff:
        is_connecting = page.client is not None and urlsplit(target).path == CONNECTIONS
        where = f"{CONNECTIONS}?social={quote(social, safe='')}" if is_connecting else None
        return see_other(where or _with_next("/sign-in", target, social=social))
    settings = page.runtime.settings
    secret = read_secret(page.request, settings)
    try:
        outcome = await redeem_handoff(page.session, settings.auth, handoff, secret, caller=page.signed_in)
    except ProblemError as problem:
        return _problem(page, problem, target)
    if isinstance(outcome, Connected):
        return see_other(f"{CONNECTIONS}?connected={outcome.identity.provider}")
    if isinstance(outcome, AddressWanted):
        response = see_other(_with_next(EMAIL, target))
        set_cookie(response, page.runtime.settings, _COOKIE, outcome.signup_token, sign_ups.SIGN_UP_LIFETIME)
        return response
    return await _sign_in(page, outcome, target)


async def _sign_in(page: VisitorPage, who: Recognised, onward: str) -> Response:
    response = see_other(onward)
    await page.sign_in(response, who.client, who.method)
    return response


def _token(request: Request, page: VisitorPage) -> str:
    return request.cookies.get(cookie_name(page.runtime.settings, _COOKIE), "")


@router.get(EMAIL)
async def show_email(page: Visitor, request: Request, onward: NextQuery = HOME) -> Response:
    """The address of somebody new; the one that the provider names is filled in."""
    target = safe_next(onward, HOME)
    try:
        row = await sign_ups.get_sign_up(page.session, _token(request, page))
    except InvalidSignUpError as problem:
        return _problem(page, problem, target)
    return page.render("social_email.html", form=page.blank_form(email=row.email), onward=target)


@router.post(EMAIL, dependencies=[Depends(limited(MAIL))])
async def send_code(page: Visitor, request: Request) -> Response:
    """Mail a code there; for an address that is taken the answer is the same."""
    form = await page.read_form()
    target = safe_next(form.get("next"), HOME)
    try:
        body = form.parse(SignUpEmail, {"signup_token": _token(request, page), "email": form.get("email")})
        await give_connection_back(page.session)
        await limit_account(page.runtime, context_of(request), MAIL, body.email, purpose=sign_ups.CODE_PURPOSE)
        await sign_ups.request_code(page.session, body.signup_token, body.email)
    except InvalidSignUpError as problem:
        return _problem(page, problem, target)
    except ProblemError as problem:
        return _refused_without_token(page, problem, target) or page.render_refused(
            "social_email.html", form, problem, onward=target
        )
    return see_other(_with_next(CODE, target))


def _refused_without_token(page: VisitorPage, problem: ProblemError, onward: str) -> Response | None:
    """Without the cookie of a sign-up there is nothing to go on with, whatever was typed in."""
    if isinstance(problem, FormRefusedError) and not _token(page.request, page):
        return _problem(page, InvalidSignUpError(), onward)
    return None


@router.get(CODE)
async def show_code(page: Visitor, request: Request, onward: NextQuery = HOME) -> Response:
    """Where the code that was mailed is typed in."""
    target = safe_next(onward, HOME)
    try:
        row = await sign_ups.get_sign_up(page.session, _token(request, page))
    except InvalidSignUpError as problem:
        return _problem(page, problem, target)
    return _render_code(page, row.email or "", target)


def _render_code(page: VisitorPage, email: str, onward: str) -> Response:
    return page.render("social_code.html", form=page.blank_form(), email=email, onward=onward)


@router.post(CODE, dependencies=[Depends(limited(LINK))])
async def confirm_code(page: Visitor, request: Request) -> Response:
    """Open the account and sign in."""
    form = await page.read_form()
    target, token = safe_next(form.get("next"), HOME), _token(request, page)
    try:
        body = form.parse(SignUpCode, {"signup_token": token, "code": form.get("code")})
        code = body.code.replace(" ", "")
        who = await sign_ups.confirm_address(page.session, page.runtime.signer, body.signup_token, code)
    except InvalidSignUpError as problem:
        return _problem(page, problem, target)
    except ProblemError as problem:
        return _refused_without_token(page, problem, target) or page.render_refused(
            "social_code.html", form, problem, email=form.get("email"), onward=target
        )
    response = await _sign_in(page, who, target)
    drop_sign_in(response, page.runtime.settings, _COOKIE)
    return response


# ---- what is connected


@router.get(CONNECTIONS)
async def show_connections(
    page: SignedIn,
    connected: Annotated[str, Query(max_length=20)] = "",
    social: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """By whom one may sign in, and by whom one could."""
    return await _render_connections(page, connected=connected, outcome=outcome_words(page, social))


async def _render_connections(
    page: SignedIn, problem: ProblemError | None = None, *, connected: str = "", outcome: str | None = None
) -> Response:
    rows = await service.list_identities(page.session, page.client.id)
    offered = await list_offered(page.session, page.runtime)
    have = {row.provider for row in rows}
    return page.render(
        "connections.html",
        status=problem.status if problem is not None else 200,
        connections=[(row, PROVIDER_NAMES[SocialProvider(row.provider)]) for row in rows],
        choices=[(provider, PROVIDER_NAMES[provider]) for provider in offered if provider not in have],
        connected=PROVIDER_NAMES[SocialProvider(connected)] if connected in have else None,
        sentence=problem.detail(page.locale) if problem is not None else outcome,
        is_confirmed=page.client.is_verified,
    )


@router.post(CONNECTIONS + "/{provider}", dependencies=_LIMITED)
async def connect(page: SignedIn, provider: str) -> Response:
    """Go to the provider to connect one's account there."""
    await page.read_form()
    page.need_fresh(CONNECTIONS)
    wanted = _known(provider)
    try:
        await service.check_connectable(page.session, page.client, wanted)
        return await _leave(page, wanted, CONNECTIONS, page.client.id)
    except ProblemError as problem:
        return await _render_connections(page, problem)


@router.post(CONNECTIONS + "/{identity_id}/disconnect")
async def disconnect(page: SignedIn, identity_id: UUID) -> Response:
    """Take a way in away."""
    await page.read_form()
    page.need_fresh(CONNECTIONS)
    try:
        await service.disconnect_identity(page.session, page.client.id, identity_id)
    except ProblemError as problem:
        return await _render_connections(page, problem)
    return see_other(CONNECTIONS)
