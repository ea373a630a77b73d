"""The command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

AVAILABILITY, CALENDAR, BOOKING, SIGN_IN, ONBOARDING, MAIL, SCALE = MEASUREMENTS = (
    "availability",
    "calendar",
    "booking",
    "sign-in",
    "onboarding",
    "mail",
    "scale",
)
FEW_PRACTICES = 10

_FULL = {"practices": 1000, "seconds": 20.0, "mails": 10_000}
_QUICK = {"practices": 40, "seconds": 2.0, "mails": 400}


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure. ``seconds`` is the time under load of each side of each comparison, over all rounds."""

    practices: int
    seconds: float
    connections: int = 8
    rounds: int = 4
    onboardings: int = 30
    mails: int = 10_000
    only: tuple[str, ...] = MEASUREMENTS
    as_json: bool = False

    @property
    def round_seconds(self) -> float:
        """The time of one side's turn."""
        return self.seconds / self.rounds


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, not the whole usage."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line. Leaves with status 2 and one line if it is wrong."""
    parser = _Parser(prog="python -m benchmarks", description="What things cost, as ratios. About twenty minutes.")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, under a minute")
    parser.add_argument(
        "--practices", type=_between(int, 11, 20_000), help=f"how many is many  [{_FULL['practices']}; --quick: 40]"
    )
    parser.add_argument(
        "--seconds", type=_between(float, 1, 3600), help="load on each side of a comparison  [20; --quick: 2]"
    )
    parser.add_argument("--mails", type=_between(int, 100, 100_000), help="due at once  [10000; --quick: 400]")
    parser.add_argument("--connections", type=_between(int, 1, 64), default=8, help="of the load generator  [8]")
    parser.add_argument(
        "--only", action="append", choices=MEASUREMENTS, help="this measurement (may be repeated)  [all]"
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON; the table goes to standard error")
    given = parser.parse_args(arguments)
    usual = _QUICK if given.quick else _FULL
    return Options(
        practices=given.practices or int(usual["practices"]),
        seconds=given.seconds or usual["seconds"],
        connections=given.connections,
        rounds=2 if given.quick else 4,
        onboardings=8 if given.quick else 30,
        mails=given.mails or int(usual["mails"]),
        only=tuple(name for name in MEASUREMENTS if given.only is None or name in given.only),
        as_json=given.json,
    )


class _between:  # noqa: N801 - argparse shows the name as the type's
    def __init__(self, kind: type[int] | type[float], least: float, most: float) -> None:
        self._kind, self._least, self._most = kind, least, most

    def __call__(self, text: str) -> float:
        try:
            value = self._kind(text)
        except ValueError:
            value = self._kind(-1)
        if not self._least <= value <= self._most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {self._least} to {self._most}")
        return value
