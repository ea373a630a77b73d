"""Reading an address that somebody typed, from inside our network, without being led anywhere else.

The host's name is resolved here, every address it has is checked, and the connection goes to the very address that
was checked: a name that resolves differently a moment later (DNS rebinding) changes nothing. TLS and ``Host`` keep
the name. Every redirect is treated like the first address. Nothing of ours is sent: no cookies, no credentials.
"""

import asyncio
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx

from scheduling.external_calendars.addresses import AddressRules
from scheduling.external_calendars.errors import ReadFailedError, ReadFailure
from todoenbalance.kit.trust import usual_trust

Resolver = Callable[[str, int], Awaitable[list[str]]]
_REDIRECTS = (301, 302, 303, 307, 308)
_ADDRESSES_TRIED = 3
_LONGEST_ETAG = 300
_FAILURES = {
    401: ReadFailure.NOT_ALLOWED,
    403: ReadFailure.NOT_ALLOWED,
    404: ReadFailure.NOT_FOUND,
    410: ReadFailure.NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much of another server we bear. ``bytes``: before and after decompression."""

    seconds: float = 15
    bytes: int = 5 * 1024 * 1024
    redirects: int = 3


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server answered; ``content`` is None where nothing changed since ``etag``."""

    content: bytes | None
    etag: str | None


async def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a host, in the system's order. Raises :class:`ReadFailedError`."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ReadFailedError(ReadFailure.UNREACHABLE) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class CalendarFetcher:
    """Reads calendars by these rules. ``resolve`` and ``trust`` are replaced in tests alone."""

    rules: AddressRules
    limits: FetchLimits = FetchLimits()
    resolve: Resolver = resolve
    trust: ssl.SSLContext | None = None

    async def fetch(self, url: httpx.URL, etag: str | None = None) -> Fetched:
        """What is at ``url``. Raises :class:`ReadFailedError`, whose cause may name the address: don't log it."""
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self._follow(url, etag)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ReadFailedError(ReadFailure.TOO_SLOW) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise ReadFailedError(ReadFailure.UNREACHABLE) from error

    async def _follow(self, url: httpx.URL, etag: str | None) -> Fetched:
        for _ in range(self.limits.redirects + 1):
            answer = await self._get(url, etag)
            if isinstance(answer, Fetched):
                return answer
            url = url.join(answer)
        raise ReadFailedError(ReadFailure.TOO_MANY_REDIRECTS)

    async def _get(self, url: httpx.URL, etag: str | None) -> Fetched | str:
        """One request: what was fetched, or where it redirects to."""
        for address in await self._checked_addresses(url):
            try:
                return await self._get_from(address, url, etag)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # such as an IPv6 address where we have no route: the next may do
        raise ReadFailedError(ReadFailure.UNREACHABLE)

    async def _checked_addresses(self, url: httpx.URL) -> list[str]:
        self.rules.check(url)
        found = await self.resolve(url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80))
        for address in found:
            self.rules.check_ip(address)
        return found[:_ADDRESSES_TRIED]

    async def _get_from(self, address: str, url: httpx.URL, etag: str | None) -> Fetched | str:
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Accept": "text/calendar, */*;q=0.1",
            "Accept-Encoding": "gzip",
            "User-Agent": "TODOenBALANCE-calendar/1",
        }
        if etag is not None:
            headers["If-None-Match"] = etag
        pinned = url.copy_with(host=address, fragment=None)
        # The name that the certificate must have, though the connection goes to the address.
        extensions = {"sni_hostname": url.raw_host.decode("ascii").rstrip(".")}
        timeout = httpx.Timeout(self.limits.seconds, connect=self.limits.seconds / (_ADDRESSES_TRIED + 1))
        trust = self.trust or usual_trust()
        async with (
            httpx.AsyncClient(verify=trust, trust_env=False, timeout=timeout) as client,
            client.stream("GET", pinned, headers=headers, extensions=extensions, follow_redirects=False) as answer,
        ):
            return await self._read(answer, etag)

    async def _read(self, answer: httpx.Response, etag: str | None) -> Fetched | str:
        status = answer.status_code
        if status in _REDIRECTS:
            return str(answer.headers.get("location", ""))
        if status == httpx.codes.NOT_MODIFIED and etag is not None:
            return Fetched(None, etag)
        if status != httpx.codes.OK:
            raise ReadFailedError(_FAILURES.get(status, ReadFailure.SERVER_ERROR))
        tag = answer.headers.get("etag", "")
        return Fetched(await self._body(answer), tag if 0 < len(tag) <= _LONGEST_ETAG and tag.isascii() else None)

    async def _body(self, answer: httpx.Response) -> bytes:
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        raw = self._bounded(answer.aiter_raw())
        if encoding in ("", "identity"):
            return b"".join([chunk async for chunk in raw])
        if encoding not in ("gzip", "x-gzip"):
            raise ReadFailedError(ReadFailure.UNREADABLE)
        return await self._unzipped(raw)

    async def _bounded(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        total = 0
        async for chunk in chunks:
            total += len(chunk)
            if total > self.limits.bytes:
                raise ReadFailedError(ReadFailure.TOO_LARGE)
            yield chunk

    async def _unzipped(self, chunks: AsyncIterator[bytes]) -> bytes:
        """Never more than one byte over the limit is unpacked, however small what came was."""
        unpacked, inflate = bytearray(), zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            async for chunk in chunks:
                unpacked += inflate.decompress(chunk, self.limits.bytes + 1 - len(unpacked))
                if len(unpacked) > self.limits.bytes:
                    raise ReadFailedError(ReadFailure.TOO_LARGE)
        except zlib.error as error:
            raise ReadFailedError(ReadFailure.UNREADABLE) from error
        if not inflate.eof:
            raise ReadFailedError(ReadFailure.UNREADABLE)
        return bytes(unpacked)
