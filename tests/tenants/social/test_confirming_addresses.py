"""An address that nobody vouches for is confirmed with a code before anybody is signed in."""

import asyncio
import re
from datetime import timedelta

import httpx
from sqlalchemy import select

from tenants.accounts.models import Client
from tenants.social.models import SocialIdentity, SocialSignUp
from tenants.social.sign_ups import SIGN_UP_LIFETIME
from tests.conftest import HttpFactory
from tests.support.events import run_due_events
from tests.support.oauth_provider import Person
from tests.support.practices import make_client
from tests.support.problems import assert_problem
from tests.support.social import FACEBOOK_ANA, Visit
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def code_in(visit: Visit, to: str) -> str:
    """The code of the newest mail to this address."""
    mail = (await visit.mails(to))[-1]
    found = re.search(r"\b(\d{4}) (\d{4})\b", mail.text)
    assert found, mail.text
    return "".join(found.groups())


class SignUp:
    """A sign-up by Facebook under way."""

    def __init__(self, browser: httpx.AsyncClient, token: str) -> None:
        self._browser, self.token = browser, token

    async def ask(self, email: str) -> httpx.Response:
        """For a code."""
        return await self._browser.post("/api/v1/auth/oauth/email", json={"signup_token": self.token, "email": email})

    async def confirm(self, code: str) -> httpx.Response:
        """With a code."""
        body = {"signup_token": self.token, "code": code}
        return await self._browser.post("/api/v1/auth/oauth/email/confirm", json=body)


async def begin(visit: Visit, browser: httpx.AsyncClient, person: Person = FACEBOOK_ANA) -> SignUp:
    """Up to the question for an address."""
    answer = await visit.sign_in("facebook", person, browser)
    assert answer.status_code == 200, answer.text
    return SignUp(browser, answer.json()["signup_token"])


