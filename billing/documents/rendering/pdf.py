"""Setting a document as PDF with typst: fonts from the wheel, no network, no files of ours but the template."""

import asyncio
import json
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import typst

from billing.documents.errors import RenderingTimeoutError
from billing.documents.rendering.view import View
from todoenbalance.kit.logs import get_logger

_TEMPLATE = Path(__file__).parent / "document.typ"
_AT_ONCE = asyncio.Semaphore(2)
"""Setting keeps a core busy: so many at a time in a process, the rest waits in line."""
_log = get_logger("billing.documents")


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """The wheel's own and nobody else's: the same document looks the same everywhere."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


@lru_cache(maxsize=1)
def _source() -> bytes:
    return _TEMPLATE.read_bytes()


def set_pdf(view: View, issued_at: datetime) -> bytes:
    """The PDF of ``view``, to the byte the same each time; tagged, for readers by ear. Blocks for some 50 ms."""
    compiler = typst.Compiler(font_paths=_fonts(), ignore_system_fonts=True)
    data = compiler.compile(
        _source(),
        format="pdf",
        sys_inputs={"data": json.dumps(view, ensure_ascii=False)},
        timestamp=int(issued_at.astimezone(UTC).timestamp()),
    )
    if not isinstance(data, bytes):
        raise TypeError("typst set no PDF")
    return data


async def render_pdf(view: View, issued_at: datetime, seconds: float) -> bytes:
    """The same in a thread. Raises :class:`RenderingTimeoutError` after ``seconds``."""
    try:
        async with asyncio.timeout(seconds), _AT_ONCE:
            return await asyncio.to_thread(set_pdf, view, issued_at)
    except TimeoutError as error:
        _log.warning("document_rendering_timeout", seconds=seconds)
        raise RenderingTimeoutError from error
