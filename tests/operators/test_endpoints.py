"""The operators' API, and what the hosts answer."""

import asyncio
import secrets
from uuid import uuid4

import httpx
import pytest

from tenants.registry.service import TenantDirectory
from tests.conftest import HttpFactory
from tests.support.practices import make_practice
from tests.support.problems import assert_problem
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.service import create_operator

PASSWORD = "operator of the tests"


@pytest.fixture
async def operator(runtime: Runtime, http: HttpFactory) -> httpx.AsyncClient:
    """A client of the platform's host, signed in as an operator."""
    email = f"op-{secrets.token_hex(4)}@example.com"
    async with runtime.database.platform() as session:
        await create_operator(session, email=email, password=PASSWORD)
    client = http()
    answer = await client.post("/api/v1/platform/auth/login", data={"username": email, "password": PASSWORD})
    assert answer.status_code == 200
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


def new_tenant(**changes: object) -> dict[str, object]:
    """A practice to make."""
    return {
        "slug": f"n{secrets.token_hex(5)}",
        "name": "Nutrición Norte",
        "country": "ES",
        "timezone": "Europe/Madrid",
        "locale": "es",
        "currency": "EUR",
        "owner": {"email": "norte@example.com", "first_name": "Nora", "last_name": "Norte"},
    } | changes


class TestTenants:
    async def test_onboarding_answers_the_practice_and_its_owners_invitation(
        self, operator: httpx.AsyncClient, http: HttpFactory
    ) -> None:
        body = new_tenant()
        answer = await operator.post("/api/v1/platform/tenants", json=body)
        assert answer.status_code == 201
        made = answer.json()
        assert made["status"] == "active"
        assert made["key"].startswith("t_")
        assert made["invitation_url"].startswith(f"http://{body['slug']}.localhost:8000/admin/accept-invitation?token=")
        assert {"id", "key", "slug", "name", "status", "plan", "country", "timezone", "locale", "currency", "domains",
                "schema_revision", "created_at", "usage"} <= set(made)  # fmt: skip
        practice = httpx.AsyncClient(transport=http()._transport, base_url=f"http://{body['slug']}.localhost:8000")
        profile = await practice.get("/api/v1/practice")
        assert profile.json()["slug"] == body["slug"]
        assert profile.json()["payment_methods"] == ["sandbox", "offline"]
        accepted = await practice.post(
            "/api/v1/admin/auth/accept-invitation",
            json={"token": made["invitation_url"].rpartition("=")[2], "password": "la dueña entra"},
        )
        assert accepted.json()["role"] == "owner"

    async def test_a_taken_slug_is_409(self, operator: httpx.AsyncClient, practice: TenantContext) -> None:
        answer = await operator.post("/api/v1/platform/tenants", json=new_tenant(slug=practice.slug))
        assert_problem(answer, 409, "slug_taken")

    @pytest.mark.parametrize(
        "change",
        [
            {"slug": "www"},
            {"slug": "Not-Valid"},
            {"slug": "a_b_c"},
            {"slug": ""},
            {"timezone": "Madrid"},
            {"timezone": "localtime"},
            {"currency": "EUROS"},
            {"currency": "ZZZ"},
            {"country": "ESP"},
            {"country": "zz"},
            {"locale": "fr"},
            {"name": ""},
            {"owner": {"email": "x", "first_name": "a", "last_name": "b"}},
            {"owner": None},
        ],
    )
    async def test_bad_input_is_422(self, operator: httpx.AsyncClient, change: dict[str, object]) -> None:
        answer = await operator.post("/api/v1/platform/tenants", json=new_tenant(**change))
        assert_problem(answer, 422, "validation_error")

    async def test_a_suspended_practice_is_403_for_everyone_until_it_is_reactivated(
        self, operator: httpx.AsyncClient, http: HttpFactory, practice: TenantContext
    ) -> None:
        url = f"/api/v1/platform/tenants/{practice.id}"
        assert (await operator.post(f"{url}/suspend", json={"reason": "unpaid"})).json()["status"] == "suspended"
        assert_problem(await http(practice).get("/api/v1/practice"), 403, "practice_suspended")
        assert_problem(await http(practice).get("/"), 403, "practice_suspended")
        assert (await operator.post(f"{url}/reactivate", json={"reason": "paid"})).json()["status"] == "active"
        assert (await http(practice).get("/api/v1/practice")).status_code == 200
        audit = (await operator.get("/api/v1/platform/audit", params={"limit": 2})).json()["items"]
        assert [entry["action"] for entry in audit] == ["tenant.reactivated", "tenant.suspended"]
        assert audit[1]["detail"] == {"reason": "unpaid"}

    async def test_a_renamed_practice_answers_at_its_new_address_only(
        self, operator: httpx.AsyncClient, http: HttpFactory, practice: TenantContext
    ) -> None:
        slug = f"r{secrets.token_hex(5)}"
        answer = await operator.patch(f"/api/v1/platform/tenants/{practice.id}", json={"slug": slug})
        assert answer.json()["slug"] == slug
        assert answer.json()["key"] == practice.key
        assert_problem(await http(practice).get("/api/v1/practice"), 404, "practice_not_found")
        there = await http().get(f"http://{slug}.localhost:8000/api/v1/practice")
        assert there.json()["slug"] == slug

    async def test_pages_through_practices(self, operator: httpx.AsyncClient, runtime: Runtime) -> None:
        made = {(await make_practice(runtime)).key for _ in range(3)}
        seen: list[str] = []
        cursor: str | None = None
        while True:
            params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await operator.get("/api/v1/platform/tenants", params=params)).json()
            seen += [item["key"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None or len(seen) > 500:
                break
        assert made <= set(seen)
        assert len(seen) == len(set(seen))

    @pytest.mark.parametrize("params", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"cursor": "nonsense"}])
    async def test_bad_paging_is_422(self, operator: httpx.AsyncClient, params: dict[str, str]) -> None:
        assert_problem(await operator.get("/api/v1/platform/tenants", params=params), 422, "validation_error")

    async def test_unknown_ids_are_404(self, operator: httpx.AsyncClient) -> None:
        url = f"/api/v1/platform/tenants/{uuid4()}"
        assert_problem(await operator.get(url), 404, "not_found")
        assert_problem(await operator.post(f"{url}/suspend", json={"reason": "x"}), 404, "not_found")

    async def test_without_an_operators_token_nothing_opens(self, http: HttpFactory) -> None:
        for method, path in (("GET", "tenants"), ("POST", "tenants"), ("GET", "audit"), ("GET", "migrations")):
            answer = await http().request(method, f"/api/v1/platform/{path}", json={})
            assert answer.status_code == 401, path


