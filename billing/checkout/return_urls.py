"""Where a payment provider may send a client afterwards: back to the practice, nowhere else.

An address that the caller chooses and a trusted site redirects to is an open redirect (CWE-601) unless its
host is checked.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

# Browsers drop tabs and line breaks and read a backslash as a slash (WHATWG URL, 4.4); no address needs them.
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


def resolve_way_back(value: str, field: str, settings: Settings, tenant: TenantContext) -> str:
    """The absolute address of ``value``: a path on the practice's host, or an address on one of its hosts.

    Outside production any address of this machine is allowed, too, for a front end in development. Raises
    :class:`InvalidInputError` for everything else.
    """
    hosts = {tenant.hostname or f"{tenant.slug}.{settings.base_domain}", f"{tenant.slug}.{settings.base_domain}"}
    if _UNSAFE.search(value):
        raise _refusal(field)
    if value.startswith("/") and not value.startswith("//"):
        return settings.url_for_host(tenant.hostname or f"{tenant.slug}.{settings.base_domain}", value)
    try:
        url = urlsplit(value)
        hostname, _port = (url.hostname or "").rstrip("."), url.port
    except ValueError as error:
        raise _refusal(field) from error
    has_credentials = url.username is not None or url.password is not None
    if url.scheme not in ("http", "https") or has_credentials:
        raise _refusal(field)
    if hostname in hosts or (not settings.is_production and is_this_machine(hostname)):
        return value
    raise _refusal(field)


def is_this_machine(hostname: str) -> bool:
    """Whether a host can only be the reader's own computer (RFC 6761, 6.3; loopback addresses)."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return False


def _refusal(field: str) -> InvalidInputError:
    return InvalidInputError(["body", field], "must be a path on this host or an address of this practice", "url_host")
