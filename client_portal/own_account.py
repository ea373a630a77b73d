"""A client's own account: profile, password, address, where one is signed in; and signing in by a mailed link."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from client_portal.page import CONFIRM_PATH, ClientPage, SignedIn, Visitor, visitor_page
from notifications.formats import describe
from tenants.accounts.email_change_pages import include_email_links
from tenants.accounts.models import AccountKind
from tenants.accounts.schemas import MagicLinkRequest, NewEmail, PasswordChange, TokenRequest, UserPatch
from tenants.accounts.services import client_accounts, email_changes, magic_links, passwords, sign_ins
from tenants.accounts.services.links import EMAIL_CHANGE, MAGIC_LINK
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import safe_next, see_other
from todoenbalance.kit.pages.security import METHOD_WORDS
from todoenbalance.kit.pages.zones import zone_choices
from todoenbalance.kit.ratelimit import LINK, LOGIN, MAIL
from todoenbalance.kit.security.passwords import MIN_LENGTH
from todoenbalance.kit.security.sign_ins import SignInMethod
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account, limited

router = APIRouter(include_in_schema=False)

NextQuery = Annotated[str, Query(alias="next", max_length=2000)]
TokenQuery = Annotated[str, Query(max_length=200)]
_SECURITY = "/account/security"
_HOME = "/appointments"
_LANGUAGES = (("es", "Español"), ("en", "English"))
_PROFILE = ("first_name", "last_name", "phone", "locale", "timezone")


# ---- profile


@router.get("/account")
async def show_profile(page: SignedIn, saved: Annotated[str, Query(max_length=5)] = "") -> Response:
    """Name, telephone, language and time zone."""
    form = page.blank_form(**{name: getattr(page.client, name) for name in _PROFILE})
    return page.render("account.html", form=form, **_profile_values(page), is_saved=bool(saved))


@router.post("/account")
async def change_profile(page: SignedIn) -> Response:
    """Keep what was changed."""
    form = await page.read_form()
    try:
        values = {name: form.get(name) for name in _PROFILE if name != "phone"}
        body = form.parse(UserPatch, values | {"phone": form.get("phone") or None})
        await client_accounts.update_client(page.session, page.client.id, body.model_dump())
    except ProblemError as problem:
        return page.render_refused("account.html", form, problem, **_profile_values(page), is_saved=False)
    return see_other("/account?saved=yes")


def _profile_values(page: ClientPage) -> dict[str, Any]:
    return {
        "zones": [(name, name.replace("_", " ")) for name in zone_choices()],
        "languages": _LANGUAGES,
        "email": page.client.email,
    }


# ---- security


@router.get("/account/security")
async def show_security(page: SignedIn, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Password, address, and where one is signed in."""
    return await _security(page, done=done)


async def _security(
    page: ClientPage, form: Form | None = None, problem: ProblemError | None = None, *, done: str = ""
) -> Response:
    waiting = await email_changes.find_open_change(page.session, page.client)
    values: dict[str, Any] = {
        "min_length": MIN_LENGTH,
        "has_password": page.client.hashed_password is not None,
        "email": page.client.email,
        "waiting_email": waiting.new_email if waiting else None,
        "sessions": await _sessions(page),
        "done": done,
    }
    if form is not None and problem is not None:
        return page.render_refused("account_security.html", form, problem, **values)
    return page.render("account_security.html", form=page.blank_form(), **values)


async def _sessions(page: ClientPage) -> list[dict[str, Any]]:
    rows = await sign_ins.list_sessions(page.session, page.runtime.settings.auth, AccountKind.CLIENT, page.client.id)
    found = []
    for row in rows:
        since, last = (describe(when, page.timezone, page.locale) for when in (row.created_at, row.last_seen_at))
        found.append(
            {
                "row": row,
                "method": page.t(METHOD_WORDS[SignInMethod(row.method)]),
                "since": f"{since.day}, {since.time}",
                "last": f"{last.day}, {last.time}",
                "is_current": row.id == page.session_id,
            }
        )
    return found


@router.post("/account/security/password", dependencies=[Depends(limited(LOGIN))])
async def change_password(page: SignedIn) -> Response:
    """Set another password; the other sign-ins end."""
    form = await page.read_form()
    if page.client.hashed_password is None:
        page.need_fresh(_SECURITY)
    try:
        values = {"current_password": form.password("current_password"), "new_password": form.password("new_password")}
        body = form.parse(PasswordChange, values)
        await passwords.change_password(
            page.session, page.runtime, page.signed_in, body.current_password, body.new_password
        )
    except ProblemError as problem:
        return await _security(page, form, problem)
    return see_other(f"{_SECURITY}?done=password")


