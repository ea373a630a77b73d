"""One row in the queue per practice while anybody waits, which goes through the list every quarter of an hour.

It finds the times that nobody announced: hours that staff opened, blocks that went. The row that counts carries the
``waitlist_sweep_at`` of the practice's settings; any other one (the delivery was repeated) finds another time there
and ends. So there is one chain, however often somebody joins.
"""

from datetime import datetime, timedelta

from scheduling.waitlist.events import WAITLIST_SWEEP
from scheduling.waitlist.repository import WaitlistRepository
from tenants.settings.service import get_practice_settings, lock_waitlist_sweep, set_waitlist_sweep
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.publish import publish

SWEEP_EVERY = timedelta(minutes=15)
OVERDUE_AFTER = timedelta(hours=2)


async def ensure_sweep(session: TenantSession) -> None:
    """Have the list gone through while somebody waits. The lock makes this and the chain's end take turns.

    A chain whose row is long overdue (parked after too many failures) is begun anew; the old row counts no more.
    """
    due_at = await lock_waitlist_sweep(session)
    if due_at is None or due_at + OVERDUE_AFTER < clock.now():
        await _queue(session, clock.now() + SWEEP_EVERY)


async def is_due(session: TenantSession, due_at: datetime) -> bool:
    """Whether the row that was delivered is the one that counts."""
    return (await get_practice_settings(session)).waitlist_sweep_at == due_at


async def go_on(session: TenantSession, due_at: datetime) -> None:
    """Queue the next sweep after this one, or end the chain if nobody waits any more."""
    if await lock_waitlist_sweep(session) != due_at:
        return
    if await WaitlistRepository(session).anyone_is_live():
        await _queue(session, clock.now() + SWEEP_EVERY)
    else:
        await set_waitlist_sweep(session, None)


async def _queue(session: TenantSession, due_at: datetime) -> None:
    await set_waitlist_sweep(session, due_at)
    await publish(session, WAITLIST_SWEEP, {"due_at": due_at.isoformat()}, run_at=due_at)
