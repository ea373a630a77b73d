"""The end of a connection: certain here, tidied up at the provider, never of a newer connection."""

from datetime import timedelta

import pytest

from billing.accounts.following import on_account_event, on_disconnected
from billing.accounts.models import AccountStatus, ProviderAccount
from tests.support.mails import mails_of
from tests.support.payment_accounts import API, Counter
from tests.support.problems import assert_problem
from todoenbalance.kit import clock


async def ended(counter: Counter, account_ref: str, occurred_at: object) -> bool:
    async with counter.runtime.database.tenant(counter.practice) as session:
        return await on_disconnected(session, account_ref, occurred_at)  # type: ignore[arg-type]  # an instant


async def test_a_connected_account_is_given_back_at_stripe_soon_after(counter: Counter) -> None:
    account_ref = await counter.connected()
    seen = await counter.disconnect("stripe")
    assert (seen["account"], seen["next_step"]) == (None, "connect")
    assert "stripe" not in await counter.methods()
    assert account_ref not in counter.stripe.world.deauthorized
    await counter.run(until=clock.now() + timedelta(minutes=1))
    assert account_ref in counter.stripe.world.deauthorized
    assert "payment_account.leave" not in await counter.topics()
    assert_problem(await counter.api.delete(f"{API}/stripe"), 404, "not_found")
    assert await counter.audit() == ["payment_account.connection_begun", "payment_account.disconnected"]


async def test_an_account_that_was_not_given_back_yet_is_connected_again_and_stays(counter: Counter) -> None:
    account_ref = await counter.connected()
    await counter.disconnect("stripe")
    await counter.connect()
    new, old = await counter.accounts("stripe")
    assert (new.account_ref, old.account_ref, old.status) == (account_ref, account_ref, AccountStatus.DISCONNECTED)
    await counter.run(until=clock.now() + timedelta(minutes=1))
    assert account_ref not in counter.stripe.world.deauthorized


async def test_after_it_was_given_back_a_new_account_is_made(counter: Counter) -> None:
    account_ref = await counter.connected()
    await counter.disconnect("stripe")
    await counter.run(until=clock.now() + timedelta(minutes=1))
    await counter.connect()
    assert (await counter.present("stripe")).account_ref != account_ref


async def test_a_deauthorisation_counts_once_and_never_for_a_newer_connection(counter: Counter) -> None:
    account_ref = await counter.connected()
    happened = clock.now()
    assert await ended(counter, account_ref, happened) is True
    assert await ended(counter, account_ref, happened) is False
    assert (await counter.present("stripe")).problem == "deauthorized"
    assert "stripe" not in await counter.methods()
    with clock.at(clock.now() + timedelta(minutes=5)):
        await counter.connect()  # Stripe still lets us, so it is the same account
        assert (await counter.present("stripe")).account_ref == account_ref
        assert await ended(counter, account_ref, happened) is False
        assert (await counter.present("stripe")).status != AccountStatus.DISCONNECTED
        assert await ended(counter, "acct_of_nobody", clock.now()) is False
        assert await ended(counter, account_ref, clock.now()) is True


async def test_an_event_of_an_ended_account_brings_nothing_back(counter: Counter) -> None:
    account_ref = await counter.connected()
    await counter.disconnect("stripe")
    await on_account_event(counter.runtime, counter.practice, account_ref)
    assert (await counter.present("stripe")).status == AccountStatus.DISCONNECTED
    await on_account_event(counter.runtime, counter.practice, "acct_of_nobody")


async def test_a_missed_deauthorisation_is_found_by_the_daily_look_and_mailed(counter: Counter) -> None:
    account_ref = await counter.connected()
    counter.stripe.deauthorize(account_ref)
    await counter.run(until=clock.now() + timedelta(days=1))
    await counter.run(until=clock.now() + timedelta(days=1))
    account = await counter.present("stripe")
    assert (account.status, account.problem) == (AccountStatus.DISCONNECTED, "access_revoked")
    mails = await mails_of(counter.runtime, counter.practice, counter.owner.email)
    assert len([mail for mail in mails if "Stripe" in mail.subject]) == 1
    assert "payment_account.check" not in await counter.topics()


async def test_a_refused_platform_key_disconnects_nobody(counter: Counter) -> None:
    await counter.connected()
    counter.stripe.faults.answer(401, "/v1/accounts/*", method="GET")
    assert_problem(await counter.api.post(f"{API}/stripe/check"), 503, "provider_unavailable")
    assert (await counter.present("stripe")).status == AccountStatus.ACTIVE


@pytest.mark.parametrize("provider", ["stripe", "paypal"])
async def test_own_credentials_go_when_nothing_needs_them(counter: Counter, provider: str) -> None:
    if provider == "stripe":
        account_ref, key = counter.own_account()
        await counter.put_keys(key)
    else:
        counter.paypal.add_app(counter.client_id)
        await counter.put_paypal()
    await counter.disconnect(provider)
    assert (await counter.present(provider)).credentials is not None
    await counter.run(until=clock.now() + timedelta(minutes=1))
    row = await counter.present(provider)
    assert (row.credentials, row.webhook_ref, row.webhook_secret) == (None, None, None)
    left = (
        counter.stripe.objects("webhook_endpoint", account_ref)
        if provider == "stripe"
        else counter.webhooks_at_paypal()
    )
    assert left == []


async def test_forgetting_at_once_frees_the_account_and_wants_a_disconnection(counter: Counter) -> None:
    counter.paypal.add_app(counter.client_id)
    await counter.put_paypal()
    assert_problem(await counter.api.post(f"{API}/paypal/forget"), 409, "payment_account_needed")
    await counter.disconnect("paypal")
    assert (await counter.api.post(f"{API}/paypal/forget")).status_code == 204
    assert_problem(await counter.api.post(f"{API}/paypal/forget"), 404, "not_found")
    assert (await counter.present("paypal")).credentials is None
    async with counter.runtime.database.platform() as session:
        assert await session.get(ProviderAccount, ("paypal", counter.client_id)) is None
