"""What reaches us from outside, before any endpoint looks at it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from starlette.types import Message

from tenants.registry.service import TenantDirectory
from tests.conftest import HttpFactory
from tests.operators.test_endpoints import PASSWORD
from tests.support.practices import make_practice
from tests.support.problems import assert_problem
from todoenbalance.app import Surfaces, create_app
from todoenbalance.kit.database import PlatformSession, give_connection_back
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import PoolSettings
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.text import check_name
from todoenbalance.operators.service import create_operator

LOGIN = "/api/v1/auth/login"


async def test_no_cache_keeps_what_the_api_answers(http: HttpFactory, practice: TenantContext) -> None:
    here = http(practice)
    for answer in (await here.get("/api/v1/users/me"), await here.post(LOGIN, data={"username": "a", "password": "b"})):
        assert answer.headers["cache-control"] == "no-store"


class TestBodies:
    async def test_a_body_that_says_it_is_too_large_is_413(self, http: HttpFactory, practice: TenantContext) -> None:
        answer = await http(practice).post("/api/v1/auth/password/forgot", content=b"x" * 1_000_001)
        assert_problem(answer, 413, "too_large")

    async def test_one_that_does_not_say_so_is_cut_off(self, http: HttpFactory, practice: TenantContext) -> None:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield b"x" * 100_000

        answer = await http(practice).post("/api/v1/auth/password/forgot", content=endless())
        assert answer.status_code in (400, 413)
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize("charset", ["unicode_escape", "undefined", "utf-16"])
    async def test_odd_charsets_in_a_form_are_the_senders_fault(
        self, http: HttpFactory, practice: TenantContext, charset: str
    ) -> None:
        boundary = "b"
        content = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="username"\r\n\r\n\\ud800\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="password"\r\n\r\n\\ud800\r\n--{boundary}--\r\n'
        ).encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}; charset={charset}"}
        answer = await http(practice).post(LOGIN, content=content, headers=headers)
        assert 400 <= answer.status_code < 500, answer.text

    @pytest.mark.parametrize("path", ["/sign-in", "/webhooks/sendgrid", "/api/v1/auth/login"])
    async def test_who_leaves_before_the_end_of_a_request_is_no_error_of_ours(
        self, runtime: Runtime, surfaces: Surfaces, practice: TenantContext, caplog: pytest.LogCaptureFixture, path: str
    ) -> None:
        host = "localhost" if path.startswith("/webhooks") else f"{practice.slug}.localhost"
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(b"host", host.encode()), (b"content-type", b"application/x-www-form-urlencoded")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
        }
        said: Iterator[Message] = iter(
            [{"type": "http.request", "body": b"email=", "more_body": True}, {"type": "http.disconnect"}]
        )
        statuses: list[int] = []

        async def receive() -> Message:
            return next(said)

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await create_app(runtime, surfaces)(scope, receive, send)
        assert statuses
        assert statuses[0] < 500
        assert "unhandled" not in caplog.text


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["a\nb", "a\x01", "a\x7f", "a\u2028b", "a\u202eb", "Gana en http://x.example", "WWW.x.es", "x.example/gana"],
    )
    def test_what_is_no_name_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="must not contain"):
            check_name(name)

    @pytest.mark.parametrize("name", ["María José", "O'Neill", "Núria Vall-llosera", "李小龍", "Ana (mamá)"])
    def test_what_is_one_is_kept(self, name: str) -> None:
        assert check_name(name) == name

    async def test_a_line_break_after_a_slug_is_no_slug(self, http: HttpFactory, practice: TenantContext) -> None:
        answer = await http().get("/api/v1/practice", headers={"Host": f"{practice.slug}%0a.localhost"})
        assert_problem(answer, 404, "practice_not_found")


class TestTheCacheOfHosts:
    async def test_remembers_nothing_that_anybody_may_make_up(self, runtime: Runtime) -> None:
        directory = TenantDirectory(runtime.database, runtime.settings)
        async with directory.listening():
            await asyncio.sleep(0.2)
            for odd in ("x" * 60_000, "a b", "a\n", "ñ", ""):
                assert await directory.find_by_host(odd) is None
                assert await directory.find_by_name(odd) is None
        assert directory._cache == {}


class TestASmallPool:
    async def test_requests_that_need_two_transactions_do_not_wait_for_each_other(
        self, runtime: Runtime, surfaces: Surfaces
    ) -> None:
        small = runtime.settings.model_copy(update={"pool": PoolSettings(size=2, overflow=0, timeout_seconds=5)})
        tight = Runtime.from_settings(small)
        try:
            tenant = await make_practice(tight)
            async with tight.database.platform() as session:
                await create_operator(session, email=f"{tenant.slug}@example.com", password=PASSWORD)
            transport = httpx.ASGITransport(create_app(tight, surfaces))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
                form = {"username": f"{tenant.slug}@example.com", "password": PASSWORD}
                logins = await asyncio.gather(
                    *(client.post("/api/v1/platform/auth/login", data=form) for _ in range(8))
                )
                assert {answer.status_code for answer in logins} == {200}
                headers = {"Authorization": f"Bearer {logins[0].json()['access_token']}"}
                url = f"/api/v1/platform/tenants/{tenant.id}"
                answers = await asyncio.gather(*(client.get(url, headers=headers) for _ in range(8)))
                assert {answer.status_code for answer in answers} == {200}
        finally:
            await tight.database.close()

    async def test_a_connection_is_not_given_back_with_half_of_a_change(self, runtime: Runtime) -> None:
        async with PlatformSession(runtime.database.engine) as session:
            session.info["published"] = True
            with pytest.raises(RuntimeError, match="half"):
                await give_connection_back(session)
