"""As whom the practice's mails go out: ``/admin/mail-sender``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from notifications.sender import service
from notifications.sender.schemas import MailSenderPut, MailSenderRead
from notifications.sender.service import SenderChoices, SenderState
from tenants.accounts.auth import staff_limited, staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, InvalidInputError, NotAuthenticatedError
from todoenbalance.kit.ratelimit import MAIL_SENDER
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/mail-sender", tags=["staff: settings"], responses=responses(NotAuthenticatedError, ForbiddenError)
)
SenderReader = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS))]
SenderKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS, fresh=True))]


@router.get("")
async def read_mail_sender(_staff: SenderReader, session: TenantSessionDep, runtime: RuntimeDep) -> MailSenderRead:
    """The sender's name and addresses, the DNS records that are wanted, and what was found of them."""
    return MailSenderRead.of(await service.get_sender(session, runtime))


@router.put("", responses=responses(InvalidInputError), dependencies=[Depends(staff_limited(MAIL_SENDER))])
async def change_mail_sender(
    body: MailSenderPut,
    staff: SenderKeeper,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
) -> MailSenderRead:
    """Put another sender in its place. An address on a new domain is used once DNS shows that it is the practice's;
    until then mails go out from the platform's address. Audited."""
    state = await change_choices(session, runtime, staff.id, body.choices(), context.request_id)
    return MailSenderRead.of(state)


@router.post("/check", status_code=202, dependencies=[Depends(staff_limited(MAIL_SENDER))])
async def check_mail_sender(_staff: SenderReader, session: TenantSessionDep, runtime: RuntimeDep) -> MailSenderRead:
    """Have DNS looked at now; `checked_at` tells when that was done. It is done every day anyhow."""
    return MailSenderRead.of(await service.ask_for_check(session, runtime))


async def change_choices(
    session: TenantSession, runtime: Runtime, staff_id: UUID, wish: SenderChoices, request_id: str | None
) -> SenderState:
    """Change, and note who did; for the API and the page alike. Raises as the service does."""
    state = await service.change_sender(session, runtime, wish)
    record_staff_action(
        session,
        staff_id,
        "mail_sender.changed",
        request_id=request_id,
        name=state.name,
        address=state.address,
        reply_to=state.reply_to,
    )
    return state
