"""What the operators' package does to have mails to operators written: it stands above this one and knows them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notifications.catalogue import Audience, row_of
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.runtime import Runtime


@dataclass(frozen=True, slots=True)
class OperatorReader:
    """An operator as of now. ``wants_news``: they did not switch off what may be; ``choice_url``: where they may."""

    id: UUID
    address: str
    first_name: str
    locale: str
    timezone: str
    wants_news: bool
    choice_url: str


@dataclass(frozen=True, slots=True)
class OperatorNotice:
    """What a composer is asked for. ``version``: see ``notifications.composing.Notice``."""

    kind: str
    subject_id: UUID
    version: str
    reader: OperatorReader


Composer = Callable[[PlatformSession, Runtime, OperatorNotice], Awaitable[dict[str, Any] | None]]
"""The values of the template that is called like the kind; None: it is no longer true, nothing is sent.

It runs inside the transaction that records the attempt, perhaps more than once, and calls nothing but the database.
"""
FindReader = Callable[[PlatformSession, Runtime, UUID], Awaitable[OperatorReader | None]]
"""The operator with an id; None if they are none any more."""

_composers: dict[str, Composer] = {}
_finders: list[FindReader] = []


def register_operator_reader(finder: FindReader) -> None:
    """Say who finds operators; called at start-up. Safe to repeat."""
    _finders[:] = [finder]


def register_operator_composer(kind: str, composer: Composer) -> None:
    """Have ``composer`` make the mails of ``kind``; called at start-up. Safe to repeat.

    Raises ``LookupError`` for a kind without a row in the catalogue, and ``ValueError`` if the row is for others than
    operators or another composer has the kind already.
    """
    if row_of(kind).audience is not Audience.OPERATOR:
        raise ValueError(f"{kind!r} is no mail to operators")
    if _composers.setdefault(kind, composer) is not composer:
        raise ValueError(f"two composers for {kind!r}")


def composed_operator_kinds() -> frozenset[str]:
    """The kinds of mails to operators that can be made in this process."""
    return frozenset(_composers)


async def find_reader(session: PlatformSession, runtime: Runtime, operator_id: UUID) -> OperatorReader | None:
    """The operator, or None if nobody is to be written to any more."""
    return await _finders[0](session, runtime, operator_id)


async def compose(session: PlatformSession, runtime: Runtime, notice: OperatorNotice) -> dict[str, Any] | None:
    """The values of the mail that ``notice`` asks for; None if it is no longer true."""
    return await _composers[notice.kind](session, runtime, notice)
