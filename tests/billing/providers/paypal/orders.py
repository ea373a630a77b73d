"""Orders and refunds as tests ask for them."""

from typing import Any

from billing.providers.paypal.adapter import PayPalProvider
from billing.providers.port import RefundOrder, StartRequest
from tests.support.providers.paypal_server import PayPalServer
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money

ORDERS = "/v2/checkout/orders"


def wanted(amount: int = 4500, currency: str = "EUR", **changes: Any) -> StartRequest:
    attempt_id = new_id()
    values: dict[str, Any] = {
        "attempt_id": attempt_id,
        "idempotency_key": f"pay:{attempt_id}",
        "amount": Money(amount, currency),
        "description": "Consulta por trastorno alimentario",
        "return_url": "https://demo.example.com/ok",
        "cancel_url": "https://demo.example.com/no",
        "platform_fee_minor": 90,
        "locale": "es",
        "payee_name": "Consulta Nuria",
        "made_at": clock.now(),
    }
    return StartRequest(**values | changes)


def refund_of(capture: str | None, order: str, amount: int) -> RefundOrder:
    refund_id = new_id()
    return RefundOrder(refund_id, order, capture, Money(amount, "EUR"), "staff", f"refund:{refund_id}", True)


async def captured(provider: PayPalProvider, server: PayPalServer, request: StartRequest | None = None) -> Any:
    """An order whose money is here."""
    order = (await provider.start(request or wanted())).provider_ref
    server.approve(order)
    return await provider.settle(order, idempotency_key="capture:1")
