"""Selling packages at the desk."""

from uuid import UUID

from billing.packages.models import PackagePurchase
from billing.packages.services.purchases import accept_money, buy_package
from billing.payments.payables import PACKAGE
from billing.payments.receipts import ReceiptKind, record_offline_receipt
from billing.payments.service import Manner, Payable, open_payment
from billing.providers.offline import NAME as OFFLINE
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money
from todoenbalance.kit.settings import Settings


async def sell_at_desk(
    session: TenantSession, settings: Settings, client_id: UUID, package_id: UUID, receipt: ReceiptKind | None
) -> PackagePurchase:
    """Sell a client a package for money that is here (``receipt``), or that they will bring.

    Who sold it is for the audit trail. Raises :class:`NotFoundError`.
    """
    purchase = await buy_package(session, client_id, package_id)
    payable = Payable(
        kind=PACKAGE,
        id=purchase.id,
        client_id=client_id,
        amount=Money(purchase.price_minor, purchase.currency),
        description=purchase.name,
        expires_at=purchase.pays_until,
    )
    payment = await open_payment(session, settings, payable, Manner(OFFLINE, "", ""))
    if receipt is not None:
        await record_offline_receipt(session, payment.id, receipt)
        if await accept_money(session, purchase.id):
            payment.applied_at = clock.now()
    return purchase
