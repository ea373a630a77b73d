"""Plans that practices are on, and what each owes by subscription; in the shared schema."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import MinorUnits, PlatformBase

DEFAULT_PLAN = "standard"
"""What a practice is on that nobody chose a plan for."""


class SubscriptionStatus(StrEnum):
    """As the provider tells it; ``none``: there never was one. ``unpaid``: it has given up asking for money."""

    NONE = "none"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    CANCELED = "canceled"


LIVE = frozenset(
    {
        SubscriptionStatus.TRIALING,
        SubscriptionStatus.ACTIVE,
        SubscriptionStatus.PAST_DUE,
        SubscriptionStatus.UNPAID,
    }
)
"""States in which there is a subscription that goes on."""


class Plan(PlatformBase):
    """What a practice pays the platform, and what it gets.

    ``fee_basis_points`` of each payment that is made online (150 is 1.5 %) and ``fee_fixed_minor`` besides, for
    payments in ``fee_fixed_currency``. ``price_minor`` a month, None for a plan without a price; ``stripe_price_id`` is
    its price at Stripe, made when it is first needed if operators gave none. ``practitioner_limit``: so many may be
    active at once. ``withheld``: the capabilities that the plan does not include, so that what a later release brings
    is included by default. ``is_public``: owners may choose it themselves. An ``archived`` plan is kept by those who
    are on it and given to nobody else.
    """

    __tablename__ = "plans"
    __table_args__ = (
        CheckConstraint("code ~ '^[a-z0-9-]{1,50}$'", name="code_form"),
        CheckConstraint("fee_basis_points BETWEEN 0 AND 10000", name="fee_basis_points"),
        CheckConstraint("fee_fixed_minor >= 0", name="fee_fixed_minor"),
        CheckConstraint("fee_fixed_minor = 0 OR fee_fixed_currency IS NOT NULL", name="fee_fixed_currency"),
        CheckConstraint("price_minor > 0", name="price_minor"),
        CheckConstraint("(price_minor IS NULL) = (price_currency IS NULL)", name="price_currency"),
        CheckConstraint("practitioner_limit > 0", name="practitioner_limit"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(50), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    fee_basis_points: Mapped[int] = mapped_column(server_default=text("0"))
    fee_fixed_minor: Mapped[MinorUnits] = mapped_column(server_default=text("0"))
    fee_fixed_currency: Mapped[str | None] = mapped_column(String(3))
    price_minor: Mapped[MinorUnits | None]
    price_currency: Mapped[str | None] = mapped_column(String(3))
    stripe_price_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    practitioner_limit: Mapped[int | None]
    withheld: Mapped[list[str]] = mapped_column(ARRAY(String(40)), server_default=text("'{}'"))
    is_public: Mapped[bool] = mapped_column(server_default=text("false"))
    archived: Mapped[bool] = mapped_column(server_default=text("false"))
    position: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Subscription(PlatformBase):
    """How a practice stands with the platform: one row each, once it had to do with the platform's own charging.

    What the provider says is copied here by re-reading it. ``plan_code`` is the plan that it charges for. While money
    is owed, ``past_due_since`` says since when and ``grace_until`` from when on that has consequences.
    ``reads_begun`` and ``read_applied`` number the readings: one that was overtaken by a later one changes nothing.
    ``next_check_at``: when it is read again even if no event comes.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("status IN ('none', 'trialing', 'active', 'past_due', 'unpaid', 'canceled')", name="status"),
        CheckConstraint("(past_due_since IS NULL) = (grace_until IS NULL)", name="grace_until"),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenants.id"), primary_key=True)
    status: Mapped[str] = mapped_column(String(20), server_default=text("'none'"))
    plan_code: Mapped[str | None] = mapped_column(String(50))
    customer_ref: Mapped[str | None] = mapped_column(String(255), unique=True)
    subscription_ref: Mapped[str | None] = mapped_column(String(255), unique=True)
    item_ref: Mapped[str | None] = mapped_column(String(255))
    current_period_start: Mapped[datetime | None]
    current_period_end: Mapped[datetime | None]
    cancel_at: Mapped[datetime | None]
    past_due_since: Mapped[datetime | None]
    grace_until: Mapped[datetime | None]
    reads_begun: Mapped[int] = mapped_column(server_default=text("0"))
    read_applied: Mapped[int] = mapped_column(server_default=text("0"))
    next_check_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
