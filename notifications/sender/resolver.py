"""Asking DNS, by ``dnspython``: whole names only, of servers that the operator chose, and not for long.

What is asked are names under the practice's domain, and nothing is ever opened at what the answers say: to look at a
domain is to send questions to our own resolver.
"""

from typing import Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from notifications.sender.records import RecordType
from todoenbalance.kit.mail_domain_settings import MailDomainSettings

VALUES_MOST: Final = 20
VALUE_MOST: Final = 500
"""So much of an answer is looked at: whoever has a domain may answer anything."""


class Resolver:
    """Answers to questions about single records."""

    def __init__(self, settings: MailDomainSettings) -> None:
        self._settings = settings

    async def values(self, kind: RecordType, name: str) -> list[str] | None:
        """The values of the records of this type and name: none if there are none, None if nobody answered."""
        try:
            answer = await self._resolver().resolve(
                dns.name.from_text(name, origin=dns.name.root), kind.value, search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError):  # refused, broken, too slow, no resolver configured
            return None
        found = list(answer)[:VALUES_MOST]
        if kind is RecordType.CNAME:
            return [one.target.to_text(omit_final_dot=True) for one in found]
        return [b"".join(one.strings).decode("utf-8", "replace")[:VALUE_MOST] for one in found]

    def _resolver(self) -> dns.asyncresolver.Resolver:
        chosen = self._settings.nameservers
        made = dns.asyncresolver.Resolver(configure=not chosen)
        if chosen:
            made.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in chosen]
        made.lifetime = self._settings.timeout_seconds
        made.timeout = self._settings.timeout_seconds / 2
        return made
