"""The console's pages of what waits for operators, and of which mails they get about it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.ratelimit import MAIL_CHOICES
from todoenbalance.kit.web.limits import limited
from todoenbalance.operators.console.page import SignedIn
from todoenbalance.operators.mails.choices import PATH, change_choices
from todoenbalance.operators.mails.endpoints import OperatorMailChoices
from todoenbalance.operators.waiting import service
from todoenbalance.operators.waiting.repository import Section

router = APIRouter(include_in_schema=False)
_WAITING, _MAILS = "/waiting", "/my-mails"


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


SECTION_WORDS = {
    Section.TASKS: _("Tasks that were given up"),
    Section.WEBHOOKS_GIVEN_UP: _("Webhooks that were given up"),
    Section.WEBHOOKS: _("Webhooks that fail again and again"),
    Section.ACCOUNTS: _("Webhooks of nobody's account"),
    Section.BOOKS: _("Practices whose books disagree with a provider's for more than a day"),
    Section.UNPAID: _("Practices that owe the plan's payment beyond the days of grace"),
    Section.STATEMENTS: _("Statements of fees to be invoiced"),
    Section.MAILS: _("Operators whom mail did not reach in the last seven days"),
}
SECTION_PATHS = {
    Section.TASKS: "#tasks",
    Section.WEBHOOKS_GIVEN_UP: "/webhooks-inbox",
    Section.WEBHOOKS: "/webhooks-inbox",
    Section.ACCOUNTS: "/webhooks-inbox",
    Section.STATEMENTS: "/usage",
}
"""Where something is done about it; of the others a practice's own page shows it."""
_LANGUAGES = (("", _("As the deployment has it")), ("es", "Español"), ("en", "English"))


@router.get(_WAITING)
async def show_waiting(page: SignedIn) -> Response:
    """Everything that wants a person, the gravest first."""
    waiting = await service.list_waiting(page.session)
    sections = [
        {
            "words": page.t(SECTION_WORDS[one.section]),
            "count": one.count,
            "practices": await service.named(page.session, one),
            "path": SECTION_PATHS.get(one.section),
        }
        for one in waiting
    ]
    tasks = await service.list_parked_tasks(page.session)
    return page.render("waiting.html", sections=sections, tasks=tasks)


@router.post(f"{_WAITING}/tasks/{{event_id}}/retry")
async def retry_task(page: SignedIn, event_id: UUID) -> Response:
    """Have one tried again."""
    await page.read_form()
    page.need_fresh(_WAITING)
    await service.retry_task(page.session, page.operator.id, event_id, page.request_id)
    return see_other(_WAITING)


@router.get(_MAILS)
async def show_mails(page: SignedIn, saved: Annotated[str, Query(max_length=5)] = "") -> Response:
    """The choices as they are."""
    operator = page.operator
    form = page.blank_form(wants_news="yes" if operator.wants_news else "", locale=operator.locale or "")
    return page.render("my_mails.html", form=form, languages=_languages(page), is_saved=bool(saved))


def _languages(page: SignedIn) -> list[tuple[str, str]]:
    return [(code, page.t(name)) for code, name in _LANGUAGES]


@router.post(_MAILS)
async def change_mails(page: SignedIn) -> Response:
    """Keep what was chosen."""
    form = await page.read_form()
    values = {"wants_news": form.get("wants_news") == "yes", "locale": form.get("locale") or None}
    try:
        body = form.parse(OperatorMailChoices, values)
    except ProblemError as problem:
        return page.render_refused("my_mails.html", form, problem, languages=_languages(page), is_saved=False)
    await change_choices(
        page.session, page.operator, wants_news=body.wants_news, locale=body.locale, request_id=page.request_id
    )
    return see_other(f"{_MAILS}?saved=yes")


@router.get(PATH, dependencies=[Depends(limited(MAIL_CHOICES))])
async def lead_to_choices(token: str) -> Response:
    """From a mail's link to the choices, behind the sign-in: programs that check mails follow links, and read only."""
    del token
    return see_other(_MAILS)
