"""Packages of sessions ("bonos"), who bought which, and the ledger of their credits."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import MinorUnits, TenantBase


class RefundRule(StrEnum):
    """What giving a package back gives back: the worth of its unused sessions, or nothing."""

    PROPORTIONAL = "proportional"
    NONE = "none"


class PurchaseStatus(StrEnum):
    """``pending`` waits for its money; ``lapsed`` waited too long; ``revoked`` was given back."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    LAPSED = "lapsed"


class CreditKind(StrEnum):
    """What may happen to credits."""

    GRANTED = "granted"
    RESERVED = "reserved"
    USED = "used"
    RESTORED = "restored"
    EXPIRED = "expired"
    REVOKED = "revoked"


class UseStatus(StrEnum):
    """What became of the credit with which something was booked."""

    RESERVED = "reserved"
    USED = "used"
    RESTORED = "restored"


class PackageProduct(TenantBase):
    """What is on sale: so many sessions of some services, for one price.

    ``service_ids``: ids of the services that it is good for (None: all); billing knows no more of them.
    ``validity_days`` count from the money's arrival (None: for ever). ``tax_treatment`` is for the documents.
    """

    __tablename__ = "packages"
    __table_args__ = (
        CheckConstraint("sessions BETWEEN 1 AND 500", name="sessions"),
        CheckConstraint("price_minor > 0", name="price_minor"),
        CheckConstraint("validity_days BETWEEN 1 AND 3650", name="validity_days"),
        CheckConstraint("refund_rule IN ('proportional', 'none')", name="refund_rule"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(server_default=text("''"))
    service_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    sessions: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    price_minor: Mapped[MinorUnits]
    validity_days: Mapped[int | None]
    refund_rule: Mapped[str] = mapped_column(String(20), server_default=text("'proportional'"))
    tax_treatment: Mapped[str] = mapped_column(String(30), server_default=text("'exempt_health'"))
    archived: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime]


class PackagePurchase(TenantBase):
    """A client's package, as it was when they bought it. ``price_minor`` is what it cost them (0: a gift).

    Its row's lock orders everything that happens to its credits. ``expires_at``: nothing can be booked with it
    from then on, nor for later (None: for ever).
    """

    __tablename__ = "package_purchases"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'active', 'expired', 'revoked', 'lapsed')", name="status"),
        CheckConstraint("sessions > 0", name="sessions"),
        CheckConstraint("price_minor >= 0 AND discount_minor >= 0", name="price_minor"),
        Index("ix_package_purchases_client_id", "client_id", "id"),
        Index("ix_package_purchases_package_id", "package_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    package_id: Mapped[UUID] = mapped_column(ForeignKey("packages.id"))
    client_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(200))
    service_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    sessions: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    price_minor: Mapped[MinorUnits]
    discount_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    validity_days: Mapped[int | None]
    refund_rule: Mapped[str] = mapped_column(String(20))
    tax_treatment: Mapped[str] = mapped_column(String(30))
    status: Mapped[str] = mapped_column(String(20))
    pays_until: Mapped[datetime | None]
    granted_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CreditEntry(TenantBase):
    """One line of a purchase's ledger. Only ever added; the last line's balances are the purchase's.

    Two writers that had not seen each other would write the same ``number``, which the database refuses, as it
    refuses a balance below nothing. ``used_for_id``: the appointment, by its id.
    """

    __tablename__ = "credit_entries"
    __table_args__ = (
        UniqueConstraint("purchase_id", "number"),
        CheckConstraint("kind IN ('granted', 'reserved', 'used', 'restored', 'expired', 'revoked')", name="kind"),
        CheckConstraint("credits > 0", name="credits"),
        CheckConstraint("available_after >= 0 AND reserved_after >= 0", name="balances"),
        Index("ix_credit_entries_used_for_id", "used_for_id", postgresql_where=text("used_for_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purchase_id: Mapped[UUID] = mapped_column(ForeignKey("package_purchases.id"))
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10))
    credits: Mapped[int]
    available_after: Mapped[int]
    reserved_after: Mapped[int]
    used_for_id: Mapped[UUID | None]
    cause: Mapped[str] = mapped_column(String(30))
    reason: Mapped[str | None] = mapped_column(String(500))
    actor_kind: Mapped[str] = mapped_column(String(10))
    actor_id: Mapped[UUID | None]
    created_at: Mapped[datetime]


class CreditUse(TenantBase):
    """With which purchase something is, or was last, booked: at most one at a time, by its key."""

    __tablename__ = "credit_uses"
    __table_args__ = (CheckConstraint("status IN ('reserved', 'used', 'restored')", name="status"),)

    used_for_id: Mapped[UUID] = mapped_column(primary_key=True)
    purchase_id: Mapped[UUID] = mapped_column(ForeignKey("package_purchases.id"), index=True)
    status: Mapped[str] = mapped_column(String(10))
    updated_at: Mapped[datetime]
