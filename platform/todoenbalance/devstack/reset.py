"""``make reset``: throws the data folder away, after ending whatever still runs on it."""

import sys

from todoenbalance.devstack.errors import describe
from todoenbalance.devstack.stack import StackSettings, reset


def main() -> int:
    """Exit status 0 when there is no data any more; else one line on standard error."""
    try:
        folder = StackSettings().data_dir
        reset(folder)
    except Exception as error:  # the edge of a process: whatever it is becomes one line
        sys.stderr.write(describe(error) + "\n")
        return 1
    sys.stdout.write(f"{folder} is gone: the next `make run` starts anew\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
