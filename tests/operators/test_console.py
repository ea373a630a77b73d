"""The console as operators meet it."""

import html
import re
import secrets
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import func, select

from tenants.registry.models import Tenant, TenantStatus
from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, form_of, posting_paths, sign_in, submit
from tests.support.problems import assert_problem
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.console.router import router
from todoenbalance.operators.models import AuditEntry, Operator
from todoenbalance.operators.service import create_operator

PASSWORD = "operator of the tests"


@dataclass
class Console:
    """An operator's browser."""

    browser: httpx.AsyncClient
    email: str


@pytest.fixture
async def console(runtime: Runtime, http: HttpFactory) -> Console:
    """A fresh operator who is signed in."""
    email = f"op-{secrets.token_hex(4)}@example.com"
    async with runtime.database.platform() as session:
        await create_operator(session, email=email, password=PASSWORD)
    browser = http(headers=HTML)
    await sign_in(browser, "/sign-in", email, PASSWORD)
    return Console(browser, email)


def practice_values(**changes: str) -> dict[str, str]:
    """What one types into the form of a new practice."""
    return {
        "name": "Nutrición <Norte>",
        "slug": f"c{secrets.token_hex(5)}",
        "owner__email": "norte@example.com",
        "owner__first_name": "Nora",
        "owner__last_name": "Norte",
    } | changes


class TestConsole:
    async def test_a_practice_is_onboarded_and_its_invitation_works(self, console: Console, http: HttpFactory) -> None:
        values = practice_values()
        form = await console.browser.get("/practices/new")
        assert_sober(form)
        made = await submit(console.browser, form, **values, locale="en")
        assert made.status_code == 201, made.text
        assert_sober(made)
        assert "Nutrición &lt;Norte&gt;" in made.text
        found = re.search(r'href="(http://[^"]+/admin/accept-invitation\?token=[^"]+)"', made.text)
        assert found is not None
        invitation = await http(headers=HTML).get(html.unescape(found.group(1)))
        assert invitation.status_code == 200
        assert "Welcome to Nutrición &lt;Norte&gt;" in invitation.text
        listed = await console.browser.get("/")
        assert values["slug"] in listed.text
        assert_sober(listed)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"slug": "www"}, "This name is reserved."),
            ({"slug": "No Good"}, "Write 3 to 40 small letters"),
            ({"currency": "XX"}, "Write a currency code like EUR."),
            ({"currency": "ZZZ"}, "Write a currency code like EUR."),
            ({"owner__email": "nobody"}, "Write an e-mail address"),
            ({"owner__first_name": ""}, "Write at least 1 characters."),
            ({"timezone": "Madrid"}, "Choose a time zone of the list."),
        ],
    )
    async def test_what_is_wrong_comes_back_in_sentences_and_makes_nothing(
        self, console: Console, runtime: Runtime, change: dict[str, str], sentence: str
    ) -> None:
        values = practice_values(**change)
        answer = await submit(console.browser, await console.browser.get("/practices/new"), **values)
        assert answer.status_code == 422
        assert sentence in answer.text
        assert "Nutrición &lt;Norte&gt;" in answer.text
        assert_sober(answer)
        async with runtime.database.platform() as session:
            statement = select(func.count()).select_from(Tenant).where(Tenant.slug == values["slug"])
            assert (await session.execute(statement)).scalar_one() == 0

    async def test_a_taken_address_is_said_to_be(self, console: Console, practice: TenantContext) -> None:
        values = practice_values(slug=practice.slug)
        answer = await submit(console.browser, await console.browser.get("/practices/new"), **values)
        assert answer.status_code == 409
        assert f"The address “{practice.slug}” is taken." in answer.text

    async def test_suspending_needs_a_reason_and_is_undone_by_reactivating(
        self, console: Console, runtime: Runtime, http: HttpFactory, practice: TenantContext
    ) -> None:
        address = f"/practices/{practice.id}"
        page = await console.browser.get(address)
        assert_sober(page)
        refused = await submit(console.browser, page, "/suspend", reason=" ")
        assert refused.status_code == 422
        assert (await http(practice).get("/api/v1/practice")).status_code == 200
        assert (await submit(console.browser, page, "/suspend", reason="unpaid")).status_code == 303
        assert_problem(await http(practice).get("/api/v1/practice"), 403, "practice_suspended")
        page = await console.browser.get(address)
        assert "unpaid" in page.text
        assert (await submit(console.browser, page, "/reactivate", reason="paid")).status_code == 303
        assert (await http(practice).get("/api/v1/practice")).status_code == 200
        async with runtime.database.platform() as session:
            statement = select(AuditEntry).where(AuditEntry.tenant_id == practice.id).order_by(AuditEntry.id)
            entries = (await session.scalars(statement)).all()
        assert [entry.action for entry in entries] == ["tenant.suspended", "tenant.reactivated"]
        assert all(entry.operator_id is not None for entry in entries)


