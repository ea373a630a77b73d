"""Operators' accounts, and what operators do with practices."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from tenants.accounts.errors import EmailTakenError, InvalidCredentialsError
from tenants.provisioning.service import NewTenant, provision_tenant
from tenants.registry import service as registry
from tenants.registry.models import Tenant
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession, give_connection_back
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.devices import UNKNOWN_DEVICE, Device, is_new
from todoenbalance.kit.security.lockout import Lockout
from todoenbalance.kit.security.passwords import MIN_LENGTH, hash_password, verify_password
from todoenbalance.kit.security.sign_ins import (
    EndReason,
    InvalidRefreshTokenError,
    SessionLimits,
    SignInMethod,
    SignIns,
    Started,
)
from todoenbalance.kit.security.strength import DEFAULT_RULES, check_strength
from todoenbalance.kit.security.tokens import InvalidTokenError, TokenSigner
from todoenbalance.kit.settings import AuthSettings, PasswordSettings, Settings
from todoenbalance.operators.mails.announcing import tell_operator, tell_other_operators
from todoenbalance.operators.mails.kinds import OPERATOR_CREATED, OPERATOR_LOCKED_OUT, OPERATOR_NEW_DEVICE
from todoenbalance.operators.models import (
    AuditEntry,
    Operator,
    OperatorRefreshToken,
    OperatorSignIn,
    OperatorSignInAttempt,
)
from todoenbalance.operators.repository import OperatorRepository

AUDIENCE = "operator"
_log = get_logger("operators")


class PasswordTooShortError(ProblemError):
    """An operator's password is too short."""

    status = 422
    code = "password_too_short"
    title = "Password too short"
    messages: ClassVar[dict[str, str]] = {
        "en": "The password needs at least {minimum} characters.",
        "es": "La contraseña necesita al menos {minimum} caracteres.",
    }


@dataclass(frozen=True, slots=True)
class OperatorTokens:
    """What an operator's sign-in answers; ``expires_in`` in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    session_id: UUID


@dataclass(frozen=True, slots=True)
class SignedInOperator:
    """An operator and the sign-in by which they act."""

    account: Operator
    sign_in: OperatorSignIn
    needs_second_factor: bool


async def check_new_password(password: str, rules: PasswordSettings, *about: str, field: str = "password") -> None:
    """Raises :class:`PasswordTooShortError`, ``WeakPasswordError``."""
    if len(password) < MIN_LENGTH:
        raise PasswordTooShortError(minimum=MIN_LENGTH)
    await check_strength(password, rules, about, field=field)


async def create_operator(
    session: PlatformSession,
    *,
    email: str,
    password: str,
    first_name: str = "",
    last_name: str = "",
    locale: str | None = None,
    rules: PasswordSettings = DEFAULT_RULES,
) -> Operator:
    """A new operator; the others are told.

    Raises :class:`EmailTakenError`, :class:`PasswordTooShortError`, ``WeakPasswordError``.
    """
    await check_new_password(password, rules, email, first_name, last_name)
    operators = OperatorRepository(session)
    if await operators.find_by_email(email) is not None:
        raise EmailTakenError
    operator = Operator(
        id=new_id(),
        email=email.lower(),
        hashed_password=await hash_password(password),
        first_name=first_name,
        last_name=last_name,
        is_active=True,
        locale=locale,
        created_at=clock.now(),
    )
    operators.add(operator)
    record(session, operator.id, "operator.created")
    await tell_other_operators(session, OPERATOR_CREATED, operator.id)
    return operator


async def find_operator_by_email(session: PlatformSession, email: str) -> Operator | None:
    """By e-mail, or None."""
    return await OperatorRepository(session).find_by_email(email)


def lockout_of(session: PlatformSession, runtime: Runtime) -> Lockout:
    """The count of operators' failures."""
    return Lockout(session, OperatorSignInAttempt, runtime.settings.auth.lockout, runtime.signer)


def password_subject(email: str) -> str:
    """What failures of operators' passwords are counted by."""
    return f"operator:{email.lower()}"


async def authenticate(session: PlatformSession, runtime: Runtime, email: str, password: str) -> Operator:
    """The operator with this e-mail and password, locked.

    Raises :class:`InvalidCredentialsError`, and ``AccountLockedError`` after too many failures in a row.
    """
    lockout, subject = lockout_of(session, runtime), password_subject(email)
    await lockout.check(subject)
    operators = OperatorRepository(session)
    found = await operators.find_by_email(email)
    hashed = found.hashed_password if found else None
    await give_connection_back(session)
    right, upgraded = await verify_password(password, hashed)
    operator = await operators.lock(found.id) if found and right else None
    if operator is None or not operator.is_active or operator.hashed_password != hashed:
        if await lockout.failed(subject) and found:
            await announce_lock(session, found.id)
        raise InvalidCredentialsError
    await lockout.succeeded(subject)
    if upgraded:
        operator.hashed_password = upgraded
    return operator


