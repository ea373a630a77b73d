"""Stripe Connect: one account for a practice, whatever happens on the way."""

import asyncio
from datetime import timedelta

import pytest

from billing.accounts import connecting
from billing.accounts.authors import Author
from billing.accounts.errors import AccountTakenError
from billing.accounts.models import AccountStatus
from tests.support.mails import mails_of
from tests.support.payment_accounts import API, Counter
from tests.support.practices import make_practice
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.database import Database
from todoenbalance.kit.tenancy import TenantContext


async def made_at_stripe(counter: Counter) -> list[str]:
    return [one["id"] for one in counter.stripe.objects("account")]


async def test_an_owner_connects_and_clients_can_pay_once_stripe_is_content(counter: Counter) -> None:
    link = await counter.connect()
    assert link["url"].startswith(counter.stripe.url)
    account = await counter.present("stripe")
    assert (account.status, account.mode, account.kind) == ("pending", "test", "connect")
    assert "stripe" not in await counter.methods()
    listed = (await counter.api.get(API, headers={"Accept-Language": "es"})).json()["items"][0]
    assert listed["next_step"] == "onboarding"
    assert "Cuenta bancaria para los ingresos (IBAN)" in [item["text"] for item in listed["account"]["checklist"]]
    made = counter.stripe.find(str(account.account_ref))
    assert made["controller"]["fees"] == {"payer": "account"}
    assert made["controller"]["losses"] == {"payments": "stripe"}
    assert (made["country"], made["metadata"]["practice"]) == ("ES", counter.practice.key)
    counter.stripe.onboard(str(account.account_ref))
    seen = await counter.check("stripe")
    assert (seen["status"], seen["is_usable"], seen["next_step"]) == ("active", True, "none")
    assert (await counter.methods())[0] == "stripe"
    assert await counter.audit() == ["payment_account.connection_begun"]


async def test_a_double_click_and_two_owners_at_once_make_one_account(counter: Counter) -> None:
    answers = await asyncio.gather(*(counter.api.post(f"{API}/stripe/connect") for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    await counter.connect()
    assert len(await made_at_stripe(counter)) == 1
    assert len(await counter.accounts("stripe")) == 1


@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/account_links"])
async def test_a_lost_answer_is_asked_for_again_and_makes_no_second_account(counter: Counter, path: str) -> None:
    counter.stripe.faults.lose_answer(path, times=3)
    assert_problem(await counter.api.post(f"{API}/stripe/connect"), 503, "provider_unavailable")
    await counter.connect()
    assert len(await made_at_stripe(counter)) == 1


class DiedError(Exception):
    """The process ends here."""


class MortalDatabase(Database):
    """Ends the process instead of opening its ``dies_at``-th transaction."""

    dies_at = 0
    opened = 0

    def _count(self) -> None:
        type(self).opened += 1
        if self.opened == self.dies_at:
            raise DiedError

    def tenant(self, tenant: TenantContext):  # type: ignore[no-untyped-def]  # as the one below
        self._count()
        return super().tenant(tenant)

    def platform(self):  # type: ignore[no-untyped-def]  # as the one below
        self._count()
        return super().platform()


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4, 5, 6])
async def test_a_crash_between_any_two_steps_is_gone_on_from(counter: Counter, dies_at: int) -> None:
    from dataclasses import replace

    class Mortal(MortalDatabase):
        pass

    Mortal.dies_at, Mortal.opened = dies_at, 0
    runtime = replace(counter.runtime, database=Mortal(counter.runtime.database.engine))
    author = Author(counter.owner.id)
    try:
        await connecting.begin_connection(runtime, counter.practice, author, "x.localhost")
    except DiedError:
        pass
    else:
        assert Mortal.opened < dies_at
    await counter.connect()
    assert len(await made_at_stripe(counter)) == 1
    (account,) = await counter.accounts("stripe")
    assert account.account_ref == (await made_at_stripe(counter))[0]
    assert (await counter.topics()).count("payment_account.check") == 1


async def test_an_account_whose_making_was_never_recorded_is_found_after_the_key_is_forgotten(counter: Counter) -> None:
    counter.stripe.faults.lose_answer("/v1/accounts", times=3)
    await counter.api.post(f"{API}/stripe/connect")
    counter.stripe._replies.clear()
    later = clock.now() + timedelta(hours=25)
    author = Author(counter.owner.id)
    with clock.at(later):
        await connecting.begin_connection(counter.runtime, counter.practice, author, "x.localhost")
    assert len(await made_at_stripe(counter)) == 1


async def test_a_used_up_link_is_replaced_and_without_a_connection_there_is_none(counter: Counter) -> None:
    assert_problem(await counter.api.post(f"{API}/stripe/onboarding-link"), 404, "not_found")
    first = await counter.connect()
    second = (await counter.api.post(f"{API}/stripe/onboarding-link")).json()
    assert first["url"] != second["url"]
    asked = [one.body for one in counter.stripe.exchanges if one.path == "/v1/account_links"][-1]
    host = f"http://{counter.practice.slug}.localhost:8000"
    assert asked["return_url"] == f"{host}/admin/payment-accounts/stripe/return"
    assert asked["refresh_url"] == f"{host}/admin/payment-accounts/stripe/refresh"


async def test_what_stripe_asks_for_later_is_shown_with_its_day_and_mailed(counter: Counter) -> None:
    account_ref = await counter.connected()
    due = clock.now() + timedelta(days=5)
    counter.stripe.require(account_ref, ("individual.verification.document",), deadline=int(due.timestamp()))
    seen = await counter.check("stripe")
    await counter.check("stripe")
    assert (seen["status"], seen["is_usable"]) == ("active", True)
    assert seen["deadline"].startswith(due.date().isoformat())
    assert seen["checklist"][0]["state"] == "currently_due"
    await counter.run(until=clock.now())
    await counter.run(until=clock.now())
    told = await mails_of(counter.runtime, counter.practice, counter.owner.email)
    assert len([mail for mail in told if "Stripe" in mail.subject]) == 1  # twice looked at, once told


async def test_an_account_that_may_no_longer_charge_is_offered_to_nobody(counter: Counter) -> None:
    account_ref = await counter.connected()
    due = ("external_account",)
    counter.stripe.require(account_ref, due, past_due=due, disabled_reason="requirements.past_due")
    seen = await counter.check("stripe")
    assert (seen["status"], seen["is_usable"], seen["next_step"]) == ("restricted", False, "onboarding")
    assert "stripe" not in await counter.methods()
    await counter.run()
    assert [m for m in await mails_of(counter.runtime, counter.practice, counter.owner.email) if "Stripe" in m.subject]
    counter.stripe.onboard(account_ref)
    assert (await counter.check("stripe"))["status"] == "active"
    assert "stripe" in await counter.methods()


async def test_another_practices_account_is_not_attached_twice(counter: Counter) -> None:
    from billing.accounts.claims import claim_account

    account_ref = await counter.connected()
    other = await make_practice(counter.runtime)
    with pytest.raises(AccountTakenError):
        await claim_account(counter.runtime, other, "stripe", account_ref, "test")
    await claim_account(counter.runtime, counter.practice, "stripe", account_ref, "test")


async def test_a_definite_no_ends_the_try_and_the_next_one_has_another_key(counter: Counter) -> None:
    counter.stripe.faults.answer(403, "/v1/accounts", method="POST")
    assert_problem(await counter.api.post(f"{API}/stripe/connect"), 503, "provider_unavailable")
    await counter.connect()
    statuses = [account.status for account in await counter.accounts("stripe")]
    assert statuses == [AccountStatus.PENDING, AccountStatus.DISCONNECTED]
