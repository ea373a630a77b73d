"""Packages as something to be paid for: their sessions are granted when the money is here, once."""

from uuid import UUID

from billing.documents.port import Line, register_describer
from billing.documents.taxes import TaxTreatment
from billing.packages.errors import PackageNotPayableError
from billing.packages.models import PurchaseStatus
from billing.packages.services.purchases import accept_money, get_purchase
from billing.payments.models import Payment
from billing.payments.payables import PACKAGE, PaymentOutcome, register_payable_kind
from billing.payments.service import Payable
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.money import Money
from todoenbalance.kit.settings import Settings


class PackagePayable:
    """The sale of a package."""

    async def claim(self, session: TenantSession, payable_id: UUID, *, client_id: UUID) -> Payable:
        """What a client's purchase costs. Raises ``NotFoundError``, :class:`PackageNotPayableError`."""
        purchase = await get_purchase(session, payable_id, client_id=client_id)
        is_open = purchase.pays_until is not None and purchase.pays_until > clock.now()
        if purchase.status != PurchaseStatus.PENDING or not is_open:
            raise PackageNotPayableError
        return Payable(
            kind=PACKAGE,
            id=purchase.id,
            client_id=purchase.client_id,
            amount=Money(purchase.price_minor, purchase.currency),
            description=purchase.name,
            expires_at=purchase.pays_until,
        )

    async def opened(self, session: TenantSession, payment: Payment, *, settings: Settings) -> None:
        """Nothing follows: at the desk, too, sessions are there when the money is."""

    async def apply(self, session: TenantSession, payment: Payment) -> PaymentOutcome:
        """Grant the sessions; late money is welcome, unless its discount is somebody else's by now."""
        is_wanted = await accept_money(session, payment.payable_id)
        return PaymentOutcome.CONFIRMED if is_wanted else PaymentOutcome.CANCELLED


async def describe_package(session: TenantSession, purchase_id: UUID) -> list[Line]:
    """What an invoice says of a package: its name, and how it is taxed."""
    try:
        purchase = await get_purchase(session, purchase_id)
    except NotFoundError:
        return []
    treatment = TaxTreatment(purchase.tax_treatment)
    return [Line(description=purchase.name, gross_minor=max(purchase.price_minor, 1), treatment=treatment)]


def register_package_kind() -> None:
    """Let packages be paid for, and invoices say what they are. Safe to repeat."""
    register_payable_kind(PACKAGE, PackagePayable())
    register_describer(PACKAGE, describe_package)
