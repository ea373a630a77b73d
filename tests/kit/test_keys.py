"""Changing the secret keys: nobody is signed out, no form is lost, and what was sealed can be read after it."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pyotp
import pytest
from pydantic import SecretStr, ValidationError

from tenants.accounts.models import TotpAuthenticator
from tests.conftest import HttpFactory
from tests.support.pages import HTML, sign_in, submit
from tests.support.practices import PASSWORD, make_client, make_staff_member
from todoenbalance.app import Surfaces, create_app
from todoenbalance.cli.database import examine
from todoenbalance.cli.sealed import reseal
from todoenbalance.kit import clock
from todoenbalance.kit.encryption import DecryptionError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Environment, SandboxSettings, Settings, is_weak_secret
from todoenbalance.kit.tenancy import TenantContext


@asynccontextmanager
async def with_keys(settings: Settings, keys: str) -> AsyncIterator[Runtime]:
    """The same deployment after its keys were changed."""
    runtime = Runtime.from_settings(settings.model_copy(update={"secret_keys": SecretStr(keys)}))
    try:
        yield runtime
    finally:
        await runtime.close()


def served(runtime: Runtime, practice: TenantContext, **options: object) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(runtime, Surfaces.build(runtime.settings)), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{practice.slug}.localhost:8000", **options)  # type: ignore[arg-type]  # as given


async def test_a_new_key_in_front_signs_nobody_out_and_loses_no_form(
    settings: Settings, runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    old, new = settings.secret_keys.get_secret_value(), f"new:{secrets.token_urlsafe(32)}"
    account = await make_client(runtime, practice)
    browser = http(practice, headers=HTML)
    await sign_in(browser, "/sign-in", account.email, PASSWORD)
    form = await browser.get("/appointments")
    async with with_keys(settings, f"{new},{old}") as changed:
        async with served(changed, practice, headers=account.headers) as api:
            assert (await api.get("/api/v1/users/me")).status_code == 200
            pair = (await api.post("/api/v1/auth/refresh", json={"refresh_token": account.refresh_token})).json()
        async with served(changed, practice, headers=HTML, cookies=dict(browser.cookies)) as same:
            assert (await same.get("/appointments")).status_code == 200
            assert (await submit(same, form, "/sign-out")).status_code == 303
    async with with_keys(settings, new) as after, served(after, practice) as api:
        fresh = {"Authorization": f"Bearer {pair['access_token']}"}
        assert (await api.get("/api/v1/users/me", headers=fresh)).status_code == 200
        assert (await api.get("/api/v1/users/me", headers=account.headers)).status_code == 401
        answer = await api.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
        assert answer.status_code == 200  # refresh tokens do not depend on the key


async def test_what_was_sealed_is_sealed_anew_before_the_old_key_goes(
    settings: Settings, runtime: Runtime, practice: TenantContext
) -> None:
    old, new = settings.secret_keys.get_secret_value(), f"new:{secrets.token_urlsafe(32)}"
    staff = await make_staff_member(runtime, practice)
    secret = pyotp.random_base32()
    async with runtime.database.tenant(practice) as session:
        sealed = runtime.vault.encrypt(secret, tenant_key=practice.key)
        session.add(TotpAuthenticator(id=new_id(), account_id=staff.id, secret=sealed, created_at=clock.now()))

    async def stored() -> str:
        async with runtime.database.tenant(practice) as session:
            return (await session.execute(TotpAuthenticator.__table__.select())).one().secret  # type: ignore[no-any-return]  # a row's column

    async with with_keys(settings, f"{new},{old}") as changed:
        first = await reseal(changed)
        assert first.renewed >= 1
        again = await reseal(changed)
        assert (again.renewed, again.current >= 1) == (0, True)
    async with with_keys(settings, new) as after:
        assert after.vault.decrypt(await stored(), tenant_key=practice.key) == secret
        with pytest.raises(DecryptionError):
            after.vault.decrypt(sealed, tenant_key=practice.key)
    # Back to the test database's own key, for the other tests; then to one that opens nothing.
    async with with_keys(settings, f"{old},{new}") as back:
        report = await reseal(back)
        # Other tests of this database leave secrets that no key opens; ours are all read.
        assert not [one for one in report.unreadable if one.startswith(f"{practice.key}:")]
    async with with_keys(settings, new) as lost:
        report = await reseal(lost)
        assert not report.ok
        assert f"{practice.key}: totp_authenticators.secret" in report.unreadable


@pytest.mark.parametrize(
    "secret", ["short", "a" * 64, "changeme-changeme-changeme-12345678", "my-secret-key-0123456789-abcdefghijkl"]
)
def test_weak_and_placeholder_keys_are_warned_of_and_refused_in_production(secret: str, settings: Settings) -> None:
    assert is_weak_secret(secret)
    weak = settings.model_copy(update={"secret_keys": SecretStr(f"one:{secret}")})
    found: Callable[[Settings], list[bool]] = lambda made: [  # noqa: E731 - said once
        check.ok for check in examine(made) if check.name == "secret key one"
    ]
    assert found(weak) == [False]
    assert found(weak.model_copy(update={"secret_keys": SecretStr(f"one:{secrets.token_urlsafe(48)}")})) == [True]
    with pytest.raises(ValidationError, match="too weak for production"):
        Settings(
            environment=Environment.PRODUCTION,
            database_url=settings.database_url,
            redis_url=settings.redis_url,
            secret_keys=SecretStr(f"one:{secret}"),
            sandbox=SandboxSettings(enabled=False),
        )
