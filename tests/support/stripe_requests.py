"""What the tests ask of Stripe's adapter."""

from typing import Any

from billing.providers.port import (
    RefundOrder,
    StartRequest,
)
from billing.providers.stripe.adapter import StripeProvider
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money


def wanted(amount: int = 4500, currency: str = "EUR", **changes: Any) -> StartRequest:
    attempt_id = new_id()
    values: dict[str, Any] = {
        "attempt_id": attempt_id,
        "idempotency_key": f"pay:{attempt_id}",
        "amount": Money(amount, currency),
        "description": "Primera consulta",
        "return_url": "https://demo.example.com/ok",
        "cancel_url": "https://demo.example.com/no",
        "platform_fee_minor": 90,
        "locale": "es",
        "made_at": clock.now(),
    }
    return StartRequest(**values | changes)


def refund_of(charge: str | None, order: str, amount: int, *, returns_fee: bool = True) -> RefundOrder:
    refund_id = new_id()
    return RefundOrder(refund_id, order, charge, Money(amount, "EUR"), "staff", f"refund:{refund_id}", returns_fee)


async def paid(provider: StripeProvider, server: StripeServer, **changes: Any) -> tuple[str, str]:
    """An order that was paid, and its charge."""
    started = await provider.start(wanted(**changes))
    server.pay(started.provider_ref)
    charge = (await provider.fetch(started.provider_ref)).charge_ref
    assert charge is not None
    return started.provider_ref, charge
