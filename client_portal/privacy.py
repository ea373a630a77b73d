"""A client's own data: what they agreed to, a copy of everything, and the way out."""

import json
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from fastapi import APIRouter
from starlette.responses import Response

from client_portal.page import COOKIE, ClientPage, SignedIn
from client_portal.views import view_appointment
from scheduling.appointments.services.reading import get_appointment
from tenants.privacy import erasure
from tenants.privacy.export import export_client
from tenants.privacy.port import Action
from tenants.privacy.schemas import ErasurePreview, ErasureReceipt
from tenants.privacy.service import accept_version, get_policy, list_consents
from tenants.privacy.words import ACTIONS, say
from todoenbalance.kit import clock
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import Money
from todoenbalance.kit.pages.cookies import drop_sign_in
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import safe_next, see_other

router = APIRouter(prefix="/account/privacy", include_in_schema=False)

_HERE = "/account/privacy"
_ERASE = "/account/privacy/erase"


@router.get("")
async def show_privacy(page: SignedIn) -> Response:
    """Consents, and what one may do with one's data."""
    return await _render(page, page.blank_form())


async def _render(page: ClientPage, form: Form, problem: ProblemError | None = None) -> Response:
    values: dict[str, Any] = {
        "policy": await get_policy(page.session),
        "consents": [
            {"version": row.version, "when": _moment(page, row.accepted_at)}
            for row in await list_consents(page.session, page.client.id)
        ],
    }
    if problem is not None:
        return page.render_refused("privacy.html", form, problem, **values)
    return page.render("privacy.html", form=form, **values)


@router.post("/accept")
async def accept(page: SignedIn) -> Response:
    """Agree to the version that one was shown."""
    form = await page.read_form()
    try:
        await accept_version(page.session, page.client.id, form.get("version"), locale=page.locale)
    except ProblemError as problem:
        return await _render(page, form, problem)
    return see_other(safe_next(form.get("next"), _HERE))


@router.get("/export")
async def download(page: SignedIn) -> Response:
    """Everything stored about oneself, as a file."""
    page.need_fresh(f"{_HERE}/export")
    document = await export_client(page.session, page.client.id)
    name = f"{page.tenant.slug}-{clock.now().date().isoformat()}.json"
    return Response(
        json.dumps(document, ensure_ascii=False, indent=2),
        media_type="application/json; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@router.get("/erase")
async def ask_to_erase(page: SignedIn) -> Response:
    """What it would do, class by class, before one decides."""
    page.need_fresh(_ERASE)
    return await _render_erasing(page, page.blank_form())


async def _render_erasing(page: ClientPage, form: Form, problem: ProblemError | None = None) -> Response:
    plan = ErasurePreview.of_plan(await erasure.preview_erasure(page.session, page.client.id), page.locale)
    values: dict[str, Any] = {
        "classes": _classes(page, plan),
        "blocked_until": _day(page, plan.blocked_until),
        "cancellations": [
            {
                "view": await view_appointment(page, await get_appointment(page.session, one.appointment_id)),
                "refund": Money(one.refund.amount, one.refund.currency).format(page.locale) if one.refund else None,
            }
            for one in plan.cancellations
        ],
    }
    if problem is not None:
        return page.render_refused("erase.html", form, problem, **values)
    return page.render("erase.html", form=form, **values)


def _classes(page: ClientPage, plan: ErasurePreview) -> list[dict[str, Any]]:
    return [
        {
            "title": one.title,
            "count": one.count,
            "action": say(ACTIONS[one.action], page.locale),
            "tag": "waiting" if one.action is Action.BLOCK else "",
            "until": _day(page, one.until),
            "explanation": one.explanation,
        }
        for one in plan.classes
    ]


def _day(page: ClientPage, day: date | None) -> str | None:
    return format_date(day, "long", locale=page.locale) if day is not None else None


def _moment(page: ClientPage, instant: Any) -> str:
    return format_datetime(instant, "long", tzinfo=ZoneInfo(page.timezone), locale=page.locale)


@router.post("/erase")
async def erase(page: SignedIn) -> Response:
    """Do it; the receipt is the last page that this sign-in is shown."""
    page.need_fresh(_ERASE)
    form = await page.read_form()
    try:
        if form.get("understood") != "yes":
            form.add_error("understood", "understood")
        form.raise_errors()
        async with page.session.begin_nested():  # all of it or nothing, also where a page says why
            done = await erasure.erase_client(page.session, page.runtime.vault, page.client.id, requested_by="client")
    except ProblemError as problem:
        return await _render_erasing(page, form, problem)
    receipt = ErasureReceipt.of(done, page.locale)
    response = page.render(
        "erased.html",
        client=None,
        unaccepted_policy=None,
        receipt=receipt,
        when=_moment(page, receipt.erased_at),
        classes=_classes(page, receipt),
        cancelled=len(receipt.cancellations),
        blocked_until=_day(page, receipt.blocked_until),
    )
    drop_sign_in(response, page.runtime.settings, COOKIE)
    return response
