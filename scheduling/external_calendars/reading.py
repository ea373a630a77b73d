"""Making sense of a stranger's file at arm's length: another process, with a limit of time and memory, no secrets."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime

from scheduling.external_calendars.errors import ReadFailedError, ReadFailure
from scheduling.external_calendars.parsing import ParsingTask, Period, encode_task

SECONDS = 30.0
# Isolated: neither the environment, where the deployment's secrets are, nor the current folder reaches it.
_PROGRAM = (sys.executable, "-I", "-m", "scheduling.external_calendars.parsing")


async def busy_times_in(content: bytes, task: ParsingTask, *, seconds: float = SECONDS) -> list[Period]:
    """What :func:`.parsing.read_busy_times` answers, or :class:`ReadFailedError` when it takes too much."""
    return await asyncio.to_thread(_run, content, task, seconds)


def _run(content: bytes, task: ParsingTask, seconds: float) -> list[Period]:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; the task is an argument of numbers and names
            [*_PROGRAM, encode_task(task)],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ReadFailedError(ReadFailure.TOO_SLOW) from error
    if done.returncode != 0:
        raise ReadFailedError(ReadFailure.TOO_MANY_EVENTS if done.returncode < 0 else ReadFailure.UNREADABLE)
    answer = json.loads(done.stdout)
    if "failure" in answer:
        raise ReadFailedError(ReadFailure(answer["failure"]))
    return [(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)) for start, end in answer["busy"]]
