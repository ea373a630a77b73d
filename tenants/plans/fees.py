"""The platform's fee of a payment. Pure arithmetic in minor units, the same for every currency.

Rounding is down, to the practice's good; the fee is never more than the amount.
"""

from todoenbalance.kit.money import Money
from todoenbalance.kit.tenancy import TenantContext

ONLINE = frozenset({"stripe", "paypal", "sandbox"})
"""Methods of which the platform has a fee. Whether the provider hands it on or it is invoiced is billing's to know."""
_BASIS = 10_000


def platform_fee_minor(basis_points: int, fixed_minor: int, amount: Money, method: str) -> int:
    """The fee of a payment of ``amount`` by ``method``, in the amount's minor units; 0 for what is paid at the desk.

    ``fixed_minor`` must be in the amount's currency (:func:`fee_for` sees to it).
    """
    if method not in ONLINE or amount.amount <= 0:
        return 0
    return min(amount.amount * basis_points // _BASIS + fixed_minor, amount.amount)


def fee_for(tenant: TenantContext, amount: Money, method: str) -> int:
    """The fee by the practice's plan as it is now; what was opened before keeps the fee it was opened with."""
    fixed = tenant.fee_fixed_minor if amount.currency == tenant.currency else 0
    return platform_fee_minor(tenant.fee_basis_points, fixed, amount, method)


def fee_share_minor(fee_minor: int, captured_minor: int, refunded_before_minor: int, refund_minor: int) -> int:
    """The part of the fee that goes back with a refund of ``refund_minor``, after ``refunded_before_minor`` went back.

    The shares of any sequence of refunds add up to the fee once everything is given back: each is the difference of
    two roundings of what is due in all.
    """
    if captured_minor <= 0:
        return 0
    before = fee_minor * refunded_before_minor // captured_minor
    after = fee_minor * (refunded_before_minor + refund_minor) // captured_minor
    return after - before
