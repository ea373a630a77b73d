"""Limits of requests: by address (of IPv6 by its /64, which is one customer's) and by account.

Counted in Redis, so that all processes count together. When Redis does not answer in a moment, each process
counts on its own for a while: the limits then hold per process, so the door is neither open nor shut. Nothing
readable is kept there: addresses and accounts are keyed digests, for an hour at most.

The table of limits is :data:`POLICIES`; ``rate_limits.factor`` multiplies all of them.
"""

import asyncio
import ipaddress
import time
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from todoenbalance.kit import clock
from todoenbalance.kit.errors import TooManyRequestsError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.metrics import RATE_LIMITED, RATE_LIMITS_WITHOUT_REDIS
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.kit.settings import RateLimitSettings

_REDIS_SECONDS = 0.2
_ASK_AGAIN_SECONDS = 5.0
"""How long after a failure Redis is left alone: requests must not each wait for what is down."""
_PREFIX = "todoenbalance:limits"
_NO_ADDRESS = "unknown"
_log = get_logger("ratelimit")


@dataclass(frozen=True, slots=True)
class Policy:
    """How many requests of one sort are taken, in the notation of ``limits`` (``30/minute;300/hour``); empty: any."""

    name: str
    meaning: str
    per_address: str = ""
    per_account: str = ""


LOGIN = Policy("login", "Passwords tried", "30/minute;300/hour", "20/minute")
SECOND_FACTOR = Policy("second_factor", "Codes and passkeys tried, second factors set up", "30/minute;300/hour")
REGISTER = Policy("register", "Accounts opened", "20/hour", "5/hour")
MAIL = Policy("mail", "Links asked for: forgotten password, address to verify, sign-in", "20/hour", "5/hour")
LINK = Policy("link", "Tokens of mailed links tried", "30/minute;300/hour")
OAUTH = Policy("oauth", "Steps of signing in with Google or Facebook", "30/minute;300/hour")
BOOKING = Policy("booking", "Appointments booked", per_account="20/minute;100/hour")
DISCOUNT = Policy("discount", "Prices asked for and discount codes tried", "60/minute;600/hour", "30/minute;200/hour")
PAYMENT = Policy("payment", "Payments begun, and asked about at their provider", per_account="60/minute;600/hour")
AVAILABILITY = Policy("availability", "Free times asked for", "300/minute;6000/hour")
CALENDAR = Policy(
    "calendar",
    "Private calendar addresses read (each address is its own account)",
    "300/minute;6000/hour",
    "30/minute;300/hour",
)
# Mail programs' servers press the button for many readers from few addresses, and its tokens are beyond guessing.
MAIL_CHOICES = Policy("mail_choices", "Choices of mails made by a mailed link", "300/minute;6000/hour")
TEXT_CODE = Policy("text_code", "Codes sent to telephones, and tried", "60/hour", "5/hour")
TEMPLATE_PREVIEW = Policy("template_preview", "Previews of a practice's own mails", per_account="120/minute;2000/hour")
TEMPLATE_TEST = Policy("template_test", "Tests of them mailed to oneself", per_account="5/minute;20/hour")
MAIL_SENDER = Policy("mail_sender", "Changes and checks of a practice's mail domain", per_account="6/minute;40/hour")
MAIL_RESEND = Policy("mail_resend", "Mails sent again by the front desk", per_account="10/minute;60/hour")

POLICIES = (
    LOGIN,
    SECOND_FACTOR,
    REGISTER,
    MAIL,
    LINK,
    OAUTH,
    BOOKING,
    DISCOUNT,
    PAYMENT,
    AVAILABILITY,
    CALENDAR,
    MAIL_CHOICES,
    TEXT_CODE,
    TEMPLATE_PREVIEW,
    TEMPLATE_TEST,
    MAIL_SENDER,
    MAIL_RESEND,
)
"""All of them; the docs show this table."""


