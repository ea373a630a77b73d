"""What the API says of a calendar's private address."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from scheduling.feeds.models import CalendarFeed


class CalendarFeedRead(BaseModel):
    """Whether there is one, since when, and when a calendar last asked for it (to the hour); never the address."""

    active: bool
    created_at: datetime | None
    read_at: datetime | None

    @classmethod
    def of(cls, feed: CalendarFeed | None) -> Self:
        """Of the living one, or of none."""
        if feed is None:
            return cls(active=False, created_at=None, read_at=None)
        return cls(active=True, created_at=feed.created_at, read_at=feed.read_at)


class CalendarFeedMade(BaseModel):
    """A new address. It is said this once: we only keep its hash."""

    url: str = Field(description="Whoever has it can read the calendar. With `webcal:` for `https:` many apps open it.")
    created_at: datetime
