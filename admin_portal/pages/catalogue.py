"""Services and practitioners: lists, making, changing."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.pages import service_form
from admin_portal.pages.page import SignedIn, StaffPage
from admin_portal.pages.reminder_fields import write_reminders
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
from scheduling.catalogue.services import offers, practitioners
from tenants.accounts.permissions import Permission
from tenants.settings.reminders import practice_reminders
from tenants.settings.service import get_practice_settings
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.pages.zones import zone_choices

router = APIRouter(include_in_schema=False)

_MOST = 100


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
    return await _service_form(page, page.blank_form(**service_form.new_values(people)), None)


@router.post("/services/new")
async def create_service(page: SignedIn) -> Response:
    """Make it."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    try:
        body = form.parse(ServiceCreate, service_form.read_values(page, form))
        async with page.session.begin_nested():
            await offers.create_service(page.session, body)
    except ProblemError as problem:
        return await _service_form(page, form, None, problem)
    return see_other("/admin/services")


@router.get("/services/{service_id}")
async def show_service(page: SignedIn, service_id: UUID) -> Response:
    """The form of an existing one."""
    page.need(Permission.MANAGE_CATALOGUE)
    known = await service.read_service(page.session, service_id)
    form = page.blank_form(**service_form.values_of(known))
    return await _service_form(page, form, known)


@router.post("/services/{service_id}")
async def change_service(page: SignedIn, service_id: UUID) -> Response:
    """Change it; what was booked keeps its price, length and terms."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    known = await service.read_service(page.session, service_id)
    try:
        values = service_form.read_values(page, form) | {"archived": form.get("archived") == "yes"}
        body = form.parse(ServicePatch, values)
        async with page.session.begin_nested():
            after = await offers.change_service(page.session, service_id, body)
    except ProblemError as problem:
        return await _service_form(page, form, known, problem)
    if changes := offers.audited_changes(known, after):
        page.record("service.changed", service_id, **changes)
    return see_other("/admin/services")


async def _service_form(
    page: StaffPage, form: Form, known: ServiceAdminRead | None, problem: ProblemError | None = None
) -> Response:
    people, _cursor = await service.list_all_practitioners(page.session, limit=_MOST)
    chosen = set(form.all("practitioner_ids"))
    shown = [one for one in people if not one.archived or str(one.id) in chosen]
    other_colour = form.get("colour")
    colours = {colour: page.t(words) for colour, words in service_form.COLOURS.items()}
    settings = await get_practice_settings(page.session)
    values: dict[str, Any] = {
        "known": known,
        "currency": page.tenant.currency,
        "places": [(kind.value, page.t(words)) for kind, words in PLACES.items()],
        "people": [(one.id, one.name) for one in shown],
        "own_fields": [
            (one.name, service_form.price_field(one.id), service_form.minutes_field(one.id)) for one in shown
        ],
        "has_own_terms": any(form.get(name) for one in shown for name in service_form.own_fields(one.id)),
        "colours": list(({other_colour: other_colour} | colours).items()),
        "refunds": [(kind, page.t(words)) for kind, words in service_form.REFUNDS.items()],
        "tiers": service_form.TIERS,
        "reminders": [(kind, page.t(words)) for kind, words in service_form.REMINDERS.items()],
        "practice_reminders": write_reminders(practice_reminders(settings)),
        "treatments": [(kind.value, page.t(words)) for kind, words in service_form.TREATMENTS.items()],
        "practice_notice_hours": settings.cancellation_notice_hours,
    }
    if problem is not None:
        return page.render_refused("service.html", form, problem, **values)
    return page.render("service.html", form=form, **values)


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
            made = await practitioners.create_practitioner(page.session, body)
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
        works_on_holidays="yes" if known.works_on_holidays else None,
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
            after = await practitioners.change_practitioner(page.session, practitioner_id, body)
    except ProblemError as problem:
        return await _practitioner_form(page, form, known, problem)
    if changes := practitioners.audited_changes(known, after):
        page.record("practitioner.changed", practitioner_id, **changes)
    return see_other("/admin/practitioners")


def _practitioner_values(form: Form) -> dict[str, Any]:
    return {
        "name": form.get("name"),
        "bio": form.get("bio"),
        "timezone": form.get("timezone"),
        "service_ids": form.all("service_ids"),
        "works_on_holidays": form.get("works_on_holidays") == "yes",
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