@router.post("/account/security/email", dependencies=[Depends(limited(MAIL))])
async def request_email_change(page: SignedIn) -> Response:
    """Ask for another address; both are mailed."""
    form = await page.read_form()
    page.need_fresh(_SECURITY)
    try:
        body = form.parse(NewEmail, {"new_email": form.get("new_email")})
        await give_connection_back(page.session)
        for account in (str(page.client.id), body.new_email):
            await limit_account(page.runtime, context_of(page.request), MAIL, account, purpose=EMAIL_CHANGE)
        await email_changes.request_email_change(page.session, page.runtime, page.signed_in, body.new_email)
    except ProblemError as problem:
        return await _security(page, form, problem)
    return see_other(f"{_SECURITY}?done=email")


@router.post("/account/security/sessions/end-others")
async def end_other_sessions(page: SignedIn) -> Response:
    """Sign out everywhere else."""
    await page.read_form()
    await sign_ins.end_others(page.session, AccountKind.CLIENT, page.client.id, page.signed_in.sign_in.id)
    return see_other(f"{_SECURITY}?done=others")


@router.post("/account/security/sessions/{session_id}/end")
async def end_session(page: SignedIn, session_id: UUID) -> Response:
    """Sign out in one other place."""
    await page.read_form()
    await sign_ins.revoke_session(page.session, AccountKind.CLIENT, page.client.id, session_id)
    return see_other(f"{_SECURITY}?done=session")


# ---- proving once more who one is


@router.get(CONFIRM_PATH)
async def show_confirmation(page: SignedIn, onward: NextQuery = "/account") -> Response:
    """The password once more, before what cannot be undone."""
    return _confirmation(page, page.blank_form(), safe_next(onward, "/account"))


def _confirmation(page: ClientPage, form: Form, onward: str, problem: ProblemError | None = None) -> Response:
    values: dict[str, Any] = {
        "onward": onward,
        "has_password": page.client.hashed_password is not None,
        "email": page.client.email,
    }
    if problem is not None:
        return page.render_refused("account_confirm.html", form, problem, **values)
    return page.render("account_confirm.html", form=form, **values)


@router.post(CONFIRM_PATH, dependencies=[Depends(limited(LOGIN))])
async def confirm_identity(page: SignedIn) -> Response:
    """Go on to what one wanted to do."""
    form = await page.read_form()
    onward = safe_next(form.get("next"), "/account")
    auth = page.runtime.settings.auth
    try:
        await sign_ins.check_password(page.session, page.runtime, page.client, form.password("password"))
        await sign_ins.confirm_session(page.session, auth, AccountKind.CLIENT, page.signed_in.sign_in.id)
    except ProblemError as problem:
        return _confirmation(page, form, onward, problem)
    return see_other(onward)


# ---- signing in by a mailed link


@router.get("/magic-link/request")
async def show_magic_link_request(page: Visitor, onward: NextQuery = _HOME) -> Response:
    """The form that asks for a link to sign in with."""
    form = page.blank_form(email=page.client.email if page.client else None)
    return page.render("magic_link_request.html", form=form, onward=safe_next(onward, _HOME), is_done=False)


@router.post("/magic-link/request", dependencies=[Depends(limited(MAIL))])
async def request_magic_link(page: Visitor) -> Response:
    """Mail it if there is an account; the answer is the same either way."""
    form = await page.read_form()
    onward = safe_next(form.get("next"), _HOME)
    try:
        body = form.parse(MagicLinkRequest, {"email": form.get("email"), "return_to": onward})
        await give_connection_back(page.session)
        await limit_account(page.runtime, context_of(page.request), MAIL, body.email, purpose=MAGIC_LINK)
    except ProblemError as problem:
        return page.render_refused("magic_link_request.html", form, problem, onward=onward, is_done=False)
    await magic_links.request_magic_link(page.session, body.email, return_to=onward)
    return page.render("magic_link_request.html", form=form, onward=onward, is_done=True)


@router.get("/magic-link")
async def show_magic_link(page: Visitor, token: TokenQuery = "", onward: NextQuery = _HOME) -> Response:
    """A button, because programs that check mails follow links."""
    return page.render("magic_link.html", form=page.blank_form(token=token), onward=safe_next(onward, _HOME))


@router.post("/magic-link", dependencies=[Depends(limited(LINK))])
async def sign_in_by_magic_link(page: Visitor) -> Response:
    """Sign in and go on."""
    form = await page.read_form()
    onward = safe_next(form.get("next"), _HOME)
    try:
        body = form.parse(TokenRequest, {"token": form.get("token")})
        client = await magic_links.redeem_magic_link(page.session, page.runtime, body.token)
    except ProblemError as problem:
        return page.render_refused("magic_link.html", form, problem, onward=onward)
    response = see_other(onward)
    await page.sign_in(response, client, SignInMethod.MAGIC_LINK)
    return response


# ---- links of a change of address

include_email_links(router, visitor_page, AccountKind.CLIENT)
