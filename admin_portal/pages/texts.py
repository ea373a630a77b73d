"""Whether the practice's clients get text messages, and how many a month at most. 404 without a gateway."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.pages.page import SignedIn
from admin_portal.text_messages import choose_for_practice
from notifications.texting.choices import read_quota
from notifications.texting.mails import SETTINGS_PATH
from notifications.texting.schemas import TextQuotaPut
from tenants.accounts.permissions import Permission
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)
_PATH = SETTINGS_PATH.removeprefix("/admin")


@router.get(_PATH)
async def show_texts(page: SignedIn, saved: Annotated[str, Query(max_length=5)] = "") -> Response:
    """The choice as it is, and what is used up of it."""
    page.need(Permission.MANAGE_SETTINGS)
    quota = await read_quota(page.session, page.runtime.settings)
    page.need_fresh(SETTINGS_PATH)
    form = page.blank_form(is_on="yes" if quota.is_on else None, limit=quota.limit)
    return page.render("texts.html", form=form, quota=quota, is_saved=bool(saved))


@router.post(_PATH)
async def change_texts(page: SignedIn) -> Response:
    """Keep what was chosen."""
    form = await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    quota = await read_quota(page.session, page.runtime.settings)
    page.need_fresh(SETTINGS_PATH)
    try:
        wish = form.parse(TextQuotaPut, {"is_on": form.get("is_on") == "yes", "limit": form.whole("limit")})
    except ProblemError as problem:
        return page.render_refused("texts.html", form, problem, quota=quota, is_saved=False)
    await choose_for_practice(page.session, page.runtime, page.staff, wish, page.request_id)
    return see_other(f"{SETTINGS_PATH}?saved=yes")
