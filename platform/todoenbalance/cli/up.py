"""What ``todoenbalance up`` shows."""

import shlex

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from todoenbalance.devstack.stack import ReadyStack, Report, UpOptions, up

_WIDTH = 110

# The demo's sign-ins, for a machine of one's own (devstack/demo.py makes them).
_OPERATOR = ("operator@example.com", "operator-demo-1")
_OWNER = ("owner@demo.example.com", "owner-demo-1")
_CLIENT = ("client@demo.example.com", "client-demo-1")


class ConsoleReport(Report):
    """Steps and troubles on the terminal, in colour where it has any."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, soft_wrap=True)
        # Cut off addresses are worth nothing: a narrow terminal wraps the lines by itself.
        self._out.width = max(self._out.width, _WIDTH)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def step(self, text: str) -> None:
        """A step was finished."""
        self._out.print(f"[green]•[/green] {escape(text)}")

    def trouble(self, name: str, line: str) -> None:
        """A program reports trouble, or shows its log."""
        self._err.print(f"[yellow]{name:>8} |[/yellow] {escape(line)}")

    def ready(self, stack: ReadyStack) -> None:
        """The addresses and sign-ins."""
        self._out.print()
        self._out.print(_table(stack))
        self._out.print(f"Data and logs in {escape(stack.data_dir)}. For other commands against it:")
        self._out.print(f"  set -a; . {escape(shlex.quote(stack.data_dir))}/run/env; set +a")
        self._out.print("Ctrl-C stops it all.")


def run_stack(options: UpOptions) -> None:
    """Run the stack until it is told to stop. Raises ``DevstackError``."""
    up(options, ConsoleReport())


def _table(stack: ReadyStack) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("Who", "Where", "Sign-in", "Password"):
        table.add_column(heading, no_wrap=True)
    demo = stack.practice_url("demo")
    if stack.with_demo:
        table.add_row("Operator", stack.platform_url, *_OPERATOR)
        table.add_row("Owner", f"{demo}/admin", *_OWNER)
        table.add_row("Client", demo, *_CLIENT)
        table.add_row("Mailbox", f"{demo}/dev/mailbox")
        table.add_row("Practice's API", f"{demo}/api/v1/docs")
        table.add_row("Other practice", stack.practice_url("vital"))
    else:
        table.add_row("Operator", stack.platform_url, "make one: todoenbalance operator create")
    table.add_row("Platform's API", f"{stack.platform_url}/api/v1/platform/docs")
    return table
