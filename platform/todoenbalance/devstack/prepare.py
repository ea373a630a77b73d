"""Brings the database up to date and seeds the demo, unless told ``--no-demo``.

A process of its own, so that the supervisor stays small and can break it off at any moment.
"""

import asyncio
import sys
from collections.abc import Sequence

from migrations.runner import migrate_all
from todoenbalance.devstack.errors import describe
from todoenbalance.kit.settings import Settings, get_settings


async def prepare(settings: Settings, *, with_demo: bool) -> None:
    """Migrate everything, then make the demo practices where they are missing.

    Raises ``RuntimeError`` with one line when a practice could not be migrated.
    """
    report = await migrate_all(settings)
    if not report.ok:
        raise RuntimeError("; ".join(report.lines()))
    if with_demo:
        from todoenbalance.devstack.demo import seed_demo  # heavy, and not wanted with --no-demo

        await seed_demo(settings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 only if all of it worked; else one line on standard error."""
    options = list(sys.argv[1:] if arguments is None else arguments)
    try:
        asyncio.run(prepare(get_settings(), with_demo="--no-demo" not in options))
    except Exception as error:
        sys.stderr.write(describe(error) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
