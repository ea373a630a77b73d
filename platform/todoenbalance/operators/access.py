"""Taking an operator's access away and giving it back, on the word of whoever may use the command line."""

from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.security.sign_ins import EndReason
from todoenbalance.kit.settings import Settings
from todoenbalance.operators import service
from todoenbalance.operators.mails.announcing import tell_other_operators
from todoenbalance.operators.mails.kinds import OPERATOR_CREATED, OPERATOR_DISABLED
from todoenbalance.operators.models import Operator
from todoenbalance.operators.repository import OperatorRepository


async def disable_operator(session: PlatformSession, settings: Settings, email: str) -> Operator:
    """They are out at once and can't come in again; the others are told. Safe to repeat.

    Raises :class:`NotFoundError`.
    """
    operator = await _lock(session, email)
    if operator.is_active:
        operator.is_active = False
        await service.end_all_sessions(session, settings.auth, operator.id, EndReason.DEACTIVATED)
        service.record(session, None, "operator.disabled", email=operator.email)
        await tell_other_operators(session, OPERATOR_DISABLED, operator.id)
    return operator


async def enable_operator(session: PlatformSession, email: str) -> Operator:
    """They may sign in again, with the password and second factor that they had; the others are told. Safe to repeat.

    Raises :class:`NotFoundError`.
    """
    operator = await _lock(session, email)
    if not operator.is_active:
        operator.is_active = True
        service.record(session, None, "operator.enabled", email=operator.email)
        await tell_other_operators(session, OPERATOR_CREATED, operator.id)
    return operator


async def _lock(session: PlatformSession, email: str) -> Operator:
    operators = OperatorRepository(session)
    found = await operators.find_by_email(email)
    operator = await operators.lock(found.id) if found else None
    if operator is None:
        raise NotFoundError
    return operator
