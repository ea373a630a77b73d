"""Whom a client books for: a child, a partner, each a person of their own."""

from typing import Any
from uuid import UUID

from babel.dates import format_date
from fastapi import APIRouter
from starlette.responses import Response

from client_portal.page import ClientPage, SignedIn
from tenants.accounts.models import Dependant, Relationship
from tenants.accounts.names import name_of
from tenants.accounts.schemas import DependantCreate
from tenants.accounts.services import dependants
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/account/people", include_in_schema=False)

_HERE = "/account/people"
_FIELDS = ("first_name", "last_name", "relationship", "birth_date")


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


RELATIONSHIP_WORDS = {
    Relationship.CHILD: _("My child"),
    Relationship.PARTNER: _("My partner"),
    Relationship.PARENT: _("My parent"),
    Relationship.OTHER: _("Someone else"),
}


def _choices(page: ClientPage) -> list[tuple[str, str]]:
    return [(kind.value, page.t(words)) for kind, words in RELATIONSHIP_WORDS.items()]


async def _render_list(page: ClientPage, form: Form, problem: ProblemError | None = None) -> Response:
    rows = await dependants.list_dependants(page.session, page.client.id)
    values: dict[str, Any] = {
        "people": [
            {
                "id": row.id,
                "name": name_of(row),
                "relationship": page.t(RELATIONSHIP_WORDS[Relationship(row.relationship)]),
                "born": format_date(row.birth_date, "long", locale=page.locale) if row.birth_date else None,
            }
            for row in rows
        ],
        "is_full": len(rows) >= dependants.MAX_DEPENDANTS,
        "relationships": _choices(page),
    }
    if problem is not None:
        return page.render_refused("people.html", form, problem, **values)
    return page.render("people.html", form=form, **values)


@router.get("")
async def show_people(page: SignedIn) -> Response:
    """Everybody one books for, and a form for one more."""
    return await _render_list(page, page.blank_form(relationship=Relationship.CHILD))


@router.post("")
async def add_person(page: SignedIn) -> Response:
    """Someone more."""
    form = await page.read_form()
    try:
        body = _parse(form)
        await dependants.add_dependant(page.session, page.client.id, dependants.NewDependant(**body.model_dump()))
    except ProblemError as problem:
        return await _render_list(page, form, problem)
    return see_other(_HERE)


def _parse(form: Form) -> DependantCreate:
    return form.parse(DependantCreate, form.optional(*_FIELDS))


async def _find_own(page: ClientPage, dependant_id: UUID) -> Dependant:
    own = await dependants.list_dependants(page.session, page.client.id)
    found = next((row for row in own if row.id == dependant_id), None)
    if found is None:
        raise NotFoundError
    return found


@router.get("/{dependant_id}")
async def show_person(page: SignedIn, dependant_id: UUID) -> Response:
    """One of them, to be changed or taken away."""
    row = await _find_own(page, dependant_id)
    return _render_person(page, row, page.blank_form(**{name: getattr(row, name) for name in _FIELDS}))


def _render_person(page: ClientPage, row: Dependant, form: Form, problem: ProblemError | None = None) -> Response:
    values: dict[str, Any] = {"person_id": row.id, "name": name_of(row), "relationships": _choices(page)}
    if problem is not None:
        return page.render_refused("person.html", form, problem, **values)
    return page.render("person.html", form=form, **values)


@router.post("/{dependant_id}")
async def change_person(page: SignedIn, dependant_id: UUID) -> Response:
    """Change what is said of them."""
    form = await page.read_form()
    row = await _find_own(page, dependant_id)
    try:
        body = _parse(form)
        await dependants.change_dependant(page.session, page.client.id, dependant_id, body.model_dump())
    except ProblemError as problem:
        return _render_person(page, row, form, problem)
    return see_other(_HERE)


@router.post("/{dependant_id}/remove")
async def remove_person(page: SignedIn, dependant_id: UUID) -> Response:
    """Take them away; past appointments still name them."""
    await page.read_form()
    await dependants.remove_dependant(page.session, page.client.id, dependant_id)
    return see_other(_HERE)
