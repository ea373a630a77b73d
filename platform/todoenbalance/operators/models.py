"""Operators of the platform, their sign-ins and their audit trail, in the shared schema."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import PlatformBase
from todoenbalance.kit.security.attempts import SignInAttemptColumns, attempts_index
from todoenbalance.kit.security.factors import PasskeyColumns, RecoveryCodeColumns, TotpColumns, totp_index
from todoenbalance.kit.security.links import OneTimeTokenColumns
from todoenbalance.kit.security.sign_ins import RefreshTokenColumns, SignInColumns


class Operator(PlatformBase):
    """Someone who runs the platform. Never a client or member of staff of a practice.

    ``locale``: of their mails, None for the deployment's. ``wants_news``: of what waits for operators.
    """

    __tablename__ = "operators"
    __table_args__ = (Index("uq_operators_email", text("lower(email)"), unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    hashed_password: Mapped[str] = mapped_column(String(1024))
    first_name: Mapped[str] = mapped_column(String(100), server_default=text("''"))
    last_name: Mapped[str] = mapped_column(String(100), server_default=text("''"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    locale: Mapped[str | None] = mapped_column(String(10))
    wants_news: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


_OPERATOR = "platform.operators.id"


class OperatorSignIn(SignInColumns, PlatformBase):
    """One sign-in of an operator."""

    __tablename__ = "operator_sign_ins"

    account_id: Mapped[UUID] = mapped_column(ForeignKey(_OPERATOR, ondelete="CASCADE"), index=True)


class OperatorSignInAttempt(SignInAttemptColumns, PlatformBase):
    """Failures in a row on one operator's account."""

    __tablename__ = "operator_sign_in_attempts"
    __table_args__ = (attempts_index("operator_sign_in_attempts"),)


class OperatorTotpAuthenticator(TotpColumns, PlatformBase):
    """An operator's authenticator app; one each, and one that is being set up in its place."""

    __tablename__ = "operator_totp_authenticators"
    __table_args__ = (totp_index("operator_totp_authenticators"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey(_OPERATOR, ondelete="CASCADE"))


class OperatorRecoveryCode(RecoveryCodeColumns, PlatformBase):
    """One of an operator's recovery codes."""

    __tablename__ = "operator_recovery_codes"
    __table_args__ = (UniqueConstraint("account_id", "code_hash"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey(_OPERATOR, ondelete="CASCADE"))


class OperatorPasskey(PasskeyColumns, PlatformBase):
    """An operator's passkey."""

    __tablename__ = "operator_passkeys"

    account_id: Mapped[UUID] = mapped_column(ForeignKey(_OPERATOR, ondelete="CASCADE"), index=True)


class OperatorOneTimeToken(OneTimeTokenColumns, PlatformBase):
    """A link mailed to an operator, or a challenge of theirs. Used once."""

    __tablename__ = "operator_one_time_tokens"

    account_id: Mapped[UUID] = mapped_column(ForeignKey(_OPERATOR, ondelete="CASCADE"), index=True)


class OperatorRefreshToken(RefreshTokenColumns, PlatformBase):
    """One refresh token of an operator's sign-in; a family is one sign-in (see tenants.accounts)."""

    __tablename__ = "operator_refresh_tokens"

    account_id: Mapped[UUID] = mapped_column(ForeignKey(_OPERATOR, ondelete="CASCADE"), index=True)


class AuditEntry(PlatformBase):
    """What an operator did, when, to what, and why. Rows are only ever added."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_created_at", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(String(100))
    tenant_id: Mapped[UUID | None]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    request_id: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
