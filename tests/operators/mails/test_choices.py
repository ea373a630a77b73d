"""Which mails an operator gets: by the API, on the page, by the button of a mail program."""

import httpx
import pytest
from sqlalchemy import select

from tests.conftest import HttpFactory
from tests.support.operators import make_operator
from tests.support.pages import HTML, assert_sober, sign_in, submit
from tests.support.practices import PASSWORD, SignedIn
from tests.support.problems import assert_problem
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.access import disable_operator
from todoenbalance.operators.mails.choices import choice_url
from todoenbalance.operators.models import AuditEntry, Operator

API = "/api/v1/platform/auth/mail-preferences"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def operator(runtime: Runtime) -> SignedIn:
    """Somebody who runs the platform."""
    return await make_operator(runtime)


@pytest.fixture
def link(runtime: Runtime, operator: SignedIn) -> str:
    """The path of the link in the operator's mails."""
    return httpx.URL(choice_url(runtime, operator.id)).path


async def now(runtime: Runtime, operator: SignedIn) -> tuple[bool, str | None]:
    async with runtime.database.platform() as session:
        row = await session.get_one(Operator, operator.id)
        return row.wants_news, row.locale


async def actions(runtime: Runtime, operator: SignedIn) -> list[tuple[str, str]]:
    async with runtime.database.platform() as session:
        mine = select(AuditEntry).where(AuditEntry.operator_id == operator.id).order_by(AuditEntry.id)
        return [(row.action, row.detail["by"]) for row in (await session.scalars(mine)).all()]


class TestApi:
    async def test_choices_are_kept_and_audited_once(
        self, runtime: Runtime, http: HttpFactory, operator: SignedIn
    ) -> None:
        here = http(headers=operator.headers)
        assert (await here.get(API)).json() == {"wants_news": True, "locale": None}
        for _ in range(2):
            answer = await here.put(API, json={"wants_news": False, "locale": "en"})
            assert (answer.status_code, answer.json()) == (200, {"wants_news": False, "locale": "en"})
        assert await now(runtime, operator) == (False, "en")
        assert await actions(runtime, operator) == [("operator.news_off", "page")]

    async def test_what_guards_the_account_is_no_choice(self, http: HttpFactory, operator: SignedIn) -> None:
        body = {"wants_news": True, "locale": "es", "security": False}
        answer = await http(headers=operator.headers).put(API, json=body)
        assert_problem(answer, 422, "validation_error")


class TestPage:
    async def test_it_shows_and_keeps_them(self, runtime: Runtime, http: HttpFactory, operator: SignedIn) -> None:
        browser = http(headers=HTML)
        await sign_in(browser, "/sign-in", operator.email, PASSWORD)
        page = await browser.get("/my-mails")
        assert_sober(page)
        assert (await submit(browser, page, "/my-mails", wants_news=None, locale="es")).status_code == 303
        assert await now(runtime, operator) == (False, "es")
        refused = await submit(browser, page, "/my-mails", locale="fr")
        assert refused.status_code == 422
        assert await now(runtime, operator) == (False, "es")
        assert (await submit(browser, page, "/my-mails", wants_news="yes", locale="")).status_code == 303
        assert await now(runtime, operator) == (True, None)


class TestOneClick:
    async def test_a_mail_programs_post_ends_the_news(
        self, runtime: Runtime, http: HttpFactory, operator: SignedIn, link: str
    ) -> None:
        for _ in range(2):
            robot = http(headers={"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"})
            answer = await robot.post(link, data=ONE_CLICK)
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
        assert await now(runtime, operator) == (False, None)
        assert await actions(runtime, operator) == [("operator.news_off", "one_click")]

    async def test_reading_changes_nothing_and_shows_nothing(
        self, runtime: Runtime, http: HttpFactory, operator: SignedIn, link: str
    ) -> None:
        answer = await http(headers=HTML).get(link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/my-mails")
        assert (await http().post(link, data={"List-Unsubscribe": "No"})).status_code == 422
        assert await now(runtime, operator) == (True, None)

    async def test_what_was_not_made_here_opens_nothing(
        self, runtime: Runtime, http: HttpFactory, practice: TenantContext, operator: SignedIn, link: str
    ) -> None:
        other = await make_operator(runtime)
        theirs = httpx.URL(choice_url(runtime, other.id)).path
        mixed = f"{link.rpartition('.')[0]}.{theirs.rpartition('.')[2]}"
        for path in (
            link[:-1] + ("0" if link[-1] != "0" else "1"),
            mixed,
            "/mail-preferences/x",
            "/mail-preferences/.",
        ):
            assert (await http().post(path, data=ONE_CLICK)).status_code == 404, path
        assert (await http(practice).post(link, data=ONE_CLICK)).status_code == 404
        assert await now(runtime, operator) == await now(runtime, other) == (True, None)

    async def test_it_ends_with_the_access(
        self, runtime: Runtime, http: HttpFactory, operator: SignedIn, link: str
    ) -> None:
        async with runtime.database.platform() as session:
            await disable_operator(session, runtime.settings, operator.email)
        assert (await http().post(link, data=ONE_CLICK)).status_code == 404
