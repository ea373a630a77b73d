"""When a practice owes money: owners are reminded, after the days of grace some things wait, paying ends it at once.

The whole plan of reminders goes into the queue when the debt begins, as rows that are void once it is paid: each names
the instant since when money is owed, which no other debt has. Clients notice nothing, whatever is owed.
"""

from datetime import datetime, timedelta

from billing.platform_fees.events import DUNNING_STEP, SUBSCRIPTION_RESTORED
from tenants.plans.models import Subscription
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.settings import Settings

REMINDER_DAYS = (0, 3, 7)
"""Within the days of grace; the day they end has a mail of its own, and so has this many days after it:"""
LAST_REMINDER_DAYS_AFTER = 14


def reminder_days(grace_days: int) -> list[int]:
    """The days of mails after a debt began: within grace, at its end, and once more. After that operators decide."""
    within = [day for day in REMINDER_DAYS if day < grace_days]
    return [*within, grace_days, grace_days + LAST_REMINDER_DAYS_AFTER]


def find_last_step(settings: Settings, since: datetime, step: int) -> int:
    """The day of the last mail that is due by now of a debt since then, one that is due at ``step`` being at hand."""
    passed = clock.now() - since
    due = [day for day in reminder_days(settings.platform_fees.grace_days) if timedelta(days=day) <= passed]
    return max(step, *due)


async def begin_dunning(session: PlatformSession, settings: Settings, tenant_key: str, row: Subscription) -> None:
    """Note on the locked row that money is owed from now on, and queue the reminders; nothing if it was already."""
    if row.past_due_since is not None:
        return
    grace_days = settings.platform_fees.grace_days
    since = clock.now()
    row.past_due_since, row.grace_until = since, since + timedelta(days=grace_days)
    for day in reminder_days(grace_days):
        payload: dict[str, str | int] = {"since": since.isoformat(), "step": day}
        await publish(session, DUNNING_STEP, payload, run_at=since + timedelta(days=day), tenant_key=tenant_key)


async def end_dunning(session: PlatformSession, tenant_key: str, row: Subscription) -> None:
    """Note on the locked row that nothing is owed; whoever heard of a debt hears of its end."""
    if row.past_due_since is None:
        return
    since = row.past_due_since
    row.past_due_since = row.grace_until = None
    await publish(session, SUBSCRIPTION_RESTORED, {"since": since.isoformat()}, tenant_key=tenant_key)
