"""Authenticated domains by SendGrid's API, with its own package (see ``notifications/sendgrid.py`` about that).

"Automated security": SendGrid wants CNAMEs to names of its own, behind which it keeps keys and SPF records. One domain
is one thing in its account, whichever practice asks for it, so it is looked for before it is made; that also finds the
one whose creation was answered to nobody. Texts of its errors go nowhere.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from http.client import HTTPException
from typing import Any, Final

from python_http_client.exceptions import HTTPError  # type: ignore[import-untyped]  # has no types
from sendgrid import SendGridAPIClient  # type: ignore[import-untyped]  # has no types

from notifications.sender.port import DomainsRefusedError, DomainsUnavailableError, Prepared
from notifications.sender.records import Purpose, Record, RecordType
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.settings import SENDGRID_BASES, SendGridSettings

TIMEOUT_SECONDS: Final = 10.0
_PURPOSES: Final = {"mail_cname": Purpose.RETURN_PATH, "dkim1": Purpose.DKIM, "dkim2": Purpose.DKIM}
_NOT_FOUND: Final = 404
_LATER: Final = frozenset({408, 425, 429})
_log = get_logger("notifications.sender")


class SendGridDomains:
    """The platform's account, by the key that may authenticate domains and send nothing."""

    def __init__(self, settings: SendGridSettings, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        key = settings.domains_api_key.get_secret_value()
        self._domains = _client(key, settings.base, timeout_seconds).client.whitelabel.domains
        # Senders in the EU need a domain of that region.
        self._region = {"region": "eu"} if settings.base == SENDGRID_BASES[1] else {}

    def __repr__(self) -> str:
        return "SendGridDomains()"

    async def prepare(self, domain: str, ref: str | None) -> Prepared:
        """Make the domain, unless it is there. Raises :class:`DomainsUnavailableError`."""
        known = await self._call(self._domains._(ref).get, dict) if ref is not None else None
        if known is None or known.get("domain") != domain:
            listed = await self._call(lambda: self._domains.get(query_params={"domain": domain, "limit": 50}), list)
            known = next((one for one in listed or () if _is_usable(one, domain)), None)
        if known is not None:
            return _prepared(known, domain, is_new=False)
        body = {"domain": domain, "automatic_security": True, "custom_spf": False, "default": False, **self._region}
        made = await self._call(lambda: self._domains.post(request_body=body), dict)
        if made is None:
            raise DomainsUnavailableError("sendgrid made no domain")
        return _prepared(made, domain, is_new=True)

    async def confirm(self, ref: str | None) -> bool:
        """Have SendGrid look at DNS. Raises :class:`DomainsUnavailableError`."""
        said = await self._call(self._domains._(ref).validate.post, dict)
        return said is not None and said.get("valid") is True

    async def forget(self, ref: str) -> None:
        """Delete the domain. Raises :class:`DomainsUnavailableError`."""
        await self._call(self._domains._(ref).delete, None)

    async def _call(self, ask: Callable[[], Any], wanted: type[Any] | None) -> Any:
        """The answer's JSON, which is of the type that is wanted (None: it is not read); None for no such domain."""
        try:
            answer = await asyncio.to_thread(ask)
            said = answer.to_dict if wanted is not None else None
        except HTTPError as error:
            status = int(error.status_code)
            if status == _NOT_FOUND:
                return None
            known = DomainsUnavailableError(f"sendgrid refuses ({status})")
            if 400 <= status < 500 and status not in _LATER:
                _log.error("mail_provider_refuses_us", provider="sendgrid", status=status, about="domains")
                known = DomainsRefusedError(str(known))
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            known = DomainsUnavailableError(f"no answer from sendgrid ({type(error).__name__})")
        else:
            if wanted is None or isinstance(said, wanted):
                return said
            known = DomainsUnavailableError("sendgrid answers otherwise than it says")
        raise known  # the package's words stay here


def _is_usable(one: Any, domain: str) -> bool:
    if not isinstance(one, dict):
        raise DomainsUnavailableError("sendgrid answers otherwise than it says")
    return one.get("domain") == domain and one.get("automatic_security") is True and one.get("legacy") is not True


def _prepared(said: dict[str, Any], domain: str, *, is_new: bool) -> Prepared:
    """Raises :class:`DomainsUnavailableError` for what a practice could not be shown."""
    try:
        ref = str(int(said["id"]))
        records = tuple(
            Record(_PURPOSES[name], RecordType.CNAME, str(one["host"]).lower(), str(one["data"]).lower())
            for name, one in said["dns"].items()
            if name in _PURPOSES and str(one["type"]).lower() == "cname"
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DomainsUnavailableError("sendgrid answers otherwise than it says") from error
    if len(records) != len(_PURPOSES) or not all(one.name.endswith(f".{domain}") for one in records):
        raise DomainsUnavailableError("sendgrid wants other records than we know")
    return Prepared(ref, records, is_new)


@lru_cache(maxsize=8)
def _client(api_key: str, base: str, timeout_seconds: float) -> SendGridAPIClient:
    made = SendGridAPIClient(api_key, host=base)
    made.client.timeout = timeout_seconds
    return made
