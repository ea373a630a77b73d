"""The mails about signing in by Google or Facebook."""

import pytest

from tenants.accounts.services.vouched_clients import open_account
from tenants.social.events import SOCIAL_ACCOUNT_UNCONFIRMED, SOCIAL_ADDRESS_TAKEN, SOCIAL_CODE_REQUESTED
from tenants.social.models import SocialProvider, SocialSignUp
from tenants.social.service import connect_identity, forget_identities
from tests.support.events import run_due_events
from tests.support.mails import assert_speaks, mails_of
from tests.support.practices import make_client, make_practice
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


def sign_up(locale: str) -> SocialSignUp:
    """One that waits for a code."""
    now = clock.now()
    return SocialSignUp(
        id=new_id(),
        token_hash="x" * 64,
        provider="facebook",
        subject="1",
        first_name="Ana",
        last_name="Arce",
        locale=locale,
        email="ana@example.com",
        codes_sent=1,
        attempts=0,
        created_at=now,
        expires_at=now.replace(year=now.year + 1),
    )


@pytest.mark.parametrize("language", ["es", "en"])
async def test_every_one_speaks_its_readers_language(runtime: Runtime, language: str) -> None:
    practice = await make_practice(runtime, locale=language)
    client = await make_client(runtime, practice, is_verified=False)
    async with runtime.database.tenant(practice) as session:
        waiting = sign_up(language)
        session.add(waiting)
        owner = await open_account(session, email="eva@example.com", first_name="Eva", last_name="Gil", locale=language)
        await connect_identity(session, owner.id, SocialProvider.GOOGLE, "7", None)
        await publish(session, SOCIAL_ACCOUNT_UNCONFIRMED, {"client_id": str(client.id)})
        await publish(session, SOCIAL_ADDRESS_TAKEN, {"client_id": str(client.id)})
        await publish(session, SOCIAL_CODE_REQUESTED, {"sign_up_id": str(waiting.id)})
    await run_due_events(runtime, practice)
    mails = await mails_of(runtime, practice)
    assert len([mail for mail in mails if mail.recipient in (client.email, "ana@example.com", "eva@example.com")]) == 5
    for mail in mails:
        assert_speaks(language, mail, practice.name, "Eva", "Ana")
        assert mail.headers["Content-Language"] == language


async def test_a_sign_up_that_is_over_gets_no_code(runtime: Runtime, practice: TenantContext) -> None:
    async with runtime.database.tenant(practice) as session:
        waiting = sign_up("es")
        waiting.used_at = clock.now()
        session.add(waiting)
        await publish(session, SOCIAL_CODE_REQUESTED, {"sign_up_id": str(waiting.id)})
    await run_due_events(runtime, practice)
    assert await mails_of(runtime, practice, "ana@example.com") == []


async def test_an_identity_that_is_gone_already_is_not_announced(runtime: Runtime, practice: TenantContext) -> None:
    client = await make_client(runtime, practice)
    async with runtime.database.tenant(practice) as session:
        await connect_identity(session, client.id, SocialProvider.GOOGLE, "7", None)
        await forget_identities(session, client.id)
    await run_due_events(runtime, practice)
    assert await mails_of(runtime, practice, client.email) == []
