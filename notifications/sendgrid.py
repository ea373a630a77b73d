"""Mail by SendGrid's API, with its own package, which is known to this module only.

The package is synchronous and opens a connection for each mail, so it runs in threads. What it leaves to the caller's
care is decided once: how long to wait, which host, one client for each key (headers of one call would stay for the
next one), and that nothing of its errors' texts goes on, which may quote addresses.

**The window that can't be closed.** SendGrid has no idempotency key. If it took a mail and its answer was lost, or the
process died before the outcome was recorded, the mail is handed over again: such a mail may arrive twice, never zero
times. Both are given the same ``Message-ID`` and the same ``message`` among their custom arguments, so some mailboxes
show one, and events tell of both as one message.
"""

import asyncio
import logging
import math
import re
from base64 import b64encode
from functools import lru_cache
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote

from python_http_client.exceptions import HTTPError  # type: ignore[import-untyped]  # has no types
from sendgrid import SendGridAPIClient  # type: ignore[import-untyped]  # has no types

from notifications.port import Mail, MailRejectedError, MailUnavailableError, SenderRefusedError
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.settings import SendGridSettings
from todoenbalance.kit.tenancy import TenantContext

TIMEOUT_SECONDS: Final = 10.0
"""To connect, and between two pieces of an answer, well within a lease of the queue's. The package would wait for
ever."""
PLATFORM: Final = "platform"
"""Stands where a practice's key would, in mail of the platform's own."""

_ACCEPTED: Final = 202
_DELETED: Final = 204
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_LISTS: Final = ("bounces", "blocks", "invalid_emails")
_COMPLAINTS: Final = "spam_reports"
_OURS: Final = frozenset({401, 402, 403, 404, 405, 407})
"""Our key, our plan, our sender or the address of the API is at fault, and no mail."""
_LATER: Final = frozenset({408, 425, 429})
_TOO_MANY: Final = 429
SHORTEST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 3600.0
"""Within these bounds it is believed when it will take mails again: a clock may be wrong."""
_FIELD: Final = re.compile(r"[a-z0-9_.]{1,60}")

_log = get_logger("notifications.sendgrid")
logging.getLogger("python_http_client").setLevel(logging.WARNING)  # at DEBUG it writes the key and whole messages


