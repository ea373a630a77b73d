"""Who asked for a change to a payment account, for the audit trail."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.accounts.models import PaymentAccount
from tenants.accounts.services.audit import record_staff_action
from todoenbalance.kit.database import TenantSession


@dataclass(frozen=True, slots=True)
class Author:
    """A member of staff and the request that they made."""

    staff_id: UUID
    request_id: str | None = None

    def record(self, session: TenantSession, action: str, account: PaymentAccount, **detail: Any) -> None:
        """Add a line about ``account``, in the transaction of the change. No credentials, ever."""
        record_staff_action(
            session,
            self.staff_id,
            f"payment_account.{action}",
            account.id,
            request_id=self.request_id,
            provider=account.provider,
            kind=account.kind,
            mode=account.mode,
            **detail,
        )
