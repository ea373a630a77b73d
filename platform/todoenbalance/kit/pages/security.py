"""The second step of signing in, one's own second factors and sign-ins, and proving once more who one is, as pages.

Once for each surface whose accounts have second factors. Between password and second factor the state is a short-lived
cookie that carries the first step's token (see ``kit.security.multi_factor``).
"""

import json
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.cookies import cookie_name, drop_sign_in, set_cookie
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.page import Page
from todoenbalance.kit.pages.redirects import SeeOtherError, safe_next, see_other
from todoenbalance.kit.ratelimit import SECOND_FACTOR
from todoenbalance.kit.security.factor_errors import InvalidMfaTokenError, SecondFactorMissingError
from todoenbalance.kit.security.multi_factor import SECOND_STEP_WITHIN, Caller, MultiFactor
from todoenbalance.kit.security.second_factors import FactorKind
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError, SignInColumns, SignInMethod
from todoenbalance.kit.text import check_name
from todoenbalance.kit.web.limits import limited

_LONGEST_CREDENTIAL = 20_000
_LONGEST_NAME = 100


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


METHOD_WORDS = {
    SignInMethod.PASSWORD: _("Password"),
    SignInMethod.MAGIC_LINK: _("Link by e-mail"),
    SignInMethod.GOOGLE: _("Google"),
    SignInMethod.FACEBOOK: _("Facebook"),
    SignInMethod.INVITATION: _("Invitation"),
    SignInMethod.PASSKEY: _("Passkey"),
}


@dataclass(frozen=True, slots=True)
class SecurityPaths:
    """Where a surface has these pages: ``prefix`` before each path. ``layout``: the template around them.

    ``lost``: what to do without any factor left. ``password_page``, ``email_page``: where one changes these, if
    anywhere.
    """

    prefix: str
    home: str
    layout: str
    step_cookie: str
    lost: str
    password_page: str | None = None
    email_page: str | None = None

    def at(self, path: str) -> str:
        """The whole address of one of these pages."""
        return self.prefix + path


class SecurityPage(Page):
    """A page of a surface whose accounts have second factors; ``signed_in`` is None for a visitor."""

    paths: SecurityPaths
    signed_in: Any
    needs_second_factor: bool = False

    @property
    @abstractmethod
    def steps(self) -> MultiFactor[Any]:
        """The rules of signing in, for this request."""

    @property
    @abstractmethod
    def zone(self) -> ZoneInfo:
        """The time zone to show times in."""

    @abstractmethod
    async def sign_in(
        self,
        response: Response,
        account: Any,
        method: SignInMethod = SignInMethod.PASSWORD,
        *,
        has_second_factor: bool = False,
    ) -> None:
        """Begin a sign-in, in place of the one there may be."""

    @property
    def caller(self) -> Caller[Any]:
        """Whoever is signed in."""
        caller: Caller[Any] = self.signed_in
        return caller

    def security_values(self) -> dict[str, Any]:
        """For the layout of these pages."""
        return {"layout": self.paths.layout, "prefix": self.paths.prefix, "home": self.paths.home}

    def render_security(self, template: str, **values: Any) -> Response:
        """One of these pages."""
        return self.render(template, **self.security_values(), **values)

    def refuse_security(self, template: str, form: Form, problem: ProblemError, **values: Any) -> Response:
        """The same once more, with what is wrong with its form."""
        return self.render_refused(template, form, problem, **self.security_values(), **values)

    def confirm_first(self, back_to: str) -> SeeOtherError:
        """To be raised: prove once more who you are, and come to ``back_to`` then."""
        return SeeOtherError(f"{self.paths.at('/confirm')}?next={quote(back_to, safe='')}")

    async def need_fresh_factor(self, back_to: str) -> None:
        """Before second factors are changed (:meth:`MultiFactor.need_fresh`). Raises :class:`SeeOtherError`."""
        try:
            await self.steps.need_fresh(self.caller)
        except FreshSignInRequiredError as stale:
            raise self.confirm_first(back_to) from stale

    def moment(self, sign_in: SignInColumns, name: str) -> str:
        """One of a sign-in's times, as the reader says it."""
        return format_datetime(getattr(sign_in, name), "medium", tzinfo=self.zone, locale=self.locale)

    def credential(self, form: Form) -> dict[str, Any] | None:
        """What a passkey answered, if it was asked; what is no JSON object is refused later, as a wrong answer."""
        text = form.get("credential")
        if not text:
            return None
        try:
            parsed = json.loads(text) if len(text) <= _LONGEST_CREDENTIAL else None
        except (ValueError, RecursionError):
            parsed = None
        return parsed if isinstance(parsed, dict) else {}


