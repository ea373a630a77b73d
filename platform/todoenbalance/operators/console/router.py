"""The console: signing in, the practices, making one, suspending and reactivating one."""

from typing import Annotated, Any
from uuid import UUID

from babel import Locale
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from tenants.provisioning.service import NewOwner, NewTenant
from tenants.registry import service as registry
from tenants.registry.models import Tenant, TenantStatus
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import safe_next, see_other
from todoenbalance.kit.pages.security import begin_sign_in, security_pages
from todoenbalance.kit.pages.zones import zone_choices
from todoenbalance.kit.ratelimit import LOGIN
from todoenbalance.kit.security.passwords import MIN_LENGTH
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account, limited
from todoenbalance.operators import passwords, service
from todoenbalance.operators.console.page import (
    OperatorPage,
    SignedIn,
    Visitor,
    incomplete_operator_page,
    operator_page,
    visitor_page,
)
from todoenbalance.operators.console.plans import router as plan_pages
from todoenbalance.operators.console.waiting import router as waiting_pages
from todoenbalance.operators.console.webhooks import router as webhooks_router
from todoenbalance.operators.password_endpoints import OperatorPasswordChange
from todoenbalance.operators.schemas import Reason, TenantIn

router = APIRouter(include_in_schema=False)
SECURITY = security_pages(visitor_page, incomplete_operator_page, operator_page)

_PASSWORD_PAGE: dict[str, Any] = {"layout": "console.html", "prefix": ""}
_LANGUAGES = (("es", "Español"), ("en", "English"))


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATUS_WORDS = {
    TenantStatus.PROVISIONING: _("Being made"),
    TenantStatus.ACTIVE: _("Active"),
    TenantStatus.SUSPENDED: _("Suspended"),
    TenantStatus.CLOSING: _("Closing"),
}
STATUS_TAGS = {TenantStatus.ACTIVE: "good", TenantStatus.SUSPENDED: "bad", TenantStatus.CLOSING: "bad"}


@router.get("/sign-in")
async def show_sign_in(page: Visitor, onward: Annotated[str, Query(alias="next", max_length=2000)] = "/") -> Response:
    """The form to sign in; someone who is already is led on."""
    target = safe_next(onward, "/")
    if page.operator is not None:
        return see_other(target)
    return page.render("sign_in.html", form=page.blank_form(next=target), onward=target)


@router.post("/sign-in", dependencies=[Depends(limited(LOGIN))])
async def sign_in(page: Visitor) -> Response:
    """Sign in and go on to where one wanted to be."""
    form = await page.read_form()
    onward = safe_next(form.get("next"), "/")
    try:
        await give_connection_back(page.session)
        await limit_account(page.runtime, context_of(page.request), LOGIN, form.get("email"))
        operator = await service.authenticate(page.session, page.runtime, form.get("email"), form.password("password"))
    except ProblemError as problem:
        return page.render_refused("sign_in.html", form, problem, onward=onward)
    return await begin_sign_in(page, operator, onward)


@router.post("/sign-out")
async def sign_out(page: Visitor) -> Response:
    """End this sign-in."""
    await page.read_form()
    response = see_other("/sign-in")
    await page.sign_out(response)
    return response


@router.get("/security/password")
async def show_password_form(page: SignedIn) -> Response:
    """The form of another password."""
    return page.render("change_password.html", form=page.blank_form(), min_length=MIN_LENGTH, **_PASSWORD_PAGE)


@router.post("/security/password", dependencies=[Depends(limited(LOGIN))])
async def change_password(page: SignedIn) -> Response:
    """Set it; the other sign-ins end."""
    form = await page.read_form()
    try:
        values = {name: form.password(name) for name in ("current_password", "new_password")}
        body = form.parse(OperatorPasswordChange, values)
        await passwords.change_password(
            page.session,
            page.runtime,
            page.signed_in,
            body.current_password,
            body.new_password,
            request_id=page.request_id,
        )
    except ProblemError as problem:
        return page.render_refused("change_password.html", form, problem, min_length=MIN_LENGTH, **_PASSWORD_PAGE)
    return see_other("/security")


