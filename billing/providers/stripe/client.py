"""The Stripe SDK, reached through two functions that can't be called wrongly.

The SDK is synchronous here and runs in threads: its sessions are per thread, and a client is bound to no event
loop. What it leaves to the caller's care is decided once: how long to wait, how often to try again, whose account a
call is for, and that everything which changes something carries a key of ours. Its errors become those of the port,
and nothing of their texts goes with them, which may quote keys and addresses.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

import stripe
from stripe import RequestsClient, StripeClient
from stripe._base_address import BaseAddresses

from billing.accounts.models import AccountKind
from billing.accounts.service import AccountAccess
from billing.providers.port import (
    DeclinedError,
    NotAuthorisedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ProviderError,
    ProviderMisconfiguredError,
    RateLimitedError,
)
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.settings import PaymentMode, Settings, stripe_mode

TIMEOUT_SECONDS: Final = (3.0, 20.0)
"""To connect, and between two pieces of an answer; each try anew. The SDK would wait for 80."""
RETRIES: Final = 2
"""Tries beyond the first after a lost connection, 409 and 5xx, under the same key. The SDK's client makes none."""
RATE_LIMIT_SECONDS: Final = 30.0
"""How long to wait after 429, where Stripe says nothing of it."""
OTHER_WORDS: Final = "key_used_in_other_words"
"""The code of a call whose key was used before, to ask for something else."""
MAX_CODE: Final = 60

_T = TypeVar("_T")
_log = get_logger("billing.stripe")

stripe._util.STRIPE_LOG = None  # the environment's "debug" would print whole answers
stripe.enable_telemetry = False  # it describes this machine, and leaves a file in the home directory
logging.getLogger("stripe").setLevel(logging.WARNING)  # at DEBUG it writes whole answers, client secrets among them


