"""A DNS server on a UDP port of this machine, which knows what a test tells it and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass(slots=True)
class DnsServer:
    """``zone``: values by type and name, like ``("TXT", "_dmarc.nuria.example")``. TXT values are given unquoted.

    ``is_broken``: every question is answered SERVFAIL. ``is_silent``: none is answered.
    """

    zone: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    is_broken: bool = False
    is_silent: bool = False
    port: int = 0

    def answer(self, wire: bytes) -> bytes | None:
        """What is said to one question."""
        query = dns.message.from_wire(wire)
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((kind, name))
        if self.is_silent:
            return None
        said = dns.message.make_response(query)
        said.flags |= dns.flags.RA
        if self.is_broken:
            said.set_rcode(dns.rcode.SERVFAIL)
            return said.to_wire()
        values = self.zone.get((kind, name), [])
        if values:
            said.answer.append(
                dns.rrset.from_text_list(question.name, 60, "IN", kind, [_written(kind, one) for one in values])
            )
        elif not any(known == name or known.endswith(f".{name}") for _kind, known in self.zone):
            said.set_rcode(dns.rcode.NXDOMAIN)
        return said.to_wire()


def _written(kind: str, value: str) -> str:
    """In strings of at most 255 bytes each (RFC 1035, 3.3)."""
    if kind != "TXT":
        return f"{value}."
    pieces = [value[at : at + 200] for at in range(0, len(value), 200)]
    return " ".join('"{}"'.format(piece.replace("\\", "\\\\").replace('"', '\\"')) for piece in pieces)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        said = self._server.answer(data)
        if said is not None and self._transport is not None:
            self._transport.sendto(said, addr)


@asynccontextmanager
async def dns_server() -> AsyncIterator[DnsServer]:
    """Answers as long as the block lasts, in the loop of the test."""
    server = DnsServer()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Protocol(server), local_addr=("127.0.0.1", 0))
    server.port = transport.get_extra_info("sockname")[1]
    yield server
    transport.close()
