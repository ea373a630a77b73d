"""From an account's event to a mail whose link works."""

from urllib.parse import parse_qs, urlsplit

from tenants.accounts.models import StaffRole
from tenants.accounts.services import client_accounts, passwords, staff_accounts
from tests.support.events import run_due_events
from tests.support.mails import links_in, mails_of
from tests.support.practices import make_client
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NEW = client_accounts.NewClient(
    email="ana@example.com",
    password="una contraseña larga",
    first_name="Ana",
    last_name="Nueva",
    phone=None,
    locale="es",
    timezone="Europe/Madrid",
)


def token_in(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


async def test_a_new_client_is_welcomed_with_a_link_that_verifies(runtime: Runtime, practice: TenantContext) -> None:
    async with runtime.database.tenant(practice) as session:
        await client_accounts.register_client(session, NEW, reveal_taken=False)
    await run_due_events(runtime, practice)
    [mail] = await mails_of(runtime, practice, NEW.email)
    [link] = links_in(mail.text)
    assert link.startswith(f"http://{practice.slug}.localhost:8000/verify-email?token=")
    async with runtime.database.tenant(practice) as session:
        assert (await client_accounts.verify_client_email(session, token_in(link))).is_verified


async def test_an_address_that_is_taken_hears_of_it_and_can_reset(runtime: Runtime, practice: TenantContext) -> None:
    client = await make_client(runtime, practice, NEW.email)
    async with runtime.database.tenant(practice) as session:
        await client_accounts.register_client(session, NEW, reveal_taken=False)
    await run_due_events(runtime, practice)
    [mail] = await mails_of(runtime, practice, client.email)
    sign_in, reset = links_in(mail.text)
    assert urlsplit(sign_in).path == "/sign-in"
    async with runtime.database.tenant(practice) as session:
        assert (
            await passwords.reset_client_password(session, runtime, token_in(reset), "otra contraseña larga")
        ).id == client.id


async def test_each_request_is_a_mail_of_its_own(runtime: Runtime, practice: TenantContext) -> None:
    client = await make_client(runtime, practice)
    for _ in range(2):
        async with runtime.database.tenant(practice) as session:
            await client_accounts.request_password_reset(session, client.email)
        await run_due_events(runtime, practice)
    mails = await mails_of(runtime, practice, client.email)
    assert len({links_in(mail.text)[0] for mail in mails}) == 2
    async with runtime.database.tenant(practice) as session:
        token = token_in(links_in(mails[0].text)[0])
        assert (await passwords.reset_client_password(session, runtime, token, "otra contraseña larga")).id == client.id


async def test_the_verification_link_can_be_asked_for_again(runtime: Runtime, practice: TenantContext) -> None:
    client = await make_client(runtime, practice, is_verified=False)
    async with runtime.database.tenant(practice) as session:
        await client_accounts.request_verification(session, client.email)
    await run_due_events(runtime, practice)
    [mail] = await mails_of(runtime, practice, client.email)
    async with runtime.database.tenant(practice) as session:
        token = token_in(links_in(mail.text)[0])
        assert (await client_accounts.verify_client_email(session, token)).id == client.id


async def test_the_first_owner_is_invited_when_the_practice_is_made(runtime: Runtime, practice: TenantContext) -> None:
    await run_due_events(runtime, practice)
    [mail] = await mails_of(runtime, practice, f"owner@{practice.slug}.example.com")
    [link] = links_in(mail.text)
    assert link.startswith(f"http://{practice.slug}.localhost:8000/admin/accept-invitation?token=")
    async with runtime.database.tenant(practice) as session:
        owner = await staff_accounts.accept_invitation(session, token_in(link), "una contraseña larga")
    assert owner.role == StaffRole.OWNER
