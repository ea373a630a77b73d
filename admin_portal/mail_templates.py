"""Mails in the practice's own words, for those who keep its settings: ``/admin/mail-templates``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from notifications.overrides import service
from notifications.overrides.problems import TemplateRefusedError
from notifications.overrides.sandbox import Draft
from notifications.overrides.schemas import (
    DraftBody,
    Language,
    MailPreview,
    MailTemplateItem,
    MailTemplateList,
    MailTemplateRead,
)
from notifications.overrides.service import MailState
from tenants.accounts.auth import staff_limited, staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.ratelimit import TEMPLATE_PREVIEW, TEMPLATE_TEST
from todoenbalance.kit.web.dependencies import ContextDep, LocaleDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(
    prefix="/mail-templates", tags=["staff: mail templates"], responses=responses(NotAuthenticatedError, ForbiddenError)
)
TemplateReader = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS))]
TemplateKeeper = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_SETTINGS, fresh=True))]


@router.get("")
async def list_mail_templates(_staff: TemplateReader, session: TenantSessionDep, locale: LocaleDep) -> MailTemplateList:
    """Every mail that the practice may write, in each language, and whose words hold."""
    states = await service.list_mail_states(session)
    return MailTemplateList(items=[MailTemplateItem.of(one, locale) for one in states])


@router.get("/{kind}/{language}", responses=responses(NotFoundError))
async def read_mail_template(
    kind: str, language: Language, _staff: TemplateReader, session: TenantSessionDep, locale: LocaleDep
) -> MailTemplateRead:
    """One mail: the words that hold, the built-in ones, and every variable with its meaning and an example."""
    return MailTemplateRead.of(await service.get_mail_state(session, kind, language), locale)


@router.put("/{kind}/{language}", responses=responses(NotFoundError, TemplateRefusedError))
async def write_mail_template(
    kind: str,
    language: Language,
    body: DraftBody,
    staff: TemplateKeeper,
    session: TenantSessionDep,
    context: ContextDep,
    locale: LocaleDep,
) -> MailTemplateRead:
    """Send the practice's own words from now on. Every example is written with them first. Audited."""
    state = await keep_words(session, staff.id, kind, language, body.draft(), context.request_id)
    return MailTemplateRead.of(state, locale)


@router.delete("/{kind}/{language}", status_code=204, responses=responses(NotFoundError))
async def remove_mail_template(
    kind: str, language: Language, staff: TemplateKeeper, session: TenantSessionDep, context: ContextDep
) -> None:
    """Send the built-in words from now on. Audited; harmless where they hold already."""
    await drop_words(session, staff.id, kind, language, context.request_id)


@router.post(
    "/{kind}/{language}/preview",
    responses=responses(NotFoundError, TemplateRefusedError),
    dependencies=[Depends(staff_limited(TEMPLATE_PREVIEW))],
)
async def preview_mail_template(
    kind: str, language: Language, body: DraftBody, _staff: TemplateReader, session: TenantSessionDep
) -> MailPreview:
    """The mail with example values, unless it could not be saved like this. Nothing is kept."""
    return MailPreview.of(await service.preview(session, kind, language, body.draft()))


@router.post(
    "/{kind}/{language}/test",
    status_code=202,
    responses=responses(NotFoundError, TemplateRefusedError),
    dependencies=[Depends(staff_limited(TEMPLATE_TEST))],
)
async def test_mail_template(
    kind: str,
    language: Language,
    body: DraftBody,
    staff: TemplateKeeper,
    session: TenantSessionDep,
    context: ContextDep,
) -> None:
    """Mail the draft with example values to the caller's own address, marked as a test. Nobody else gets it."""
    await try_words(session, staff.id, kind, language, body.draft(), context.request_id)


async def keep_words(
    session: TenantSession, staff_id: UUID, kind: str, language: str, draft: Draft, request_id: str | None
) -> MailState:
    """Save, and note who did; for the API and the page alike. Raises as the service does."""
    state = await service.save(session, kind, language, draft)
    record_staff_action(
        session, staff_id, "mail_template.changed", state.id, request_id=request_id, kind=kind, language=language
    )
    return state


async def drop_words(session: TenantSession, staff_id: UUID, kind: str, language: str, request_id: str | None) -> None:
    """Return to the built-in words, and note who did. Raises as the service does."""
    if await service.return_to_builtin(session, kind, language):
        subject = service.template_id(kind, language)
        record_staff_action(
            session, staff_id, "mail_template.removed", subject, request_id=request_id, kind=kind, language=language
        )


async def try_words(
    session: TenantSession, staff_id: UUID, kind: str, language: str, draft: Draft, request_id: str | None
) -> None:
    """Mail the draft to who wrote it, and note that. Raises as the service does."""
    await service.send_test(session, staff_id, kind, language, draft)
    subject = service.template_id(kind, language)
    record_staff_action(
        session, staff_id, "mail_template.tested", subject, request_id=request_id, kind=kind, language=language
    )
