"""Accounts of one practice: its clients and its staff, with their sign-ins and one-time tokens."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase
from todoenbalance.kit.security.refresh import RefreshTokenColumns


class AccountKind(StrEnum):
    """Whose token it is; also the first part of an access token's audience."""

    CLIENT = "client"
    STAFF = "staff"


class StaffRole(StrEnum):
    """What a member of staff may do; ``tenants.accounts.permissions`` holds the table."""

    OWNER = "owner"
    MANAGER = "manager"
    PRACTITIONER = "practitioner"
    RECEPTION = "reception"


class Client(TenantBase):
    """A client of the practice. An e-mail is unique within a practice and means nothing outside it."""

    __tablename__ = "clients"
    __table_args__ = (Index("uq_clients_email", text("lower(email)"), unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    hashed_password: Mapped[str] = mapped_column(String(1024))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str | None] = mapped_column(String(32))
    locale: Mapped[str] = mapped_column(String(10))
    timezone: Mapped[str] = mapped_column(String(64))
    birth_date: Mapped[date | None]
    privacy_accepted_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Staff(TenantBase):
    """A member of staff, invited first; without a password until the invitation is accepted."""

    __tablename__ = "staff"
    __table_args__ = (
        Index("uq_staff_email", text("lower(email)"), unique=True),
        CheckConstraint("role IN ('owner', 'manager', 'practitioner', 'reception')", name="role"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    hashed_password: Mapped[str | None] = mapped_column(String(1024))
    role: Mapped[str] = mapped_column(String(20))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    locale: Mapped[str] = mapped_column(String(10))
    accepted_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class RefreshToken(RefreshTokenColumns, TenantBase):
    """One refresh token of a client's or a member of staff's sign-in."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("ix_refresh_tokens_account", "account_kind", "account_id"),
        CheckConstraint("account_kind IN ('client', 'staff')", name="account_kind"),
    )

    account_kind: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[UUID]


class OneTimeToken(TenantBase):
    """A link that was mailed: an invitation, an address to verify, a password to reset. Used once."""

    __tablename__ = "one_time_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(30))
    account_kind: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[UUID] = mapped_column(index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class StaffAuditEntry(TenantBase):
    """What staff did with money, accounts and settings. Rows are only ever added."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_created_at", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(String(100))
    subject_id: Mapped[UUID | None]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    request_id: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
