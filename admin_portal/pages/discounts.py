"""Discount codes."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, StaffPage
from billing.discounts import codes
from billing.discounts.models import DiscountCode, DiscountKind
from billing.discounts.schemas import DiscountCreate, DiscountPatch, DiscountRead
from scheduling.catalogue.service import list_all_services
from tenants.accounts.permissions import Permission
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import currency_exponent
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/discounts", include_in_schema=False)

_MOST = 100


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


KIND_WORDS = {
    DiscountKind.PERCENT: _("A share of the price, in percent"),
    DiscountKind.AMOUNT: _("An amount of money"),
}
FOR_WORDS = {"appointments": _("Appointments"), "packages": _("Packages")}


@router.get("")
async def show_codes(page: SignedIn) -> Response:
    """All codes, newest first."""
    page.need(Permission.MANAGE_CATALOGUE)
    rows, _cursor = await codes.list_codes(page.session, limit=_MOST)
    uses = await codes.count_uses(page.session, [row.id for row in rows])
    return page.render("discounts.html", codes=[DiscountRead.of(row, uses.get(row.id, 0)) for row in rows])


@router.get("/new")
async def show_new(page: SignedIn) -> Response:
    """The form of a new code."""
    page.need(Permission.MANAGE_CATALOGUE)
    return await _form(page, page.blank_form(kind=DiscountKind.PERCENT, used_for=["appointments"], active="yes"), None)


@router.post("/new")
async def create(page: SignedIn) -> Response:
    """Make it."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    try:
        body = form.parse(DiscountCreate, _values(page, form))
        async with page.session.begin_nested():
            code = await codes.create_code(page.session, body)
    except ProblemError as problem:
        return await _form(page, form, None, problem)
    page.record("discount.created", code.id, code=code.code)
    return see_other("/admin/discounts")


@router.get("/{code_id}")
async def show(page: SignedIn, code_id: UUID) -> Response:
    """The form of an existing one."""
    page.need(Permission.MANAGE_CATALOGUE)
    known = await codes.get_code(page.session, code_id)
    used_for = [name for name in FOR_WORDS if getattr(known, f"for_{name}")]
    form = page.blank_form(
        code=known.code,
        description=known.description,
        kind=known.kind,
        percent=known.percent,
        amount=_decimal(known.amount_minor, known.currency),
        minimum=_decimal(known.minimum_minor or None, known.currency),
        valid_from=_local(page, known.valid_from),
        valid_until=_local(page, known.valid_until),
        total_limit=known.total_limit,
        client_limit=known.client_limit,
        first_visit_only="yes" if known.first_visit_only else None,
        service_ids=[str(one) for one in known.service_ids or ()],
        used_for=used_for,
        active="yes" if known.active else None,
    )
    return await _form(page, form, known)


@router.post("/{code_id}")
async def change(page: SignedIn, code_id: UUID) -> Response:
    """Change it; what was booked with it keeps its price."""
    form = await page.read_form()
    page.need(Permission.MANAGE_CATALOGUE)
    known = await codes.get_code(page.session, code_id)
    try:
        body = form.parse(DiscountPatch, _values(page, form))
        async with page.session.begin_nested():
            await codes.change_code(page.session, code_id, body)
    except ProblemError as problem:
        return await _form(page, form, known, problem)
    page.record("discount.changed", code_id, fields=",".join(sorted(body.model_fields_set)))
    return see_other("/admin/discounts")


def _local(page: StaffPage, instant: Any) -> str | None:
    return None if instant is None else instant.astimezone(page.zone).strftime("%Y-%m-%dT%H:%M")


def _decimal(amount: int | None, currency: str) -> str | None:
    if amount is None:
        return None
    exponent = currency_exponent(currency)
    return f"{amount / 10**exponent:.{exponent}f}"


def _values(page: StaffPage, form: Form) -> dict[str, Any]:
    currency = page.tenant.currency
    is_percent = form.get("kind") == DiscountKind.PERCENT
    amount, minimum = form.money("amount", currency), form.money("minimum", currency)
    used_for = form.all("used_for")
    return {
        "code": form.get("code"),
        "description": form.get("description"),
        "kind": form.get("kind"),
        "percent": form.whole("percent") if is_percent else None,
        "amount": None if is_percent or amount is None else {"amount": amount, "currency": currency},
        "minimum": None if not minimum else {"amount": minimum, "currency": currency},
        "valid_from": form.local_time("valid_from", page.zone) if form.get("valid_from") else None,
        "valid_until": form.local_time("valid_until", page.zone) if form.get("valid_until") else None,
        "total_limit": form.whole("total_limit"),
        "client_limit": form.whole("client_limit"),
        "first_visit_only": form.get("first_visit_only") == "yes",
        "service_ids": form.all("service_ids") or None,
        "for_appointments": "appointments" in used_for,
        "for_packages": "packages" in used_for,
        "active": form.get("active") == "yes",
    }


async def _form(
    page: StaffPage, form: Form, known: DiscountCode | None, problem: ProblemError | None = None
) -> Response:
    services, _cursor = await list_all_services(page.session, limit=_MOST)
    values: dict[str, Any] = {
        "known": known,
        "currency": page.tenant.currency,
        "kinds": [(kind.value, page.t(words)) for kind, words in KIND_WORDS.items()],
        "services": [(str(one.id), one.name) for one in services],
        "used_for": [(name, page.t(words)) for name, words in FOR_WORDS.items()],
    }
    if problem is not None:
        return page.render_refused("discount.html", form, problem, **values)
    return page.render("discount.html", form=form, **values)
