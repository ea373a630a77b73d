"""Wrong passwords in a row on accounts of a practice: the wait, and who hears of it."""

from tenants.accounts.events import CLIENT_LOCKED_OUT, STAFF_LOCKED_OUT
from tenants.accounts.models import AccountKind, Client, SignInAttempt, Staff
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.lockout import Lockout


def lockout_of(session: TenantSession, runtime: Runtime) -> Lockout:
    """The practice's count of failures."""
    return Lockout(session, SignInAttempt, runtime.settings.auth.lockout, runtime.signer)


def password_subject(kind: AccountKind, email: str) -> str:
    """What failures of passwords are counted by: the address as it was typed, but for its case."""
    return f"{kind}:{email.lower()}"


async def announce_lock(session: TenantSession, account: Client | Staff | None) -> None:
    """Have the person told that their account is locked for a while; of staff, the owners and the audit trail too.

    Nobody is told where the address is nobody's.
    """
    if isinstance(account, Staff):
        record_staff_action(session, None, "staff.locked_out", account.id)
        await publish(session, STAFF_LOCKED_OUT, {"staff_id": str(account.id)})
    elif account is not None:
        await publish(session, CLIENT_LOCKED_OUT, {"client_id": str(account.id)})


async def lift_lock(session: TenantSession, runtime: Runtime, account: Client | Staff) -> None:
    """Lift the lock of an account whose owner has answered a mail of ours."""
    kind = AccountKind.CLIENT if isinstance(account, Client) else AccountKind.STAFF
    await lockout_of(session, runtime).clear(password_subject(kind, account.email))
