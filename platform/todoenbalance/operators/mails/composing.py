"""The mails to operators: who they are, and what each kind says.

No secret, nothing about clients, and no link that does anything by itself: all of them lead to the console.
"""

from pathlib import Path
from typing import Any
from uuid import UUID

from notifications.formats import describe
from notifications.operator_mails.composing import (
    OperatorNotice,
    OperatorReader,
    register_operator_composer,
    register_operator_reader,
)
from notifications.rendering import register_templates
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.devices import describe_browser
from todoenbalance.operators.mails import kinds
from todoenbalance.operators.mails.choices import choice_url
from todoenbalance.operators.models import OperatorSignIn
from todoenbalance.operators.repository import OperatorRepository
from todoenbalance.operators.waiting.repository import Waiting
from todoenbalance.operators.waiting.service import ALARMING, list_waiting, named

SECURITY_PATH, WAITING_PATH = "/security", "/waiting"


async def find_operator(session: PlatformSession, runtime: Runtime, operator_id: UUID) -> OperatorReader | None:
    """An operator as of now; None for one who is none any more."""
    operator = await OperatorRepository(session).find(operator_id)
    if operator is None or not operator.is_active:
        return None
    settings = runtime.settings.operator_mails
    return OperatorReader(
        id=operator.id,
        address=operator.email,
        first_name=operator.first_name,
        locale=operator.locale or settings.locale,
        timezone=settings.timezone,
        wants_news=operator.wants_news,
        choice_url=choice_url(runtime, operator.id),
    )


async def compose_own_account(session: PlatformSession, runtime: Runtime, notice: OperatorNotice) -> dict[str, Any]:
    """Something happened to the reader's own account, which their security page shows."""
    del session, notice
    return {"security_url": runtime.settings.platform_url(SECURITY_PATH)}


async def compose_new_device(
    session: PlatformSession, runtime: Runtime, notice: OperatorNotice
) -> dict[str, Any] | None:
    """When and with which browser, in words of ours; nothing once the sign-in is forgotten."""
    sign_in = await session.get(OperatorSignIn, UUID(notice.version))
    if sign_in is None:
        return None
    return {
        "when": describe(sign_in.created_at, notice.reader.timezone, notice.reader.locale),
        "browser": describe_browser(sign_in.user_agent),
        "security_url": runtime.settings.platform_url(SECURITY_PATH),
    }


async def compose_created(session: PlatformSession, runtime: Runtime, notice: OperatorNotice) -> dict[str, Any] | None:
    """Who it is; nothing if they are none any more by now."""
    operator = await OperatorRepository(session).find(notice.subject_id)
    if operator is None or not operator.is_active:
        return None
    return {"who": operator.email, "console_url": runtime.settings.platform_url()}


async def compose_disabled(session: PlatformSession, runtime: Runtime, notice: OperatorNotice) -> dict[str, Any] | None:
    """Who it was; nothing if they are back by now."""
    operator = await OperatorRepository(session).find(notice.subject_id)
    if operator is None or operator.is_active:
        return None
    return {"who": operator.email, "console_url": runtime.settings.platform_url()}


async def compose_news(session: PlatformSession, runtime: Runtime, notice: OperatorNotice) -> dict[str, Any] | None:
    """Everything that waits now."""
    del notice
    return await _values(session, runtime, await list_waiting(session))


async def compose_alarm(session: PlatformSession, runtime: Runtime, notice: OperatorNotice) -> dict[str, Any] | None:
    """What was given up and still is."""
    del notice
    return await _values(session, runtime, [one for one in await list_waiting(session) if one.section in ALARMING])


async def _values(session: PlatformSession, runtime: Runtime, waiting: list[Waiting]) -> dict[str, Any] | None:
    """Numbers and practices' names, by section."""
    if not waiting:
        return None
    rows = [(one.section.value, _said(one, [name for _id, name in await named(session, one)])) for one in waiting]
    return {"rows": rows, "waiting_url": runtime.settings.platform_url(WAITING_PATH)}


def _said(waiting: Waiting, names: list[str]) -> str:
    """``3 · Nutrición Norte, Nuria Sol, …``"""
    more = ["…"] if len(waiting.tenant_ids) > len(names) else []
    return " · ".join([str(waiting.count), ", ".join([*names, *more])] if names else [str(waiting.count)])


def register_operator_mails() -> None:
    """Register reader, composers and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_operator_reader(find_operator)
    for kind in (
        kinds.OPERATOR_LOCKED_OUT,
        kinds.OPERATOR_PASSWORD_CHANGED,
        kinds.OPERATOR_PASSWORD_RESET,
        *kinds.FACTOR_KINDS.values(),
    ):
        register_operator_composer(kind, compose_own_account)
    register_operator_composer(kinds.OPERATOR_NEW_DEVICE, compose_new_device)
    register_operator_composer(kinds.OPERATOR_CREATED, compose_created)
    register_operator_composer(kinds.OPERATOR_DISABLED, compose_disabled)
    register_operator_composer(kinds.OPERATOR_NEWS, compose_news)
    register_operator_composer(kinds.OPERATOR_ALARM, compose_alarm)
