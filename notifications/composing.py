"""What features do to have a mail written: a composer for each kind, and what it answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from notifications.catalogue import row_of
from notifications.port import Attachment
from notifications.recipients import Reader
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Notice:
    """What a composer is asked for: a kind of mail, about what, as of which version, for whom.

    ``version`` is the subject's when the event was published (an appointment's), or the event's own id
    where each event is a mail of its own (a password reset). ``return_to`` is the path of the practice's host
    that the mail's link is to lead to in the end, if it is to lead anywhere.
    """

    kind: str
    subject_id: UUID
    version: int | str
    reader: Reader
    return_to: str = ""


@dataclass(frozen=True, slots=True)
class ComposedMail:
    """Which template, with which values; ``template`` is the kind unless one is named.

    ``useful_until``: the instant after which the mail would come too late to be of use. It is not kept for the end of
    quiet hours, or for the day's digest, if that is later than this.
    """

    values: dict[str, Any]
    attachments: tuple[Attachment, ...] = ()
    template: str | None = None
    useful_until: datetime | None = None


Composer = Callable[[TenantSession, Runtime, Notice], Awaitable[ComposedMail | None]]
"""Composes one kind of mail from the state as it is now. None: it is no longer true, nothing is sent.

It runs inside the transaction that records the attempt (so it may make a one-time token), it may run more
than once for one mail, and calls nothing outside the database.
"""

_composers: dict[str, Composer] = {}


def register_composer(kind: str, composer: Composer) -> None:
    """Have ``composer`` make the mails of ``kind``; called once at start-up by the feature that owns it.

    By which rules they go is the kind's row in the catalogue. Raises ``LookupError`` for a kind without one, and
    ``ValueError`` if another composer has the kind already.
    """
    row_of(kind)
    if _composers.setdefault(kind, composer) is not composer:
        raise ValueError(f"two composers for {kind!r}")


def composed_kinds() -> frozenset[str]:
    """The kinds of mail that can be made in this process."""
    return frozenset(_composers)


async def compose(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """The mail that ``notice`` asks for, by its kind's composer; None if it is no longer true."""
    return await _composers[notice.kind](session, runtime, notice)
