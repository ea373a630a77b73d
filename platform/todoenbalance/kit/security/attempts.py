"""Wrong passwords and codes in a row, by what was tried, as they are stored."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column


class SignInAttemptColumns:
    """``subject`` is a keyed digest of the account that was named, whether there is one or not.

    So an unknown address locks like a known one, and the table holds no addresses of strangers.
    """

    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    last_failed_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]


def attempts_index(table: str) -> Index:
    """For throwing away what is long past."""
    return Index(f"ix_{table}_last_failed_at", "last_failed_at")
