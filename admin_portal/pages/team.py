"""Who works here: the list, inviting, roles, taking access away; and what everyone did."""

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, StaffPage
from notifications.formats import describe
from tenants.accounts.models import Staff, StaffRole
from tenants.accounts.permissions import Permission, may
from tenants.accounts.schemas import StaffInvitation, StaffPatch
from tenants.accounts.services import audit, staff_accounts
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)

_MOST = 100
_LANGUAGES = (("es", "Español"), ("en", "English"))


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


ROLE_WORDS = {
    StaffRole.OWNER: _("Owner"),
    StaffRole.MANAGER: _("Manager"),
    StaffRole.PRACTITIONER: _("Practitioner"),
    StaffRole.RECEPTION: _("Reception"),
}
PERMISSION_WORDS = {
    Permission.VIEW_CALENDAR: _("See the calendar"),
    Permission.MANAGE_CALENDAR: _("Book, move and cancel for everybody"),
    Permission.OVERRIDE_CALENDAR: _("Book outside the hours, or on top of another appointment"),
    Permission.MANAGE_CATALOGUE: _("Change services and practitioners"),
    Permission.VIEW_NOTES: _("Read what clients wrote"),
    Permission.VIEW_CLIENTS: _("See clients"),
    Permission.VIEW_PAYMENTS: _("See payments"),
    Permission.RECORD_PAYMENTS: _("Record payments at the desk"),
    Permission.REFUND_PAYMENTS: _("Refund"),
    Permission.VIEW_DOCUMENTS: _("See invoices"),
    Permission.ISSUE_DOCUMENTS: _("Issue invoices, and change to whom they are made out"),
    Permission.RECTIFY_DOCUMENTS: _("Correct invoices"),
    Permission.EXPORT_DOCUMENTS: _("Export invoices for the accountant"),
    Permission.VIEW_STATISTICS: _("See statistics"),
    Permission.VIEW_EMAILS: _("See which e-mails were sent"),
    Permission.MANAGE_STAFF: _("Invite staff and change roles"),
    Permission.MANAGE_SETTINGS: _("Change the practice's settings"),
    Permission.MANAGE_PLAN: _("See and change the practice's plan, and pay for it"),
    Permission.MANAGE_PAYMENT_ACCOUNTS: _("Connect and disconnect the accounts that clients pay into"),
    Permission.VIEW_AUDIT: _("See who did what"),
    Permission.EXPORT_CLIENTS: _("Export a client's data"),
    Permission.ERASE_CLIENTS: _("Erase a client"),
}


def _roles(page: StaffPage) -> list[tuple[str, str]]:
    return [(role.value, page.t(words)) for role, words in ROLE_WORDS.items()]


def _role_table(page: StaffPage) -> list[tuple[str, list[bool]]]:
    """Each permission and which role has it, in the order of the roles' columns: the one table, shown."""
    return [
        (page.t(words), [may(role, permission) for role in ROLE_WORDS])
        for permission, words in PERMISSION_WORDS.items()
    ]


def _state(page: StaffPage, row: Staff) -> tuple[str, str]:
    if not row.is_active:
        return page.t("No access"), "bad"
    return (page.t("Works here"), "good") if row.accepted_at else (page.t("Invited"), "waiting")


