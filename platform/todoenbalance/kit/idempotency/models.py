"""The memory behind the ``Idempotency-Key`` header."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class IdempotencyKey(TenantBase):
    """One key of one account on one operation, the digest of what was asked and the answer that was given.

    ``response`` is null while the first request is still under way (its transaction is open or its second
    one has not come yet).
    """

    __tablename__ = "idempotency_keys"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    operation: Mapped[str] = mapped_column(String(200))
    request_digest: Mapped[str] = mapped_column(String(64))
    resource_id: Mapped[UUID | None]
    status_code: Mapped[int | None]
    response: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
