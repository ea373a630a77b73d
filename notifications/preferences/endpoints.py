"""A client's own preferences, and the one click by which mail programs end a topic (RFC 8058)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form

from notifications.preferences.links import PATH, find_link_reader, read_token
from notifications.preferences.models import ChangedBy
from notifications.preferences.schemas import MailPreferencesPut, MailPreferencesRead, MailTopicRead
from notifications.preferences.service import Account, TopicNotOptionalError, change_choices, read_choices
from tenants.accounts.auth import CurrentClient
from tenants.accounts.models import AccountKind
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotAuthenticatedError, NotFoundError
from todoenbalance.kit.ratelimit import MAIL_CHOICES
from todoenbalance.kit.web.dependencies import LocaleDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.limits import limited
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/users/me/mail-preferences", tags=["own account"], responses=responses(NotAuthenticatedError)
)
public_router = APIRouter(tags=["mail"])


async def preferences_of(session: TenantSession, account: Account, locale: str) -> MailPreferencesRead:
    """As the API says them."""
    choices = await read_choices(session, account)
    return MailPreferencesRead(items=[MailTopicRead.of(choice, locale) for choice in choices])


@router.get("")
async def read_own_preferences(
    client: CurrentClient, session: TenantSessionDep, locale: LocaleDep
) -> MailPreferencesRead:
    """Which mails the caller gets, of those that may be switched off."""
    return await preferences_of(session, Account(AccountKind.CLIENT, client.id), locale)


@router.put("", responses=responses(TopicNotOptionalError))
async def change_own_preferences(
    body: MailPreferencesPut, client: CurrentClient, session: TenantSessionDep, locale: LocaleDep
) -> MailPreferencesRead:
    """Switch topics on or off. Safe to repeat."""
    account = Account(AccountKind.CLIENT, client.id)
    await change_choices(session, account, body.topics, ChangedBy.PAGE)
    return await preferences_of(session, account, locale)


@public_router.post(PATH, responses=responses(NotFoundError), dependencies=[Depends(limited(MAIL_CHOICES))])
async def unsubscribe(
    token: str,
    session: TenantSessionDep,
    tenant: TenantDep,
    runtime: RuntimeDep,
    one_click: Annotated[Literal["One-Click"], Form(alias="List-Unsubscribe")],
) -> dict[str, str]:
    """End the topic of the mail that the link came in: `List-Unsubscribe=One-Click`, as RFC 8058 has it.

    Asked by mail programs, so without cookies and without a question in between. Safe to repeat. The same address
    read (`GET`) shows the page of preferences and changes nothing.
    """
    del one_click
    link = read_token(runtime.signer, tenant, token)
    await find_link_reader(session, link.account)
    await change_choices(session, link.account, {link.topic: False}, ChangedBy.ONE_CLICK)
    return {"status": "unsubscribed"}