@router.get("/staff")
async def list_staff(page: SignedIn, cursor: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """Everyone who works here, also those who no longer do."""
    page.need(Permission.MANAGE_STAFF)
    rows, following = await staff_accounts.list_staff(page.session, limit=_MOST, cursor=cursor)
    people = [(row, page.t(ROLE_WORDS[StaffRole(row.role)]), *_state(page, row)) for row in rows]
    return page.render("staff.html", people=people, following=following)


@router.get("/staff/invite")
async def show_invitation(page: SignedIn) -> Response:
    """The form of an invitation, and what each role may do."""
    page.need(Permission.MANAGE_STAFF)
    page.need_fresh("/admin/staff/invite")
    return _invitation(page, page.blank_form(role=StaffRole.RECEPTION.value, locale=page.tenant.locale))


def _invitation(page: StaffPage, form: Form, problem: ProblemError | None = None) -> Response:
    values: dict[str, Any] = {"roles": _roles(page), "languages": _LANGUAGES, "table": _role_table(page)}
    if problem is not None:
        return page.render_refused("invite.html", form, problem, **values)
    return page.render("invite.html", form=form, **values)


@router.post("/staff/invite")
async def invite(page: SignedIn) -> Response:
    """Invite someone; they get a mail."""
    form = await page.read_form()
    page.need(Permission.MANAGE_STAFF)
    page.need_fresh("/admin/staff/invite")
    try:
        names = ("email", "first_name", "last_name", "role", "locale")
        body = form.parse(StaffInvitation, {name: form.get(name) for name in names})
        invited, _token = await staff_accounts.invite_staff(
            page.session,
            page.runtime.settings.auth,
            email=body.email,
            first_name=body.first_name,
            last_name=body.last_name,
            role=body.role,
            locale=body.locale or page.tenant.locale,
        )
    except ProblemError as problem:
        return _invitation(page, form, problem)
    page.record("staff.invited", invited.id, role=body.role)
    return see_other("/admin/staff")


@router.get("/staff/{staff_id}")
async def show_member(page: SignedIn, staff_id: UUID) -> Response:
    """One member of staff, and what can be changed about them."""
    page.need(Permission.MANAGE_STAFF)
    page.need_fresh(f"/admin/staff/{staff_id}")
    row = await staff_accounts.get_staff(page.session, staff_id)
    form = page.blank_form(
        first_name=row.first_name, last_name=row.last_name, role=row.role, is_active="yes" if row.is_active else None
    )
    return await _member(page, row, form)


async def _member(page: StaffPage, row: Staff, form: Form, problem: ProblemError | None = None) -> Response:
    words, tag = _state(page, row)
    values: dict[str, Any] = {
        "member": row,
        "state_words": words,
        "state_tag": tag,
        "roles": _roles(page),
        "table": _role_table(page),
        "can_reset_factors": row.id != page.staff.id and await page.steps.factors_of(row).exist(),
    }
    if problem is not None:
        return page.render_refused("member.html", form, problem, **values)
    return page.render("member.html", form=form, **values)


@router.post("/staff/{staff_id}")
async def change_member(page: SignedIn, staff_id: UUID) -> Response:
    """Change role, name or access; taking access away ends the person's sign-ins at once."""
    form = await page.read_form()
    page.need(Permission.MANAGE_STAFF)
    page.need_fresh(f"/admin/staff/{staff_id}")
    row = await staff_accounts.get_staff(page.session, staff_id)
    try:
        given = {name: form.get(name) for name in ("first_name", "last_name", "role")}
        body = form.parse(StaffPatch, given | {"is_active": form.get("is_active") == "yes"})
        changes = {name: value for name, value in body.model_dump().items() if value != getattr(row, name)}
        if changes:
            await staff_accounts.change_staff(page.session, staff_id, **changes)
            page.record("staff.changed", staff_id, **audit.describe_change(changes))
    except ProblemError as problem:
        return await _member(page, row, form, problem)
    return see_other("/admin/staff")


@router.post("/staff/{staff_id}/invitation")
async def invite_again(page: SignedIn, staff_id: UUID) -> Response:
    """Mail the invitation once more; earlier links stop working when the new one is used."""
    form = await page.read_form()
    page.need(Permission.MANAGE_STAFF)
    page.need_fresh(f"/admin/staff/{staff_id}")
    try:
        row = await staff_accounts.invite_again(page.session, staff_id)
    except ProblemError as problem:
        return await _member(page, await staff_accounts.get_staff(page.session, staff_id), form, problem)
    page.record("staff.invited", row.id, role=row.role)
    return see_other("/admin/staff")


@router.post("/staff/{staff_id}/second-factors")
async def reset_second_factors(page: SignedIn, staff_id: UUID) -> Response:
    """Forget the second factors of someone who has lost theirs; ends their sign-ins, and they are told by mail."""
    form = await page.read_form()
    page.need(Permission.MANAGE_STAFF)
    page.need_fresh(f"/admin/staff/{staff_id}")
    try:
        await page.steps.reset_colleague(page.staff, staff_id)
    except ProblemError as problem:
        return await _member(page, await staff_accounts.get_staff(page.session, staff_id), form, problem)
    return see_other(f"/admin/staff/{staff_id}")


def _detail(value: Any) -> str:
    """A fact of the audit trail; of a change, what was and what is."""
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return f"{_detail(value['from'])} → {_detail(value['to'])}"
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@router.get("/audit")
async def show_audit(page: SignedIn, cursor: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """What staff did with money, accounts and settings, newest first."""
    page.need(Permission.VIEW_AUDIT)
    rows, following = await audit.list_staff_actions(page.session, limit=_MOST, cursor=cursor)
    people, _cursor = await staff_accounts.list_staff(page.session, limit=_MOST)
    names = {one.id: f"{one.first_name} {one.last_name}" for one in people}
    entries = [
        (
            describe(row.created_at, page.tenant.timezone, page.locale),
            names.get(row.staff_id, page.t("Somebody else")) if row.staff_id else page.t("Nobody signed in"),
            row.action,
            ", ".join(f"{name}: {_detail(value)}" for name, value in sorted(row.detail.items())),
        )
        for row in rows
    ]
    return page.render("audit.html", entries=entries, following=following)