@router.get("/")
async def list_practices(page: SignedIn, cursor: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """Every practice, newest first."""
    rows, following = await registry.list_tenants(page.session, cursor=cursor)
    return page.render("practices.html", practices=[(row, *_status(page, row)) for row in rows], following=following)


def _status(page: OperatorPage, tenant: Tenant) -> tuple[str, str]:
    status = TenantStatus(tenant.status)
    return page.t(STATUS_WORDS[status]), STATUS_TAGS.get(status, "waiting")


@router.get("/practices/new")
async def show_new_practice(page: SignedIn) -> Response:
    """The form of a new practice."""
    page.need_fresh("/practices/new")
    return _new_practice(page, page.blank_form(country="ES", timezone="Europe/Madrid", locale="es", currency="EUR"))


def _new_practice(page: OperatorPage, form: Form, problem: ProblemError | None = None) -> Response:
    territories = Locale(page.locale).territories
    countries = sorted(
        ((code, name) for code, name in territories.items() if len(code) == 2 and code.isalpha() and code != "ZZ"),
        key=lambda country: country[1],
    )
    values: dict[str, Any] = {
        "countries": countries,
        "zones": [(name, name.replace("_", " ")) for name in zone_choices()],
        "languages": _LANGUAGES,
        "base_domain": page.runtime.settings.base_domain,
    }
    if problem is not None:
        return page.render_refused("new_practice.html", form, problem, **values)
    return page.render("new_practice.html", form=form, **values)


@router.post("/practices/new")
async def create_practice(page: SignedIn) -> Response:
    """Make it, all of it or nothing, and show its owner's invitation, which is shown once."""
    form = await page.read_form()
    page.need_fresh("/practices/new")
    texts = {name: form.get(name) for name in ("slug", "name", "country", "timezone", "locale", "currency")}
    owner = {name: form.get(f"owner.{name}") for name in ("email", "first_name", "last_name")}
    try:
        body = form.parse(TenantIn, {**texts, "currency": texts["currency"].upper(), "owner": owner})
        new = NewTenant(
            slug=body.slug,
            name=body.name,
            country=body.country,
            timezone=body.timezone,
            locale=body.locale,
            currency=body.currency,
            owner=NewOwner(body.owner.email, body.owner.first_name, body.owner.last_name),
        )
        async with page.session.begin_nested():
            tenant, invitation_url = await service.onboard_tenant(
                page.session, page.runtime.settings, page.operator.id, new, page.request_id
            )
    except ProblemError as problem:
        return _new_practice(page, form, problem)
    return page.render(
        "practice_made.html",
        status=201,
        practice=tenant,
        invitation_url=invitation_url,
        email=body.owner.email,
        address=page.runtime.settings.practice_url(tenant.slug),
    )


@router.get("/practices/{tenant_id}")
async def show_practice(page: SignedIn, tenant_id: UUID) -> Response:
    """One practice."""
    return await _practice(page, await registry.get_tenant(page.session, tenant_id), page.blank_form())


async def _practice(page: OperatorPage, tenant: Tenant, form: Form, problem: ProblemError | None = None) -> Response:
    words, tag = _status(page, tenant)
    domains = await registry.domains_by_tenant(page.session, [tenant])
    values: dict[str, Any] = {
        "practice": tenant,
        "status_words": words,
        "status_tag": tag,
        "domains": domains[tenant.id],
        "address": page.runtime.settings.practice_url(tenant.slug),
        "is_active": tenant.status == TenantStatus.ACTIVE,
        "is_suspended": tenant.status == TenantStatus.SUSPENDED,
    }
    if problem is not None:
        return page.render_refused("practice.html", form, problem, **values)
    return page.render("practice.html", form=form, **values)


@router.post("/practices/{tenant_id}/suspend")
async def suspend(page: SignedIn, tenant_id: UUID) -> Response:
    """Stop serving it."""
    return await _decide(page, tenant_id, is_suspension=True)


@router.post("/practices/{tenant_id}/reactivate")
async def reactivate(page: SignedIn, tenant_id: UUID) -> Response:
    """Serve it again."""
    return await _decide(page, tenant_id, is_suspension=False)


async def _decide(page: OperatorPage, tenant_id: UUID, *, is_suspension: bool) -> Response:
    form = await page.read_form()
    page.need_fresh(f"/practices/{tenant_id}")
    use_case = service.suspend_tenant if is_suspension else service.reactivate_tenant
    try:
        body = form.parse(Reason, {"reason": form.get("reason")})
        async with page.session.begin_nested():
            await use_case(page.session, page.operator.id, tenant_id, body.reason, page.request_id)
    except ProblemError as problem:
        return await _practice(page, await registry.get_tenant(page.session, tenant_id), form, problem)
    return see_other(f"/practices/{tenant_id}")


router.include_router(plan_pages)
router.include_router(webhooks_router)
router.include_router(waiting_pages)
for part in SECURITY:
    router.include_router(part)
