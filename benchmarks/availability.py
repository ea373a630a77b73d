"""Free times over HTTP against the same statement over a bare pool, and through many practices against few."""

import itertools
import json
from datetime import timedelta

from benchmarks import floor
from benchmarks.errors import BenchmarkError
from benchmarks.load import Load, Sample, Side, alternate, connect, render_request
from benchmarks.options import FEW_PRACTICES, Options
from benchmarks.practices import ZONE, Practice, days_asked
from benchmarks.report import Comparison
from benchmarks.stack import Say, Server, Stack
from scheduling.availability.repository import Window
from scheduling.fields import midnight
from todoenbalance.kit import clock

_WARM_UP_REQUESTS = 200
# Enough of what the slower side can do that a queue never forms.
_EASY_SHARE = 0.4
_CALIBRATION_SECONDS = 2.0


def question(key: str, window: Window, database_url: str, connections: int) -> floor.Question:
    """What the bare endpoint is to ask the database of a practice."""
    return floor.Question(database_url=database_url, practice=key, connections=connections, window=window)


def _window(practice: Practice) -> Window:
    """What the product asks the database for :meth:`Practice.availability_request`."""
    first, end = days_asked()
    last = midnight(end, ZONE) - timedelta(microseconds=1)
    rules = practice.rules.of_people([practice.practitioner_id])
    return rules.window(midnight(first, ZONE), last + rules.longest, clock.now())


async def compare_with_floor(
    stack: Stack, api: Server, practice: Practice, options: Options, say: Say
) -> list[Comparison]:
    """A fortnight of one practitioner."""
    key, request = practice.context.key, practice.availability_request()
    return await compare_question(stack, api, key, _window(practice), request, options, say, name="availability")


async def compare_question(
    stack: Stack,
    api: Server,
    key: str,
    window: Window,
    ours_request: bytes,
    options: Options,
    say: Say,
    *,
    name: str,
) -> list[Comparison]:
    """Over one connection, where time is what the code takes, and over several, where it is what the machine can."""
    asked = question(key, window, stack.database_url, options.connections)
    bare = stack.start_floor(floor.VARIABLE, asked.model_dump_json())
    theirs_request = render_request("GET", "/", "localhost")
    found = []
    try:
        for connections in dict.fromkeys((1, options.connections)):
            say(f"{name} against the bare endpoint, {connections} at a time")
            async with connect(api.port, connections) as ours, connect(bare.port, connections) as theirs:
                await _check_same_free_time(ours, ours_request, theirs, theirs_request)
                samples = await ask_both_sides(ours, [ours_request], theirs, [theirs_request], options)
            found.append(
                Comparison(f"{name}, {connections} at a time", samples[0], "same SQL, bare endpoint", samples[1])
            )
    finally:
        bare.child.stop()
    return found


async def ask_both_sides(
    ours: Load, ours_requests: list[bytes], theirs: Load, theirs_requests: list[bytes], options: Options
) -> list[Sample]:
    """Both in turn, once warm."""
    sides = [_asking(ours, ours_requests, options), _asking(theirs, theirs_requests, options)]
    await ours.run_count(itertools.cycle(ours_requests), _WARM_UP_REQUESTS)
    await theirs.run_count(itertools.cycle(theirs_requests), _WARM_UP_REQUESTS)
    return await alternate(options.rounds, sides)


async def compare_many_practices(
    api: Server, practices: list[Practice], options: Options, say: Say
) -> list[Comparison]:
    """Walking through all practices against walking through the first few, once warm."""
    many = [practice.availability_request() for practice in practices]
    few = many[:FEW_PRACTICES]
    async with connect(api.port, options.connections) as load:
        say(f"availability through {len(few)} and through {len(many)} practices: warming up")
        # Connections are taken in turn, so that each has been to each practice.
        await load.run_count(itertools.cycle(many), len(many) * (options.connections + 1))
        calibration = await load.run(_feeds(many, options.connections), _CALIBRATION_SECONDS)
        rate = calibration.rate * _EASY_SHARE
        say(f"availability through {len(few)} and through {len(many)} practices: measuring")
        paced = await alternate(
            options.rounds, [_asking(load, requests, options, rate=rate) for requests in (many, few)]
        )
        flat_out = await alternate(options.rounds, [_asking(load, requests, options) for requests in (many, few)])
    name, against = f"availability, {len(many)} practices", f"{len(few)} practices"
    return [
        Comparison(f"{name}, {rate:.0f} requests/s", paced[0], against, paced[1], has_rate=False),
        Comparison(f"{name}, {options.connections} at a time", flat_out[0], against, flat_out[1]),
    ]


def _asking(load: Load, requests: list[bytes], options: Options, rate: float | None = None) -> Side:
    feeds = _feeds(requests, options.connections)

    async def side() -> Sample:
        return await load.run(feeds, options.round_seconds, rate=rate)

    return side


def _feeds(requests: list[bytes], connections: int) -> list["itertools.cycle[bytes]"]:
    """One walk through the practices that all connections share."""
    return [itertools.cycle(requests)] * connections


async def _check_same_free_time(ours: Load, ours_request: bytes, theirs: Load, theirs_request: bytes) -> None:
    """Both must speak of the same free time: every start that the API offers lies in an interval of the floor's."""
    ours_status, ours_body = await ours.ask(ours_request)
    theirs_status, theirs_body = await theirs.ask(theirs_request)
    if (ours_status, theirs_status) != (200, 200):
        raise BenchmarkError(f"availability answers {ours_status} and {theirs_status}: {ours_body[:200]!r}")
    starts, intervals = json.loads(ours_body)["items"], json.loads(theirs_body)["items"]
    if not starts or not intervals or starts[0]["starts_at"][:10] != intervals[0]["starts_at"][:10]:
        raise BenchmarkError(f"the API offers {len(starts)} starts, the bare endpoint {len(intervals)} intervals")
