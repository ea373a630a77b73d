"""Second factors of staff: the rules of ``kit.security.multi_factor`` over the practice's tables."""

from typing import Any
from uuid import UUID

from tenants.accounts.events import STAFF_SECOND_FACTOR_CHANGED
from tenants.accounts.models import (
    AccountKind,
    OneTimeToken,
    Passkey,
    RecoveryCode,
    SignIn,
    Staff,
    TotpAuthenticator,
)
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services import sign_ins
from tenants.accounts.services.audit import record_staff_action
from tenants.accounts.services.lockouts import announce_lock, lockout_of
from tenants.settings.service import get_practice_settings
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError, NotFoundError
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.devices import UNKNOWN_DEVICE, Device
from todoenbalance.kit.security.lockout import Lockout
from todoenbalance.kit.security.multi_factor import FactorNews, MultiFactor
from todoenbalance.kit.security.owners import FactorOwner, RelyingParty
from todoenbalance.kit.security.second_factors import FactorTables, SecondFactors
from todoenbalance.kit.security.sign_ins import EndReason, SignInColumns, SignInMethod
from todoenbalance.kit.tenancy import TenantContext

TABLES = FactorTables(
    TotpAuthenticator, RecoveryCode, Passkey, OneTimeToken, token_values={"account_kind": AccountKind.STAFF}
)


def mfa_audience(tenant: TenantContext) -> str:
    """Of the tokens between password and second factor, in one practice."""
    return f"staff-mfa:{tenant.key}"


class StaffMultiFactor(MultiFactor[Staff]):
    """For one request of a member of staff. ``hostname``: the host they asked, to which passkeys belong."""

    session: TenantSession

    def __init__(
        self,
        session: TenantSession,
        runtime: Runtime,
        hostname: str,
        device: Device = UNKNOWN_DEVICE,
        request_id: str | None = None,
    ) -> None:
        super().__init__(session, runtime, device, request_id)
        self._hostname = hostname

    @property
    def mfa_audience(self) -> str:
        return mfa_audience(self.session.tenant)

    def factors_of(self, account: Staff) -> SecondFactors:
        tenant = self.session.tenant
        name = f"{account.first_name} {account.last_name}"
        owner = FactorOwner(account.id, account.email, name, issuer=tenant.name, vault_key=tenant.key)
        origin = self.runtime.settings.url_for_host(self._hostname, "")
        party = RelyingParty(self._hostname, tenant.name, origin)
        return SecondFactors(self.session, TABLES, self.runtime.vault, owner, party)

    async def lock(self, account_id: UUID) -> Staff | None:
        account = await AccountRepository(self.session).lock_account(AccountKind.STAFF, account_id)
        return account if isinstance(account, Staff) else None

    async def is_compulsory(self) -> bool:
        return (await get_practice_settings(self.session)).second_factor_required

    async def check_password(self, account: Staff, password: str) -> Staff:
        checked = await sign_ins.check_password(self.session, self.runtime, account, password)
        assert isinstance(checked, Staff)  # noqa: S101 - the kind that was asked about
        return checked

    async def start(
        self, account: Staff, method: SignInMethod = SignInMethod.PASSWORD, *, has_second_factor: bool = False
    ) -> sign_ins.TokenPair:
        pair = await sign_ins.start_session(
            self.session,
            self.runtime.signer,
            self.runtime.settings.auth,
            AccountKind.STAFF,
            account.id,
            method=method,
            device=self.device,
            has_second_factor=has_second_factor,
        )
        self.record(account, "sign_in.started", method=method, second_factor=has_second_factor)
        return pair

    async def confirm(self, sign_in: SignInColumns, *, has_second_factor: bool) -> None:
        auth = self.runtime.settings.auth
        await sign_ins.confirm_session(
            self.session, auth, AccountKind.STAFF, sign_in.id, has_second_factor=has_second_factor
        )

    async def list_sessions(self, account: Staff) -> list[SignIn]:
        return await sign_ins.list_sessions(self.session, self.runtime.settings.auth, AccountKind.STAFF, account.id)

    async def revoke_session(self, account: Staff, session_id: UUID) -> None:
        await sign_ins.revoke_session(self.session, AccountKind.STAFF, account.id, session_id)

    async def end_sessions(self, account: Staff, reason: EndReason, *, besides: UUID | None = None) -> None:
        await sign_ins.end_all(self.session, AccountKind.STAFF, account.id, reason, besides=besides)

    def record(self, account: Staff, action: str, **detail: Any) -> None:
        record_staff_action(self.session, account.id, action, account.id, request_id=self.request_id, **detail)

    async def announce(self, account: Staff, news: FactorNews) -> None:
        await publish(self.session, STAFF_SECOND_FACTOR_CHANGED, {"staff_id": str(account.id), "news": news})

    def lockout(self) -> Lockout:
        return lockout_of(self.session, self.runtime)

    async def on_locked(self, account: Staff) -> None:
        await announce_lock(self.session, account)

    async def reset_colleague(self, actor: Staff, staff_id: UUID) -> None:
        """Forget the second factors of someone who has lost theirs, and end their sign-ins.

        Raises ``NotFoundError``, ``NoSecondFactorError``; ``ForbiddenError`` for one's own: those are removed by
        someone who gives them.
        """
        if staff_id == actor.id:
            raise ForbiddenError
        account = await self.lock(staff_id)
        if account is None:
            raise NotFoundError
        await self.reset(account)
        record_staff_action(self.session, actor.id, "second_factor.reset", account.id, request_id=self.request_id)
