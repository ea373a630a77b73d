"""Kept cards, each with the consent that it is kept by."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase

_BRANDS = {"amex": "American Express", "diners": "Diners Club", "jcb": "JCB", "unionpay": "UnionPay"}
"""Brands as they write themselves, where that is not the provider's word with a capital letter."""


class CardStatus(StrEnum):
    """``pending``: the client is giving it. ``active``: it may be charged. ``failed``: they did not, or it was none."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"
    REMOVED = "removed"


class SavedCard(TenantBase):
    """A card at a provider, never its number: the provider's names for it, and what its owner knows it by.

    ``consent_text`` is the sentence that the client agreed to, in the language in which they read it. ``account_id``:
    of the practice's account that keeps it, which alone can charge it. ``payment_id``: it is kept with this payment;
    ``setup_ref`` names the provider's page where it is given without one, ``next_url`` is that page's address.
    ``customer_ref`` and ``method_ref``: the provider's names. A client has one active card at most.
    """

    __tablename__ = "saved_cards"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'active', 'failed', 'removed')", name="status"),
        CheckConstraint("status <> 'active' OR (customer_ref IS NOT NULL AND method_ref IS NOT NULL)", name="active"),
        Index("uq_saved_cards_active", "client_id", unique=True, postgresql_where=text("status = 'active'")),
        Index("uq_saved_cards_payment_id", "payment_id", unique=True),
        Index("ix_saved_cards_client_id", "client_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("payment_accounts.id"))
    status: Mapped[str] = mapped_column(String(10))
    payment_id: Mapped[UUID | None]
    setup_ref: Mapped[str | None] = mapped_column(String(255))
    next_url: Mapped[str | None] = mapped_column(String(2000))
    return_url: Mapped[str | None] = mapped_column(String(2000))
    cancel_url: Mapped[str | None] = mapped_column(String(2000))
    customer_ref: Mapped[str | None] = mapped_column(String(255))
    method_ref: Mapped[str | None] = mapped_column(String(255))
    brand: Mapped[str | None] = mapped_column(String(20))
    last_four: Mapped[str | None] = mapped_column(String(4))
    expires_month: Mapped[int | None]
    expires_year: Mapped[int | None]
    consent_text: Mapped[str] = mapped_column(String(500))
    consent_locale: Mapped[str] = mapped_column(String(10))
    consented_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    removed_because: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def label(self) -> str:
        """What its owner knows it by: ``Visa ···· 4242``."""
        return f"{_BRANDS.get(str(self.brand), str(self.brand).title())} ···· {self.last_four}"

    def is_expired(self, now: datetime) -> bool:
        """Whether the month until which it is good is over, everywhere on earth.

        The bank may have given its owner a new one, which the provider then knows: it may still be charged.
        """
        if self.expires_month is None or self.expires_year is None:
            return False
        latest = now - timedelta(hours=12)
        return (latest.year, latest.month) > (self.expires_year, self.expires_month)