async def announce_lock(session: PlatformSession, operator_id: UUID, request_id: str | None = None) -> None:
    """Too many wrong passwords or codes in a row: record it, and have the operator told."""
    record(session, operator_id, "operator.locked_out", request_id=request_id)
    await tell_operator(session, OPERATOR_LOCKED_OUT, operator_id)
    _log.warning("operator_locked_out", operator_id=str(operator_id))


def session_limits(auth: AuthSettings) -> SessionLimits:
    """How long an operator's sign-in lasts."""
    return SessionLimits(timedelta(minutes=auth.operator_idle_minutes), timedelta(hours=auth.operator_session_hours))


def _sign_ins(session: PlatformSession, auth: AuthSettings) -> SignIns[OperatorSignIn, OperatorRefreshToken]:
    return SignIns(session, OperatorSignIn, OperatorRefreshToken, session_limits(auth))


async def check_still_signed_in(session: PlatformSession, auth: AuthSettings, session_id: UUID) -> None:
    """Under the operator's lock: that nobody has ended the sign-in meanwhile. Raises :class:`InvalidTokenError`."""
    if await _sign_ins(session, auth).find_live(session_id) is None:
        raise InvalidTokenError


async def start_session(
    session: PlatformSession,
    signer: TokenSigner,
    auth: AuthSettings,
    operator: Operator,
    *,
    method: SignInMethod = SignInMethod.PASSWORD,
    device: Device = UNKNOWN_DEVICE,
    has_second_factor: bool = False,
) -> OperatorTokens:
    """Sign an authenticated operator in, under their row's lock. They are told of a browser not used before."""
    known = await OperatorRepository(session).list_user_agents(operator.id)
    started = await _sign_ins(session, auth).start(
        method, device, has_second_factor=has_second_factor, account_id=operator.id
    )
    if is_new(device, known):
        await tell_operator(session, OPERATOR_NEW_DEVICE, operator.id, str(started.sign_in.id))
    return _pair(signer, auth, started)


async def refresh_session(
    session: PlatformSession,
    signer: TokenSigner,
    auth: AuthSettings,
    refresh_token: str,
    *,
    device: Device = UNKNOWN_DEVICE,
) -> OperatorTokens:
    """The next pair; raises ``InvalidRefreshTokenError`` or ``TokenReusedError`` (and ends the sign-in)."""
    tokens = _sign_ins(session, auth)
    row = await _find_under_lock(session, tokens, refresh_token)
    if row is None:
        raise InvalidRefreshTokenError
    started = await tokens.rotate(row, device, account_id=row.account_id)
    operator = await OperatorRepository(session).find(row.account_id)
    if operator is None or not operator.is_active:
        raise InvalidRefreshTokenError
    return _pair(signer, auth, started)


async def end_session(session: PlatformSession, auth: AuthSettings, refresh_token: str) -> None:
    """Sign out: the token's sign-in ends."""
    tokens = _sign_ins(session, auth)
    row = await _find_under_lock(session, tokens, refresh_token)
    if row is not None:
        await tokens.end(row.family_id, EndReason.SIGNED_OUT)


async def _find_under_lock(
    session: PlatformSession, tokens: SignIns[OperatorSignIn, OperatorRefreshToken], refresh_token: str
) -> OperatorRefreshToken | None:
    """The token's row, read again under its operator's lock."""
    row = await tokens.find_token(refresh_token)
    if row is None:
        return None
    await OperatorRepository(session).lock(row.account_id)
    return await tokens.find_token(refresh_token)


async def end_session_by_id(
    session: PlatformSession, auth: AuthSettings, session_id: UUID, reason: EndReason = EndReason.SIGNED_OUT
) -> None:
    """End the sign-in with this id (the console's way of signing out)."""
    await _sign_ins(session, auth).end(session_id, reason)


async def end_all_sessions(
    session: PlatformSession,
    auth: AuthSettings,
    operator_id: UUID,
    reason: EndReason,
    *,
    besides: UUID | None = None,
) -> None:
    """End every sign-in of an operator (``besides`` the one that asks for it), under their row's lock."""
    await _sign_ins(session, auth).end_all(reason, OperatorSignIn.account_id == operator_id, besides=besides)


async def list_sessions(session: PlatformSession, auth: AuthSettings, operator_id: UUID) -> list[OperatorSignIn]:
    """An operator's sign-ins that stand, the one last used first."""
    return await _sign_ins(session, auth).list_live(OperatorSignIn.account_id == operator_id)


