"""The registry of practices, in the shared schema: who there is, under which hosts, in which state."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import PlatformBase


class TenantStatus(StrEnum):
    """A practice's life: being made, serving, suspended by an operator, or closed and waiting for deletion."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSING = "closing"


class Tenant(PlatformBase):
    """A practice. ``key`` names its schema and role for ever; ``slug`` is its subdomain and may change."""

    __tablename__ = "tenants"
    __table_args__ = (
        CheckConstraint("status IN ('provisioning', 'active', 'suspended', 'closing')", name="status"),
        CheckConstraint("key ~ '^t_[a-z0-9]{10}$'", name="key_form"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(12), unique=True)
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(20))
    status_reason: Mapped[str | None]
    plan: Mapped[str] = mapped_column(String(50), server_default=text("'standard'"))
    country: Mapped[str] = mapped_column(String(2))
    timezone: Mapped[str] = mapped_column(String(64))
    locale: Mapped[str] = mapped_column(String(10))
    currency: Mapped[str] = mapped_column(String(3))
    database: Mapped[str] = mapped_column(String(50), server_default=text("'default'"))
    schema_revision: Mapped[str | None] = mapped_column(String(32))
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Domain(PlatformBase):
    """A custom host of a practice; serves only once its DNS record was seen."""

    __tablename__ = "domains"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenants.id"), index=True)
    hostname: Mapped[str] = mapped_column(String(253), unique=True)
    verification_token: Mapped[str] = mapped_column(String(64))
    verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
