"""Payments of appointments in the API."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from billing.payments.models import Payment, PaymentAttempt, PaymentStatus
from billing.payments.service import next_action_of
from todoenbalance.kit.money import MoneySchema

PaymentMethod = Literal["stripe", "paypal", "offline", "sandbox"]
WayBack = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="Where the provider sends the client: a path on this host, or an address of this practice.",
    ),
]


class PaymentCreate(BaseModel):
    """How a client wants to pay for an appointment."""

    model_config = ConfigDict(extra="forbid")

    appointment_id: UUID
    method: PaymentMethod
    return_url: WayBack = "/"
    cancel_url: WayBack = "/"


class RedirectAction(BaseModel):
    """Send the client's browser to this address."""

    type: Literal["redirect"]
    url: str


class StripeElementsAction(BaseModel):
    """Let Stripe's own form take the card on this page."""

    type: Literal["stripe_elements"]
    client_secret: str
    publishable_key: str
    stripe_account: str | None


NextAction = Annotated[RedirectAction | StripeElementsAction, Field(discriminator="type")]
_next_action: TypeAdapter[NextAction] = TypeAdapter(NextAction)


class PaymentRead(BaseModel):
    """A payment of an appointment. `refunded` is what has gone back, not what was promised."""

    id: UUID
    appointment_id: UUID
    method: str
    status: PaymentStatus
    amount: MoneySchema
    refunded: MoneySchema
    platform_fee: MoneySchema
    next_action: NextAction | None
    created_at: datetime

    @classmethod
    def of(cls, payment: Payment, attempt: PaymentAttempt) -> "PaymentRead":
        """From our rows."""
        action = next_action_of(payment, attempt)
        return cls(
            id=payment.id,
            appointment_id=payment.payable_id,
            method=payment.method,
            status=PaymentStatus(payment.status),
            amount=MoneySchema.of(payment.amount_minor, payment.currency),
            refunded=MoneySchema.of(payment.refunded_minor, payment.currency),
            platform_fee=MoneySchema.of(payment.platform_fee_minor, payment.currency),
            next_action=_next_action.validate_python(action) if action is not None else None,
            created_at=payment.created_at,
        )
