"""Where a calendar may be read from: public servers, and nothing that only we can reach.

The address is whatever a member of staff types, and we open it from inside our network: without these rules it
would be a way in (OWASP ASVS 5.0, 1.3.6; CWE-918, server-side request forgery).
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

from scheduling.external_calendars.errors import ReadFailedError, ReadFailure
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.settings import Settings

LONGEST_ADDRESS = 2000
_LONGEST_HOST = 253
_UNPRIVILEGED = 1024
_SCHEMES = {"webcal": "https", "webcals": "https", "https": "https", "http": "http"}
# What `is_global` of this Python lets through: protocol assignments, relays, and a cloud's own service address.
_REFUSED_IPV4 = tuple(IPv4Network(one) for one in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))
# Global unicast (RFC 4291, 2.4), less protocol assignments, documentation and addresses that wrap IPv4 ones.
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(IPv6Network(one) for one in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Which addresses are opened. Private ones and plain HTTP are for laptops and tests."""

    allow_private: bool = False
    allow_http: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "AddressRules":
        """As this deployment has them."""
        return cls(settings.providers.external_calendars.allow_private_addresses, not settings.is_production)

    def check(self, url: httpx.URL) -> None:
        """Raises :class:`ReadFailedError` for a scheme, port or literal address that is not to be opened."""
        is_known = url.scheme == "https" or (url.scheme == "http" and self.allow_http)
        host = url.raw_host.decode("ascii")
        if not is_known or not host or len(host) > _LONGEST_HOST or url.userinfo or "%" in host:
            raise ReadFailedError(ReadFailure.ADDRESS_REFUSED)
        usual = 443 if url.scheme == "https" else 80
        # Other services below 1024 (mail, directories, databases' friends) are not to be spoken to in HTTP.
        if url.port not in (None, usual) and not _UNPRIVILEGED <= (url.port or 0) <= 65535:
            raise ReadFailedError(ReadFailure.ADDRESS_REFUSED)
        literal = _literal(host)
        if literal is not None:
            self.check_ip(literal)
        elif not self.allow_private and host.rstrip(".").lower().endswith(("localhost", ".local", ".internal")):
            raise ReadFailedError(ReadFailure.ADDRESS_REFUSED)

    def check_ip(self, address: str) -> None:
        """Raises :class:`ReadFailedError` for an IP address that is not a public server's."""
        if not self.allow_private and not is_public(address):
            raise ReadFailedError(ReadFailure.ADDRESS_REFUSED)


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet's: not loopback, private, link-local, shared (RFC 6598),
    multicast or otherwise special (RFC 6890), and no IPv6 form of such an IPv4 address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return _is_public_ipv4(ip.ipv4_mapped)
        return ip in _GLOBAL_IPV6 and not any(ip in network for network in _REFUSED_IPV6)
    return _is_public_ipv4(ip)


def _is_public_ipv4(ip: IPv4Address) -> bool:
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _REFUSED_IPV4)


def read_address(typed: str, rules: AddressRules) -> httpx.URL:
    """The address that somebody typed, ready to be opened; ``webcal`` is HTTPS.

    Raises :class:`InvalidInputError` without quoting it: it opens the calendar.
    """
    location: list[str | int] = ["body", "address"]
    try:
        url = httpx.URL(typed.strip())
        url = url.copy_with(scheme=_SCHEMES.get(url.scheme, url.scheme), fragment=None)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidInputError(location, "not an address", "calendar_address_malformed") from error
    if not url.host or url.scheme not in _SCHEMES.values() or len(str(url)) > LONGEST_ADDRESS:
        raise InvalidInputError(location, "an address that begins with https://", "calendar_address_malformed")
    if url.userinfo:
        raise InvalidInputError(location, "without user name and password", "calendar_address_credentials")
    try:
        rules.check(url)
    except ReadFailedError as error:
        raise InvalidInputError(location, "not an address on the internet", "calendar_address_refused") from error
    return url