async def begin_sign_in(
    page: SecurityPage, account: Any, onward: str, method: SignInMethod = SignInMethod.PASSWORD
) -> Response:
    """After the password: sign in, or ask for the second factor first."""
    step = await page.steps.begin(account, method)
    if step is None or step.needs_enrolment:  # who must set one up is led there by every page, and gets nowhere else
        response = see_other(onward)
        await page.sign_in(response, account, method)
        return response
    response = see_other(f"{page.paths.at('/sign-in/second-step')}?next={quote(onward, safe='')}")
    set_cookie(response, page.runtime.settings, page.paths.step_cookie, step.token, SECOND_STEP_WITHIN)
    return response


def security_pages(
    visitor: Callable[..., Any], incomplete: Callable[..., Any], signed_in: Callable[..., Any]
) -> tuple[APIRouter, ...]:
    """The routers of one surface; each argument is a dependency that answers a :class:`SecurityPage`."""
    return (
        _second_step_pages(visitor),
        _confirm_pages(incomplete),
        _set_up_pages(incomplete),
        _own_pages(signed_in),
    )


def _second_step_pages(visitor: Callable[..., Any]) -> APIRouter:
    router = APIRouter(prefix="/sign-in/second-step", include_in_schema=False)

    def token_of(page: SecurityPage) -> str:
        return page.request.cookies.get(cookie_name(page.runtime.settings, page.paths.step_cookie), "")

    async def values_of(page: SecurityPage, onward: str) -> dict[str, Any]:
        """What to ask for. Raises :class:`SeeOtherError` to the first step if that is over."""
        try:
            first = await page.steps.first_step(token_of(page))
        except InvalidMfaTokenError as over:
            raise SeeOtherError(f"{page.paths.at('/sign-in')}?next={quote(onward, safe='')}") from over
        methods = await page.steps.factors_of(first.account).methods()
        return {
            "onward": onward,
            "has_code": methods != [FactorKind.PASSKEY],
            "has_passkey": FactorKind.PASSKEY in methods,
        }

    @router.get("")
    async def show(
        page: Annotated[SecurityPage, Depends(visitor)],
        onward: Annotated[str, Query(alias="next", max_length=2000)] = "",
    ) -> Response:
        """The form for a code, and the button for a passkey."""
        values = await values_of(page, safe_next(onward, page.paths.home))
        return page.render_security("second_step.html", form=page.blank_form(), **values)

    @router.post("/options", dependencies=[Depends(limited(SECOND_FACTOR))])
    async def ask_for_passkey(page: Annotated[SecurityPage, Depends(visitor)]) -> JSONResponse:
        """For the page's script."""
        await page.read_form()
        return JSONResponse(await page.steps.sign_in_options(token_of(page)))

    @router.post("", dependencies=[Depends(limited(SECOND_FACTOR))])
    async def give(page: Annotated[SecurityPage, Depends(visitor)]) -> Response:
        """Finish signing in."""
        form = await page.read_form()
        onward = safe_next(form.get("next"), page.paths.home)
        try:
            proven = await page.steps.finish(token_of(page), form.get("code")[:100], page.credential(form))
        except ProblemError as problem:
            values = await values_of(page, onward)
            return page.refuse_security("second_step.html", form, problem, **values)
        response = see_other(onward)
        drop_sign_in(response, page.runtime.settings, page.paths.step_cookie)
        await page.sign_in(response, proven.account, proven.method, has_second_factor=True)
        return response

    return router


