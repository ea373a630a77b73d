"""Subscribing, and how a practice stands afterwards, over the real SDK against a local Stripe held to its contract."""

import asyncio
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from billing.platform_fees.checkout import open_portal, start_checkout
from billing.platform_fees.errors import AlreadySubscribedError, ChargingNotSetUpError, NothingToPayError
from billing.platform_fees.models import SubscriptionCheckout
from billing.platform_fees.overview import choose_plan, read_standing
from billing.platform_fees.platform_events import receive_platform_webhook
from billing.platform_fees.stripe_billing import StripePlatformBilling
from billing.platform_fees.subscriptions import apply_reading, refresh_subscription
from tenants.accounts.models import StaffAuditEntry
from tenants.plans.models import Plan
from tenants.registry.service import change_tenant
from tests.conftest import HttpFactory
from tests.support.events import run_platform_events
from tests.support.platform_fees import (
    WEBHOOK_SECRET,
    charging,
    make_plan,
    plan_of,
    put_on_plan,
    stored_events,
    subscribe,
    subscription_of,
    tell,
)
from tests.support.practices import make_staff_member
from tests.support.problems import assert_problem
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit import clock
from todoenbalance.kit.errors import InvalidInputError, ServiceUnavailableError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import StripeSettings
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.signed_webhooks import InvalidWebhookSignatureError
from todoenbalance.operators.models import AuditEntry


@pytest.fixture
async def plan(runtime: Runtime) -> str:
    """29 € a month, half a percent."""
    return await make_plan(runtime, price_minor=2900, price_currency="EUR", fee_basis_points=50)


async def begin(runtime: Runtime, practice: TenantContext, plan: str) -> str:
    return await start_checkout(runtime, practice, plan, by_kind="staff", by_id=new_id())


