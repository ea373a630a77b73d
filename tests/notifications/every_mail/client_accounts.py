"""Clients' accounts: opened, verified, forgotten, guessed at, moved to another address."""

from dataclasses import dataclass

from tenants.accounts.models import AccountKind
from tenants.accounts.services import client_accounts, magic_links
from tenants.accounts.services.sign_ins import start_session
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import CLIENT_ZONES, World
from tests.support.credentials import NEW, guess, token_in
from tests.support.mails import links_in
from tests.support.practices import PASSWORD, SignedIn
from todoenbalance.kit.security.devices import Device

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
CHROME = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"


async def sign_in_with(world: World, kind: AccountKind, who: SignedIn, *agents: str) -> None:
    """One browser after the other."""
    for agent in agents:
        async with world.session() as session:
            auth, device = world.runtime.settings.auth, Device.of(agent, "203.0.113.77")
            await start_session(session, world.runtime.signer, auth, kind, who.id, device=device)
    await world.run()


async def register(world: World) -> None:
    """Somebody fills in the form."""
    new = client_accounts.NewClient(
        email=world.address("client"),
        password=PASSWORD,
        first_name="Ana",
        last_name="Gil",
        phone=None,
        locale=world.language,
        timezone=CLIENT_ZONES[world.language],
    )
    async with world.session() as session:
        await client_accounts.register_client(session, new, reveal_taken=False)
    await world.run()


@shows("client_welcome")
async def somebody_opens_an_account(world: World) -> None:
    await register(world)


@shows("client_registration_repeated")
async def somebody_opens_an_account_twice(world: World) -> None:
    await world.client()
    await register(world)


@shows("client_verification")
async def an_address_is_to_be_verified(world: World) -> None:
    client = await world.client(is_verified=False)
    async with world.session() as session:
        await client_accounts.request_verification(session, client.email)
    await world.run()


@shows("client_password_reset")
async def a_client_forgot_the_password(world: World) -> None:
    client = await world.client()
    async with world.session() as session:
        await client_accounts.request_password_reset(session, client.email)
    await world.run()


@shows("client_password_changed")
async def a_client_changes_the_password(world: World) -> None:
    client = await world.client()
    body = {"current_password": PASSWORD, "new_password": NEW}
    here = world.http(world.practice)
    assert (await here.post("/api/v1/users/me/password", json=body, headers=client.headers)).status_code == 204
    await world.run()


@shows("client_new_device")
async def a_client_signs_in_with_another_browser(world: World) -> None:
    await sign_in_with(world, AccountKind.CLIENT, await world.client(), FIREFOX, CHROME)


@shows("client_new_device")
async def a_client_signs_in_with_an_unknown_program(world: World) -> None:
    await sign_in_with(world, AccountKind.CLIENT, await world.client(), FIREFOX, "Call 900 123 456")


@shows("client_locked_out")
async def somebody_guesses_at_a_clients_password(world: World) -> None:
    client = await world.client()
    await guess(world.http(world.practice), client.email)
    await world.run()


@shows("client_magic_link")
async def a_client_asks_for_a_link_to_sign_in(world: World) -> None:
    client = await world.client()
    async with world.session() as session:
        await magic_links.request_magic_link(session, client.email, return_to="/appointments")
    await world.run()


# ---- another address


@dataclass(frozen=True, slots=True)
class Paths:
    """Where an account changes its address."""

    ask: str
    confirm: str


CLIENTS = Paths("/api/v1/users/me/email", "/api/v1/auth/email/confirm")
STAFFS = Paths("/api/v1/admin/auth/email", "/api/v1/admin/auth/email/confirm")


async def ask(world: World, who: SignedIn, paths: Paths = CLIENTS, role: str = "new") -> None:
    """For another address; both are written to."""
    here = world.http(world.practice)
    answer = await here.post(paths.ask, json={"new_email": world.address(role)}, headers=who.headers)
    assert answer.status_code == 202, answer.text
    await world.run()


async def confirm(world: World, paths: Paths = CLIENTS) -> None:
    """Both say yes."""
    for letter in await world.letters():
        token = token_in(links_in(letter.mail.text)[0])
        answer = await world.http(world.practice).post(paths.confirm, json={"token": token})
        assert answer.status_code == 200, answer.text
    await world.run()


@shows("email_change_old", "email_change_new", leave="/cancel-email")
async def a_client_wants_another_address(world: World) -> None:
    await ask(world, await world.client())


@shows("email_change_old", "email_change_new", leave="/confirm-email")
async def a_client_wants_an_address_that_has_an_account(world: World) -> None:
    await world.client("taken")
    await ask(world, await world.client(), role="taken")


@shows("email_change_old", "email_change_new", leave="/cancel-email")
async def somebody_of_the_staff_wants_another_address(world: World) -> None:
    await ask(world, await world.staff(), STAFFS)


@shows("email_changed")
async def a_client_has_another_address(world: World) -> None:
    await ask(world, await world.client())
    await confirm(world)


@shows("email_changed")
async def somebody_of_the_staff_has_another_address(world: World) -> None:
    await ask(world, await world.staff(), STAFFS)
    await confirm(world, STAFFS)
