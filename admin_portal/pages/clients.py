"""One client, as the front desk needs them on the telephone: how to reach them, what is ahead, what was mailed."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.calendar_access import look_of
from admin_portal.mail_desk import describe_tasks
from admin_portal.pages.appointments import entries_of
from admin_portal.pages.client_texts import texts_of_client
from admin_portal.pages.mail_tasks import REASON_WORDS
from admin_portal.pages.mail_words import mail_lines
from admin_portal.pages.page import SignedIn
from notifications.mail_tasks.models import TaskReason
from notifications.mail_tasks.service import list_open_tasks_of
from notifications.service import MailFilter, list_email_logs
from notifications.tracking.service import find_suppressions
from scheduling.appointments.models import AppointmentStatus
from scheduling.appointments.repository import AppointmentFilter
from scheduling.appointments.services import reading
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission
from tenants.accounts.services.client_accounts import get_client
from todoenbalance.kit import clock

router = APIRouter(prefix="/clients", include_in_schema=False)
_SHOWN = 50
_MOST_AHEAD = 20


@router.get("/{client_id}")
async def show_client(
    page: SignedIn, client_id: UUID, cursor: Annotated[str | None, Query(max_length=500)] = None
) -> Response:
    """As much as the reader may know: appointments that they see, and mails for those who may see these."""
    page.need(Permission.VIEW_CLIENTS)
    sight = await look_of(page.staff, page.session)
    client = await get_client(page.session, client_id, among=sight.among_clients())
    wanted = AppointmentFilter(
        client_id=client.id,
        statuses=(AppointmentStatus.HELD, AppointmentStatus.CONFIRMED),
        starts=clock.now(),
    )
    rows, _cursor = await reading.list_appointments(page.session, sight.narrow(wanted), limit=_MOST_AHEAD)
    values: dict[str, Any] = {"mails": [], "calls": [], "suppression": None, "following": None}
    values |= {"texts": [], "agreed": []}
    if page.may(Permission.VIEW_EMAILS):
        logs, following = await list_email_logs(
            page.session, MailFilter(client_ids={client.id}), limit=_SHOWN, cursor=cursor
        )
        tasks = await describe_tasks(page.session, await list_open_tasks_of(page.session, {client.id}))
        suppressed = await find_suppressions(page.session, {client.email}) if client.erased_at is None else {}
        values = {
            "mails": await mail_lines(page, logs),
            "calls": [(task, page.t(REASON_WORDS[TaskReason(task.reason)])) for task in tasks],
            "suppression": next(iter(suppressed.values()), None),
            "following": following,
        }
        values["texts"], values["agreed"] = await texts_of_client(page, client.id)
    return page.render(
        "client.html",
        client=client,
        name=name_of(client, page.locale),
        entries=await entries_of(page, [row for row in rows if not reading.has_lapsed(row)]),
        **values,
    )
