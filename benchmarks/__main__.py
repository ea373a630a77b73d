"""``python -m benchmarks``: start everything, measure, tell, end everything."""

import asyncio
import signal
import sys
from types import FrameType

import psycopg
import uvloop
from rich.console import Console
from rich.markup import escape

from benchmarks.availability import compare_many_practices, compare_with_floor
from benchmarks.booking import compare_booking
from benchmarks.calendars import compare_calendars
from benchmarks.errors import BenchmarkError
from benchmarks.mailing import compare_mailing
from benchmarks.onboarding import compare_onboarding
from benchmarks.options import (
    AVAILABILITY,
    BOOKING,
    CALENDAR,
    FEW_PRACTICES,
    MAIL,
    ONBOARDING,
    SCALE,
    SIGN_IN,
    Options,
    parse,
)
from benchmarks.practices import make_practices
from benchmarks.report import Comparison, Machine, print_table, render_json
from benchmarks.signing_in import compare_refusals
from benchmarks.stack import Say, Stack, running
from migrations.runner import migrate_all
from todoenbalance.devstack.errors import DevstackError, describe
from todoenbalance.kit.database_setup import prepare_database
from todoenbalance.kit.runtime import Runtime


def main() -> int:
    """Exit status 0 only if everything was measured; else one line on standard error."""
    options = parse()
    progress = Console(stderr=True, highlight=False)

    def say(line: str) -> None:
        progress.print(f"[green]•[/green] {escape(line)}")

    signal.signal(signal.SIGTERM, _stop)
    machine = Machine.here()
    try:
        with running(say) as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(_measure(stack, options, say))
    except KeyboardInterrupt:
        progress.print("benchmarks: stopped")
        return 130
    except (BenchmarkError, DevstackError, OSError, TimeoutError, psycopg.Error) as error:
        text = str(error) if isinstance(error, BenchmarkError) else describe(error)
        progress.print(f"benchmarks: {escape(text)}", soft_wrap=True)
        return 1
    print_table(progress if options.as_json else Console(), machine, options, found)
    if options.as_json:
        print(render_json(machine, options, found))
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends us as Ctrl-C does: tidily."""
    raise KeyboardInterrupt


async def _measure(stack: Stack, options: Options, say: Say) -> list[Comparison]:
    prepare_database(admin_url=stack.admin_url, login_url=stack.database_url)
    report = await migrate_all(stack.settings)
    if not report.ok:
        raise BenchmarkError("; ".join(report.lines()))
    runtime = Runtime.from_settings(stack.settings)
    try:
        practices = await make_practices(runtime, 0, FEW_PRACTICES, say)
        api = stack.start_api()
        say("API started")
        found = []
        if AVAILABILITY in options.only:
            found += await compare_with_floor(stack, api, practices[0], options, say)
        if CALENDAR in options.only:
            found += await compare_calendars(stack, api, runtime, options, say)
        if BOOKING in options.only:
            found += await compare_booking(stack, api, runtime, options, say)
        if SIGN_IN in options.only:
            found += await compare_refusals(stack, api, runtime, options, say)
        if ONBOARDING in options.only:
            found += await compare_onboarding(stack, runtime, options, say)
        if MAIL in options.only:
            found += await compare_mailing(stack, runtime, options, say)
        if SCALE in options.only:
            practices += await make_practices(runtime, FEW_PRACTICES, options.practices - FEW_PRACTICES, say)
            found += await compare_many_practices(api, practices, options, say)
    finally:
        await runtime.database.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