class TestSubscribing:
    async def test_the_plan_changes_once_it_is_paid_and_not_before(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        url = await begin(runtime, practice, plan)
        assert url.startswith(stripe_server.url)
        await refresh_subscription(runtime, practice.id)
        assert await plan_of(runtime, practice) == "standard"
        [session] = stripe_server.objects("checkout.session")
        stripe_server.pay(session["id"])
        await refresh_subscription(runtime, practice.id)
        row = await subscription_of(runtime, practice)
        assert (row.status, row.plan_code, row.past_due_since) == ("active", plan, None)
        assert await plan_of(runtime, practice) == plan
        [customer] = stripe_server.objects("customer")
        assert customer["metadata"] == {"practice": practice.key}
        [price] = stripe_server.objects("price")
        assert (price["unit_amount"], price["currency"], price["recurring"]["interval"]) == (2900, "eur", "month")
        async with runtime.database.platform() as platform:
            kept = (await platform.scalars(select(Plan.stripe_price_id).where(Plan.code == plan))).one()
        assert kept == price["id"]

    async def test_a_double_click_leads_to_one_page(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        urls = await asyncio.gather(*(begin(runtime, practice, plan) for _ in range(4)), return_exceptions=True)
        urls += [await begin(runtime, practice, plan)]
        assert len({url for url in urls if isinstance(url, str)}) == 1
        # Stripe refuses a key that is in use: who asked at the same moment is told to try again.
        assert all(isinstance(url, str | ServiceUnavailableError) for url in urls)
        assert len(stripe_server.objects("checkout.session")) == 1
        assert len(stripe_server.objects("customer")) == 1

    @pytest.mark.parametrize("path", ["/v1/customers", "/v1/prices", "/v1/checkout/sessions"])
    async def test_a_lost_answer_makes_nothing_twice(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str, path: str
    ) -> None:
        stripe_server.faults.lose_answer(path, times=3)  # the SDK's own two retries as well
        with pytest.raises(ServiceUnavailableError):
            await begin(runtime, practice, plan)
        assert await begin(runtime, practice, plan)
        for kind in ("customer", "price", "checkout.session"):
            assert len(stripe_server.objects(kind)) == 1
        keys = {one.headers["idempotency-key"] for one in stripe_server.requests(path, "POST")}
        assert len(keys) == 1

    async def test_another_plan_makes_the_page_of_the_first_useless(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        other = await make_plan(runtime, price_minor=900, price_currency="EUR")
        await begin(runtime, practice, plan)
        await begin(runtime, practice, other)
        first, second = stripe_server.objects("checkout.session")
        assert (first["status"], second["status"]) == ("expired", "open")

    async def test_who_has_paid_the_first_page_is_not_led_to_a_second(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        other = await make_plan(runtime, price_minor=900, price_currency="EUR")
        await begin(runtime, practice, plan)
        stripe_server.pay(stripe_server.objects("checkout.session")[0]["id"])
        with pytest.raises(AlreadySubscribedError):
            await begin(runtime, practice, other)
        assert await plan_of(runtime, practice) == plan
        assert len(stripe_server.objects("subscription")) == 1

    async def test_a_page_that_nobody_used_is_made_anew_when_its_time_is_over(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        await begin(runtime, practice, plan)
        stripe_server.expire(stripe_server.objects("checkout.session")[0]["id"])
        async with runtime.database.platform() as session:
            ours = update(SubscriptionCheckout).where(SubscriptionCheckout.tenant_id == practice.id)
            await session.execute(ours.values(expires_at=clock.now() + timedelta(minutes=5)))
        await begin(runtime, practice, plan)
        assert [one["status"] for one in stripe_server.objects("checkout.session")] == ["expired", "open"]

    async def test_a_plan_without_a_price_or_that_is_no_more_is_not_subscribed_to(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        for code in ("standard", "no-such-plan"):
            with pytest.raises(InvalidInputError):
                await begin(runtime, practice, code)
        assert stripe_server.requests() == []

    async def test_without_an_account_nothing_is_charged_and_nobody_is_asked(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        bare = Runtime.from_settings(charging(runtime.settings, StripeSettings()))
        with pytest.raises(ChargingNotSetUpError):
            await begin(bare, practice, plan)
        async with bare.database.platform() as session:
            assert not (await read_standing(session, bare, practice.id)).is_charging_set_up
        await bare.close()
        assert stripe_server.requests() == []

    async def test_the_portal_is_for_those_who_are_customers(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        with pytest.raises(NothingToPayError):
            await open_portal(runtime, practice, "es")
        await subscribe(runtime, stripe_server, practice, plan)
        assert (await open_portal(runtime, practice, "es")).startswith(stripe_server.url)
        [portal] = stripe_server.requests("/v1/billing_portal/sessions")
        assert portal.body["return_url"] == f"http://{practice.slug}.localhost:8000/admin/plan"


class TestEvents:
    async def test_a_failed_payment_is_seen_and_a_late_one_ends_the_debt_at_once(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        stripe_server.next_period(ref, pays=False)
        invoice = stripe_server.objects("invoice")[-1]["id"]
        assert await tell(runtime, stripe_server, "invoice.payment_failed", invoice)
        await run_platform_events(runtime)
        row = await subscription_of(runtime, practice)
        assert row.status == "past_due"
        assert row.past_due_since is not None
        assert row.grace_until == row.past_due_since + timedelta(days=14)
        stripe_server.pay_invoice(invoice)
        assert await tell(runtime, stripe_server, "invoice.paid", invoice)
        await run_platform_events(runtime)
        row = await subscription_of(runtime, practice)
        assert (row.status, row.past_due_since, row.grace_until) == ("active", None, None)

    async def test_the_same_event_twice_is_one(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        assert await tell(runtime, stripe_server, "customer.subscription.updated", ref, event_id="evt_once")
        assert not await tell(runtime, stripe_server, "customer.subscription.updated", ref, event_id="evt_once")
        await run_platform_events(runtime)
        customer = str((await subscription_of(runtime, practice)).customer_ref)
        assert await stored_events(runtime, customer) == ["handled"]

    async def test_old_news_that_comes_last_changes_nothing(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        stripe_server.next_period(ref, pays=False)
        failed = stripe_server.events(kind="invoice.payment_failed")[-1]["id"]
        stripe_server.pay_invoice(stripe_server.objects("invoice")[-1]["id"])
        await tell(runtime, stripe_server, "invoice.paid", stripe_server.objects("invoice")[-1]["id"])
        await run_platform_events(runtime)
        body, headers = stripe_server.event(failed, secret="whsec_of_the_platform")
        await receive_platform_webhook(runtime, {name.lower(): value for name, value in headers.items()}, body)
        await run_platform_events(runtime)
        row = await subscription_of(runtime, practice)
        assert (row.status, row.past_due_since) == ("active", None)

    async def test_a_reading_that_was_overtaken_is_thrown_away(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        await subscribe(runtime, stripe_server, practice, plan)
        billing = StripePlatformBilling(runtime.settings)
        row = await subscription_of(runtime, practice)
        [old] = await billing.list_subscriptions(str(row.customer_ref))
        number = row.reads_begun
        stripe_server.next_period(old.ref, pays=False)
        await refresh_subscription(runtime, practice.id)
        async with runtime.database.platform() as session:
            assert not await apply_reading(session, runtime, practice.id, number, old)
        assert (await subscription_of(runtime, practice)).status == "past_due"

    async def test_a_forged_stale_or_connected_accounts_event_leaves_nothing(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        customer = str((await subscription_of(runtime, practice)).customer_ref)
        account = stripe_server.add_account()
        attempts: list[dict[str, object]] = [
            {"secret": "whsec_somebody_elses"},
            {"timestamp": int(clock.now().timestamp()) - 301},
            {"timestamp": int(clock.now().timestamp()) + 301},
            {"account_id": account},
        ]
        for options in attempts:
            with pytest.raises(InvalidWebhookSignatureError):
                await tell(runtime, stripe_server, "customer.subscription.deleted", ref, **options)
        body, headers = stripe_server.webhook("customer.subscription.deleted", ref, secret="whsec_of_the_platform")
        with pytest.raises(InvalidWebhookSignatureError):
            await receive_platform_webhook(
                runtime, {name.lower(): value for name, value in headers.items()}, body.replace(b"evt_", b"evt-")
            )
        assert await stored_events(runtime, customer) == []

    async def test_an_empty_secret_refuses_everything(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        account = runtime.settings.providers.stripe.model_copy(
            update={"platform_webhook_secret": StripeSettings().secret_key}
        )
        bare = Runtime.from_settings(charging(runtime.settings, account))
        with pytest.raises(InvalidWebhookSignatureError):
            await tell(bare, stripe_server, "customer.subscription.updated", ref, secret="")
        await bare.close()

    async def test_events_of_the_other_mode_of_others_and_of_no_concern_are_left_alone(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        before = len(stripe_server.requests("/v1/subscriptions", "GET"))
        customer = stripe_server.find(str((await subscription_of(runtime, practice)).customer_ref))
        await tell(runtime, stripe_server, "customer.updated", customer["id"])
        shown = stripe_server.find(ref)
        await tell(runtime, stripe_server, "customer.subscription.updated", shown | {"livemode": True}, livemode=True)
        await tell(runtime, stripe_server, "customer.subscription.updated", shown | {"customer": "cus_unknown"})
        await run_platform_events(runtime)
        assert len(stripe_server.requests("/v1/subscriptions", "GET")) == before
        assert await stored_events(runtime, customer["id"]) == ["ignored", "ignored"]
        assert "ignored" in await stored_events(runtime, "cus_unknown")

    async def test_a_lost_event_is_made_good_by_the_daily_look(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        stripe_server.next_period(ref, pays=False)
        assert (await subscription_of(runtime, practice)).status == "active"
        with clock.at(clock.now() + timedelta(days=1, minutes=1)):
            await run_platform_events(runtime)
            assert (await subscription_of(runtime, practice)).status == "past_due"

    async def test_while_stripe_is_silent_the_event_waits(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        stripe_server.next_period(ref, pays=False)
        stripe_server.faults.drop("/v1/subscriptions", method="GET", times=3)
        await tell(runtime, stripe_server, "customer.subscription.updated", ref)
        await run_platform_events(runtime)
        assert (await subscription_of(runtime, practice)).status == "active"
        with clock.at(clock.now() + timedelta(minutes=2)):
            await run_platform_events(runtime)
        assert (await subscription_of(runtime, practice)).status == "past_due"


class TestTheEndpoint:
    async def test_takes_the_platforms_own_events_by_the_same_address_as_connects(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str, http: HttpFactory
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        customer = str((await subscription_of(runtime, practice)).customer_ref)
        stripe_server.next_period(ref, pays=False)
        body, headers = stripe_server.webhook("customer.subscription.updated", ref, secret=WEBHOOK_SECRET)
        for _ in range(2):
            assert (await http().post("/webhooks/stripe", content=body, headers=dict(headers))).status_code == 200
        assert await stored_events(runtime, customer) == ["received"]
        await run_platform_events(runtime)
        assert (await subscription_of(runtime, practice)).status == "past_due"
        forged, headers = stripe_server.webhook("customer.subscription.updated", ref, secret="whsec_somebody_elses")
        answer = await http().post("/webhooks/stripe", content=forged, headers=dict(headers))
        assert_problem(answer, 400, "invalid_signature")
        assert await stored_events(runtime, customer) == ["handled"]

    async def test_refuses_a_connected_accounts_event_under_the_platforms_secret(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str, http: HttpFactory
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        account = stripe_server.add_account()
        body, headers = stripe_server.webhook(
            "customer.subscription.deleted", ref, secret=WEBHOOK_SECRET, account_id=account
        )
        assert_problem(
            await http().post("/webhooks/stripe", content=body, headers=dict(headers)), 400, "invalid_signature"
        )

    async def test_connects_secret_does_not_vouch_for_the_platforms_events(
        self, stripe_server: StripeServer, runtime: Runtime, practice: TenantContext, plan: str, http: HttpFactory
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        customer = str((await subscription_of(runtime, practice)).customer_ref)
        runtime.settings.providers.stripe.webhook_secret = SecretStr("whsec_connect")
        body, headers = stripe_server.webhook("customer.subscription.updated", ref, secret="whsec_connect")
        answer = await http().post("/webhooks/stripe", content=body, headers=dict(headers))
        assert_problem(answer, 400, "invalid_signature")
        assert await stored_events(runtime, customer) == []


class TestChangingPlans:
    async def test_with_a_subscription_it_charges_for_the_new_plan(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        other = await make_plan(runtime, price_minor=4900, price_currency="EUR")
        owner = await make_staff_member(runtime, practice)
        assert await choose_plan(runtime, practice, other, owner.id) is None
        assert await plan_of(runtime, practice) == other
        await run_platform_events(runtime, practice)
        subscription = stripe_server.find(ref)
        assert subscription["items"]["data"][0]["price"]["unit_amount"] == 4900
        assert subscription["metadata"]["plan"] == other
        assert (await subscription_of(runtime, practice)).plan_code == other
        assert await plan_of(runtime, practice) == other

    async def test_to_one_without_a_price_it_ends_with_its_month_and_nothing_is_owed(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        free = await make_plan(runtime, fee_basis_points=200)
        owner = await make_staff_member(runtime, practice)
        await choose_plan(runtime, practice, free, owner.id)
        await run_platform_events(runtime, practice)
        assert stripe_server.find(ref)["cancel_at_period_end"] is True
        assert (await subscription_of(runtime, practice)).cancel_at is not None
        stripe_server.next_period(ref)
        await refresh_subscription(runtime, practice.id)
        row = await subscription_of(runtime, practice)
        assert (row.status, row.past_due_since) == ("canceled", None)
        assert await plan_of(runtime, practice) == free

    async def test_going_back_before_it_ends_goes_on(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        free = await make_plan(runtime)
        owner = await make_staff_member(runtime, practice)
        for code in (free, plan):
            await choose_plan(runtime, practice, code, owner.id)
            await run_platform_events(runtime, practice)
        assert stripe_server.find(ref)["cancel_at_period_end"] is False
        assert (await subscription_of(runtime, practice)).cancel_at is None

    async def test_both_audit_trails_say_so_once(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        free = await make_plan(runtime)
        owner = await make_staff_member(runtime, practice)
        await choose_plan(runtime, practice, free, owner.id)
        await choose_plan(runtime, practice, free, owner.id)
        await run_platform_events(runtime, practice)
        async with runtime.database.tenant(practice) as session:
            [mine] = (
                await session.scalars(select(StaffAuditEntry).where(StaffAuditEntry.action == "plan.changed"))
            ).all()
        assert (mine.staff_id, mine.detail) == (owner.id, {"from": "standard", "to": free, "by": "staff"})
        async with runtime.database.platform() as platform:
            theirs = select(AuditEntry).where(
                AuditEntry.tenant_id == practice.id, AuditEntry.action == "tenant.plan_changed"
            )
            [entry] = (await platform.scalars(theirs)).all()
        assert (entry.operator_id, entry.detail["to"]) == (None, free)

    async def test_owners_choose_among_public_plans_and_their_own(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
    ) -> None:
        hidden = await make_plan(runtime, is_public=False, price_minor=100, price_currency="EUR")
        owner = await make_staff_member(runtime, practice)
        with pytest.raises(InvalidInputError):
            await choose_plan(runtime, practice, hidden, owner.id)
        await put_on_plan(runtime, practice, hidden)
        assert await choose_plan(runtime, practice, hidden, owner.id)

    async def test_a_subscription_that_ends_under_a_plan_with_a_price_is_a_debt(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        stripe_server.end_subscription(ref)
        await tell(runtime, stripe_server, "customer.subscription.deleted", ref)
        await run_platform_events(runtime)
        row = await subscription_of(runtime, practice)
        assert (row.status, row.plan_code) == ("canceled", None)
        assert row.past_due_since is not None
        await subscribe(runtime, stripe_server, practice, plan)
        row = await subscription_of(runtime, practice)
        assert (row.status, row.past_due_since) == ("active", None)

    @pytest.mark.parametrize("by", ["owner", "operator"])
    async def test_leaving_a_plan_with_a_price_after_its_subscription_has_ended_ends_the_debt(
        self, runtime: Runtime, stripe_server: StripeServer, practice: TenantContext, plan: str, by: str
    ) -> None:
        ref = await subscribe(runtime, stripe_server, practice, plan)
        stripe_server.end_subscription(ref)
        await tell(runtime, stripe_server, "customer.subscription.deleted", ref)
        await run_platform_events(runtime)
        assert (await subscription_of(runtime, practice)).past_due_since is not None
        free = await make_plan(runtime, fee_basis_points=200)
        if by == "owner":
            owner = await make_staff_member(runtime, practice)
            assert await choose_plan(runtime, practice, free, owner.id) is None
        else:
            async with runtime.database.platform() as session:
                await change_tenant(session, practice.id, plan=free)
        await run_platform_events(runtime, practice)
        assert (await subscription_of(runtime, practice)).past_due_since is None

    async def test_practices_with_their_customers_are_apart(
        self,
        runtime: Runtime,
        stripe_server: StripeServer,
        practice: TenantContext,
        other_practice: TenantContext,
        plan: str,
    ) -> None:
        mine = await subscribe(runtime, stripe_server, practice, plan)
        theirs = await subscribe(runtime, stripe_server, other_practice, plan)
        assert mine != theirs
        stripe_server.next_period(theirs, pays=False)
        await tell(runtime, stripe_server, "customer.subscription.updated", theirs)
        await run_platform_events(runtime)
        assert (await subscription_of(runtime, practice)).status == "active"
        assert (await subscription_of(runtime, other_practice)).status == "past_due"
        async with runtime.database.platform() as session:
            ours = select(func.count()).select_from(SubscriptionCheckout)
            done = ours.where(
                SubscriptionCheckout.tenant_id.in_([practice.id, other_practice.id]),
                SubscriptionCheckout.status == "completed",
            )
            assert (await session.execute(done)).scalar_one() == 2
