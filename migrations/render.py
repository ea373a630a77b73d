"""The tenant stream as SQL: rendered once per starting revision, applied to any number of practices.

Alembic's offline mode does the rendering, so a practice that is made today can't differ from one that was
migrated through every revision.
"""

import threading
from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

ALEMBIC_LOCK = threading.RLock()
"""Alembic keeps its environment in a module's globals: one run at a time in a process."""

INI = Path(__file__).parent / "alembic.ini"


class _Statements:
    """Collects what Alembic writes: one call a statement, comments left out."""

    def __init__(self) -> None:
        self.collected: list[str] = []

    def write(self, text: str) -> None:
        statement = text.strip().removesuffix(";")
        if statement and not statement.startswith("--"):
            self.collected.append(statement)

    def flush(self) -> None:
        """Nothing is held back."""


def config(stream: str) -> Config:
    """Alembic's configuration of the stream ``platform`` or ``tenant``."""
    return Config(str(INI), ini_section=stream)


@lru_cache(maxsize=2)
def head(stream: str) -> str:
    """The newest revision of a stream. Raises ``CommandError`` if it has more than one head."""
    revision = ScriptDirectory.from_config(config(stream)).get_current_head()
    if revision is None:
        raise LookupError(f"the {stream} stream has no revisions")
    return revision


@lru_cache(maxsize=64)
def tenant_upgrade(from_revision: str | None) -> tuple[str, ...]:
    """The statements that bring a practice from ``from_revision`` (None: an empty schema) to the head."""
    statements = _Statements()
    rendering = Config(str(INI), ini_section="tenant", output_buffer=statements)  # type: ignore[arg-type]  # Alembic only calls write() and flush() on it
    with ALEMBIC_LOCK:
        command.upgrade(rendering, f"{from_revision or 'base'}:{head('tenant')}", sql=True)
    return tuple(statements.collected)