def _confirm_pages(incomplete: Callable[..., Any]) -> APIRouter:
    router = APIRouter(prefix="/confirm", include_in_schema=False)

    async def values_of(page: SecurityPage, onward: str) -> dict[str, Any]:
        methods = await page.steps.factors_of(page.caller.account).methods()
        return {"onward": onward, "has_factor": bool(methods), "has_passkey": FactorKind.PASSKEY in methods}

    @router.get("")
    async def show(
        page: Annotated[SecurityPage, Depends(incomplete)],
        onward: Annotated[str, Query(alias="next", max_length=2000)] = "",
    ) -> Response:
        """The form for the password, and a second factor where there is one."""
        values = await values_of(page, safe_next(onward, page.paths.home))
        return page.render_security("confirm_identity.html", form=page.blank_form(), **values)

    @router.post("/options", dependencies=[Depends(limited(SECOND_FACTOR))])
    async def ask_for_passkey(page: Annotated[SecurityPage, Depends(incomplete)]) -> JSONResponse:
        """For the page's script."""
        await page.read_form()
        return JSONResponse(await page.steps.sudo_options(page.caller))

    @router.post("", dependencies=[Depends(limited(SECOND_FACTOR))])
    async def confirm(page: Annotated[SecurityPage, Depends(incomplete)]) -> Response:
        """Go on to what one wanted to do."""
        form = await page.read_form()
        onward = safe_next(form.get("next"), page.paths.home)
        try:
            await page.steps.sudo(
                page.caller, form.password("password"), form.get("code")[:100] or None, page.credential(form)
            )
        except ProblemError as problem:
            return page.refuse_security("confirm_identity.html", form, problem, **await values_of(page, onward))
        return see_other(onward)

    return router


def _set_up_pages(incomplete: Callable[..., Any]) -> APIRouter:
    """Adding a second factor; also open to those who have none where one is compulsory."""
    router = APIRouter(prefix="/security", include_in_schema=False)

    async def fresh(page: Annotated[SecurityPage, Depends(incomplete)]) -> SecurityPage:
        owes = page.needs_second_factor and await page.steps.factors_of(page.caller.account).exist()
        await page.need_fresh_factor(page.paths.home if owes else page.paths.at("/security/second-factor"))
        return page

    def show_codes(page: SecurityPage, codes: list[str]) -> Response:
        if not codes:
            return see_other(page.paths.at("/security"))
        return page.render_security("recovery_codes.html", codes=codes)

    async def choices(page: SecurityPage, form: Form, problem: ProblemError | None = None) -> Response:
        factors = page.steps.factors_of(page.caller.account)
        values = {
            "is_owed": page.needs_second_factor,
            "has_app": await factors.totp.find_active() is not None,
        }
        if problem is not None:
            return page.refuse_security("second_factor.html", form, problem, **values)
        return page.render_security("second_factor.html", form=form, **values)

    @router.get("/second-factor")
    async def show_choices(page: Annotated[SecurityPage, Depends(fresh)]) -> Response:
        """An authenticator app, or a passkey."""
        return await choices(page, page.blank_form())

    @router.post("/second-factor/app")
    async def begin_app(page: Annotated[SecurityPage, Depends(fresh)]) -> Response:
        """A new secret for an authenticator app."""
        await page.read_form()
        await page.steps.enrol(page.caller.account)
        return see_other(page.paths.at("/security/second-factor/app"))

    async def show_app_form(page: SecurityPage, form: Form, problem: ProblemError | None = None) -> Response:
        enrolment = await page.steps.factors_of(page.caller.account).totp.find_pending()
        if enrolment is None:
            return see_other(page.paths.at("/security/second-factor"))
        if problem is not None:
            return page.refuse_security("second_factor_app.html", form, problem, enrolment=enrolment)
        return page.render_security("second_factor_app.html", form=form, enrolment=enrolment)

    @router.get("/second-factor/app")
    async def show_app(page: Annotated[SecurityPage, Depends(fresh)]) -> Response:
        """The QR code, and the form for a first code."""
        return await show_app_form(page, page.blank_form())

    @router.post("/second-factor/activate")
    async def activate(page: Annotated[SecurityPage, Depends(fresh)]) -> Response:
        """Make the app count; recovery codes come with the first factor."""
        form = await page.read_form()
        try:
            codes = await page.steps.activate(page.caller.account, form.get("code")[:100], page.caller.sign_in)
        except ProblemError as problem:
            return await show_app_form(page, form, problem)
        return show_codes(page, codes)

    @router.post("/passkeys/options")
    async def ask_for_new_passkey(page: Annotated[SecurityPage, Depends(fresh)]) -> JSONResponse:
        """For the page's script."""
        await page.read_form()
        return JSONResponse(await page.steps.factors_of(page.caller.account).passkeys.registration_options())

    @router.post("/passkeys")
    async def add_passkey(page: Annotated[SecurityPage, Depends(fresh)]) -> Response:
        """Keep a passkey that was just made."""
        form = await page.read_form()
        try:
            name = _name(form)
            _row, codes = await page.steps.add_passkey(
                page.caller.account, page.credential(form) or {}, name, page.caller.sign_in
            )
        except ProblemError as problem:
            return await choices(page, form, problem)
        return show_codes(page, codes)

    @router.post("/recovery-codes")
    async def renew_recovery_codes(page: Annotated[SecurityPage, Depends(fresh)]) -> Response:
        """New ones, shown once."""
        await page.read_form()
        try:
            return show_codes(page, await page.steps.renew_recovery_codes(page.caller.account))
        except SecondFactorMissingError:
            return see_other(page.paths.at("/security"))

    return router


