"""From a payment that failed to one that arrived: who is told, when, and what waits meanwhile."""

from datetime import datetime, timedelta

import pytest

from billing.platform_fees.dunning import reminder_days
from notifications.models import MailboxMessage
from tenants.accounts.models import StaffRole
from tests.support.events import run_platform_events
from tests.support.mails import assert_speaks, links_in, mails_of
from tests.support.platform_fees import make_plan, owe, served, subscribe, subscription_of, tell
from tests.support.practices import make_practice, make_staff_member
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

DUE, RESTRICTED, RESTORED = "due", "wait until your plan is paid", "is paid"


@pytest.fixture
async def practice(runtime: Runtime) -> TenantContext:
    """One that is written to in English."""
    return await make_practice(runtime, locale="en")


async def failing(runtime: Runtime, stripe_server: StripeServer, practice: TenantContext) -> tuple[str, datetime]:
    """A practice whose card works no more: its invoice, and since when it owes."""
    plan = await make_plan(runtime, price_minor=2900, price_currency="EUR")
    ref = await subscribe(runtime, stripe_server, practice, plan)
    stripe_server.next_period(ref, pays=False)
    invoice = stripe_server.objects("invoice")[-1]["id"]
    await tell(runtime, stripe_server, "invoice.payment_failed", invoice)
    await run_platform_events(runtime)
    since = (await subscription_of(runtime, practice)).past_due_since
    assert since is not None
    return invoice, since


async def on_day(
    runtime: Runtime, practice: TenantContext, since: datetime, day: float, email: str
) -> list[MailboxMessage]:
    """What somebody was mailed of plans by then."""
    with clock.at(since + timedelta(days=day, minutes=1)):
        await run_platform_events(runtime, practice)
        mails = await mails_of(runtime, practice, email)
    return [mail for mail in mails if "plan" in mail.subject]


@pytest.mark.parametrize(
    ("grace", "days"), [(14, [0, 3, 7, 14, 28]), (5, [0, 3, 5, 19]), (0, [0, 14]), (30, [0, 3, 7, 30, 44])]
)
def test_reminders_come_within_grace_at_its_end_and_once_more(grace: int, days: list[int]) -> None:
    assert reminder_days(grace) == days


async def test_owners_are_reminded_until_grace_is_over_and_told_what_waits_then(
    runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
) -> None:
    owner = await make_staff_member(runtime, practice)
    colleague = await make_staff_member(runtime, practice, StaffRole.MANAGER)
    _, since = await failing(runtime, stripe_server, practice)
    counts = []
    for day in (0, 1, 3, 7, 13, 14, 20, 28, 60):
        mails = await on_day(runtime, practice, since, day, owner.email)
        counts.append(len(mails))
    assert counts == [1, 1, 2, 3, 3, 4, 4, 5, 5]
    assert [DUE in mail.subject for mail in mails] == [True, True, True, False, False]
    assert [RESTRICTED in mail.subject for mail in mails] == [False, False, False, True, True]
    assert links_in(mails[0].text)[0].endswith("/admin/plan")
    for mail in mails:
        assert_speaks("en", mail, practice.name)
    assert await on_day(runtime, practice, since, 61, colleague.email) == []


async def test_reminders_that_come_late_together_are_one(
    runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
) -> None:
    owner = await make_staff_member(runtime, practice)
    _, since = await failing(runtime, stripe_server, practice)
    counts = []
    for day in (5, 20, 29, 40):  # the queue was down for days each time
        mails = await on_day(runtime, practice, since, day, owner.email)
        counts.append(len(mails))
    assert counts == [1, 2, 3, 3]
    assert [DUE in mail.subject for mail in mails] == [True, False, False]
    assert [RESTRICTED in mail.subject for mail in mails] == [False, True, True]


async def test_paying_ends_it_at_once_and_the_reminders_with_it(
    runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
) -> None:
    owner = await make_staff_member(runtime, practice)
    invoice, since = await failing(runtime, stripe_server, practice)
    for day in (0, 3):
        await on_day(runtime, practice, since, day, owner.email)
    stripe_server.pay_invoice(invoice)
    await tell(runtime, stripe_server, "invoice.paid", invoice)
    await run_platform_events(runtime, practice)
    tenant = await served(runtime, practice)
    assert (tenant.past_due_since, tenant.restricted_from) == (None, None)
    mails = await on_day(runtime, practice, since, 30, owner.email)
    assert sorted(DUE in mail.subject for mail in mails) == [False, True, True]
    assert f"Your plan for {practice.name} is paid" in [mail.subject for mail in mails]


async def test_a_second_debt_has_reminders_of_its_own(
    runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
) -> None:
    owner = await make_staff_member(runtime, practice)
    invoice, _ = await failing(runtime, stripe_server, practice)
    await run_platform_events(runtime, practice)
    stripe_server.pay_invoice(invoice)
    await tell(runtime, stripe_server, "invoice.paid", invoice)
    await run_platform_events(runtime, practice)
    ref = str((await subscription_of(runtime, practice)).subscription_ref)
    stripe_server.next_period(ref, pays=False)
    await tell(runtime, stripe_server, "customer.subscription.updated", ref)
    await run_platform_events(runtime)
    since = (await subscription_of(runtime, practice)).past_due_since
    assert since is not None
    subjects = [mail.subject for mail in await on_day(runtime, practice, since, 0, owner.email)]
    assert len([one for one in subjects if DUE in one]) == 2


async def test_hearing_of_the_same_debt_again_moves_nothing(
    runtime: Runtime, stripe_server: StripeServer, practice: TenantContext
) -> None:
    invoice, since = await failing(runtime, stripe_server, practice)
    with clock.at(since + timedelta(hours=12)):
        await run_platform_events(runtime)
    with clock.at(clock.now() + timedelta(minutes=1)):
        await tell(runtime, stripe_server, "invoice.payment_action_required", invoice)
        await run_platform_events(runtime)
    row = await subscription_of(runtime, practice)
    assert (row.past_due_since, row.grace_until) == (since, since + timedelta(days=14))


async def test_a_debt_in_grace_is_no_restriction(runtime: Runtime, practice: TenantContext) -> None:
    now = clock.now()
    tenant = await owe(runtime, practice, now - timedelta(days=1), now + timedelta(days=13))
    assert tenant.is_past_due
    assert tenant.restricted_from is not None
    assert tenant.restricted_from > now
