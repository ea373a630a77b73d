"""What the platform asks of a payment, and whether the provider itself hands it on."""

from billing.accounts.models import AccountKind, PaymentAccount
from tenants.plans.fees import fee_for
from todoenbalance.kit.money import Money
from todoenbalance.kit.tenancy import TenantContext

_SANDBOX = "sandbox"


def fee_of(tenant: TenantContext, method: str, amount: Money) -> int:
    """The platform's fee of a payment that is about to be opened, in minor units of ``amount``'s currency.

    By the plan as it is at this moment. It is agreed on however it is had: see :func:`is_taken_at_source`.
    """
    return fee_for(tenant, amount, method)


def is_taken_at_source(method: str, account: PaymentAccount | None) -> bool:
    """Whether the provider divides the payment; else the fee is noted and invoiced by the month.

    Only Stripe's connected accounts do (the sandbox pretends to): a practice's own keys and PayPal know no fee of ours.
    """
    return method == _SANDBOX or (account is not None and account.kind == AccountKind.CONNECT)
