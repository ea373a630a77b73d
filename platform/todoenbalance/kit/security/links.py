"""One-time tokens: mailed links and challenges, stored hashed, used once, soon expired."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column


class OneTimeTokenColumns:
    """``purpose`` says what the token opens; ``subject_id`` what it is about, beyond its account."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(30))
    subject_id: Mapped[UUID | None]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    if TYPE_CHECKING:
        account_id: Mapped[UUID]
