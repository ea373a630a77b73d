"""A practice's accounts at payment providers, and which practice an account belongs to."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import PlatformBase, TenantBase


class AccountKind(StrEnum):
    """How a practice is known to the provider: connected to the platform's account, or by credentials of its own."""

    CONNECT = "connect"
    OWN_KEYS = "own_keys"
    CREDENTIALS = "credentials"


class AccountStatus(StrEnum):
    """``pending``: begun, the provider still asks for something before any money; ``restricted``: it takes no

    payments (or will not for long) until something is done; ``active``; ``disconnected``: over, kept for its payments.
    """

    PENDING = "pending"
    RESTRICTED = "restricted"
    ACTIVE = "active"
    DISCONNECTED = "disconnected"


class PaymentAccount(TenantBase):
    """The practice's account at one provider in one mode. At most one of a provider's is not disconnected.

    ``account_ref``: the provider's name for the account (Stripe's ``acct_…``, PayPal's client id). ``credentials``
    and ``webhook_secret`` are sealed by the vault and never leave. ``webhook_ref``: our registration at the provider
    for its events (PayPal signs them for that id). ``requirements``: what the provider still asks for, as it says it:
    ``{"currently_due": […], "past_due": […], "eventually_due": […], "pending_verification": […],
    "deadline": …, "disabled_reason": …}``. ``problem``: a short code of what went wrong last, None if all is well.
    ``checked_at``: when the provider was last asked.
    """

    __tablename__ = "payment_accounts"
    __table_args__ = (
        CheckConstraint("provider IN ('stripe', 'paypal')", name="provider"),
        CheckConstraint("kind IN ('connect', 'own_keys', 'credentials')", name="kind"),
        CheckConstraint("mode IN ('live', 'test')", name="mode"),
        CheckConstraint("status IN ('pending', 'restricted', 'active', 'disconnected')", name="status"),
        Index(
            "uq_payment_accounts_provider",
            "provider",
            unique=True,
            postgresql_where=text("status <> 'disconnected'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    mode: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(20))
    account_ref: Mapped[str | None] = mapped_column(String(255))
    publishable_key: Mapped[str | None] = mapped_column(String(255))
    credentials: Mapped[str | None] = mapped_column(Text)
    webhook_ref: Mapped[str | None] = mapped_column(String(255))
    webhook_secret: Mapped[str | None] = mapped_column(Text)
    charges_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    payouts_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    requirements: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    problem: Mapped[str | None] = mapped_column(String(60))
    checked_at: Mapped[datetime | None]
    connected_at: Mapped[datetime | None]
    disconnected_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ProviderAccount(PlatformBase):
    """Which practice an account at a provider belongs to, so that a webhook that names the account finds its way.

    Stays when the account is disconnected: its payments may still be refunded or disputed.
    """

    __tablename__ = "provider_accounts"

    provider: Mapped[str] = mapped_column(String(20), primary_key=True)
    account_ref: Mapped[str] = mapped_column(String(255), primary_key=True)
    tenant_key: Mapped[str] = mapped_column(String(12), index=True)
    mode: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime]


class ParkedEvent(PlatformBase):
    """A verified webhook of an account that no practice has: kept for an operator, never dropped, never guessed at.

    ``body`` is sealed by the vault. ``status``: ``waiting``, ``assigned`` (put into a practice's inbox) or ``ignored``.
    """

    __tablename__ = "parked_events"
    __table_args__ = (
        CheckConstraint("status IN ('waiting', 'assigned', 'ignored')", name="status"),
        Index("uq_parked_events_event", "provider", "event_id", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    event_id: Mapped[str] = mapped_column(String(255))
    event_type: Mapped[str] = mapped_column(String(100))
    account_ref: Mapped[str | None] = mapped_column(String(255), index=True)
    is_live: Mapped[bool | None]
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20))
    tenant_key: Mapped[str | None] = mapped_column(String(12))
    note: Mapped[str | None] = mapped_column(String(500))
    received_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


class EventTrouble(PlatformBase):
    """A webhook in a practice's inbox that could not be handled: one list of all practices' for operators."""

    __tablename__ = "event_troubles"

    tenant_key: Mapped[str] = mapped_column(String(12), primary_key=True)
    provider_event_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    event_type: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(20))
    error: Mapped[str] = mapped_column(String(200))
    failures: Mapped[int] = mapped_column(server_default=text("1"))
    first_seen_at: Mapped[datetime] = mapped_column(index=True)
    last_seen_at: Mapped[datetime]
