"""Payment accounts over HTTP. No model here has a field that could hold a secret on its way out."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from billing.accounts.models import AccountKind, AccountStatus
from billing.accounts.overview import NextStep
from todoenbalance.kit.settings import PaymentMode

_Public = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
_Secret = Annotated[SecretStr, Field(min_length=1, max_length=255)]


class ChecklistItemRead(BaseModel):
    """One thing that the provider asks for: its own `code`, and what it means."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    state: str = Field(description="`past_due`, `currently_due`, `pending_verification` or `eventually_due`")
    text: str


class PaymentAccountRead(BaseModel):
    """An account of the practice's. Its secrets are stored and never answered."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    kind: AccountKind
    mode: PaymentMode
    status: AccountStatus
    is_usable: bool = Field(description="clients can pay by it now")
    account_ref: str | None = Field(description="the provider's name for it")
    charges_enabled: bool
    payouts_enabled: bool
    checklist: list[ChecklistItemRead]
    deadline: datetime | None = Field(description="until when what is due must be there")
    reason: str | None = Field(description="what is wrong, as a sentence")
    problem: str | None
    has_credentials: bool
    has_webhook: bool
    next_step: NextStep
    checked_at: datetime | None
    connected_at: datetime | None
    disconnected_at: datetime | None


class PaymentProviderRead(BaseModel):
    """A provider: the account that is connected or being connected, and former ones that payments went through."""

    model_config = ConfigDict(from_attributes=True)

    provider: str
    name: str
    is_connect_offered: bool
    account: PaymentAccountRead | None
    former: list[PaymentAccountRead]
    next_step: NextStep


class PaymentProviderList(BaseModel):
    """Every provider."""

    items: list[PaymentProviderRead]


class OnboardingLinkRead(BaseModel):
    """Where the owner tells Stripe what it wants to know: once, until `expires_at`."""

    model_config = ConfigDict(from_attributes=True)

    url: str
    expires_at: datetime


class StripeKeysPut(BaseModel):
    """Keys of the practice's own Stripe account. The secret one is stored sealed and never answered."""

    secret_key: _Secret
    publishable_key: _Public


class PayPalPut(BaseModel):
    """The practice's own application at PayPal. The secret is stored sealed and never answered."""

    client_id: _Public
    client_secret: _Secret
    mode: PaymentMode = PaymentMode.LIVE
