"""A client's own account: registering, signing in and out, links from mails."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from client_portal.page import Visitor, VisitorPage
from client_portal.social_buttons import social_choices
from tenants.accounts.schemas import EmailRequest, PasswordReset, Registration, TokenRequest
from tenants.accounts.services import client_accounts, passwords, sign_ins
from tenants.accounts.services.links import PASSWORD_RESET
from tenants.settings.service import get_practice_settings
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import safe_next, see_other
from todoenbalance.kit.pages.zones import zone_choices
from todoenbalance.kit.ratelimit import LINK, LOGIN, MAIL, REGISTER, Policy
from todoenbalance.kit.security.passwords import MIN_LENGTH
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account, limited

router = APIRouter(include_in_schema=False)

NextQuery = Annotated[str, Query(alias="next", max_length=2000)]
TokenQuery = Annotated[str, Query(max_length=200)]


async def _limit(page: VisitorPage, policy: Policy, account: str, *, purpose: str = "") -> None:
    """By the account that was named, with no connection in hand."""
    await give_connection_back(page.session)
    await limit_account(page.runtime, context_of(page.request), policy, account, purpose=purpose)


@router.get("/register")
async def show_registration(page: Visitor, onward: NextQuery = "/appointments") -> Response:
    """The form of a new account."""
    form = page.blank_form(timezone=page.tenant.timezone, next=safe_next(onward, "/appointments"))
    return await _registration(page, form)


async def _registration(page: VisitorPage, form: Form, problem: ProblemError | None = None) -> Response:
    values: dict[str, Any] = {
        "min_length": MIN_LENGTH,
        "zones": [(name, name.replace("_", " ")) for name in zone_choices()],
        "onward": safe_next(form.get("next"), "/appointments"),
        **await social_choices(page),
    }
    if problem is not None:
        return page.render_refused("register.html", form, problem, **values)
    return page.render("register.html", form=form, **values)


@router.post("/register", dependencies=[Depends(limited(REGISTER))])
async def register(page: Visitor) -> Response:
    """Make the account. Unless the practice reveals which addresses it knows, the answer is always the same."""
    form = await page.read_form()
    settings = await get_practice_settings(page.session)
    reveal = settings.reveal_taken_email
    onward = safe_next(form.get("next"), "/appointments")
    try:
        if form.get("accept_privacy") != "yes":
            form.add_error("accept_privacy", "consent")
        body = _parse_registration(page, form)
        await _limit(page, REGISTER, body.email)
        new = client_accounts.NewClient(
            email=body.email,
            password=body.password,
            first_name=body.first_name,
            last_name=body.last_name,
            phone=body.phone,
            locale=page.locale,
            timezone=body.timezone or page.tenant.timezone,
        )
        client = await client_accounts.register_client(
            page.session, new, reveal_taken=reveal, rules=page.runtime.settings.auth.passwords
        )
    except ProblemError as problem:
        return await _registration(page, form, problem)
    if reveal:
        response = see_other(onward)
        await page.session.flush()  # the sign-in refers to the account
        await page.sign_in(response, client)
        return response
    sign_in = page.blank_form(email=body.email, next=onward)
    return page.render("sign_in.html", form=sign_in, onward=onward, has_registered=True)


def _parse_registration(page: VisitorPage, form: Form) -> Registration:
    values = {name: form.get(name) for name in ("email", "first_name", "last_name")}
    return form.parse(
        Registration,
        {
            **values,
            **form.optional("phone", "timezone"),
            "password": form.password("password"),
            "locale": page.locale,
            "accept_privacy": True,
        },
    )


@router.get("/sign-in")
async def show_sign_in(
    page: Visitor, onward: NextQuery = "/appointments", social: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """The form to sign in; someone who is already is led on."""
    target = safe_next(onward, "/appointments")
    if page.client is not None:
        return see_other(target)
    return page.render(
        "sign_in.html",
        form=page.blank_form(next=target),
        onward=target,
        has_registered=False,
        **await social_choices(page, social),
    )


@router.post("/sign-in", dependencies=[Depends(limited(LOGIN))])
async def sign_in(page: Visitor) -> Response:
    """Sign in and go on to where one wanted to be."""
    form = await page.read_form()
    onward = safe_next(form.get("next"), "/appointments")
    try:
        await _limit(page, LOGIN, form.get("email"))
        client = await sign_ins.authenticate_client(
            page.session, page.runtime, form.get("email"), form.password("password")
        )
    except ProblemError as problem:
        choices = await social_choices(page)
        return page.render_refused("sign_in.html", form, problem, onward=onward, has_registered=False, **choices)
    response = see_other(onward)
    await page.sign_in(response, client)
    return response


@router.post("/sign-out")
async def sign_out(page: Visitor) -> Response:
    """End this sign-in."""
    await page.read_form()
    response = see_other("/")
    await page.sign_out(response)
    return response


@router.get("/verify-email")
async def show_verification(page: Visitor, token: TokenQuery = "") -> Response:
    """A button, because programs that check mails follow links."""
    return page.render("verify_email.html", form=page.blank_form(token=token), is_done=False)


@router.post("/verify-email", dependencies=[Depends(limited(LINK))])
async def verify_email(page: Visitor) -> Response:
    """Verify the address that the link was mailed to."""
    form = await page.read_form()
    try:
        body = form.parse(TokenRequest, {"token": form.get("token")})
        await client_accounts.verify_client_email(page.session, body.token)
    except ProblemError as problem:
        return page.render_refused("verify_email.html", form, problem, is_done=False)
    return page.render("verify_email.html", form=form, is_done=True)


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
        await _limit(page, MAIL, body.email, purpose=PASSWORD_RESET)
    except ProblemError as problem:
        return page.render_refused("forgot_password.html", form, problem, is_done=False)
    await client_accounts.request_password_reset(page.session, body.email)
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
        await passwords.reset_client_password(page.session, page.runtime, body.token, body.password)
    except ProblemError as problem:
        return page.render_refused("reset_password.html", form, problem, min_length=MIN_LENGTH, is_done=False)
    return page.render("reset_password.html", form=form, min_length=MIN_LENGTH, is_done=True)
