"""Payments in the API."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from billing.payments import payables
from billing.payments.models import Payment, PaymentAttempt, PaymentStatus
from billing.payments.service import next_action_of
from billing.providers.port import Flow
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


class Purpose(StrEnum):
    """What of an appointment is paid: what makes the booking stand, the rest of its price, the fee for not coming."""

    BOOKING = "booking"
    BALANCE = "balance"
    NO_SHOW_FEE = "no_show_fee"


_KINDS = {
    Purpose.BOOKING: payables.APPOINTMENT,
    Purpose.BALANCE: payables.APPOINTMENT_BALANCE,
    Purpose.NO_SHOW_FEE: payables.NO_SHOW_FEE,
}
_PURPOSES = {kind: purpose for purpose, kind in _KINDS.items()}


class PaymentCreate(BaseModel):
    """How a client wants to pay, and for what: an appointment or the purchase of a package, one of the two.

    `flow`: `redirect` sends the client to the provider's page; `elements` (Stripe) answers what its form needs.
    """

    model_config = ConfigDict(extra="forbid")

    appointment_id: UUID | None = None
    package_purchase_id: UUID | None = None
    purpose: Purpose = Purpose.BOOKING
    method: PaymentMethod
    flow: Flow = Flow.REDIRECT
    return_url: WayBack = "/"
    cancel_url: WayBack = "/"
    save_card: bool = Field(
        default=False,
        description="The client agreed to the sentence that `GET /users/me/cards` answers as `consent`: the card of "
        "this payment is kept, for fees for not coming. Stripe only.",
    )

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.appointment_id is None) == (self.package_purchase_id is None):
            raise ValueError("name an appointment or the purchase of a package")
        return self

    @property
    def payable_kind(self) -> str:
        """The kind of what is paid for."""
        return payables.PACKAGE if self.package_purchase_id is not None else _KINDS[self.purpose]

    @property
    def payable_id(self) -> UUID:
        """Its id."""
        found = self.package_purchase_id or self.appointment_id
        assert found is not None  # noqa: S101 - one of the two is there, or it would not have been accepted
        return found


class RedirectAction(BaseModel):
    """Send the client's browser to this address."""

    type: Literal["redirect"]
    url: str


class StripeElementsAction(BaseModel):
    """Let Stripe's own form take the card on this page."""

    type: Literal["stripe_elements"]
    client_secret: str
    publishable_key: str
    stripe_account: str | None = None


NextAction = Annotated[RedirectAction | StripeElementsAction, Field(discriminator="type")]
_next_action: TypeAdapter[NextAction] = TypeAdapter(NextAction)


class PaymentRead(BaseModel):
    """A payment. `refunded` is what has gone back, not what was promised.

    `purpose` says what of the appointment it is for; null for the purchase of a package.
    """

    id: UUID
    appointment_id: UUID | None
    package_purchase_id: UUID | None = None
    purpose: Purpose | None = Purpose.BOOKING
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
            appointment_id=payment.payable_id if payment.payable_kind in payables.OF_APPOINTMENTS else None,
            package_purchase_id=payment.payable_id if payment.payable_kind == payables.PACKAGE else None,
            purpose=_PURPOSES.get(payment.payable_kind),
            method=payment.method,
            status=PaymentStatus(payment.status),
            amount=MoneySchema.of(payment.amount_minor, payment.currency),
            refunded=MoneySchema.of(payment.refunded_minor, payment.currency),
            platform_fee=MoneySchema.of(payment.platform_fee_minor, payment.currency),
            next_action=_next_action.validate_python(action) if action is not None else None,
            created_at=payment.created_at,
        )