class _Http(RequestsClient):
    """The SDK's own transport, which lets no change through without a key of ours.

    Ours hold a colon (``pay:<attempt>``); the SDK makes a random one where it was given none, which a repetition of
    ours could never repeat.
    """

    def request_with_retries(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: Any = None,
        max_network_retries: int | None = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[Any, int, Mapping[str, str]]:
        """One call. Raises :class:`ProviderMisconfiguredError` for a change without a key."""
        if method.lower() == "post" and ":" not in headers.get("Idempotency-Key", ""):
            raise ProviderMisconfiguredError("no_idempotency_key")
        return super().request_with_retries(method, url, headers, post_data, max_network_retries, _usage=_usage)


@lru_cache(maxsize=2)
def _http(pid: int) -> _Http:
    """One for the process, so that practices share connections; ``pid``: never one that was made before a fork."""
    del pid
    return _Http(timeout=TIMEOUT_SECONDS)


class StripeApi:
    """Stripe for one key and, with the platform's key, for one connected account. It never changes between calls."""

    def __init__(self, settings: Settings, secret_key: str, *, account_ref: str | None = None) -> None:
        base = settings.providers.stripe.api_base
        addresses: BaseAddresses = {}
        if base:
            here = base.rstrip("/")
            addresses = {"api": here, "connect": here, "files": here, "meter_events": here}
        self._account_ref = account_ref
        self._client = StripeClient(
            secret_key,
            stripe_account=account_ref,
            base_addresses=addresses,
            http_client=_http(os.getpid()),
            max_network_retries=RETRIES,
        )
        self.mode: PaymentMode = stripe_mode(secret_key)

    def __repr__(self) -> str:
        return f"StripeApi({self._account_ref or 'own account'}, {self.mode})"

    @property
    def client(self) -> StripeClient:
        """Where to find what :meth:`read` and :meth:`write` are told to call; never called directly."""
        return self._client

    async def read(self, call: Callable[..., _T], *names: str, **params: Any) -> _T:
        """Ask something that changes nothing. ``names``: of the objects in the address.

        Raises :class:`OutcomeUnknownError`, :class:`RateLimitedError`, :class:`NotAuthorisedError`,
        :class:`ObjectNotFoundError`, :class:`ProviderMisconfiguredError`.
        """
        return await self._run(call, *names, params=params)

    async def write(self, call: Callable[..., _T], *names: str, key: str, params: Mapping[str, Any]) -> _T:
        """Change something, at most once for a ``key`` within a day. Raises the same, and :class:`DeclinedError`."""
        return await self._run(call, *names, params=dict(params), options={"idempotency_key": key})

    async def delete(self, call: Callable[..., _T], *names: str) -> _T:
        """Remove something; to repeat it is harmless. Raises the same as :meth:`read`."""
        return await self._run(call, *names)

    async def _run(self, call: Callable[..., _T], *names: str, **how: Any) -> _T:
        try:
            return await asyncio.to_thread(call, *names, **how)
        except stripe.StripeError as error:
            known = translate(error)
            _log.info(
                "stripe_call_failed",
                kind=type(known).__name__,
                code=known.code,
                status=error.http_status,
                request=error.request_id,
            )
        raise known from None  # the SDK's words stay here


def translate(error: stripe.StripeError) -> ProviderError:
    """The port's word for an error of the SDK's."""
    code = _code_of(error)
    if isinstance(error, stripe.CardError):
        return DeclinedError(code)
    if isinstance(error, stripe.RateLimitError) or error.http_status == 429:
        return RateLimitedError(code, _delay_of(error))
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return NotAuthorisedError(code)
    if error.http_status == 409:  # also of type idempotency_error: the first call with this key is still running
        return OutcomeUnknownError(code)
    if isinstance(error, stripe.InvalidRequestError):
        return ObjectNotFoundError(code) if _is_missing(error) else ProviderMisconfiguredError(code)
    if isinstance(error, stripe.IdempotencyError):
        return ProviderMisconfiguredError(OTHER_WORDS)
    if isinstance(error, stripe.APIConnectionError) or (error.http_status or 500) >= 500:
        return OutcomeUnknownError(code)
    return ProviderMisconfiguredError(code)


def _is_missing(error: stripe.StripeError) -> bool:
    return error.code == "resource_missing" and error.http_status == 404


def _code_of(error: stripe.StripeError) -> str:
    decline = getattr(error.error, "decline_code", None) if error.error is not None else None
    # The SDK gives errors of 401 and 403 no ``code`` of their own, though the answer has one.
    inner = getattr(error.error, "code", None) if error.error is not None else None
    found = decline or error.code or inner or type(error).__name__
    return str(found)[:MAX_CODE]


def _delay_of(error: stripe.StripeError) -> float:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return RATE_LIMIT_SECONDS


def platform_api(settings: Settings) -> StripeApi:
    """The platform's own account. Raises :class:`ProviderMisconfiguredError` where it has none."""
    if not settings.providers.stripe.is_set:
        raise ProviderMisconfiguredError("stripe_not_set_up")
    return StripeApi(settings, settings.providers.stripe.secret_key.get_secret_value())


def connected_api(settings: Settings, account_ref: str) -> StripeApi:
    """A practice's connected account, with the platform's key. Raises :class:`ProviderMisconfiguredError`."""
    if not settings.providers.stripe.is_set:
        raise ProviderMisconfiguredError("stripe_not_set_up")
    return StripeApi(settings, settings.providers.stripe.secret_key.get_secret_value(), account_ref=account_ref)


def own_api(settings: Settings, secret_key: str) -> StripeApi:
    """The account of a practice that brought its own key."""
    return StripeApi(settings, secret_key)


def api_of(settings: Settings, access: AccountAccess) -> StripeApi:
    """The practice's account, in the mode it was set up in.

    Raises :class:`ProviderMisconfiguredError` where the key that is there now works in the other mode: real money
    must not be asked for with a test key, nor the other way round.
    """
    if access.kind is AccountKind.CONNECT:
        api = connected_api(settings, str(access.account_ref))
    else:
        api = own_api(settings, access.credentials["secret_key"])
    if api.mode != access.mode:
        raise ProviderMisconfiguredError("mode_mismatch")
    return api
