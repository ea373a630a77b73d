"""The connection to PayPal: ``paypalrestsdk.Api`` for its tokens and calls, without what it does wrong.

The package as it comes has no time-out, opens a connection for each call, sends the body ``null`` with GET and DELETE,
hands the caller's headers to the token request, answers a refused request (400) as if it had worked, asks for ever on a
lasting 401, renews a token in each thread, and writes credentials into the log. Each override below ends one of those.
This is the only module that imports it.
"""

import hashlib
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NoReturn

import paypalrestsdk  # type: ignore[import-untyped]  # it has no annotations
import requests
from paypalrestsdk import exceptions as sdk_errors
from requests.adapters import HTTPAdapter

from billing.accounts.service import AccountAccess
from billing.providers.paypal.refusals import RefusedError
from billing.providers.port import NotAuthorisedError, OutcomeUnknownError
from todoenbalance.kit.settings import PaymentMode, Settings

ENDPOINTS = {PaymentMode.LIVE: "https://api-m.paypal.com", PaymentMode.TEST: "https://api-m.sandbox.paypal.com"}
"""Where PayPal's API is. The package's own addresses are the old ones."""

CONNECT_SECONDS = 3.0
READ_SECONDS = 20.0
WHOLE_SECONDS = 45.0
"""An answer that trickles in is cut off after so long, whatever the pauses between its bytes."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
TOKEN_MARGIN_SECONDS = 120.0
"""A token is renewed so long before PayPal would refuse it."""
CONNECTIONS = 8
TRANSPORTS = 200
"""How many accounts' connections a process keeps; the longest unused is given up first."""

_TOKEN_PATH = "/v1/oauth2/token"  # noqa: S105 - an address
_JSON = "application/json"