def _name(form: Form) -> str:
    """What a passkey is to be called. Raises ``FormRefusedError`` with the error noted."""
    name = form.get("name")
    if not name:
        form.add_error("name", "missing")
    elif len(name) > _LONGEST_NAME:
        form.add_error("name", "string_too_long", max_length=_LONGEST_NAME)
    else:
        try:
            check_name(name)
        except ValueError:
            form.add_error("name", "value_error")
    form.raise_errors()
    return name


def _own_pages(signed_in: Callable[..., Any]) -> APIRouter:
    """What one has, and where one is signed in."""
    router = APIRouter(prefix="/security", include_in_schema=False)

    async def fresh(page: Annotated[SecurityPage, Depends(signed_in)]) -> SecurityPage:
        await page.need_fresh_factor(page.paths.at("/security"))
        return page

    async def overview(page: SecurityPage, form: Form, problem: ProblemError | None = None) -> Response:
        factors = page.steps.factors_of(page.caller.account)
        sessions = [
            {
                "row": row,
                "method": page.t(METHOD_WORDS[SignInMethod(row.method)]),
                "since": page.moment(row, "created_at"),
                "last": page.moment(row, "last_seen_at"),
                "is_current": row.id == page.session_id,
            }
            for row in await page.steps.list_sessions(page.caller.account)
        ]
        values: dict[str, Any] = {
            "totp": await factors.totp.find_active(),
            "passkeys": await factors.passkeys.list_all(),
            "codes_left": await factors.recovery_codes.count_left(),
            "is_compulsory": await page.steps.is_compulsory(),
            "sessions": sessions,
            "password_path": page.paths.password_page,
            "email_path": page.paths.email_page,
        }
        if problem is not None:
            return page.refuse_security("security.html", form, problem, **values)
        return page.render_security("security.html", form=form, **values)

    @router.get("")
    async def show(page: Annotated[SecurityPage, Depends(signed_in)]) -> Response:
        """One's second factors and sign-ins."""
        return await overview(page, page.blank_form())

    @router.post("/app/remove")
    async def remove_app(page: Annotated[SecurityPage, Depends(fresh)]) -> Response:
        """Take the authenticator app away, unless it is the last factor and one is compulsory."""
        form = await page.read_form()
        try:
            async with page.steps.session.begin_nested():
                await page.steps.remove_totp(page.caller.account)
        except ProblemError as problem:
            return await overview(page, form, problem)
        return see_other(page.paths.at("/security"))

    @router.post("/passkeys/{passkey_id}/remove")
    async def remove_passkey(page: Annotated[SecurityPage, Depends(fresh)], passkey_id: UUID) -> Response:
        """Forget a passkey, unless it is the last factor and one is compulsory."""
        form = await page.read_form()
        try:
            async with page.steps.session.begin_nested():
                await page.steps.remove_passkey(page.caller.account, passkey_id)
        except ProblemError as problem:
            return await overview(page, form, problem)
        return see_other(page.paths.at("/security"))

    @router.post("/passkeys/{passkey_id}/name")
    async def rename_passkey(page: Annotated[SecurityPage, Depends(signed_in)], passkey_id: UUID) -> Response:
        """Call a passkey something else."""
        form = await page.read_form()
        try:
            await page.steps.rename_passkey(page.caller.account, passkey_id, _name(form))
        except ProblemError as problem:
            return await overview(page, form, problem)
        return see_other(page.paths.at("/security"))

    @router.post("/sessions/{session_id}/end")
    async def end_session(page: Annotated[SecurityPage, Depends(signed_in)], session_id: UUID) -> Response:
        """End one of one's own sign-ins."""
        await page.read_form()
        await page.steps.end_session(page.caller, session_id)
        return see_other(page.paths.at("/security"))

    @router.post("/sessions/end-others")
    async def end_others(page: Annotated[SecurityPage, Depends(signed_in)]) -> Response:
        """Sign out everywhere but here."""
        await page.read_form()
        await page.steps.end_others(page.caller)
        return see_other(page.paths.at("/security"))

    return router