class TestWhoMay:
    async def test_strangers_are_sent_to_sign_in(self, http: HttpFactory, practice: TenantContext) -> None:
        browser = http(headers=HTML)
        for path in ("/", "/practices/new", f"/practices/{practice.id}"):
            answer = await browser.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/sign-in")
        page = await browser.get("/sign-in")
        assert_sober(page)
        wrong = await submit(browser, page, email="nobody@example.com", password="no idea at all")
        assert wrong.status_code == 422
        assert "The e-mail or the password is wrong." in wrong.text

    async def test_the_cookie_is_no_bearer_token_and_works_on_no_practices_host(
        self, console: Console, http: HttpFactory, practice: TenantContext
    ) -> None:
        token = console.browser.cookies["operator"]
        answer = await http().get("/api/v1/platform/tenants", headers={"Authorization": f"Bearer {token}"})
        assert_problem(answer, 401, "invalid_token")
        assert_problem(await console.browser.get("/api/v1/platform/tenants"), 401, "not_authenticated")
        there = http(practice, headers=HTML, cookies={"operator": token, "staff": token, "client": token})
        assert (await there.get("/admin")).status_code == 303
        assert (await there.get("/appointments")).status_code == 303

    async def test_an_operator_who_is_no_more_is_out_at_once(self, console: Console, runtime: Runtime) -> None:
        async with runtime.database.platform() as session:
            row = (await session.scalars(select(Operator).where(Operator.email == console.email))).one()
            row.is_active = False
        assert (await console.browser.get("/")).status_code == 303

    async def test_signing_out_ends_the_copies_of_the_cookie_too(self, console: Console, http: HttpFactory) -> None:
        copy = http(headers=HTML, cookies=dict(console.browser.cookies))
        answer = await submit(console.browser, await console.browser.get("/"), "/sign-out")
        assert answer.headers["location"] == "/sign-in"
        assert (await copy.get("/")).status_code == 303

    @pytest.mark.parametrize("path", posting_paths([router]))
    async def test_no_form_is_taken_without_its_own_token_from_its_own_origin(
        self, path: str, console: Console, runtime: Runtime, practice: TenantContext
    ) -> None:
        token = form_of(await console.browser.get("/"), "/sign-out").data["form_token"]
        attempts: list[tuple[dict[str, str], dict[str, str]]] = [
            ({}, {}),
            ({"form_token": secrets.token_hex(32)}, {}),
            ({"form_token": token}, {"Origin": "https://evil.example"}),
            ({"form_token": token}, {"Origin": f"http://{practice.slug}.localhost:8000"}),
            ({"form_token": token}, {"Origin": "null"}),
            ({"form_token": token}, {"Sec-Fetch-Site": "same-site"}),
        ]
        for data, headers in attempts:
            answer = await console.browser.post(path, data=data | {"reason": "forged"}, headers=headers)
            assert answer.status_code == 403, (data, headers)
            assert "nothing was done" in answer.text
        assert (await console.browser.get("/")).status_code == 200
        async with runtime.database.platform() as session:
            assert (await session.get_one(Tenant, practice.id)).status == TenantStatus.ACTIVE
