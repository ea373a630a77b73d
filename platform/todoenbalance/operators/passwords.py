"""Operators' passwords: changed by themselves, or set anew from the command line. None is ever reset by mail."""

from todoenbalance.kit.database import PlatformSession, give_connection_back
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.lockout import Lockout
from todoenbalance.kit.security.passwords import hash_password
from todoenbalance.kit.security.sign_ins import EndReason
from todoenbalance.kit.security.strength import check_strength
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.kit.settings import Settings
from todoenbalance.operators import service
from todoenbalance.operators.mails.announcing import tell_operator
from todoenbalance.operators.mails.kinds import OPERATOR_PASSWORD_CHANGED, OPERATOR_PASSWORD_RESET
from todoenbalance.operators.models import Operator, OperatorSignInAttempt
from todoenbalance.operators.repository import OperatorRepository
from todoenbalance.operators.service import SignedInOperator


async def change_password(
    session: PlatformSession,
    runtime: Runtime,
    found: SignedInOperator,
    current: str,
    new: str,
    *,
    field: str = "new_password",
    request_id: str | None = None,
) -> None:
    """Set a new password; the sign-in that asks stays, every other one ends.

    It is no fresher than before: that takes the second factor too. Raises ``InvalidCredentialsError``,
    ``AccountLockedError``, ``WeakPasswordError``.
    """
    operator, auth = found.account, runtime.settings.auth
    await give_connection_back(session)
    await check_strength(new, auth.passwords, _about(operator), field=field)
    hashed = await hash_password(new)
    locked = await service.authenticate(session, runtime, operator.email, current)
    await service.check_still_signed_in(session, auth, found.sign_in.id)
    locked.hashed_password = hashed
    reason = EndReason.PASSWORD_CHANGED
    await service.end_all_sessions(session, auth, locked.id, reason, besides=found.sign_in.id)
    service.record(session, locked.id, "operator.password_changed", request_id=request_id)
    await tell_operator(session, OPERATOR_PASSWORD_CHANGED, locked.id)


async def reset_password(session: PlatformSession, settings: Settings, email: str, password: str) -> Operator:
    """Set a new password for someone who lost theirs (the command line's): every sign-in ends, a lock is lifted.

    The second factor stays. Raises ``NotFoundError``, ``PasswordTooShortError``, ``WeakPasswordError``.
    """
    operators = OperatorRepository(session)
    found = await operators.find_by_email(email)
    if found is None:
        raise NotFoundError
    await service.check_new_password(password, settings.auth.passwords, *_about(found))
    hashed = await hash_password(password)
    operator = await operators.lock(found.id)
    if operator is None:
        raise NotFoundError
    operator.hashed_password = hashed
    await service.end_all_sessions(session, settings.auth, operator.id, EndReason.PASSWORD_CHANGED)
    lockout = Lockout(session, OperatorSignInAttempt, settings.auth.lockout, TokenSigner(settings.signing_keys))
    await lockout.clear(service.password_subject(operator.email))
    service.record(session, None, "operator.password_reset", email=operator.email)
    await tell_operator(session, OPERATOR_PASSWORD_RESET, operator.id)
    return operator


def _about(operator: Operator) -> tuple[str, str, str]:
    return operator.email, operator.first_name, operator.last_name
