"""Limits count in Redis, and go on within each process when Redis is down."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import HttpFactory
from tests.support.problems import assert_problem
from todoenbalance.app import Surfaces, create_app
from todoenbalance.devstack.redis import EmbeddedRedis
from todoenbalance.kit import ratelimit
from todoenbalance.kit.errors import TooManyRequestsError
from todoenbalance.kit.metrics import RATE_LIMITS_WITHOUT_REDIS
from todoenbalance.kit.ratelimit import BOOKING, LOGIN, MAIL, POLICIES, REGISTER, Policy, RateLimiter, network_of
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.kit.settings import RateLimitSettings
from todoenbalance.kit.tenancy import TenantContext

NOBODY = "redis://127.0.0.1:1/0"
DOCS = Path(__file__).parents[2] / "docs" / "passwords-and-limits.md"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def limiters(redis: EmbeddedRedis) -> AsyncIterator[list[RateLimiter]]:
    """Two processes' over one Redis."""
    signer = TokenSigner({"one": f"{time.time_ns():032d}"})
    made = [RateLimiter(RateLimitSettings(), redis.url, signer) for _ in range(2)]
    yield made
    for limiter in made:
        await limiter.close()


def alone(**settings: object) -> RateLimiter:
    return RateLimiter(RateLimitSettings.model_validate(settings), NOBODY, TokenSigner({"one": "a" * 32}))


async def hits(limiter: RateLimiter, times: int, policy: Policy = LOGIN, **who: str) -> int:
    """How many of so many requests (by default: sign-ins) are let through."""
    passed = 0
    for _ in range(times):
        try:
            await limiter.hit(policy, **who)
        except TooManyRequestsError:
            continue
        passed += 1
    return passed


async def without_redis() -> float:
    return float(RATE_LIMITS_WITHOUT_REDIS._value.get())


class TestCounting:
    async def test_processes_count_together(self, limiters: list[RateLimiter]) -> None:
        assert [await hits(limiter, 20, address="192.0.2.1") for limiter in limiters] == [20, 10]

    async def test_one_address_does_not_use_up_anothers(self, limiters: list[RateLimiter]) -> None:
        assert await hits(limiters[0], 40, address="192.0.2.1") == 30
        assert await hits(limiters[0], 1, address="192.0.2.2") == 1

    async def test_an_account_is_limited_from_wherever_it_is_tried(self, limiters: list[RateLimiter]) -> None:
        passed = 0
        for number in range(30):
            passed += await hits(limiters[0], 1, address=f"192.0.2.{number}", account="t_a:ana@example.com")
        assert passed == 20

    async def test_the_answer_says_how_long_to_wait(self, limiters: list[RateLimiter]) -> None:
        await hits(limiters[0], 30, address="192.0.2.1")
        with pytest.raises(TooManyRequestsError) as refused:
            await limiters[0].hit(LOGIN, address="192.0.2.1")
        assert 1 <= refused.value.seconds <= 60
        assert refused.value.headers == {"Retry-After": str(refused.value.seconds)}

    async def test_a_factor_multiplies_and_off_is_off(self) -> None:
        assert await hits(alone(factor=2), 70, address="192.0.2.1") == 60
        assert await hits(alone(enabled=False), 70, address="192.0.2.1") == 70

    async def test_nothing_readable_is_stored(self, redis: EmbeddedRedis, limiters: list[RateLimiter]) -> None:
        import redis as client

        await hits(limiters[0], 1, address="192.0.2.77", account="t_a:ana@example.com")
        with client.Redis.from_url(redis.url, decode_responses=True) as connection:
            keys = " ".join(connection.keys("*"))
            assert all(0 < connection.ttl(key) <= 3600 for key in keys.split())
        assert "login" in keys
        assert "192.0.2.77" not in keys
        assert "ana" not in keys


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_an_address_counts_by_its_customers_network(address: str, network: str) -> None:
    assert network_of(address) == network


