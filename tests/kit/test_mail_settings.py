"""Which settings of mail are refused, and how that is said."""

import secrets
from typing import Any

import pytest
from pydantic import ValidationError

from todoenbalance.kit.settings import Settings, SmtpSettings


def make(environment: str = "production", **values: Any) -> Settings:
    return Settings.model_validate(
        {
            "environment": environment,
            "database_url": "postgresql://nobody@127.0.0.1/none",
            "redis_url": "redis://127.0.0.1:1/0",
            "secret_keys": f"one:{secrets.token_urlsafe(48)}",
            "sandbox": {"enabled": False},
            **values,
        }
    )


SENDER = {"sender_address": "no-reply@practices.test"}
SENDGRID: dict[str, Any] = {"mail": {"adapter": "sendgrid"} | SENDER, "providers": {"sendgrid": {"api_key": "SG.key"}}}
SMTP: dict[str, Any] = {"mail": SENDER | {"adapter": "smtp", "smtp": {"host": "mail.test"}}}


@pytest.mark.parametrize("values", [SENDGRID, SMTP])
@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_whole_adapter_will_do(environment: str, values: dict[str, Any]) -> None:
    assert make(environment, **values).mail.adapter == values["mail"]["adapter"]


@pytest.mark.parametrize("environment", ["production", "development"])
@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"mail": {"adapter": "sendgrid"} | SENDER},
            "providers.sendgrid.api_key: needed where mail.adapter is sendgrid",
        ),
        (SENDGRID | {"providers": {"sendgrid": {"api_key": " \n"}}}, "providers.sendgrid.api_key: needed"),
        (SENDGRID | {"providers": {"sendgrid": {"api_key": "SG.a\nb"}}}, "providers.sendgrid.api_key: not a key"),
        ({"mail": {"adapter": "smtp"} | SENDER}, "mail.smtp.host: needed where mail.adapter is smtp"),
        (
            {"mail": SENDER | {"adapter": "smtp", "smtp": {"host": "mail.test", "username": "app"}}},
            "mail.smtp: a username and a password go together",
        ),
        ({"mail": {"adapter": "pigeon"}}, "mail.adapter"),
        ({"mail": {"adapter": "smtp", "smtp": {"host": "mail.test", "security": "ssl"}}}, "mail.smtp.security"),
    ],
)
def test_half_an_adapter_is_refused(environment: str, values: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(environment, **values)
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "mail.adapter: the development mailbox is refused in production"),
        (
            {"mail": SENDER | {"adapter": "smtp", "smtp": {"host": "mail.test", "security": "none"}}},
            "mail.smtp.security: mail in the clear is refused in production",
        ),
        (
            SENDGRID | {"providers": {"sendgrid": {"api_key": "SG.key", "api_base": "https://sendgrid.test"}}},
            "providers.sendgrid.api_base: no other server",
        ),
        (
            SENDGRID | {"mail": {"adapter": "sendgrid"}},
            "mail.sender_address: the default is nobody's, and refused in production",
        ),
    ],
)
def test_what_production_refuses_a_laptop_may(values: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(**values)
    assert line in str(caught.value)
    make("development", **values)


def test_mail_may_stay_in_the_eu() -> None:
    values = SENDGRID | {"providers": {"sendgrid": {"api_key": "SG.key", "api_base": "https://api.eu.sendgrid.com/"}}}
    assert make(**values).providers.sendgrid.base == "https://api.eu.sendgrid.com"


def test_a_key_from_a_file_loses_its_line_break_and_is_not_shown() -> None:
    made = make(mail={"adapter": "sendgrid"} | SENDER, providers={"sendgrid": {"api_key": "SG.key\n"}})
    assert made.providers.sendgrid.api_key.get_secret_value() == "SG.key"
    assert "SG.key" not in repr(made)


def test_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ENVIRONMENT": "development",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEYS": "one:two",
        "MAIL__ADAPTER": "smtp",
        "MAIL__SMTP__HOST": "mail.test",
        "MAIL__SMTP__PORT": "2525",
        "MAIL__SMTP__USERNAME": "app",
        "MAIL__SMTP__PASSWORD": "word",
        "MAIL__SMTP__SECURITY": "tls",
        "PROVIDERS__SENDGRID__API_KEY": "SG.key",
    }.items():
        monkeypatch.setenv(f"TODOENBALANCE_{name}", value)
    made = Settings()
    assert (made.mail.smtp.host, made.mail.smtp.effective_port, made.mail.smtp.security) == ("mail.test", 2525, "tls")
    assert made.mail.smtp.password.get_secret_value() == "word"
    assert made.providers.sendgrid.api_key.get_secret_value() == "SG.key"


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_usual_port(security: str, port: int) -> None:
    assert SmtpSettings.model_validate({"security": security}).effective_port == port


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"timezone": "Europe/Nowhere"}, "no time zone is called 'Europe/Nowhere'"),
        ({"news_hour": 24}, "operator_mails.news_hour"),
        ({"locale": "fr"}, "operator_mails.locale"),
    ],
)
def test_operators_are_told_at_an_hour_and_in_a_language_that_there_is(values: dict[str, object], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make("development", operator_mails=values)
    assert line in str(caught.value)
