"""Signing in by Google or Facebook: who is who there, and the steps of a sign-in under way."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import PlatformBase, TenantBase


class SocialProvider(StrEnum):
    """Whom we let vouch for who somebody is."""

    GOOGLE = "google"
    FACEBOOK = "facebook"


class SocialIdentity(TenantBase):
    """A client as a provider knows them: (provider, subject), never the e-mail."""

    __tablename__ = "social_identities"
    __table_args__ = (
        UniqueConstraint("provider", "subject"),
        UniqueConstraint("client_id", "provider"),
        CheckConstraint("provider IN ('google', 'facebook')", name="provider"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(320))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]


class SocialHandoff(TenantBase):
    """What the callback found out, waiting for the browser on the practice's own host. Used once, within a minute.

    Either an existing client's identity (``client_id``) or someone new (the rest). ``browser_hash``: of the cookie
    that the browser which began the sign-in was given; no other one may take it over.
    """

    __tablename__ = "social_handoffs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    browser_hash: Mapped[str] = mapped_column(String(64))
    provider: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(320))
    is_email_vouched: Mapped[bool]
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    locale: Mapped[str] = mapped_column(String(10))
    link_client_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SocialSignUp(TenantBase):
    """Someone new whose address no provider vouches for: asked for one, and for the code that was mailed to it.

    ``attempts``: wrong codes so far. The code has to come from the browser that holds the token, so nobody can
    have somebody else confirm an account that is not theirs.
    """

    __tablename__ = "social_sign_ups"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    provider: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(255))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    locale: Mapped[str] = mapped_column(String(10))
    email: Mapped[str | None] = mapped_column(String(320))
    code_hash: Mapped[str | None] = mapped_column(String(64))
    codes_sent: Mapped[int]
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SocialProviderAccount(TenantBase):
    """A practice's own registration at a provider, in place of the platform's. The secret is sealed by the vault."""

    __tablename__ = "social_provider_accounts"
    __table_args__ = (CheckConstraint("provider IN ('google', 'facebook')", name="provider"),)

    provider: Mapped[str] = mapped_column(String(20), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(255))
    client_secret: Mapped[str] = mapped_column(Text)
    is_enabled: Mapped[bool]
    updated_at: Mapped[datetime]


class OAuthFlow(PlatformBase):
    """A sign-in that has gone to a provider and is to come back, once, to the platform's one callback address.

    ``verifier``: PKCE's (RFC 7636), sealed; empty where the provider has no PKCE.
    """

    __tablename__ = "oauth_flows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    tenant_key: Mapped[str] = mapped_column(String(20))
    hostname: Mapped[str] = mapped_column(String(253))
    return_to: Mapped[str] = mapped_column(String(2000))
    locale: Mapped[str] = mapped_column(String(10))
    verifier: Mapped[bytes] = mapped_column(LargeBinary)
    nonce: Mapped[str] = mapped_column(String(64))
    browser_hash: Mapped[str] = mapped_column(String(64))
    link_client_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
