"""A sign-in with a browser that the account had not been used with is told of; what is known is not."""

import pytest
from sqlalchemy import update

from notifications.device_mails import KINDS
from tenants.accounts.models import AccountKind, SignIn
from tenants.accounts.services.sign_ins import start_session
from tests.support.events import run_due_events
from tests.support.mails import assert_speaks, links_in, mails_of
from tests.support.practices import SignedIn, make_client, make_practice, make_staff_member
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.devices import Device
from todoenbalance.kit.tenancy import TenantContext

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}) Gecko/20100101 Firefox/{0}"
CHROME = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0 Mobile Safari/537.36"
ADDRESS = "203.0.113.77"


async def sign_in(runtime: Runtime, tenant: TenantContext, kind: AccountKind, who: SignedIn, agent: str) -> int:
    """How many mails they have had once that has settled."""
    async with runtime.database.tenant(tenant) as session:
        device = Device.of(agent, ADDRESS)
        await start_session(session, runtime.signer, runtime.settings.auth, kind, who.id, device=device)
    await run_due_events(runtime, tenant)
    return len(await mails_of(runtime, tenant, who.email))


async def test_a_new_browser_is_told_of_once_and_an_update_is_not_new(
    runtime: Runtime, practice: TenantContext
) -> None:
    client = await make_client(runtime, practice)
    agents = [FIREFOX.format(130), FIREFOX.format(131), CHROME.format(140), CHROME.format(141), FIREFOX.format(1)]
    counts = [await sign_in(runtime, practice, AccountKind.CLIENT, client, agent) for agent in agents]
    assert counts == [0, 0, 1, 1, 1]
    [mail] = await mails_of(runtime, practice, client.email)
    assert_speaks("es", mail, practice.name)
    assert "Chrome, Android" in mail.text
    assert f"http://{practice.slug}.localhost:8000/account/security" in links_in(mail.text)
    assert ADDRESS not in mail.text + mail.html


async def test_who_says_nothing_is_told_of_once_like_any_other(runtime: Runtime, practice: TenantContext) -> None:
    unnamed, client = [await make_client(runtime, practice) for _ in range(2)]
    async with runtime.database.tenant(practice) as session:
        signed_up = update(SignIn).where(SignIn.account_id == client.id)
        await session.execute(signed_up.values(user_agent=FIREFOX.format(129)))
    # There is nothing to compare it with, where nothing was ever named.
    assert [await sign_in(runtime, practice, AccountKind.CLIENT, unnamed, agent) for agent in ("", "")] == [0, 0]
    agents = [FIREFOX.format(130), "", "\x00", ""]
    assert [await sign_in(runtime, practice, AccountKind.CLIENT, client, agent) for agent in agents] == [0, 1, 1, 1]
    [mail] = await mails_of(runtime, practice, client.email)
    assert "Otro programa" in mail.text


async def test_what_a_program_says_of_itself_is_not_repeated(runtime: Runtime, practice: TenantContext) -> None:
    client, text = await make_client(runtime, practice), "Call 900 123 456 or see http://evil.example"
    await sign_in(runtime, practice, AccountKind.CLIENT, client, FIREFOX.format(130))
    assert await sign_in(runtime, practice, AccountKind.CLIENT, client, text) == 1
    [mail] = await mails_of(runtime, practice, client.email)
    assert "Otro programa" in mail.text
    assert "evil.example" not in mail.subject + mail.text + mail.html


@pytest.mark.parametrize("language", ["es", "en"])
async def test_staff_hear_of_it_too_in_their_language(runtime: Runtime, language: str) -> None:
    practice = await make_practice(runtime, locale=language)
    staff = await make_staff_member(runtime, practice)
    for agent in (FIREFOX.format(130), CHROME.format(140)):
        await sign_in(runtime, practice, AccountKind.STAFF, staff, agent)
    [mail] = await mails_of(runtime, practice, staff.email)
    assert_speaks(language, mail, practice.name)
    assert f"http://{practice.slug}.localhost:8000/admin/security" in links_in(mail.text)
    assert set(KINDS) == set(AccountKind)
