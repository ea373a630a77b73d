"""Staff's way in and out: invitation, sign-in, sign-out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from admin_portal.pages.page import Visitor
from tenants.accounts.models import AccountKind
from tenants.accounts.schemas import PasswordReset
from tenants.accounts.services import audit, sign_ins, staff_accounts
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.redirects import safe_next, see_other
from todoenbalance.kit.pages.security import begin_sign_in
from todoenbalance.kit.ratelimit import LINK, LOGIN
from todoenbalance.kit.security.passwords import MIN_LENGTH
from todoenbalance.kit.security.sign_ins import SignInMethod
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account, limited

router = APIRouter(include_in_schema=False)

_HOME = "/admin"


@router.get("/sign-in")
async def show_sign_in(page: Visitor, onward: Annotated[str, Query(alias="next", max_length=2000)] = _HOME) -> Response:
    """The form to sign in; someone who is already is led on."""
    target = safe_next(onward, _HOME)
    if page.staff is not None:
        return see_other(target)
    return page.render("sign_in.html", form=page.blank_form(next=target), onward=target)


@router.post("/sign-in", dependencies=[Depends(limited(LOGIN))])
async def sign_in(page: Visitor) -> Response:
    """Sign in and go on to where one wanted to be."""
    form = await page.read_form()
    onward = safe_next(form.get("next"), _HOME)
    try:
        await give_connection_back(page.session)
        email, context = form.get("email"), context_of(page.request)
        await limit_account(page.runtime, context, LOGIN, email, purpose=AccountKind.STAFF)
        staff = await sign_ins.authenticate_staff(
            page.session, page.runtime, form.get("email"), form.password("password")
        )
    except ProblemError as problem:
        return page.render_refused("sign_in.html", form, problem, onward=onward)
    return await begin_sign_in(page, staff, onward)


@router.post("/sign-out")
async def sign_out(page: Visitor) -> Response:
    """End this sign-in."""
    await page.read_form()
    response = see_other("/admin/sign-in")
    await page.sign_out(response)
    return response


@router.get("/accept-invitation")
async def show_invitation(page: Visitor, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The form for a first password."""
    return page.render("accept_invitation.html", form=page.blank_form(token=token), min_length=MIN_LENGTH)


@router.post("/accept-invitation", dependencies=[Depends(limited(LINK))])
async def accept_invitation(page: Visitor) -> Response:
    """Set it, and be signed in."""
    form = await page.read_form()
    try:
        body = form.parse(PasswordReset, {"token": form.get("token"), "password": form.password("password")})
        staff = await staff_accounts.accept_invitation(
            page.session, body.token, body.password, rules=page.runtime.settings.auth.passwords
        )
    except ProblemError as problem:
        return page.render_refused("accept_invitation.html", form, problem, min_length=MIN_LENGTH)
    audit.record_staff_action(page.session, staff.id, "staff.invitation_accepted", staff.id, request_id=page.request_id)
    return await begin_sign_in(page, staff, _HOME, SignInMethod.INVITATION)