class TestHosts:
    @pytest.mark.parametrize(
        "host", ["nobody.localhost", "a.b.localhost", "example.com", "localhost.evil", "t_abcdefghij.localhost"]
    )
    async def test_a_host_of_no_practice_is_404(self, http: HttpFactory, host: str) -> None:
        assert_problem(await http().get(f"http://{host}:8000/api/v1/practice"), 404, "practice_not_found")

    async def test_every_host_says_whether_the_process_lives(self, http: HttpFactory, practice: TenantContext) -> None:
        for client in (http(), http(practice)):
            assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = await http().get("/readyz")
        assert ready.json()["checks"]["migrations"]["ok"]
        assert ready.status_code == 200

    async def test_a_practice_host_has_no_operators_api_and_the_platform_no_practices(
        self, http: HttpFactory, practice: TenantContext
    ) -> None:
        assert_problem(await http(practice).get("/api/v1/platform/tenants"), 404, "not_found")
        assert_problem(await http().get("/api/v1/practice"), 404, "not_found")

    async def test_a_sane_request_id_is_echoed_and_another_replaced(
        self, http: HttpFactory, practice: TenantContext
    ) -> None:
        client = http(practice)
        kept = await client.get("/healthz", headers={"X-Request-ID": "abc-123"})
        assert kept.headers["x-request-id"] == "abc-123"
        made = await client.get("/healthz", headers={"X-Request-ID": 'x" onload="'})
        assert made.headers["x-request-id"] != 'x" onload="'

    async def test_the_language_of_errors_follows_the_reader(self, http: HttpFactory, practice: TenantContext) -> None:
        client = http(practice)
        details = {}
        for language in ("en", "es", "fr", "en;q=0.1, es;q=0.9", ";;q=x,en"):
            answer = await client.get("/api/v1/users/me", headers={"Accept-Language": language})
            details[language] = answer.json()["detail"]
        assert details["en"] == details[";;q=x,en"] == "Sign in first."
        assert details["es"] == details["fr"] == details["en;q=0.1, es;q=0.9"] == "Inicia sesión primero."

    async def test_the_cache_is_told_of_other_processes_changes(
        self, runtime: Runtime, operator: httpx.AsyncClient
    ) -> None:
        tenant = await make_practice(runtime)
        directory = TenantDirectory(runtime.database, runtime.settings)
        async with directory.listening():
            for _ in range(100):
                await directory.find_by_host(tenant.hostname)
                if directory._cache:  # trusted as soon as the connection listens
                    break
                await asyncio.sleep(0.02)
            assert directory._cache
            cached = await directory.find_by_host(tenant.hostname)
            assert cached is not None
            assert cached.status == "active"
            await operator.post(f"/api/v1/platform/tenants/{tenant.id}/suspend", json={"reason": "x"})
            for _ in range(100):
                seen = await directory.find_by_host(tenant.hostname)
                if seen is not None and seen.status == "suspended":
                    break
                await asyncio.sleep(0.02)
            assert seen is not None
            assert seen.status == "suspended"


class TestDocs:
    @pytest.mark.parametrize(("path", "on_practice"), [("/api/v1", True), ("/api/v1/platform", False)])
    async def test_each_surface_serves_its_contract_and_a_page_without_third_parties(
        self, http: HttpFactory, practice: TenantContext, path: str, on_practice: bool
    ) -> None:
        client = http(practice if on_practice else None)
        document = (await client.get(f"{path}/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        assert "HTTPValidationError" not in document["components"]["schemas"]
        for route, item in document["paths"].items():
            for operation in item.values():
                if operation.get("security"):
                    assert "401" in operation["responses"], route
                for status, response in operation["responses"].items():
                    if status >= "400":
                        assert list(response["content"]) == ["application/problem+json"], (route, status)
        page = await client.get(f"{path}/docs")
        assert page.status_code == 200
        assert "http" not in page.text.replace("<!doctype html>", "")
        for asset in ("assets/swagger-ui.css", "assets/swagger-ui-bundle.js", "start.js"):
            assert (await client.get(f"{path}/docs/{asset}")).status_code == 200