class SendGrid:
    """SendGrid for one key. Custom arguments are opaque ids: SendGrid counts them as non-personal and keeps them."""

    def __init__(
        self, settings: SendGridSettings, tenant: TenantContext | None, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._client = _client(settings.api_key.get_secret_value(), settings.base, timeout_seconds)
        self._owner = PLATFORM if tenant is None else tenant.key

    def __repr__(self) -> str:
        return f"SendGrid({self._owner})"

    async def send(self, mail: Mail) -> str:
        """Hand ``mail`` over once, and answer ``X-Message-Id``. See the module about repeats.

        Raises :class:`MailRejectedError`, :class:`MailUnavailableError` or :class:`SenderRefusedError`: 403 is what
        SendGrid says where a domain was deleted or is not authenticated (any more), and of a key without permission.
        """
        body = body_of(mail, self._owner)
        try:
            answer = await asyncio.to_thread(self._client.send, body)
        except HTTPError as error:
            is_of_sender = mail.is_own_sender and int(error.status_code) == _FORBIDDEN
            refusal = SenderRefusedError(f"sendgrid refuses the sender ({_FORBIDDEN})") if is_of_sender else None
            known = refusal or _translate(error)
        except (OSError, HTTPException) as error:  # URLError, TimeoutError, ConnectionError, half an answer
            reason = getattr(error, "reason", None)
            name = type(reason if isinstance(reason, Exception) else error).__name__
            known = MailUnavailableError(f"no answer from sendgrid ({name})")
        else:
            if answer.status_code == _ACCEPTED:
                return str(answer.headers.get("X-Message-Id") or "")
            # Only 202 says that a mail was taken: a redirection, say, is followed by asking with GET.
            known = MailUnavailableError(f"an unknown answer from sendgrid ({answer.status_code})")
        raise known  # the package's words stay here


class SendGridLists:
    """The addresses that SendGrid drops mail to, by whose doing: https://docs.sendgrid.com/api-reference/bounces-api,
    .../blocks-api, .../invalid-e-mails-api, .../spam-reports-api.

    The key needs the permission to delete them (*Suppressions*) besides *Mail Send*.
    """

    def __init__(self, settings: SendGridSettings, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._client = _client(settings.api_key.get_secret_value(), settings.base, timeout_seconds)

    async def forget(self, address: str, *, complained: bool) -> None:
        """See :class:`notifications.port.SuppressionLists`."""
        for name in (*_LISTS, *((_COMPLAINTS,) if complained else ())):
            await self._delete(name, address)

    async def _delete(self, name: str, address: str) -> None:
        place = self._client.client.suppression._(name)._(quote(address, safe=""))
        try:
            answer = await asyncio.to_thread(place.delete)
        except HTTPError as error:
            status = int(error.status_code)
            if status == _NOT_FOUND:
                return
            translated = _translate(error)
            # Whatever it is that is wrong with the key, nobody waits for it to be mended: staff are told.
            known = MailRejectedError(str(translated)) if status in _OURS else translated
        except (OSError, HTTPException) as error:
            known = MailUnavailableError(f"no answer from sendgrid ({type(error).__name__})")
        else:
            if answer.status_code == _DELETED:
                return
            known = MailUnavailableError(f"an unknown answer from sendgrid ({answer.status_code})")
        raise known  # the package's words, which name the address, stay here


def body_of(mail: Mail, owner: str) -> dict[str, Any]:
    """What SendGrid is told. ``owner``: a practice's key, or :data:`PLATFORM`."""
    contents = (("text/plain", mail.text), ("text/html", mail.html))  # in this order, or it is refused
    off = {"enable": False}
    body: dict[str, Any] = {
        "personalizations": [
            {"to": [{"email": mail.to}], "custom_args": {"message": str(mail.id), "practice": owner}},
        ],
        "from": {"email": mail.sender_address, "name": mail.sender_name},
        "subject": mail.subject,
        "content": [{"type": kind, "value": value} for kind, value in contents if value],
        # Whether somebody read or followed a mail about their health is nobody's business.
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": off,
            "subscription_tracking": off,
            "ganalytics": off,
        },
    }
    if mail.reply_to:
        body["reply_to"] = {"email": mail.reply_to}
    if mail.headers:
        body["headers"] = dict(mail.headers)
    if mail.attachments:
        body["attachments"] = [
            {
                "content": b64encode(item.content).decode("ascii"),
                "type": item.content_type,
                "filename": item.filename,
                "disposition": "attachment",
            }
            for item in mail.attachments
        ]
    return body


@lru_cache(maxsize=64)
def _client(api_key: str, base: str, timeout_seconds: float) -> SendGridAPIClient:
    made = SendGridAPIClient(api_key, host=base)
    made.client.timeout = timeout_seconds
    return made


def _translate(error: HTTPError) -> MailRejectedError | MailUnavailableError:
    status = int(error.status_code)
    if status in _OURS:
        _log.error("mail_provider_refuses_us", provider="sendgrid", status=status)
        return MailUnavailableError(f"sendgrid refuses our account ({status})")
    if status in _LATER or not 400 <= status < 500:
        delay = _delay_of(error) if status == _TOO_MANY else None
        return MailUnavailableError(f"sendgrid is busy or broken ({status})", delay)
    named = _field_of(error)
    return MailRejectedError(f"refused by sendgrid ({status}{f', {named}' if named else ''})")


def _delay_of(error: HTTPError) -> float | None:
    """After how many seconds more mails are taken: ``X-RateLimit-Reset`` is that instant, in seconds of Unix time."""
    try:
        reset = float(error.headers.get("X-RateLimit-Reset"))
    except (ValueError, TypeError, AttributeError):
        return None
    wait = reset - clock.now().timestamp()
    # Written so that what is no number of seconds at all (NaN) is not believed.
    return min(max(wait, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS) if math.isfinite(wait) else None


def _field_of(error: HTTPError) -> str | None:
    """The field that it didn't like, if it names one; never its message, which may quote ours."""
    try:
        found = error.to_dict["errors"][0]["field"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return found if isinstance(found, str) and _FIELD.fullmatch(found) else None
