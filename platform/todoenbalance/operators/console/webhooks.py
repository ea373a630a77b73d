"""The console's page of webhooks that need somebody."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from tenants.registry import service as registry
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.operators import provider_events
from todoenbalance.operators.console.page import OperatorPage, SignedIn
from todoenbalance.operators.provider_event_endpoints import EventDecision

router = APIRouter(prefix="/webhooks-inbox", include_in_schema=False)
_PATH = "/webhooks-inbox"


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATUS_WORDS = {
    "received": _("Being tried"),
    "failed": _("Given up"),
    "handled": _("Done"),
    "ignored": _("Ignored"),
}


@router.get("")
async def show(page: SignedIn, cursor: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """What could not be handled, and what nobody could be found for."""
    return await _render(page, page.blank_form(), cursor=cursor)


async def _render(
    page: OperatorPage, form: Form, problem: ProblemError | None = None, *, cursor: str | None = None
) -> Response:
    troubles, following = await provider_events.list_troubles(page.session, cursor=cursor)
    parked, _more = await provider_events.list_parked(page.session, limit=100)
    values: dict[str, Any] = {
        "troubles": [(row, tenant, page.t(STATUS_WORDS[row.status])) for row, tenant in troubles],
        "following": following,
        "parked": parked,
    }
    if problem is not None:
        return page.render_refused("webhooks.html", form, problem, **values)
    return page.render("webhooks.html", form=form, **values)


@router.post("/{tenant_id}/{event_id}/replay")
async def replay(page: SignedIn, tenant_id: UUID, event_id: UUID) -> Response:
    """Have one handled once more."""
    await page.read_form()
    page.need_fresh(_PATH)
    tenant, operator_id = await registry.get_tenant(page.session, tenant_id), page.operator.id
    await give_connection_back(page.session)
    await provider_events.replay(page.runtime, operator_id, tenant, event_id, page.request_id)
    return see_other(_PATH)


@router.post("/{tenant_id}/{event_id}/ignore")
async def ignore(page: SignedIn, tenant_id: UUID, event_id: UUID) -> Response:
    """Decide that nothing has to be done about one."""
    form = await page.read_form()
    page.need_fresh(_PATH)
    tenant, operator_id = await registry.get_tenant(page.session, tenant_id), page.operator.id
    try:
        body = form.parse(EventDecision, {"note": form.get("note")})
    except ProblemError as problem:
        return await _render(page, form, problem)
    await give_connection_back(page.session)
    await provider_events.ignore(page.runtime, operator_id, tenant, event_id, body.note, page.request_id)
    return see_other(_PATH)


@router.post("/parked/{parked_id}/assign")
async def assign(page: SignedIn, parked_id: UUID) -> Response:
    """Put a parked one into a practice's inbox; the practice is named by its address."""
    form = await page.read_form()
    page.need_fresh(_PATH)
    try:
        tenant = await registry.find_tenant_by_name(page.session, form.get("slug"))
        operator_id = page.operator.id
        await give_connection_back(page.session)
        await provider_events.assign_parked(page.runtime, operator_id, tenant, parked_id, page.request_id)
    except ProblemError as problem:
        return await _render(page, form, problem)
    return see_other(_PATH)


@router.post("/parked/{parked_id}/ignore")
async def ignore_parked(page: SignedIn, parked_id: UUID) -> Response:
    """Decide that a parked one is nobody's."""
    form = await page.read_form()
    page.need_fresh(_PATH)
    try:
        body = form.parse(EventDecision, {"note": form.get("note")})
        async with page.session.begin_nested():
            await provider_events.ignore_parked(page.session, page.operator.id, parked_id, body.note, page.request_id)
    except ProblemError as problem:
        return await _render(page, form, problem)
    return see_other(_PATH)
