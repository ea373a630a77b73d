"""Which mails one gets: by the link of a mail, without signing in, and in one's account."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from client_portal.page import ClientPage, SignedIn, Visitor, VisitorPage
from notifications.catalogue import TOPIC_WORDS
from notifications.preferences.links import PATH, find_link_reader, read_token
from notifications.preferences.models import ChangedBy
from notifications.preferences.service import Account, TopicChoice, change_choices, read_choices
from notifications.texting.consents import list_views
from tenants.accounts.models import AccountKind
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.ratelimit import MAIL_CHOICES
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limited

router = APIRouter(include_in_schema=False)

HERE = "/account/mails"
_NOT_SHARED = {
    # The address is the key: it must not travel on.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
Saved = Annotated[str, Query(max_length=5)]


def chosen(form: Form, choices: list[TopicChoice]) -> dict[str, bool]:
    """The topics of the form as they were left; those that it was not made with stay."""
    shown, wanted = form.all("shown"), form.all("topics")
    return {choice.topic: choice.topic in wanted for choice in choices if choice.topic in shown}


# ---- by the link of a mail


@router.get(PATH, dependencies=[Depends(limited(MAIL_CHOICES))])
async def show_by_link(page: Visitor, token: str, saved: Saved = "") -> Response:
    """The choices of whom the link was mailed to. Programs that check mails follow links: reading changes nothing."""
    link = read_token(page.runtime.signer, page.tenant, token)
    reader = await find_link_reader(page.session, link.account)
    context_of(page.request).locale = reader.locale
    choices = await read_choices(page.session, link.account)
    response = page.render(
        "mail_preferences_link.html",
        **_values(page, choices),
        action=f"{PATH.format(token=token)}/choices",
        reader=reader,
        is_saved=bool(saved),
    )
    response.headers.update(_NOT_SHARED)
    return response


@router.post(f"{PATH}/choices", dependencies=[Depends(limited(MAIL_CHOICES))])
async def change_by_link(page: Visitor, token: str) -> Response:
    """Keep what was chosen."""
    form = await page.read_form()
    link = read_token(page.runtime.signer, page.tenant, token)
    await find_link_reader(page.session, link.account)
    await _change(page, link.account, form)
    response = see_other(f"{PATH.format(token=token)}?saved=yes")
    response.headers.update(_NOT_SHARED)
    return response


# ---- in one's account


@router.get(HERE)
async def show_own(page: SignedIn, saved: Saved = "") -> Response:
    """The same for whoever is signed in."""
    return page.render("mail_preferences.html", form=page.blank_form(), **await own_values(page), is_saved=bool(saved))


@router.post(HERE)
async def change_own(page: SignedIn) -> Response:
    """Keep what was chosen."""
    form = await page.read_form()
    await _change(page, Account(AccountKind.CLIENT, page.client.id), form)
    return see_other(f"{HERE}?saved=yes")


async def own_values(page: ClientPage) -> dict[str, Any]:
    """For the page of whoever is signed in: choices of mails, and of text messages where there are any."""
    choices = await read_choices(page.session, Account(AccountKind.CLIENT, page.client.id))
    texts = await list_views(page.session, page.runtime.settings, page.client, page.locale)
    return {**_values(page, choices), "action": HERE, "texts": texts}


async def _change(page: VisitorPage, account: Account, form: Form) -> None:
    choices = await read_choices(page.session, account)
    await change_choices(page.session, account, chosen(form, choices), ChangedBy.PAGE)


def _values(page: VisitorPage, choices: list[TopicChoice]) -> dict[str, Any]:
    return {"choices": choices, "names": {topic: words[page.locale] for topic, words in TOPIC_WORDS.items()}}