class TestWithoutRedis:
    async def test_the_limits_hold_within_the_process(self) -> None:
        assert await hits(alone(), 40, address="192.0.2.1") == 30

    async def test_requests_do_not_each_wait_for_it(self) -> None:
        """A server that takes connections and never answers: the first request waits for a moment, the rest do not."""
        taken: list[asyncio.StreamWriter] = []
        silent = await asyncio.start_server(lambda _reader, writer: taken.append(writer), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        limiter = RateLimiter(RateLimitSettings(), f"redis://127.0.0.1:{port}/0", TokenSigner({"one": "a" * 32}))
        started = time.monotonic()
        assert await hits(limiter, 30, address="192.0.2.1") == 30
        assert time.monotonic() - started < 1.5
        await limiter.close()
        for writer in taken:
            writer.close()
            await writer.wait_closed()
        silent.close()

    async def test_it_is_said_once_and_measured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        monkeypatch.setattr(ratelimit, "_log", _Listener(said))
        before = await without_redis()
        await hits(alone(), 5, address="192.0.2.1")
        assert said == ["rate_limits_without_redis"]
        assert await without_redis() == before + 10  # two windows each

    async def test_redis_goes_and_comes_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        monkeypatch.setattr(ratelimit, "_log", _Listener(said))
        monkeypatch.setattr(ratelimit, "_ASK_AGAIN_SECONDS", 0.1)
        with EmbeddedRedis(tmp_path / "redis") as server:
            limiter = RateLimiter(RateLimitSettings(), server.url, TokenSigner({"one": "a" * 32}))
            # By the hour: starting a server may take longer than a minute's window on a busy machine.
            assert await hits(limiter, 15, MAIL, address="192.0.2.1") == 15
            server.stop()
            assert await hits(limiter, 30, MAIL, address="192.0.2.1") == 20  # this process's own count begins now
            server.start()
            await asyncio.sleep(0.2)
            assert await hits(limiter, 10, MAIL, address="192.0.2.1") == 5  # the shared count is still there
            await limiter.close()
        assert said == ["rate_limits_without_redis", "rate_limits_with_redis_again"]


class _Listener:
    def __init__(self, said: list[str]) -> None:
        self._said = said

    def warning(self, event: str, **_values: object) -> None:
        self._said.append(event)


@pytest.fixture
async def strict(runtime: Runtime, surfaces: Surfaces) -> Runtime:
    """The same process with the limits of the table as they are."""
    return replace(runtime, limiter=alone())


class TestRequests:
    async def test_too_many_sign_ins_are_told_to_wait(
        self, strict: Runtime, surfaces: Surfaces, http: HttpFactory, practice: TenantContext
    ) -> None:
        here = http(practice)
        create_app(strict, surfaces)
        for number in range(30):
            data = {"username": f"nobody{number}@example.com", "password": "wrong password"}
            assert (await here.post("/api/v1/auth/login", data=data)).status_code == 401
        answer = await here.post("/api/v1/auth/login", data=data, headers={"Accept-Language": "es"})
        problem = assert_problem(answer, 429, "too_many_requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert str(problem["detail"]).startswith("Demasiados intentos")
        page = await here.post("/sign-in", data={}, headers={"Accept": "text/html"})
        assert page.status_code == 429
        assert "retry-after" in page.headers

    async def test_an_address_can_be_mailed_a_few_links_only_known_or_not(
        self, strict: Runtime, surfaces: Surfaces, http: HttpFactory, practice: TenantContext
    ) -> None:
        here = http(practice)
        create_app(strict, surfaces)
        answers = [
            (await here.post("/api/v1/auth/password/forgot", json={"email": "Nobody@example.com"})).status_code
            for _ in range(6)
        ]
        assert answers == [202] * 5 + [429]

    async def test_the_contract_says_so(self, http: HttpFactory, practice: TenantContext) -> None:
        here = http(practice)
        document = (await here.get("/api/v1/openapi.json")).json()
        login = document["paths"]["/api/v1/auth/login"]["post"]["responses"]["429"]
        assert login["description"] == "`too_many_attempts`, `too_many_requests`"
        assert "Retry-After" in login["headers"]
        assert list(login["content"]) == ["application/problem+json"]
        limited = {
            path for path, item in document["paths"].items() if "429" in item.get("post", {}).get("responses", {})
        }
        assert {
            "/api/v1/auth/register",
            "/api/v1/auth/password/forgot",
            "/api/v1/auth/password/reset",
            "/api/v1/auth/verify-email/request",
            "/api/v1/auth/magic-link",
            "/api/v1/auth/magic-link/request",
            "/api/v1/admin/auth/login",
            "/api/v1/appointments",
        } <= limited


def test_the_docs_show_the_table() -> None:
    text = DOCS.read_text()
    for policy in POLICIES:
        row = f"| `{policy.name}` | {policy.meaning} | {policy.per_address or 'any'} | {policy.per_account or 'any'} |"
        assert row in text


def test_what_is_limited_by_account_says_so() -> None:
    assert all(policy.per_account for policy in (LOGIN, REGISTER, MAIL, BOOKING))