class TestAddressConfirmed:
    async def test_facebook_without_an_address_asks_for_one_and_mails_a_code(
        self, visit: Visit, browser: httpx.AsyncClient
    ) -> None:
        by_telephone = Person("1001", None, first_name="Tel", last_name="Fono")
        first = (await visit.sign_in("facebook", by_telephone, browser)).json()
        assert first["suggested_email"] is None
        sign_up = SignUp(browser, first["signup_token"])
        assert (await sign_up.ask("tel@example.com")).status_code == 202
        code = await code_in(visit, "tel@example.com")
        me = await visit.me(await sign_up.confirm(f"{code[:4]} {code[4:]}"))
        assert (me["email"], me["is_verified"], me["first_name"]) == ("tel@example.com", True, "Tel")
        assert_problem(await sign_up.confirm(code), 400, "invalid_sign_up")
        assert (await visit.me(await visit.sign_in("facebook", by_telephone)))["id"] == me["id"]

    async def test_a_facebook_account_whose_address_vanished_still_signs_in(
        self, visit: Visit, browser: httpx.AsyncClient
    ) -> None:
        sign_up = await begin(visit, browser)
        await sign_up.ask("ana@example.com")
        me = await visit.me(await sign_up.confirm(await code_in(visit, "ana@example.com")))
        vanished = Person(FACEBOOK_ANA.subject, None)
        assert (await visit.me(await visit.sign_in("facebook", vanished)))["id"] == me["id"]

    async def test_what_facebook_says_is_suggested(self, visit: Visit) -> None:
        assert (await visit.sign_in("facebook", FACEBOOK_ANA)).json()["suggested_email"] == "ana@example.com"

    async def test_five_wrong_codes_end_it(self, visit: Visit, browser: httpx.AsyncClient) -> None:
        sign_up = await begin(visit, browser)
        await sign_up.ask("ana@example.com")
        code = await code_in(visit, "ana@example.com")
        wrong = f"{(int(code) + 1) % 10**8:08}"
        for _ in range(5):
            assert_problem(await sign_up.confirm(wrong), 400, "wrong_code")
        assert_problem(await sign_up.confirm(code), 400, "invalid_sign_up")

    async def test_guesses_at_once_count_each(self, visit: Visit, browser: httpx.AsyncClient) -> None:
        sign_up = await begin(visit, browser)
        await sign_up.ask("ana@example.com")
        code = await code_in(visit, "ana@example.com")
        guesses = [f"{(int(code) + step) % 10**8:08}" for step in range(1, 11)]
        answers = await asyncio.gather(*map(sign_up.confirm, guesses))
        assert sorted(answer.json()["code"] for answer in answers) == ["invalid_sign_up"] * 5 + ["wrong_code"] * 5

    async def test_three_codes_are_sent_and_only_the_last_counts(
        self, visit: Visit, browser: httpx.AsyncClient
    ) -> None:
        sign_up = await begin(visit, browser)
        codes = []
        for _ in range(3):
            assert (await sign_up.ask("ana@example.com")).status_code == 202
            codes.append(await code_in(visit, "ana@example.com"))
        refused = await sign_up.ask("ana@example.com")
        assert_problem(refused, 429, "too_many_requests")
        assert int(refused.headers["retry-after"]) > 0
        assert_problem(await sign_up.confirm(codes[0]), 400, "wrong_code")
        assert (await sign_up.confirm(codes[2])).status_code == 200

    async def test_a_code_read_at_one_address_confirms_no_other(
        self, visit: Visit, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        sign_up = await begin(visit, browser)
        await sign_up.ask("attacker@example.com")
        code = await code_in(visit, "attacker@example.com")
        await sign_up.ask("victim@example.com")
        assert_problem(await sign_up.confirm(code), 400, "wrong_code")
        await run_due_events(runtime, practice)
        assert_problem(await sign_up.confirm(code), 400, "wrong_code")

    async def test_mails_that_wait_go_to_the_address_that_is_asked_for_now(
        self, visit: Visit, browser: httpx.AsyncClient
    ) -> None:
        sign_up = await begin(visit, browser)
        await sign_up.ask("attacker@example.com")
        await sign_up.ask("victim@example.com")
        assert await visit.mails("attacker@example.com") == []

    async def test_it_is_over_after_half_an_hour(self, visit: Visit, browser: httpx.AsyncClient) -> None:
        sign_up = await begin(visit, browser)
        await sign_up.ask("ana@example.com")
        code = await code_in(visit, "ana@example.com")
        with clock.at(clock.now() + SIGN_UP_LIFETIME + timedelta(seconds=1)):
            assert_problem(await sign_up.confirm(code), 400, "invalid_sign_up")
            assert_problem(await sign_up.ask("ana@example.com"), 400, "invalid_sign_up")

    async def test_somebody_who_registered_the_address_meanwhile_keeps_their_account(
        self, visit: Visit, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        sign_up = await begin(visit, browser)
        await sign_up.ask("ana@example.com")
        code = await code_in(visit, "ana@example.com")
        await make_client(runtime, practice, "ana@example.com")
        assert_problem(await sign_up.confirm(code), 409, "email_taken")
        assert await visit.count(SocialIdentity) == 0

    async def test_one_person_in_two_windows_gets_one_account(
        self, visit: Visit, http: HttpFactory, practice: TenantContext
    ) -> None:
        sign_ups = [await begin(visit, http(practice)) for _ in range(2)]
        codes = []
        for sign_up, address in zip(sign_ups, ("one@example.com", "two@example.com"), strict=True):
            await sign_up.ask(address)
            codes.append(await code_in(visit, address))
        pairs = await asyncio.gather(*(sign_up.confirm(code) for sign_up, code in zip(sign_ups, codes, strict=True)))
        assert len({(await visit.me(pair))["id"] for pair in pairs}) == 1
        assert await visit.count(Client) == 1

    async def test_strangers_can_have_few_codes_sent_to_one_address(
        self, visit: Visit, http: HttpFactory, practice: TenantContext
    ) -> None:
        for number in range(4):
            sign_up = await begin(visit, http(practice), Person(f"bot-{number}", None))
            for _ in range(3):
                await sign_up.ask("victim@example.com")
        assert 0 < len(await visit.mails("victim@example.com")) <= 6

    async def test_the_code_is_not_to_be_read_in_the_database_or_the_log_of_mails(
        self, visit: Visit, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        sign_up = await begin(visit, browser)
        await sign_up.ask("ana@example.com")
        code = await code_in(visit, "ana@example.com")
        [mail] = await visit.mails("ana@example.com")
        assert not any(part in mail.subject for part in (code, f"{code[:4]} {code[4:]}"))
        async with runtime.database.tenant(practice) as session:
            row = (await session.scalars(select(SocialSignUp))).one()
        assert row.code_hash
        assert code not in row.code_hash
