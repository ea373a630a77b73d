"""The way back from a provider leads to the practice and nowhere else."""

import pytest
from pydantic import SecretStr

from billing.checkout.return_urls import resolve_way_back
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.settings import Environment, SandboxSettings, Settings
from todoenbalance.kit.tenancy import TenantContext

PRACTICE = TenantContext(
    id=new_id(),
    key="t_abcdefghjk",
    slug="demo",
    name="Demo",
    status="active",
    country="ES",
    timezone="Europe/Madrid",
    locale="es",
    currency="EUR",
    hostname="citas.example.org",
)


def made(environment: Environment) -> Settings:
    return Settings.model_construct(
        environment=environment,
        base_domain="balance.example",
        public_scheme="",
        public_port=None,
        secret_keys=SecretStr("k:x"),
        sandbox=SandboxSettings(enabled=False),
    )


def resolve(url: str, environment: Environment = Environment.PRODUCTION) -> str:
    return resolve_way_back(url, "return_url", made(environment), PRACTICE)


def test_a_path_is_one_on_the_host_that_was_asked() -> None:
    assert resolve("/thanks?a=1#x") == "https://citas.example.org/thanks?a=1#x"


@pytest.mark.parametrize(
    "url", ["https://citas.example.org/a", "https://demo.balance.example/b", "http://CITAS.example.org."]
)
def test_the_practices_own_hosts_are_allowed(url: str) -> None:
    assert resolve(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://evil.example/citas.example.org",
        "https://citas.example.org.evil.example/",
        "https://citas.example.org@evil.example/",
        "https://user:word@citas.example.org/",
        "https://other.balance.example/",
        "https://balance.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/a\nb",
        " /a",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://citas.example.org/",
        "thanks",
        "https://[",
        "https://citas.example.org:99999/",
        "http://localhost:3000/",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        resolve(url)


@pytest.mark.parametrize(
    "url", ["http://localhost:3000/x", "http://demo.localhost:8000/", "http://127.0.0.1:5173/", "http://[::1]:80/"]
)
def test_in_development_this_machine_is_allowed(url: str) -> None:
    assert resolve(url, Environment.DEVELOPMENT) == url


def test_in_development_other_machines_are_not() -> None:
    for url in ("http://localhost.evil.example/", "http://10.0.0.1/", "http://127.0.0.1.evil.example/"):
        with pytest.raises(InvalidInputError):
            resolve(url, Environment.DEVELOPMENT)
