"""Discount codes, and who has them in use."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import MinorUnits, TenantBase


class DiscountKind(StrEnum):
    """A share of the price, or an amount of money."""

    PERCENT = "percent"
    AMOUNT = "amount"


class SubjectKind(StrEnum):
    """What a code can be used for."""

    APPOINTMENT = "appointment"
    PACKAGE = "package"


class DiscountCode(TenantBase):
    """A code that lowers a price. ``code`` is kept in capitals, so that no other is the same but for them.

    ``minimum_minor``: only prices from there on. ``service_ids``: ids of services (None: all of them). The row's
    lock makes those who use the code take turns, so that its limits are exact.
    """

    __tablename__ = "discount_codes"
    __table_args__ = (
        CheckConstraint("kind IN ('percent', 'amount')", name="kind"),
        CheckConstraint(
            "(kind = 'percent' AND percent BETWEEN 1 AND 100 AND amount_minor IS NULL)"
            " OR (kind = 'amount' AND amount_minor > 0 AND percent IS NULL)",
            name="worth",
        ),
        CheckConstraint("code = upper(code)", name="code"),
        CheckConstraint("total_limit > 0", name="total_limit"),
        CheckConstraint("client_limit > 0", name="client_limit"),
        CheckConstraint("minimum_minor >= 0", name="minimum_minor"),
        CheckConstraint("valid_from < valid_until", name="validity"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(40), unique=True)
    description: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    kind: Mapped[str] = mapped_column(String(10))
    percent: Mapped[int | None]
    amount_minor: Mapped[MinorUnits | None]
    currency: Mapped[str] = mapped_column(String(3))
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    total_limit: Mapped[int | None]
    client_limit: Mapped[int | None]
    first_visit_only: Mapped[bool] = mapped_column(server_default=text("false"))
    minimum_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    service_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    for_appointments: Mapped[bool] = mapped_column(server_default=text("true"))
    for_packages: Mapped[bool] = mapped_column(server_default=text("false"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime]


class DiscountRedemption(TenantBase):
    """One use of a code, for an appointment or a purchase (by its id). One that was released counts for nothing."""

    __tablename__ = "discount_redemptions"
    __table_args__ = (
        CheckConstraint("subject_kind IN ('appointment', 'package')", name="subject_kind"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        Index("uq_discount_redemptions_subject", "subject_kind", "subject_id", unique=True),
        Index("ix_discount_redemptions_code_id", "code_id", "client_id"),
        Index("ix_discount_redemptions_client_id", "client_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code_id: Mapped[UUID] = mapped_column(ForeignKey("discount_codes.id"))
    client_id: Mapped[UUID]
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[UUID]
    amount_minor: Mapped[MinorUnits]
    created_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
