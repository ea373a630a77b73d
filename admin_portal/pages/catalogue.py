"""Services and practitioners: lists, making, changing."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, StaffPage
from scheduling.catalogue import service
from scheduling.catalogue.schemas import (
    LocationKind,
    PractitionerAdminRead,
    PractitionerCreate,
    PractitionerPatch,
    ServiceAdminRead,
    ServiceCreate,
    ServicePatch,
)
from tenants.accounts.permissions import Permission
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import currency_exponent
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.pages.zones import zone_choices

router = APIRouter(include_in_schema=False)

_MOST = 100
_NUMBERS = (
    "duration_minutes",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "minimum_notice_minutes",
    "horizon_days",
    "grid_minutes",
)


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


PLACES = {
    LocationKind.PRACTICE: _("At the practice"),
    LocationKind.ONLINE: _("Online"),
    LocationKind.PHONE: _("By telephone"),
    LocationKind.HOME: _("At the client's home"),
}


# ---- services


@router.get("/services")
async def list_services(page: SignedIn) -> Response:
    """What the practice offers, archived services too."""
    page.need(Permission.VIEW_CALENDAR)
    services, _cursor = await service.list_all_services(page.session, limit=_MOST)
    people, _cursor = await service.list_all_practitioners(page.session, limit=_MOST)
    return page.render("services.html", services=services, names={one.id: one.name for one in people})


@router.get("/services/new")
async def show_new_service(page: SignedIn) -> Response:
    """The form of a new service, offered by everyone unless said otherwise."""
    page.need(Permission.MANAGE_CATALOGUE)
    people, _cursor = await service.list_practitioners(page.session, limit=_MOST)
    defaults = {name: field.default for name, field in ServiceCreate.model_fields.items() if name in _NUMBERS}
    defaults["duration_minutes"] = 60
    form = page.blank_form(
        **defaults, location_kinds=[LocationKind.PRACTICE], practitioner_ids=[one.id for one in people]
    )
    return await _service_form(page, form, None)


@router.post("/services/new")
async def create_service(page: SignedIn) -> Response:
    """Make it."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    try:
        body = form.parse(ServiceCreate, _service_values(page, form))
        async with page.session.begin_nested():
            await service.create_service(page.session, body)
    except ProblemError as problem:
        return await _service_form(page, form, None, problem)
    return see_other("/admin/services")


@router.get("/services/{service_id}")
async def show_service(page: SignedIn, service_id: UUID) -> Response:
    """The form of an existing one."""
    page.need(Permission.MANAGE_CATALOGUE)
    known = await service.read_service(page.session, service_id)
    form = page.blank_form(
        **{name: getattr(known, name) for name in _NUMBERS},
        name=known.name,
        description=known.description,
        price=_decimal(known.price.amount, known.price.currency),
        deposit=known.deposit and _decimal(known.deposit.amount, known.deposit.currency),
        location_kinds=known.location_kinds,
        practitioner_ids=known.practitioner_ids,
        archived="yes" if known.archived else None,
    )
    return await _service_form(page, form, known)


