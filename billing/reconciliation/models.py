"""What comparing our books with the providers' found."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import TenantBase


class Reconciliation(TenantBase):
    """One run. ``checked`` payments were compared; ``mended`` of them were brought to agree, ``disagreeing`` could not
    be, and of ``unreadable`` ones the provider said nothing. ``finished_at``: None while it runs; a run that was broken
    off is carried on after ``done_up_to``, the last payment that was compared.
    """

    __tablename__ = "reconciliations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    done_up_to: Mapped[UUID | None]
    checked: Mapped[int] = mapped_column(server_default=text("0"))
    mended: Mapped[int] = mapped_column(server_default=text("0"))
    unreadable: Mapped[int] = mapped_column(server_default=text("0"))
    disagreeing: Mapped[int] = mapped_column(server_default=text("0"))


class Disagreement(TenantBase):
    """A payment that we and its provider tell differently, and in what. Amounts in ``detail`` are minor units.

    ``resolved_at``: when a later comparison found them agreeing; None while they do not.
    """

    __tablename__ = "disagreements"

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
