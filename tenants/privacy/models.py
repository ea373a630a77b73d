"""What a client agreed to, and what became of the data of those who asked to be forgotten."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class Consent(TenantBase):
    """That a client agreed to one version of a document, and when (GDPR, art. 7.1). Rows are only ever added."""

    __tablename__ = "consents"
    __table_args__ = (Index("ix_consents_client_id", "client_id", "document", "accepted_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"))
    document: Mapped[str] = mapped_column(String(20))
    version: Mapped[str] = mapped_column(String(40))
    locale: Mapped[str] = mapped_column(String(10))
    accepted_at: Mapped[datetime]


class Erasure(TenantBase):
    """One person's erasure: the receipt, which names nobody, and the blocked record where the law wants one kept.

    ``sealed``: what must be kept, encrypted by the vault and out of everyone's daily sight (LOPDGDD, art. 32:
    blocked data are for judges and authorities alone), until ``blocked_until``; then it is destroyed too.
    """

    __tablename__ = "erasures"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(unique=True)
    receipt: Mapped[dict[str, Any]]
    sealed: Mapped[str | None] = mapped_column(Text)
    blocked_until: Mapped[date | None]
    created_at: Mapped[datetime]
    destroyed_at: Mapped[datetime | None]
