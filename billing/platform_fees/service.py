"""What the platform asks of a payment."""

from billing.accounts.models import AccountKind, PaymentAccount
from todoenbalance.kit.money import Money
from todoenbalance.kit.tenancy import TenantContext


def fee_of(tenant: TenantContext, account: PaymentAccount | None, amount: Money) -> int:
    """The application fee of a payment that is about to be opened, in minor units of ``amount``'s currency.

    Only Stripe's connected accounts share a payment out by themselves; elsewhere nothing is taken at the source.
    """
    if account is None or account.kind != AccountKind.CONNECT:
        return 0
    del tenant, amount
    return 0
