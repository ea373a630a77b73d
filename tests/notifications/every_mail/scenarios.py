"""Which scenario shows which kinds of mail."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module

from tests.notifications.every_mail import AREAS
from tests.notifications.every_mail.world import World

Play = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that happens in a practice, and the kinds of mail that it is there to show.

    Mails of other kinds that it causes are checked as well, but are in no snapshot. ``leave``: how the paths of links
    end that are followed but not acted on, since they undo what others do.
    """

    area: str
    name: str
    kinds: tuple[str, ...]
    play: Play
    leave: str = ""


_found: list[Scenario] = []


def shows(*kinds: str, leave: str = "") -> Callable[[Play], Play]:
    """The function is a scenario that shows these kinds. ``leave``: see :class:`Scenario`."""

    def register(play: Play) -> Play:
        area = play.__module__.rpartition(".")[2]
        _found.append(Scenario(area, play.__name__, kinds, play, leave))
        return play

    return register


def scenarios(area: str | None = None) -> list[Scenario]:
    """Of one area, or all, in the order in which they are written."""
    for name in AREAS:
        import_module(f"{__package__}.{name}")
    return [one for one in _found if area in (None, one.area)]
