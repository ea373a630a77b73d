"""Second factors of operators: the rules of ``kit.security.multi_factor`` over the platform's tables."""

from typing import Any
from uuid import UUID

from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.devices import UNKNOWN_DEVICE, Device
from todoenbalance.kit.security.lockout import Lockout
from todoenbalance.kit.security.multi_factor import FactorNews, MultiFactor
from todoenbalance.kit.security.owners import FactorOwner, RelyingParty
from todoenbalance.kit.security.second_factors import FactorTables, SecondFactors
from todoenbalance.kit.security.sign_ins import EndReason, SignInColumns, SignInMethod
from todoenbalance.operators import service
from todoenbalance.operators.mails.announcing import tell_operator
from todoenbalance.operators.mails.kinds import FACTOR_KINDS
from todoenbalance.operators.models import (
    Operator,
    OperatorOneTimeToken,
    OperatorPasskey,
    OperatorRecoveryCode,
    OperatorSignIn,
    OperatorTotpAuthenticator,
)
from todoenbalance.operators.repository import OperatorRepository

MFA_AUDIENCE = "operator-mfa"
ISSUER = "TODOenBALANCE"
VAULT_KEY = "platform"
TABLES = FactorTables(OperatorTotpAuthenticator, OperatorRecoveryCode, OperatorPasskey, OperatorOneTimeToken)
_log = get_logger("operators")


class OperatorMultiFactor(MultiFactor[Operator]):
    """For one request of an operator, on the platform's own host."""

    session: PlatformSession

    def __init__(
        self,
        session: PlatformSession,
        runtime: Runtime,
        device: Device = UNKNOWN_DEVICE,
        request_id: str | None = None,
    ) -> None:
        super().__init__(session, runtime, device, request_id)

    @property
    def mfa_audience(self) -> str:
        return MFA_AUDIENCE

    def factors_of(self, account: Operator) -> SecondFactors:
        settings = self.runtime.settings
        name = f"{account.first_name} {account.last_name}".strip() or account.email
        owner = FactorOwner(account.id, account.email, name, issuer=ISSUER, vault_key=VAULT_KEY)
        party = RelyingParty(settings.base_domain, ISSUER, settings.platform_url(""))
        return SecondFactors(self.session, TABLES, self.runtime.vault, owner, party)

    async def lock(self, account_id: UUID) -> Operator | None:
        return await OperatorRepository(self.session).lock(account_id)

    async def is_compulsory(self) -> bool:
        return self.runtime.settings.operators_need_second_factor

    async def check_password(self, account: Operator, password: str) -> Operator:
        return await service.authenticate(self.session, self.runtime, account.email, password)

    async def start(
        self, account: Operator, method: SignInMethod = SignInMethod.PASSWORD, *, has_second_factor: bool = False
    ) -> service.OperatorTokens:
        pair = await service.start_session(
            self.session,
            self.runtime.signer,
            self.runtime.settings.auth,
            account,
            method=method,
            device=self.device,
            has_second_factor=has_second_factor,
        )
        self.record(account, "sign_in.started", method=method, second_factor=has_second_factor)
        return pair

    async def confirm(self, sign_in: SignInColumns, *, has_second_factor: bool) -> None:
        auth = self.runtime.settings.auth
        await service.confirm_session(self.session, auth, sign_in.id, has_second_factor=has_second_factor)

    async def list_sessions(self, account: Operator) -> list[OperatorSignIn]:
        return await service.list_sessions(self.session, self.runtime.settings.auth, account.id)

    async def revoke_session(self, account: Operator, session_id: UUID) -> None:
        await service.revoke_session(self.session, self.runtime.settings.auth, account.id, session_id)

    async def end_sessions(self, account: Operator, reason: EndReason, *, besides: UUID | None = None) -> None:
        await service.end_all_sessions(self.session, self.runtime.settings.auth, account.id, reason, besides=besides)

    def record(self, account: Operator, action: str, **detail: Any) -> None:
        service.record(self.session, account.id, action, request_id=self.request_id, **detail)

    async def announce(self, account: Operator, news: FactorNews) -> None:
        await tell_operator(self.session, FACTOR_KINDS[news], account.id)
        _log.warning("operator_second_factor", operator_id=str(account.id), news=news.value)

    def lockout(self) -> Lockout:
        return service.lockout_of(self.session, self.runtime)

    async def on_locked(self, account: Operator) -> None:
        await service.announce_lock(self.session, account.id, self.request_id)


async def reset_operator(session: PlatformSession, runtime: Runtime, email: str) -> Operator:
    """Forget the second factors of an operator who has lost theirs, and end their sign-ins (the command line's).

    Raises ``NotFoundError``, ``NoSecondFactorError``.
    """
    found = await service.find_operator_by_email(session, email)
    steps = OperatorMultiFactor(session, runtime)
    operator = await steps.lock(found.id) if found else None
    if operator is None:
        raise NotFoundError
    await steps.reset(operator)
    service.record(session, None, "second_factor.reset", subject_id=str(operator.id))
    return operator
