"""What operators have been told of, and what of practices is noted for them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from todoenbalance.kit.database import PlatformBase


class WaitingNews(PlatformBase):
    """One row: how far operators were told. Its lock puts those who look in order.

    ``told``: ``{"keys": [...]}``, what waited when they last were. ``news_on``: the day whose mail is done, whether
    there was one or not. ``alarmed_at``: when they were last written to at once.
    """

    __tablename__ = "waiting_news"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    told: Mapped[dict[str, Any]]
    news_on: Mapped[date | None]
    alarmed_at: Mapped[datetime | None]


class BooksDisagreeing(PlatformBase):
    """A practice whose books and a provider's disagreed when they were last compared, which is daily.

    ``since``: the first of an unbroken row of such comparisons.
    """

    __tablename__ = "books_disagreeing"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenants.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[datetime]
    seen_at: Mapped[datetime]