async def revoke_session(session: PlatformSession, auth: AuthSettings, operator_id: UUID, session_id: UUID) -> None:
    """End one of an operator's own sign-ins. Raises :class:`NotFoundError` for anyone else's."""
    await OperatorRepository(session).lock(operator_id)
    row = await session.get(OperatorSignIn, session_id)
    if row is None or row.account_id != operator_id:
        raise NotFoundError
    await _sign_ins(session, auth).end(session_id, EndReason.REVOKED)


async def confirm_session(
    session: PlatformSession, auth: AuthSettings, session_id: UUID, *, has_second_factor: bool = False
) -> None:
    """Note that the sign-in's owner has just proved who they are: sensitive acts are allowed for a while."""
    await _sign_ins(session, auth).confirm(session_id, with_second_factor=has_second_factor)


async def get_signed_in(
    session: PlatformSession, settings: Settings, operator_id: UUID, session_id: UUID | None
) -> SignedInOperator:
    """The operator of a verified token. Raises :class:`InvalidTokenError` if gone, deactivated or signed out."""
    tokens = _sign_ins(session, settings.auth)
    found = await OperatorRepository(session).find_signed_in(operator_id, session_id, tokens.idle)
    if found is None or not found[0].is_active:
        raise InvalidTokenError
    operator, sign_in = found
    await tokens.touch(sign_in)
    owes = settings.operators_need_second_factor and sign_in.second_factor_at is None
    return SignedInOperator(operator, sign_in, owes)


async def onboard_tenant(
    session: PlatformSession,
    settings: Settings,
    operator_id: UUID | None,
    new: NewTenant,
    request_id: str | None = None,
) -> tuple[Tenant, str]:
    """Make a practice; answers it and its owner's invitation address. Raises as ``provision_tenant`` does."""
    tenant, invitation_url = await provision_tenant(session, settings, new)
    record(session, operator_id, "tenant.created", tenant.id, request_id=request_id, slug=tenant.slug)
    return tenant, invitation_url


async def suspend_tenant(
    session: PlatformSession, operator_id: UUID | None, tenant_id: UUID, reason: str, request_id: str | None = None
) -> Tenant:
    """Stop serving a practice, for a reason that is kept."""
    tenant = await registry.suspend_tenant(session, tenant_id, reason)
    record(session, operator_id, "tenant.suspended", tenant_id, request_id=request_id, reason=reason)
    return tenant


async def reactivate_tenant(
    session: PlatformSession, operator_id: UUID | None, tenant_id: UUID, reason: str, request_id: str | None = None
) -> Tenant:
    """Serve a suspended practice again, for a reason that is kept."""
    tenant = await registry.reactivate_tenant(session, tenant_id, reason)
    record(session, operator_id, "tenant.reactivated", tenant_id, request_id=request_id, reason=reason)
    return tenant


async def rename_tenant(
    session: PlatformSession, operator_id: UUID | None, tenant_id: UUID, changes: dict[str, Any], request_id: str | None
) -> Tenant:
    """Change a practice's name, slug or plan. Raises as ``registry.change_tenant`` does."""
    tenant = await registry.change_tenant(session, tenant_id, operator_id=operator_id, **changes)
    record(session, operator_id, "tenant.changed", tenant_id, request_id=request_id, **changes)
    return tenant


async def list_audit(
    session: PlatformSession, *, limit: int, cursor: str | None
) -> tuple[list[AuditEntry], str | None]:
    """What operators did, newest first."""
    return await OperatorRepository(session).page_of_audit(limit=limit, cursor=cursor)


def record(
    session: PlatformSession,
    operator_id: UUID | None,
    action: str,
    tenant_id: UUID | None = None,
    *,
    request_id: str | None = None,
    **detail: Any,
) -> None:
    """Add a line to the operators' audit trail; ``operator_id`` None is the command line."""
    OperatorRepository(session).add(
        AuditEntry(
            id=new_id(),
            operator_id=operator_id,
            action=action,
            tenant_id=tenant_id,
            detail=detail,
            request_id=request_id,
            created_at=clock.now(),
        )
    )


def _pair(signer: TokenSigner, auth: AuthSettings, started: Started[OperatorSignIn]) -> OperatorTokens:
    lifetime = timedelta(minutes=auth.access_token_minutes)
    sign_in = started.sign_in
    access = signer.issue(sign_in.account_id, AUDIENCE, lifetime, session_id=sign_in.id)
    return OperatorTokens(access, started.refresh_token, int(lifetime.total_seconds()), sign_in.id)