def network_of(address: str) -> str:
    """What requests from ``address`` are counted by.

    An IPv6 address counts by its /64: a customer has that many and changes freely among them.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return _NO_ADDRESS
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class RateLimiter:
    """Counts and refuses. One per process and event loop; connects on first use."""

    def __init__(self, settings: RateLimitSettings, redis_url: str, signer: TokenSigner) -> None:
        self._settings = settings
        self._signer = signer
        self._redis_url = redis_url
        self._pool: ConnectionPool | None = None
        self._shared: MovingWindowRateLimiter | None = None
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._leave_until = 0.0
        self._is_alone = False
        self._items = {
            text: [self._multiplied(item) for item in parse_many(text)]
            for policy in POLICIES
            for text in (policy.per_address, policy.per_account)
            if text
        }

    def _multiplied(self, item: RateLimitItem) -> RateLimitItem:
        return type(item)(item.amount * self._settings.factor, item.multiples)

    async def hit(self, policy: Policy, *, address: str | None = None, account: str | None = None) -> None:
        """Count one request; ``account`` names a practice (or the platform) and an account of it.

        Raises :class:`TooManyRequestsError`.
        """
        if not self._settings.enabled:
            return
        if address is not None and policy.per_address:
            await self._hit(policy, policy.per_address, "address", network_of(address))
        if account is not None and policy.per_account:
            await self._hit(policy, policy.per_account, "account", account)

    async def _hit(self, policy: Policy, limits: str, scope: str, who: str) -> None:
        key = self._signer.digest(f"{scope}:{who}")
        for item in self._items[limits]:
            wait = await self._take(item, policy.name, scope, key)
            if wait is not None:
                RATE_LIMITED.labels(policy.name, scope).inc()
                raise TooManyRequestsError(wait)

    async def _take(self, item: RateLimitItem, *names: str) -> float | None:
        """None if there was room, else after how many seconds there will be."""
        if time.monotonic() >= self._leave_until:
            if self._is_alone:
                self._leave_until = time.monotonic() + _ASK_AGAIN_SECONDS  # one request asks, the others go on
            try:
                async with asyncio.timeout(_REDIS_SECONDS):
                    wait = await _take(self._redis(), item, *names)
            except (RedisError, OSError, TimeoutError) as error:
                self._note_failure(error)
            else:
                self._note_success()
                return wait
        RATE_LIMITS_WITHOUT_REDIS.inc()
        return await _take(self._own, item, *names)

    def _redis(self) -> MovingWindowRateLimiter:
        if self._shared is None:
            self._pool = ConnectionPool.from_url(
                self._redis_url,
                socket_timeout=_REDIS_SECONDS,
                socket_connect_timeout=_REDIS_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
            options: dict[str, Any] = {"connection_pool": self._pool}
            storage = RedisStorage("async+redis://", implementation="redispy", key_prefix=_PREFIX, **options)
            self._shared = MovingWindowRateLimiter(storage)
        return self._shared

    def _note_failure(self, error: Exception) -> None:
        self._leave_until = time.monotonic() + _ASK_AGAIN_SECONDS
        if not self._is_alone:
            self._is_alone = True
            _log.warning("rate_limits_without_redis", error=type(error).__name__)

    def _note_success(self) -> None:
        self._leave_until = 0.0
        if self._is_alone:
            self._is_alone = False
            _log.warning("rate_limits_with_redis_again")

    async def close(self) -> None:
        """Close the connections to Redis."""
        pool, self._pool, self._shared = self._pool, None, None
        if pool is not None:
            await pool.disconnect()


async def _take(limiter: MovingWindowRateLimiter, item: RateLimitItem, *names: str) -> float | None:
    if await limiter.hit(item, *names):
        return None
    stats = await limiter.get_window_stats(item, *names)
    return min(max(stats.reset_time - clock.now().timestamp(), 1.0), item.get_expiry())
