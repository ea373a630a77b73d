"""Where a calendar may be read from."""

import secrets

import pytest
from pydantic import ValidationError

from scheduling.external_calendars.addresses import AddressRules, is_public, read_address
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.settings import Environment, ExternalCalendarSettings, ProviderSettings, Settings

PRODUCTION = AddressRules()
LAPTOP = AddressRules(allow_private=True, allow_http=True)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "142.250.200.14", "1.1.1.1", "2a00:1450:4003:80f::200e", "2620:1ec:c11::237", "::ffff:8.8.8.8"],
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",  # noqa: S104 - refused
     "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1",
     "203.0.113.9", "192.88.99.1", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "168.63.129.16",
     "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::7f00:1", "64:ff9b::7f00:1",
     "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
     "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "3fff::1", "5f00::1",
     "", "localhost", "127.1", "2130706433", "0x7f000001", "017700000001"],
)  # fmt: skip
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("typed", "opened"),
    [
        ("https://calendar.google.com/calendar/ical/x/private-1/basic.ics",) * 2,
        ("webcal://p01-caldav.icloud.com/published/2/MTIz", "https://p01-caldav.icloud.com/published/2/MTIz"),
        ("  WEBCAL://Example.ORG/a.ics#top ", "https://example.org/a.ics"),
        ("https://cloud.example.org:8443/a.ics?export", "https://cloud.example.org:8443/a.ics?export"),
        ("https://calendario.peña.example/a", "https://calendario.xn--pea-8ma.example/a"),
    ],
)
def test_what_calendars_show_as_their_address_is_taken(typed: str, opened: str) -> None:
    assert str(read_address(typed, PRODUCTION)) == opened


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("", "calendar_address_malformed"),
        ("nonsense", "calendar_address_malformed"),
        ("https:///calendar.ics", "calendar_address_malformed"),
        ("https://host:port/x", "calendar_address_malformed"),
        ("https://host:99999/x", "calendar_address_refused"),
        ("https://exa mple.org/x", "calendar_address_refused"),
        ("file:///etc/passwd", "calendar_address_malformed"),
        ("ftp://example.org/a.ics", "calendar_address_malformed"),
        ("gopher://example.org/1", "calendar_address_malformed"),
        ("https://example.org/" + "x" * 2000, "calendar_address_malformed"),
        ("https://user:pass@example.org/a.ics", "calendar_address_credentials"),
        ("https://example.org\\@10.0.0.1/a.ics", "calendar_address_credentials"),
        ("http://example.org/a.ics", "calendar_address_refused"),
        ("https://127.0.0.1/a.ics", "calendar_address_refused"),
        ("https://[::1]/a.ics", "calendar_address_refused"),
        ("https://[::ffff:127.0.0.1]/a.ics", "calendar_address_refused"),
        ("https://169.254.169.254/latest/meta-data", "calendar_address_refused"),
        ("https://localhost/a.ics", "calendar_address_refused"),
        ("https://LOCALHOST./a.ics", "calendar_address_refused"),
        ("https://x.localhost:8000/a.ics", "calendar_address_refused"),
        ("https://metadata.google.internal/x", "calendar_address_refused"),
        ("https://printer.local/x", "calendar_address_refused"),
        ("https://example.org:25/a.ics", "calendar_address_refused"),
        ("https://example.org:80/a.ics", "calendar_address_refused"),
    ],
)
def test_what_we_do_not_open_is_refused_without_being_quoted(typed: str, kind: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_address(typed, PRODUCTION)
    (error,) = refused.value.errors
    assert (error["loc"], error["type"]) == (["body", "address"], kind)
    assert "example.org" not in str(error)


@pytest.mark.parametrize(
    "typed", ["http://127.0.0.1:8080/a.ics", "http://localhost:8000/a.ics", "https://[::1]:9000/a"]
)
def test_a_laptop_may_read_from_itself(typed: str) -> None:
    assert str(read_address(typed, LAPTOP)) == typed


def test_production_refuses_to_read_from_private_networks() -> None:
    reads = ProviderSettings(external_calendars=ExternalCalendarSettings(allow_private_addresses=True))
    values = {
        "environment": Environment.PRODUCTION,
        "database_url": "postgresql://nobody@127.0.0.1/none",
        "redis_url": "redis://127.0.0.1:1/0",
        "secret_keys": f"one:{secrets.token_urlsafe(48)}",
        "providers": reads,
    }
    with pytest.raises(ValidationError, match="allow_private_addresses"):
        Settings.model_validate(values)
    laptop = Settings.model_validate(values | {"environment": Environment.DEVELOPMENT})
    assert AddressRules.of(laptop) == LAPTOP
