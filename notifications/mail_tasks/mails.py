"""The mail to the front desk that clients are to be called: one for all of an hour, however many they are.

A server that turns everybody away makes many at once. It names nobody: the page has who, why and the telephone.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from notifications.announcing import announce
from notifications.composing import ComposedMail, Notice, register_composer
from notifications.mail_tasks.repository import MailTaskRepository
from notifications.watching import list_practice_recipients
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime

MAIL_TASKS: Final = "mail_tasks_practice"
TASKS_PATH: Final = "/admin/mail-tasks"
_HOUR: Final = timedelta(hours=1)


async def announce_tasks(session: TenantSession, *opened: UUID | None) -> None:
    """Tell of tasks that were just opened (None is none), with the others of this hour, at its end.

    The last that a transaction does about tasks: whoever announces the same mail waits for its end from here on, and
    must not have a task that this one is yet to open.
    """
    task_ids = {one for one in opened if one is not None}
    begins = clock.now().replace(minute=0, second=0, microsecond=0)
    if not task_ids or await MailTaskRepository(session).was_opened_since(begins, except_ids=task_ids):
        return  # who opened the first has queued the mail
    await announce(
        session,
        MAIL_TASKS,
        subject_id=session.tenant.id,
        version=begins.isoformat(),
        recipients=await list_practice_recipients(session, MAIL_TASKS),
        run_at=begins + _HOUR,
    )


async def compose_tasks(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """How many are to be called since that hour began; nothing if somebody did, or nobody need be any more."""
    begins = datetime.fromisoformat(str(notice.version))
    tasks = MailTaskRepository(session)
    fresh = await tasks.count_open(begins, begins + _HOUR)
    if not fresh:
        return None
    url = runtime.settings.practice_url(session.tenant.slug, TASKS_PATH)
    return ComposedMail({"fresh": fresh, "waiting": await tasks.count_open(), "admin_url": url})


def register_task_mails() -> None:
    """Register the composer of this module; called at start-up."""
    register_composer(MAIL_TASKS, compose_tasks)
