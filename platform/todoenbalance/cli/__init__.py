"""The command line. Nothing heavy is imported until a command runs, so ``--help`` answers at once."""

import sys
from collections.abc import Sequence
from typing import NoReturn

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command. A failure is exactly one line on standard error and an exit status that is not 0."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    import typer

    from todoenbalance.cli.commands import app

    try:
        outcome = app(None if arguments is None else list(arguments), standalone_mode=False)
    except typer.TyperException as error:
        return _fail(error.format_message(), error.exit_code)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", _INTERRUPTED)
    except Exception as error:  # the edge: whatever it is becomes one line
        from todoenbalance.devstack.errors import describe

        return _fail(describe(error), 1)
    return outcome if isinstance(outcome, int) else 0


def _fail(text: str, status: int) -> int:
    sys.stderr.write(f"todoenbalance: {text}\n")
    return status