@router.post("/services/{service_id}")
async def change_service(page: SignedIn, service_id: UUID) -> Response:
    """Change it; what was booked keeps its price, length and terms."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    known = await service.read_service(page.session, service_id)
    try:
        values = _service_values(page, form) | {"archived": form.get("archived") == "yes"}
        body = form.parse(ServicePatch, values)
        async with page.session.begin_nested():
            await service.change_service(page.session, service_id, body)
    except ProblemError as problem:
        return await _service_form(page, form, known, problem)
    return see_other("/admin/services")


def _service_values(page: StaffPage, form: Form) -> dict[str, Any]:
    """The fields as the API takes them; a field left empty has the default of a new service."""
    currency = page.tenant.currency
    price, deposit = form.money("price", currency), form.money("deposit", currency)
    if price is None:
        form.add_error("price", "missing")
    numbers = {name: value for name in _NUMBERS if (value := form.whole(name)) is not None}
    return {
        "name": form.get("name"),
        "description": form.get("description"),
        "price": {"amount": price or 0, "currency": currency},
        "deposit": {"amount": deposit, "currency": currency} if deposit is not None else None,
        "location_kinds": form.all("location_kinds"),
        "practitioner_ids": form.all("practitioner_ids"),
        **numbers,
    }


async def _service_form(
    page: StaffPage, form: Form, known: ServiceAdminRead | None, problem: ProblemError | None = None
) -> Response:
    people, _cursor = await service.list_all_practitioners(page.session, limit=_MOST)
    chosen = set(form.all("practitioner_ids"))
    values: dict[str, Any] = {
        "known": known,
        "currency": page.tenant.currency,
        "places": [(kind.value, page.t(words)) for kind, words in PLACES.items()],
        "people": [(one.id, one.name) for one in people if not one.archived or str(one.id) in chosen],
    }
    if problem is not None:
        return page.render_refused("service.html", form, problem, **values)
    return page.render("service.html", form=form, **values)


def _decimal(amount: int, currency: str) -> str:
    """Minor units as they are typed: ``45.00``."""
    exponent = currency_exponent(currency)
    return f"{amount / 10**exponent:.{exponent}f}"


# ---- practitioners


@router.get("/practitioners")
async def list_practitioners(page: SignedIn) -> Response:
    """Who sees clients."""
    page.need(Permission.VIEW_CALENDAR)
    people, _cursor = await service.list_all_practitioners(page.session, limit=_MOST)
    services, _cursor = await service.list_all_services(page.session, limit=_MOST)
    return page.render("practitioners.html", people=people, names={one.id: one.name for one in services})


@router.get("/practitioners/new")
async def show_new_practitioner(page: SignedIn) -> Response:
    """The form of a new practitioner, who offers everything unless said otherwise."""
    page.need(Permission.MANAGE_CATALOGUE)
    services, _cursor = await service.list_services(page.session, limit=_MOST)
    form = page.blank_form(timezone=page.tenant.timezone, service_ids=[one.id for one in services])
    return await _practitioner_form(page, form, None)


@router.post("/practitioners/new")
async def create_practitioner(page: SignedIn) -> Response:
    """Add them, and go on to their hours."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    try:
        body = form.parse(PractitionerCreate, _practitioner_values(form))
        async with page.session.begin_nested():
            made = await service.create_practitioner(page.session, body)
    except ProblemError as problem:
        return await _practitioner_form(page, form, None, problem)
    return see_other(f"/admin/hours/{made.id}")


@router.get("/practitioners/{practitioner_id}")
async def show_practitioner(page: SignedIn, practitioner_id: UUID) -> Response:
    """The form of an existing one."""
    page.need(Permission.MANAGE_CATALOGUE)
    known = await service.read_practitioner(page.session, practitioner_id)
    form = page.blank_form(
        name=known.name,
        bio=known.bio,
        timezone=known.timezone,
        service_ids=known.service_ids,
        archived="yes" if known.archived else None,
    )
    return await _practitioner_form(page, form, known)


@router.post("/practitioners/{practitioner_id}")
async def change_practitioner(page: SignedIn, practitioner_id: UUID) -> Response:
    """Change them; with another zone the weekly hours move, appointments don't."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    known = await service.read_practitioner(page.session, practitioner_id)
    try:
        values: dict[str, Any] = {**_practitioner_values(form), "archived": form.get("archived") == "yes"}
        body = form.parse(PractitionerPatch, values)
        async with page.session.begin_nested():
            await service.change_practitioner(page.session, practitioner_id, body)
    except ProblemError as problem:
        return await _practitioner_form(page, form, known, problem)
    return see_other("/admin/practitioners")


def _practitioner_values(form: Form) -> dict[str, Any]:
    return {
        "name": form.get("name"),
        "bio": form.get("bio"),
        "timezone": form.get("timezone"),
        "service_ids": form.all("service_ids"),
    }


async def _practitioner_form(
    page: StaffPage, form: Form, known: PractitionerAdminRead | None, problem: ProblemError | None = None
) -> Response:
    services, _cursor = await service.list_all_services(page.session, limit=_MOST)
    chosen = set(form.all("service_ids"))
    zones = dict.fromkeys([*zone_choices(), *([known.timezone] if known is not None else [])])
    values: dict[str, Any] = {
        "known": known,
        "services": [(one.id, one.name) for one in services if not one.archived or str(one.id) in chosen],
        "zones": [(name, name.replace("_", " ")) for name in zones],
    }
    if problem is not None:
        return page.render_refused("practitioner.html", form, problem, **values)
    return page.render("practitioner.html", form=form, **values)
