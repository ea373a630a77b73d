"""Text messages by HTTP: a gateway, or a small bridge to one, that speaks the contract of docs/text-messages.md.

Neither number, text, token nor the words of an answer go into a log or a reason.
"""

import asyncio
import json
import re

import httpx

from notifications.texting.port import TextMessage, TextRejectedError, TextUnavailableError
from notifications.texting.signatures import sign
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.text_settings import TextSettings
from todoenbalance.kit.trust import usual_trust

STEP_SECONDS, WHOLE_SECONDS = 10.0, 25.0
"""For a step, and for all of them: less than a lease of the queue's, so no second worker overlaps."""
MOST_ANSWER_BYTES = 16_384
_LATER = frozenset({408, 409, 425, 429})
_OUR_FAULT = frozenset({401, 402, 403, 404, 405, 407})
_LONGEST_DELAY = 3600
_CODE = re.compile(r"[a-z0-9_]{1,40}")
_REFERENCE = re.compile(r"[!-~]{1,255}")
_log = get_logger("notifications.texting")


class Gateway:
    """The adapter. ``status_url``: where the gateway reports what became of this practice's messages."""

    def __init__(self, settings: TextSettings, status_url: str) -> None:
        self._settings = settings
        self._status_url = status_url

    async def send(self, message: TextMessage) -> str:
        """See ``TextPort``."""
        body = json.dumps(
            {
                "id": str(message.id),
                "channel": message.channel.value,
                "to": message.to,
                "text": message.text,
                "language": message.language,
                "status_url": self._status_url,
            }
        ).encode()
        headers = {
            "Authorization": f"Bearer {self._settings.token.get_secret_value()}",
            "Idempotency-Key": str(message.id),
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **sign(self._settings.keys[0], str(message.id), body, clock.now()),
        }
        failure = ""
        try:
            async with (
                asyncio.timeout(WHOLE_SECONDS),
                httpx.AsyncClient(
                    verify=usual_trust(), trust_env=False, follow_redirects=False, timeout=STEP_SECONDS
                ) as client,
                client.stream("POST", self._settings.url, content=body, headers=headers) as answer,
            ):
                return _judge(answer, await _read(answer))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            failure = type(error).__name__
        # Outside, so that the error, which holds the request with its token, does not go on with ours.
        raise TextUnavailableError(failure)


async def _read(answer: httpx.Response) -> dict[str, object]:
    """The answer's JSON object; empty for anything else, and for what is too long to be one."""
    said = bytearray()
    async for chunk in answer.aiter_raw():
        said += chunk
        if len(said) > MOST_ANSWER_BYTES:
            return {}
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _judge(answer: httpx.Response, said: dict[str, object]) -> str:
    status = answer.status_code
    if 200 <= status < 300:
        reference = said.get("reference")
        return reference if isinstance(reference, str) and _REFERENCE.fullmatch(reference) else ""
    code = said.get("code")
    named = f", {code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""
    reason = f"the gateway answered {status}{named}"
    if status in _OUR_FAULT or status < 400:
        _log.error("text_gateway_refuses_us", status=status)
        raise TextUnavailableError(reason)
    if status in _LATER or status >= 500:
        raise TextUnavailableError(reason, _delay(answer.headers.get("retry-after", "")))
    raise TextRejectedError(reason)


def _delay(said: str) -> float | None:
    """``Retry-After`` in seconds (RFC 9110, 10.2.3), at most an hour; dates are not read."""
    return float(min(int(said), _LONGEST_DELAY)) if re.fullmatch(r"[0-9]{1,9}", said) else None
