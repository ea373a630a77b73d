"""Which mails a member of staff gets, and whether at once or once a day."""

from datetime import time
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.mail_preferences import change_own, read_own
from admin_portal.pages.page import SignedIn, StaffPage
from notifications.catalogue import TOPIC_WORDS
from notifications.digests.service import PREFERENCES_PATH
from notifications.preferences.service import Account, read_choices
from tenants.accounts.models import AccountKind
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)
_PATH = PREFERENCES_PATH.removeprefix("/admin")


@router.get(_PATH)
async def show_mails(page: SignedIn, saved: Annotated[str, Query(max_length=5)] = "") -> Response:
    """The choices as they are."""
    own = await read_own(page.session, page.staff.id, page.locale)
    digest_at = own.digest_at
    form = page.blank_form(
        delivery="daily" if digest_at else "at_once", digest_at=(digest_at or time(18)).strftime("%H:%M")
    )
    return await _render(page, form, is_saved=bool(saved))


async def _render(page: StaffPage, form: Form, *, is_saved: bool = False, status: int = 200) -> Response:
    return page.render(
        "my_mails.html",
        status=status,
        form=form,
        choices=await read_choices(page.session, Account(AccountKind.STAFF, page.staff.id)),
        names={topic: words[page.locale] for topic, words in TOPIC_WORDS.items()},
        is_saved=is_saved,
    )


@router.post(_PATH)
async def change_mails(page: SignedIn) -> Response:
    """Keep what was chosen."""
    form = await page.read_form()
    shown, wanted = form.all("shown"), form.all("topics")
    choices = await read_choices(page.session, Account(AccountKind.STAFF, page.staff.id))
    topics = {str(choice.topic): choice.topic in wanted for choice in choices if choice.topic in shown}
    try:
        at = time.fromisoformat(form.get("digest_at")).replace(tzinfo=None) if form.get("delivery") == "daily" else None
    except ValueError:
        form.add_error("digest_at", "time_parsing")
        return await _render(page, form, status=422)
    await change_own(page.session, page.staff.id, topics, at)
    return see_other(f"{PREFERENCES_PATH}?saved=yes")
