"""What was found out, as a table or as a line of JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.load import Sample
from benchmarks.options import Options
from todoenbalance.kit import clock

_WIDTH = 140


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line: what was measured, against what. Without ``has_rate`` only the time of one piece is meant."""

    name: str
    ours: Sample
    against: str
    theirs: Sample
    has_rate: bool = True

    @property
    def p50_ratio(self) -> float:
        """How many times as long ours takes."""
        return self.ours.p50 / self.theirs.p50

    @property
    def rate_ratio(self) -> float:
        """Which part of their throughput ours has."""
        return self.ours.rate / self.theirs.rate


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when; the load average before the measurements says whether others were at work."""

    date: str
    cores: int
    python: str
    load_before: float

    @classmethod
    def here(cls) -> "Machine":
        """This machine, now."""
        return cls(
            clock.now().date().isoformat(), os.cpu_count() or 1, platform.python_version(), round(os.getloadavg()[0], 2)
        )


def print_table(console: Console, machine: Machine, options: Options, found: Sequence[Comparison]) -> None:
    """For a person."""
    table = Table(
        title=f"{machine.date}, {machine.cores} cores, Python {machine.python}, load {machine.load_before} before; "
        f"{options.connections} connections, {options.seconds:g} s a side in {options.rounds} turns",
        title_justify="left",
    )
    for heading in ("Measured", "Against"):
        table.add_column(heading, no_wrap=True)
    for heading in ("p50 ms", "their p50", "ratio", "a second", "theirs", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        rates = (f"{one.ours.rate:.0f}", f"{one.theirs.rate:.0f}", f"{one.rate_ratio:.2f}") if one.has_rate else ()
        times = (f"{one.ours.p50 * 1000:.2f}", f"{one.theirs.p50 * 1000:.2f}", f"{one.p50_ratio:.2f}")
        table.add_row(one.name, one.against, *times, *rates)
    # A table that is cut off is worth nothing: a narrow terminal wraps the lines by itself.
    console.width = max(console.width, _WIDTH)
    console.print(table)


def render_json(machine: Machine, options: Options, found: Sequence[Comparison]) -> str:
    """For a program. Times in milliseconds, rates a second."""
    return json.dumps(
        {
            "date": machine.date,
            "cores": machine.cores,
            "python": machine.python,
            "load_before": machine.load_before,
            "connections": options.connections,
            "seconds": options.seconds,
            "comparisons": [_as_dict(one) for one in found],
        }
    )


def _as_dict(one: Comparison) -> dict[str, object]:
    values: dict[str, object] = {
        "name": one.name,
        "against": one.against,
        "p50_ms": round(one.ours.p50 * 1000, 3),
        "against_p50_ms": round(one.theirs.p50 * 1000, 3),
        "p50_ratio": round(one.p50_ratio, 3),
        "count": len(one.ours.times),
        "against_count": len(one.theirs.times),
    }
    if one.has_rate:
        values |= {
            "rate": round(one.ours.rate, 1),
            "against_rate": round(one.theirs.rate, 1),
            "rate_ratio": round(one.rate_ratio, 3),
        }
    return values
