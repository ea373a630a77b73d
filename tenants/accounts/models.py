"""Accounts of one practice: its clients and its staff, their sign-ins, second factors and one-time tokens."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase
from todoenbalance.kit.security.attempts import SignInAttemptColumns, attempts_index
from todoenbalance.kit.security.factors import PasskeyColumns, RecoveryCodeColumns, TotpColumns, totp_index
from todoenbalance.kit.security.links import OneTimeTokenColumns
from todoenbalance.kit.security.sign_ins import RefreshTokenColumns, SignInColumns


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


class Relationship(StrEnum):
    """What a dependant is to the one who holds the account."""

    CHILD = "child"
    PARTNER = "partner"
    PARENT = "parent"
    OTHER = "other"


class Client(TenantBase):
    """A client of the practice. An e-mail is unique within a practice and means nothing outside it.

    Without a password: someone who signs in by Google, Facebook or mailed links. ``erased_at``: the person asked
    to be forgotten; what is left is a row that the records that must be kept refer to.
    """

    __tablename__ = "clients"
    __table_args__ = (Index("uq_clients_email", text("lower(email)"), unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    hashed_password: Mapped[str | None] = mapped_column(String(1024))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str | None] = mapped_column(String(32))
    locale: Mapped[str] = mapped_column(String(10))
    timezone: Mapped[str] = mapped_column(String(64))
    birth_date: Mapped[date | None]
    privacy_accepted_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
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


class SignIn(SignInColumns, TenantBase):
    """One sign-in of a client or a member of staff."""

    __tablename__ = "sign_ins"
    __table_args__ = (
        Index("ix_sign_ins_account", "account_kind", "account_id"),
        CheckConstraint("account_kind IN ('client', 'staff')", name="account_kind"),
    )

    account_kind: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[UUID]


class RefreshToken(RefreshTokenColumns, TenantBase):
    """One refresh token of a client's or a member of staff's sign-in."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("ix_refresh_tokens_account", "account_kind", "account_id"),
        CheckConstraint("account_kind IN ('client', 'staff')", name="account_kind"),
    )

    account_kind: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[UUID]


class SignInAttempt(SignInAttemptColumns, TenantBase):
    """Failures in a row on one account of the practice."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (attempts_index("sign_in_attempts"),)


class TotpAuthenticator(TotpColumns, TenantBase):
    """A member of staff's authenticator app; one each, and one that is being set up in its place."""

    __tablename__ = "totp_authenticators"
    __table_args__ = (totp_index("totp_authenticators"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))


class RecoveryCode(RecoveryCodeColumns, TenantBase):
    """One of a member of staff's recovery codes."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("account_id", "code_hash"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))


class Passkey(PasskeyColumns, TenantBase):
    """A member of staff's passkey."""

    __tablename__ = "passkeys"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)


class OneTimeToken(OneTimeTokenColumns, TenantBase):
    """A link that was mailed: an invitation, an address to verify, a password to reset. Used once."""

    __tablename__ = "one_time_tokens"

    account_kind: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[UUID] = mapped_column(index=True)


class EmailChange(TenantBase):
    """A change of address that waits for both: the old address agrees, the new one is shown to be the person's.

    ``sign_in_id``: the one in which it was asked for, which stays when the others end.
    """

    __tablename__ = "email_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_kind: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[UUID] = mapped_column(index=True)
    old_email: Mapped[str] = mapped_column(String(320))
    new_email: Mapped[str] = mapped_column(String(320))
    sign_in_id: Mapped[UUID]
    old_confirmed_at: Mapped[datetime | None]
    new_confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Dependant(TenantBase):
    """Someone a client books for, a child or a partner: a person of their own, without an account.

    ``archived_at``: not offered for booking any more; past appointments still name them.
    """

    __tablename__ = "dependants"
    __table_args__ = (
        # What appointments refer to: a dependant together with the client whose they are.
        UniqueConstraint("id", "client_id"),
        CheckConstraint("relationship IN ('child', 'partner', 'parent', 'other')", name="relationship"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"), index=True)
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    birth_date: Mapped[date | None]
    relationship: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


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
