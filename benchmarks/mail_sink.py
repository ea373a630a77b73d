"""A mail server that takes everything and notes when and for whom: ``python -m benchmarks.mail_sink PORT FILE``."""

import asyncio
import sys
import time
from io import TextIOWrapper
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


class _Notes:
    def __init__(self, file: TextIOWrapper) -> None:
        self._file = file

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Takes it."""
        self._file.write(f"{time.time()} {envelope.rcpt_tos[0]}\n")
        self._file.flush()
        return "250 OK"


async def _serve(port: int, path: Path) -> None:
    with path.open("a") as file:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(_Notes(file), hostname="sink", loop=loop), "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
