"""Mails in the practice's own words: which there are, changing one, seeing it as it is typed, trying it."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from admin_portal.mail_templates import drop_words, keep_words, try_words
from admin_portal.pages.page import CONFIRM_PATH, PAGES, SignedIn, StaffPage
from notifications.formats import describe
from notifications.overrides import service
from notifications.overrides.problems import TemplateRefusedError
from notifications.overrides.sandbox import BODY_MOST, SUBJECT_MOST, Draft
from notifications.overrides.schemas import DraftBody, VariableRead
from notifications.overrides.service import MailState
from tenants.accounts.permissions import Permission
from tenants.accounts.services import audit, staff_accounts
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form, FormRefusedError
from todoenbalance.kit.pages.redirects import SeeOtherError, see_other
from todoenbalance.kit.ratelimit import TEMPLATE_PREVIEW, TEMPLATE_TEST, Policy
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account

router = APIRouter(prefix="/mails", include_in_schema=False)

_MOST_STAFF = 100
# A mail styles itself in place. It is shown in a frame of our own pages, in which nothing runs and nothing is loaded.
_FRAME_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self';"
        " sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "no-store",
}


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


LANGUAGE_WORDS = {"es": _("Spanish"), "en": _("English")}
ACTION_WORDS = {
    "mail_template.changed": _("changed it"),
    "mail_template.removed": _("went back to the built-in words"),
    "mail_template.tested": _("sent themselves a test"),
}


def _path(kind: str, language: str) -> str:
    return f"/admin/mails/{kind}/{language}"


async def _limit(page: StaffPage, policy: Policy) -> None:
    """Raises ``TooManyRequestsError``."""
    staff_id = page.staff.id
    await give_connection_back(page.session)
    await limit_account(page.runtime, context_of(page.request), policy, str(staff_id))


@router.get("")
async def show_mails(page: SignedIn) -> Response:
    """Every mail that the practice may write, and whose words hold in each language."""
    page.need(Permission.MANAGE_SETTINGS)
    by_kind: dict[str, list[MailState]] = {}
    for state in await service.list_mail_states(page.session):
        by_kind.setdefault(state.kind.title[page.locale], []).append(state)
    return page.render("mails.html", mails=list(by_kind.items()), languages=LANGUAGE_WORDS)


@router.get("/{kind}/{language}")
async def show_mail(page: SignedIn, kind: str, language: str) -> Response:
    """The form, with the words that hold."""
    page.need(Permission.MANAGE_SETTINGS)
    state = await service.get_mail_state(page.session, kind, language)
    page.need_fresh(_path(kind, language))
    return await _render(page, state, page.blank_form(subject=state.draft.subject, body=state.draft.body))


@router.post("/{kind}/{language}")
async def save(page: SignedIn, kind: str, language: str) -> Response:
    """Send these words from now on."""
    form = await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    state = await service.get_mail_state(page.session, kind, language)
    try:
        page.need_fresh(_path(kind, language))
        draft = form.parse(DraftBody, _values(form)).draft()
        await keep_words(page.session, page.staff.id, kind, language, draft, page.request_id)
    except SeeOtherError:
        return await _render(page, state, form, is_stale=True)
    except ProblemError as problem:
        return await _render(page, state, form, problem)
    return see_other(_path(kind, language))


@router.post("/{kind}/{language}/default")
async def return_to_default(page: SignedIn, kind: str, language: str) -> Response:
    """Send the built-in words from now on."""
    await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(_path(kind, language))
    await drop_words(page.session, page.staff.id, kind, language, page.request_id)
    return see_other(_path(kind, language))


@router.post("/{kind}/{language}/test")
async def send_test(page: SignedIn, kind: str, language: str) -> Response:
    """Mail what was typed to who typed it; nothing is saved."""
    form = await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    state = await service.get_mail_state(page.session, kind, language)
    try:
        page.need_fresh(_path(kind, language))
        draft = form.parse(DraftBody, _values(form)).draft()
        await _limit(page, TEMPLATE_TEST)
        await try_words(page.session, page.staff.id, kind, language, draft, page.request_id)
    except SeeOtherError:
        return await _render(page, state, form, is_stale=True)
    except ProblemError as problem:
        return await _render(page, state, form, problem)
    return await _render(page, state, form, sent_to=page.staff.email)


@router.get("/{kind}/{language}/preview")
async def show_preview(page: SignedIn, kind: str, language: str) -> Response:
    """The words that hold, for the frame on the page."""
    page.need(Permission.MANAGE_SETTINGS)
    state = await service.get_mail_state(page.session, kind, language)
    return await _preview(page, state, state.draft, "html")


@router.post("/{kind}/{language}/preview")
async def preview(page: SignedIn, kind: str, language: str) -> Response:
    """What is typed, for the frame on the page."""
    form = await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    await _limit(page, TEMPLATE_PREVIEW)
    state = await service.get_mail_state(page.session, kind, language)
    draft = Draft(form.get("subject"), form.get("body").replace("\r\n", "\n"))
    return await _preview(page, state, draft, form.get("view"))


async def _preview(page: StaffPage, state: MailState, draft: Draft, view: str) -> Response:
    troubles: list[str] = []
    rendered = None
    try:
        rendered = await service.preview(page.session, state.kind.kind, state.language, draft)
    except TemplateRefusedError as refusal:
        troubles = [one.sentence(page.locale) for one in refusal.troubles]
    if rendered is not None and view != "text":
        return HTMLResponse(rendered.html, headers=_FRAME_HEADERS)
    shown = PAGES.render("mail_preview.html", page.locale, {"troubles": troubles, "mail": rendered})
    return HTMLResponse(shown, 200 if rendered is not None else 422, headers=_FRAME_HEADERS)


def _values(form: Form) -> dict[str, Any]:
    return {"subject": form.get("subject"), "body": form.get("body")}


async def _render(
    page: StaffPage,
    state: MailState,
    form: Form,
    problem: ProblemError | None = None,
    *,
    is_stale: bool = False,
    sent_to: str | None = None,
) -> Response:
    entries = await audit.list_actions_on(page.session, state.id)
    people, _cursor = await staff_accounts.list_staff(page.session, limit=_MOST_STAFF)
    names = {one.id: f"{one.first_name} {one.last_name}" for one in people}
    failure = state.failure
    values: dict[str, Any] = {
        "state": state,
        "title": state.kind.title[page.locale],
        "language_word": LANGUAGE_WORDS[state.language],
        "path": _path(state.kind.kind, state.language),
        "variables": [VariableRead.of(one, page.locale) for one in state.kind.names.values()],
        "blocks": [(one.name, one.meaning[page.locale]) for one in state.kind.blocks],
        "must_say": state.kind.must_say,
        "subject_most": SUBJECT_MOST,
        "body_most": BODY_MOST,
        "failure": failure.sentence(page.locale) if failure else None,
        "failed_on": describe(state.failed_at, page.tenant.timezone, page.locale) if state.failed_at else None,
        "history": [
            (
                describe(row.created_at, page.tenant.timezone, page.locale),
                names.get(row.staff_id, page.t(_("Somebody else"))) if row.staff_id else page.t(_("Somebody else")),
                page.t(ACTION_WORDS.get(row.action, row.action)),
            )
            for row in entries
        ],
        "confirm_path": CONFIRM_PATH if is_stale else None,
        "sent_to": sent_to,
    }
    if isinstance(problem, TemplateRefusedError):
        for trouble in problem.troubles:
            known = form.errors.get(trouble.part)
            sentence = trouble.sentence(page.locale)
            form.errors[trouble.part] = f"{known} {sentence}" if known else sentence
        problem = FormRefusedError()  # beside the fields all is said
    if problem is not None:
        return page.render_refused("mail_template.html", form, problem, **values)
    return page.render("mail_template.html", status=403 if is_stale else 200, form=form, **values)
