"""Agreeing to reminders by text message, confirming the number, withdrawing: on the page of mails."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from client_portal.mail_preferences import HERE, own_values
from client_portal.page import ClientPage, SignedIn
from notifications.catalogue import TEXT_CHANNELS, Channel
from notifications.texting.consents import confirm_consent, give_consent, withdraw_consent
from notifications.texting.models import GivenBy
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.ratelimit import TEXT_CODE
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.limits import limit_account, limited

router = APIRouter(include_in_schema=False)


@router.post(f"{HERE}/texts", dependencies=[Depends(limited(TEXT_CODE))])
async def change_texts(page: SignedIn) -> Response:
    """Do what the pressed button says."""
    form = await page.read_form()
    name = form.get("channel")
    if name not in TEXT_CHANNELS:
        raise NotFoundError
    try:
        await _do(page, form, Channel(name))
    except NotFoundError:
        raise
    except ProblemError as problem:
        return page.render_refused("mail_preferences.html", form, problem, **await own_values(page), is_saved=False)
    return see_other(f"{HERE}?saved=yes")


async def _do(page: ClientPage, form: Form, channel: Channel) -> None:
    match form.get("do"):
        case "give":
            await give_connection_back(page.session)
            await limit_account(page.runtime, context_of(page.request), TEXT_CODE, str(page.client.id))
            await give_consent(page.session, page.runtime, page.client.id, channel, GivenBy.PAGE, page.locale)
        case "confirm":
            await confirm_consent(page.session, page.runtime, page.client.id, channel, form.get("code"))
        case "withdraw":
            await withdraw_consent(page.session, page.client.id, channel)
        case _:
            raise NotFoundError
