"""The mails about signing in by Google or Facebook."""

from tenants.social.events import SOCIAL_CODE_REQUESTED
from tenants.social.models import SocialProvider, SocialSignUp
from tenants.social.service import connect_identity, forget_identities
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.practices import make_client
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
