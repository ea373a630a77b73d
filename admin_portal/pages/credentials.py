"""Staff's own passwords and addresses: forgotten, set anew, changed."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, Visitor, visitor_page
from tenants.accounts.email_change_pages import include_email_links
from tenants.accounts.models import AccountKind
from tenants.accounts.schemas import EmailRequest, NewEmail, PasswordChange, PasswordReset
from tenants.accounts.services import email_changes, passwords
from tenants.accounts.services.links import EMAIL_CHANGE, PASSWORD_RESET
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.ratelimit import LINK, LOGIN, MAIL
from todoenbalance.kit.security.passwords import MIN_LENGTH
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account, limited

router = APIRouter(include_in_schema=False)

TokenQuery = Annotated[str, Query(max_length=200)]
_LAYOUT: dict[str, Any] = {"layout": "portal.html", "prefix": "/admin"}


@router.get("/forgot-password")
async def show_forgotten(page: Visitor) -> Response:
    """The form that asks for a link."""
    return page.render("forgot_password.html", form=page.blank_form(), is_done=False)


@router.post("/forgot-password", dependencies=[Depends(limited(MAIL))])
async def forgot_password(page: Visitor) -> Response:
    """Mail the link if there is an account; the answer is the same either way."""
    form = await page.read_form()
    try:
        body = form.parse(EmailRequest, {"email": form.get("email")})
        await give_connection_back(page.session)
        purpose = f"{AccountKind.STAFF}:{PASSWORD_RESET}"
        await limit_account(page.runtime, context_of(page.request), MAIL, body.email, purpose=purpose)
    except ProblemError as problem:
        return page.render_refused("forgot_password.html", form, problem, is_done=False)
    await passwords.request_staff_password_reset(page.session, body.email)
    return page.render("forgot_password.html", form=form, is_done=True)


@router.get("/reset-password")
async def show_reset(page: Visitor, token: TokenQuery = "") -> Response:
    """The form for a new password."""
    return page.render("reset_password.html", form=page.blank_form(token=token), min_length=MIN_LENGTH, is_done=False)


@router.post("/reset-password", dependencies=[Depends(limited(LINK))])
async def reset_password(page: Visitor) -> Response:
    """Set it; every sign-in ends."""
    form = await page.read_form()
    try:
        body = form.parse(PasswordReset, {"token": form.get("token"), "password": form.password("password")})
        await passwords.reset_staff_password(
            page.session, page.runtime, body.token, body.password, request_id=page.request_id
        )
    except ProblemError as problem:
        return page.render_refused("reset_password.html", form, problem, min_length=MIN_LENGTH, is_done=False)
    return page.render("reset_password.html", form=form, min_length=MIN_LENGTH, is_done=True)


@router.get("/security/password")
async def show_password_form(page: SignedIn) -> Response:
    """The form of another password."""
    return page.render("change_password.html", form=page.blank_form(), min_length=MIN_LENGTH, **_LAYOUT)


@router.post("/security/password", dependencies=[Depends(limited(LOGIN))])
async def change_password(page: SignedIn) -> Response:
    """Set it; the other sign-ins end."""
    form = await page.read_form()
    try:
        values = {name: form.password(name) for name in ("current_password", "new_password")}
        body = form.parse(PasswordChange, values)
        await passwords.change_password(
            page.session,
            page.runtime,
            page.signed_in,
            body.current_password,
            body.new_password,
            request_id=page.request_id,
        )
    except ProblemError as problem:
        return page.render_refused("change_password.html", form, problem, min_length=MIN_LENGTH, **_LAYOUT)
    return see_other("/admin/security")


@router.get("/security/email")
async def show_email_form(page: SignedIn) -> Response:
    """The form of another address."""
    page.need_fresh("/admin/security/email")
    return page.render("change_email.html", form=page.blank_form(), email=page.staff.email, is_done=False)


@router.post("/security/email", dependencies=[Depends(limited(MAIL))])
async def request_email_change(page: SignedIn) -> Response:
    """Ask for another address; both are mailed."""
    form = await page.read_form()
    page.need_fresh("/admin/security/email")
    try:
        body = form.parse(NewEmail, {"new_email": form.get("new_email")})
        await give_connection_back(page.session)
        purpose = f"{AccountKind.STAFF}:{EMAIL_CHANGE}"
        for account in (str(page.staff.id), body.new_email):
            await limit_account(page.runtime, context_of(page.request), MAIL, account, purpose=purpose)
        await email_changes.request_email_change(page.session, page.runtime, page.signed_in, body.new_email)
    except ProblemError as problem:
        return page.render_refused("change_email.html", form, problem, email=page.staff.email, is_done=False)
    return page.render("change_email.html", form=form, email=page.staff.email, is_done=True)


include_email_links(router, visitor_page, AccountKind.STAFF)