class PayPalTransport(paypalrestsdk.Api):  # type: ignore[misc]  # the package has no annotations
    """One application's authenticated connection. Safe to use from several threads at once."""

    def __init__(self, *, client_id: str, client_secret: str, mode: PaymentMode, endpoint: str) -> None:
        _quieten()
        sdk_mode = "live" if mode is PaymentMode.LIVE else "sandbox"
        super().__init__(mode=sdk_mode, client_id=client_id, client_secret=client_secret, endpoint=endpoint)
        self.options: dict[str, Any] = {}  # the package keeps a second copy of the secret here, and never reads it
        self.token_hash: dict[str, Any] | None = None
        self._token_lock = threading.Lock()
        self._token_until = 0.0
        self._session = session = requests.Session()
        # Nothing from the environment: a .netrc would replace our token, a variable the trusted certificates.
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS, max_retries=0)
        session.mount("https://", adapter)
        session.mount("http://", adapter)

    def __repr__(self) -> str:
        return f"<PayPalTransport {self.endpoint}>"

    def close(self) -> None:
        """End the connections that nobody uses at present."""
        self._session.close()

    def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, raw: str | None = None
    ) -> dict[str, Any]:
        """What PayPal answers. ``key`` makes repeating harmless; ``raw``: a body that must go out as it is.

        Blocks: call it in a thread. Raises :class:`RefusedError` for a clear no, :class:`OutcomeUnknownError` when
        there is none, and :class:`NotAuthorisedError` if the credentials don't work.
        """
        headers = {"PayPal-Request-Id": key} if key is not None else {}
        if method == "POST":
            headers["Prefer"] = "return=representation"
        data = raw if raw is not None or body is None else json.dumps(body)
        try:
            answer = self.request(self.endpoint + path, method, data, headers)
        except requests.Timeout as error:
            raise OutcomeUnknownError("timeout") from _named(error)
        except (requests.RequestException, OSError) as error:
            raise OutcomeUnknownError("connection_broken") from _named(error)
        except sdk_errors.ConnectionError as error:
            _raise_refusal(error)
        except ValueError as error:  # neither JSON nor UTF-8: a proxy's page, or half an answer
            raise OutcomeUnknownError("unreadable_answer") from _named(error)
        if not isinstance(answer, dict):
            raise OutcomeUnknownError("unreadable_answer")
        return answer

    def request(
        self,
        url: str,
        method: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        refresh_token: None = None,
    ) -> Any:
        """One call, with a new token at most once. ``body`` is text already."""
        for is_last in (False, True):
            token = self.get_token_hash()
            try:
                return self.http_call(url, method, data=body, headers=self._headers(token, body, headers or {}))
            except sdk_errors.UnauthorizedAccess:
                if is_last:
                    raise
                self._forget(token)
        raise AssertionError("unreachable")

    def get_token_hash(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The token of the application itself, fetched by one thread for all, without anybody's headers."""
        with self._token_lock:
            if self.token_hash is None or time.monotonic() >= self._token_until:
                self.token_hash = None
                token = self.http_call(
                    self.endpoint + _TOKEN_PATH,
                    "POST",
                    data="grant_type=client_credentials",
                    headers={
                        "Authorization": f"Basic {self.basic_auth()}",
                        "Content-Type": "application/x-www-form-urlencoded",
                        "Accept": _JSON,
                        "User-Agent": self.user_agent,
                    },
                )
                life = float(token["expires_in"]) if _is_token(token) else None
                if life is None:
                    raise ValueError("not a token")
                self.token_hash = token
                self._token_until = time.monotonic() + max(0.0, life - TOKEN_MARGIN_SECONDS)
            return self.token_hash

    def http_call(self, url: str, method: str, **kwargs: Any) -> Any:
        """One exchange over the kept connection, with time-outs, no redirects, and nothing logged."""
        began = time.monotonic()
        with self._session.request(
            method,
            url,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
            stream=True,
            verify=True,
            **kwargs,
        ) as response:
            content = b"".join(_limited(response, began))
        return self.handle_response(response, content.decode())

    def _headers(self, token: Mapping[str, Any], body: str | None, headers: Mapping[str, str]) -> dict[str, str]:
        content = {"Content-Type": _JSON} if body is not None else {}
        return {
            "Authorization": f"Bearer {token['access_token']}",
            "Accept": _JSON,
            "User-Agent": self.user_agent,
            **content,
            **headers,
        }

    def _forget(self, token: Mapping[str, Any]) -> None:
        """Give up a refused token, unless another thread has fetched a newer one meanwhile."""
        with self._token_lock:
            if self.token_hash is token:
                self.token_hash = None


def _is_token(answer: Any) -> bool:
    return (
        isinstance(answer, dict)
        and isinstance(answer.get("access_token"), str)
        and isinstance(answer.get("expires_in"), int)
    )


def _limited(response: requests.Response, began: float) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_content(64 * 1024):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise ValueError("too long an answer")
        if time.monotonic() - began > WHOLE_SECONDS:
            raise requests.Timeout("too slow an answer")
        yield chunk


def _raise_refusal(error: sdk_errors.ConnectionError) -> NoReturn:
    """In our words, and without the answer itself: it may quote what we sent."""
    status: int = error.response.status_code
    refusal = RefusedError.read(status, error.content or "", error.response.headers)
    refusal.log()
    if status == 401:
        raise NotAuthorisedError(refusal.code) from None
    if status >= 500 or status < 400:
        raise OutcomeUnknownError(f"http_{status}") from None
    raise refusal from None


def _named(error: Exception) -> Exception:
    """The kind of an error without its text, which may hold addresses and answers."""
    return Exception(type(error).__name__)


def _quieten() -> None:
    """Whatever level the process logs at: these write credentials, headers, bodies and addresses at DEBUG."""
    for name in ("paypalrestsdk", "urllib3"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)


class _Transports:
    """The transports of this process by account, mode and credentials; changed credentials make a new one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], PayPalTransport] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, settings: Settings, access: AccountAccess) -> PayPalTransport:
        key = _key_of(settings, access)
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                for stale in [one for one in self._kept if one[0] == key[0]]:
                    del self._kept[stale]
                found = self._kept[key] = make_transport(settings, access)
            self._kept.move_to_end(key)
            if len(self._kept) > TRANSPORTS:
                # Not closed: another thread may be using it. Its connections end with its last user.
                self._kept.popitem(last=False)
            return found

    def forget_all(self) -> None:
        with self._lock:
            kept, self._kept = list(self._kept.values()), OrderedDict()
        for transport in kept:
            transport.close()


def _key_of(settings: Settings, access: AccountAccess) -> tuple[str, ...]:
    secrets = json.dumps(dict(access.credentials), sort_keys=True)
    digest = hashlib.sha256(secrets.encode()).hexdigest()
    return str(access.id), access.mode, endpoint_of(settings, access.mode), digest


def endpoint_of(settings: Settings, mode: str) -> str:
    """The address of the API for an account of this mode."""
    base = settings.providers.paypal.api_base
    return base.rstrip("/") if base else ENDPOINTS[PaymentMode(mode)]


def make_transport(settings: Settings, access: AccountAccess) -> PayPalTransport:
    """A new connection, that the caller closes. Raises :class:`NotAuthorisedError` without whole credentials."""
    client_id, client_secret = (access.credentials.get(name, "") for name in ("client_id", "client_secret"))
    if not client_id or not client_secret:
        raise NotAuthorisedError("credentials_missing")
    return PayPalTransport(
        client_id=client_id,
        client_secret=client_secret,
        mode=PaymentMode(access.mode),
        endpoint=endpoint_of(settings, access.mode),
    )


_transports = _Transports()


def transport_for(settings: Settings, access: AccountAccess) -> PayPalTransport:
    """The account's connection in this process. Raises :class:`NotAuthorisedError` without whole credentials."""
    return _transports.get(settings, access)


def forget_transports() -> None:
    """Give up every connection of this process (tests, and after a rotation of keys)."""
    _transports.forget_all()
