"""What features do to have a text message written: a composer for each kind, and what it answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from notifications.catalogue import TEXT_CHANNELS, row_of
from notifications.composing import Notice
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime

_NAME_LIMIT = 60


@dataclass(frozen=True, slots=True)
class ComposedText:
    """The words. ``useful_until``: the instant after which they would come too late to be of use."""

    text: str
    useful_until: datetime | None = None


TextComposer = Callable[[TenantSession, Runtime, Notice], Awaitable[ComposedText | None]]
"""Makes one kind of message from the state as it is now; None: it is no longer true. It may run more than once for
one message, and calls nothing outside the database."""
_composers: dict[str, TextComposer] = {}


def register_text_composer(kind: str, composer: TextComposer) -> None:
    """Have ``composer`` make the messages of ``kind``; called once at start-up by the feature that owns it.

    Raises ``ValueError`` for a kind whose row in the catalogue names no such channel, or with another composer.
    """
    if not set(TEXT_CHANNELS) & set(row_of(kind).channels):
        raise ValueError(f"{kind!r} goes by mail alone")
    if _composers.setdefault(kind, composer) is not composer:
        raise ValueError(f"two composers for {kind!r}")


def text_kinds() -> frozenset[str]:
    """The kinds of message that can be made in this process, but for codes."""
    return frozenset(_composers)


def practice_name(session: TenantSession) -> str:
    """As messages say it: on one line, and not too long."""
    name = " ".join(session.tenant.name.split())
    return name if len(name) <= _NAME_LIMIT else f"{name[: _NAME_LIMIT - 3].rstrip()}..."


async def compose_text(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedText | None:
    """The message that ``notice`` asks for, by its kind's composer; None if it is no longer true."""
    return await _composers[notice.kind](session, runtime, notice)
