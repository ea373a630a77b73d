"""Reading an address without being led into our own network, over real sockets."""

import asyncio
import gzip
import os
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scheduling.external_calendars.addresses import AddressRules
from scheduling.external_calendars.errors import ReadFailedError, ReadFailure
from scheduling.external_calendars.fetching import CalendarFetcher, FetchLimits
from tests.support.calendar_server import CalendarServer, calendar_server

LAPTOP = AddressRules(allow_private=True, allow_http=True)
CONTENT = b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"


@pytest.fixture
def server() -> Iterator[CalendarServer]:
    with calendar_server() as made:
        yield made


async def fails(fetcher: CalendarFetcher, url: str) -> ReadFailure:
    with pytest.raises(ReadFailedError) as failed:
        await fetcher.fetch(httpx.URL(url))
    return failed.value.failure


class Names:
    """A resolver of a test's own; several answers for a name are given one after the other."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.names.get(host, [[host]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


class PretendsPublic(AddressRules):
    """The rules of production, but for one private address that stands for the internet."""

    def check_ip(self, address: str) -> None:
        if address != "127.0.0.1":
            super().check_ip(address)


class TestReading:
    async def test_what_is_there_comes_back_with_its_tag(self, server: CalendarServer) -> None:
        server.serves(CONTENT, ETag='"v1"', Set_Cookie="spy=1")
        fetched = await CalendarFetcher(LAPTOP).fetch(httpx.URL(server.url()))
        assert (fetched.content, fetched.etag) == (CONTENT, '"v1"')

    async def test_nothing_of_ours_is_sent(self, server: CalendarServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        server.serves(CONTENT, path="/last.ics")
        server.serves(b"", status=302, Location="/last.ics", Set_Cookie="spy=1")
        await CalendarFetcher(LAPTOP).fetch(httpx.URL(server.url()))
        for _path, headers in server.asked:
            assert headers.keys() == {"host", "accept", "accept-encoding", "user-agent", "connection"}

    async def test_unchanged_is_not_sent_again(self, server: CalendarServer) -> None:
        server.serves(CONTENT, ETag='"v1"')
        fetched = await CalendarFetcher(LAPTOP).fetch(httpx.URL(server.url()), '"v1"')
        assert (fetched.content, fetched.etag) == (None, '"v1"')

    async def test_a_not_modified_that_nobody_asked_for_is_an_error(self, server: CalendarServer) -> None:
        server.serves(b"", status=304)
        assert await fails(CalendarFetcher(LAPTOP), server.url()) is ReadFailure.SERVER_ERROR

    @pytest.mark.parametrize("tag", ["x" * 301, "", "\xf1"])
    async def test_a_tag_that_can_not_be_kept_is_not(self, server: CalendarServer, tag: str) -> None:
        server.serves(CONTENT, ETag=tag)
        assert (await CalendarFetcher(LAPTOP).fetch(httpx.URL(server.url()))).etag is None

    async def test_compressed_is_unpacked(self, server: CalendarServer) -> None:
        server.serves(gzip.compress(CONTENT), Content_Encoding="gzip")
        assert (await CalendarFetcher(LAPTOP).fetch(httpx.URL(server.url()))).content == CONTENT

    @pytest.mark.parametrize(
        ("status", "failure"),
        [(401, ReadFailure.NOT_ALLOWED), (403, ReadFailure.NOT_ALLOWED), (404, ReadFailure.NOT_FOUND),
         (410, ReadFailure.NOT_FOUND), (429, ReadFailure.SERVER_ERROR), (500, ReadFailure.SERVER_ERROR),
         (204, ReadFailure.SERVER_ERROR)],
    )  # fmt: skip
    async def test_what_went_wrong_is_told_apart(
        self, server: CalendarServer, status: int, failure: ReadFailure
    ) -> None:
        server.serves(b"", status=status)
        assert await fails(CalendarFetcher(LAPTOP), server.url()) is failure

    async def test_nobody_there_and_no_such_name_are_unreachable(self, server: CalendarServer) -> None:
        assert await fails(CalendarFetcher(LAPTOP), "http://127.0.0.2:9999/x") is ReadFailure.UNREACHABLE
        assert await fails(CalendarFetcher(LAPTOP), "http://no-such-host.invalid/x") is ReadFailure.UNREACHABLE

    async def test_another_address_of_the_host_is_tried(self, server: CalendarServer) -> None:
        server.serves(CONTENT)
        names = Names(calendar_example=[["127.0.0.2", "127.0.0.1"]])
        fetcher = CalendarFetcher(LAPTOP, resolve=names)
        assert (await fetcher.fetch(httpx.URL(server.url(host="calendar.example")))).content == CONTENT


class TestBounds:
    async def test_too_much_is_refused_without_being_read_to_the_end(self, server: CalendarServer) -> None:
        def endless(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            while True:
                request.wfile.write(b"x" * 65536)

        server.answers["/calendar.ics"] = endless
        assert await fails(CalendarFetcher(LAPTOP), server.url()) is ReadFailure.TOO_LARGE

    async def test_a_compressed_bomb_is_not_unpacked(self, server: CalendarServer) -> None:
        bomb = gzip.compress(bytes(200 * 1024 * 1024), 9)
        assert len(bomb) < 300 * 1024
        server.serves(bomb, Content_Encoding="gzip")
        assert await fails(CalendarFetcher(LAPTOP), server.url()) is ReadFailure.TOO_LARGE

    @pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
    async def test_other_encodings_are_not_understood(self, server: CalendarServer, encoding: str) -> None:
        server.serves(gzip.compress(CONTENT), Content_Encoding=encoding)
        assert await fails(CalendarFetcher(LAPTOP), server.url()) is ReadFailure.UNREADABLE

    @pytest.mark.parametrize("content", [gzip.compress(CONTENT)[:-10], b"plain"], ids=["cut", "plain"])
    async def test_broken_compression_is_not_half_a_calendar(self, server: CalendarServer, content: bytes) -> None:
        server.serves(content, Content_Encoding="gzip")
        assert await fails(CalendarFetcher(LAPTOP), server.url()) is ReadFailure.UNREADABLE

    async def test_an_answer_that_breaks_off_is_not_half_a_calendar(self, server: CalendarServer) -> None:
        def half(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
            request.wfile.write(CONTENT)

        server.answers["/calendar.ics"] = half
        assert await fails(CalendarFetcher(LAPTOP), server.url()) is ReadFailure.UNREACHABLE

    async def test_drop_by_drop_is_too_slow(self, server: CalendarServer) -> None:
        def drip(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            for _ in range(100):
                request.wfile.write(b"x")
                time.sleep(0.05)

        server.answers["/calendar.ics"] = drip
        begun = time.monotonic()
        fetcher = CalendarFetcher(LAPTOP, FetchLimits(seconds=0.4))
        assert await fails(fetcher, server.url()) is ReadFailure.TOO_SLOW
        assert time.monotonic() - begun < 3

    async def test_a_name_that_takes_for_ever_to_resolve_is_too_slow(self) -> None:
        async def never(host: str, port: int) -> list[str]:
            await asyncio.sleep(60)
            return []

        fetcher = CalendarFetcher(LAPTOP, FetchLimits(seconds=0.1), resolve=never)
        assert await fails(fetcher, "https://calendar.example/x") is ReadFailure.TOO_SLOW


class TestRedirects:
    async def test_three_are_followed_and_no_more(self, server: CalendarServer) -> None:
        for hop in range(4):
            server.redirects(f"/{hop}", f"/{hop + 1}", status=(301, 302, 307, 308)[hop])
        server.serves(CONTENT, path="/4")
        assert (await CalendarFetcher(LAPTOP).fetch(httpx.URL(server.url("/1")))).content == CONTENT
        assert await fails(CalendarFetcher(LAPTOP), server.url("/0")) is ReadFailure.TOO_MANY_REDIRECTS

    async def test_one_to_itself_ends(self, server: CalendarServer) -> None:
        server.redirects("/calendar.ics", "")
        assert await fails(CalendarFetcher(LAPTOP), server.url()) is ReadFailure.TOO_MANY_REDIRECTS

    @pytest.mark.parametrize(
        "target",
        ["http://127.0.0.2:{port}/secret", "//127.0.0.2:{port}/secret", "http://[::1]:{port}/secret",
         "http://169.254.169.254/latest/meta-data", "http://[::ffff:127.0.0.2]:{port}/secret",
         "http://localhost:{port}/secret", "http://inner.example:{port}/secret", "http://user:pw@calendar.example/",
         "http://127.0.0.1:22/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/secret", "https:///x"],
    )  # fmt: skip
    async def test_none_leads_into_our_network(self, server: CalendarServer, target: str) -> None:
        server.redirects("/calendar.ics", target.format(port=server.port))
        server.serves(CONTENT, path="/secret")
        names = Names(calendar_example=[["127.0.0.1"]], inner_example=[["10.0.0.8"]])
        fetcher = CalendarFetcher(PretendsPublic(allow_http=True), resolve=names)
        assert await fails(fetcher, server.url(host="calendar.example")) is ReadFailure.ADDRESS_REFUSED
        assert [path for path, _headers in server.asked] == ["/calendar.ics"]

    async def test_none_leads_from_https_to_http_in_production(self, server: CalendarServer) -> None:
        fetcher = CalendarFetcher(PretendsPublic())
        assert await fails(fetcher, server.url()) is ReadFailure.ADDRESS_REFUSED
        assert server.asked == []


class TestNames:
    @pytest.mark.parametrize(
        "found",
        [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["fd00::1"],
         ["8.8.8.8", "127.0.0.1"], ["100.64.0.1"]],
    )  # fmt: skip
    async def test_a_name_that_stands_for_a_private_address_is_refused(
        self, server: CalendarServer, found: list[str]
    ) -> None:
        fetcher = CalendarFetcher(AddressRules(allow_http=True), resolve=Names(calendar_example=[found]))
        assert await fails(fetcher, server.url(host="calendar.example")) is ReadFailure.ADDRESS_REFUSED
        assert server.asked == []

    async def test_the_system_s_own_names_are_checked_too(self, server: CalendarServer) -> None:
        fetcher = CalendarFetcher(AddressRules(allow_http=True))
        for host in ("localhost", "127.0.0.1", "ip6-localhost"):
            assert await fails(fetcher, server.url(host=host)) in (
                ReadFailure.ADDRESS_REFUSED,
                ReadFailure.UNREACHABLE,
            )
        assert server.asked == []

    async def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked(
        self, server: CalendarServer
    ) -> None:
        server.serves(CONTENT)
        # Were the name asked for again it would lead nowhere.
        names = Names(rebinding_example=[["127.0.0.1"], ["10.0.0.1"]])
        fetcher = CalendarFetcher(PretendsPublic(allow_http=True), resolve=names)
        assert (await fetcher.fetch(httpx.URL(server.url(host="rebinding.example")))).content == CONTENT
        assert names.asked == ["rebinding.example"]
        assert server.asked[0][1]["host"] == f"rebinding.example:{server.port}"


def certificate_for(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for ``name``, and a client's that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(public, private)
    return served, ssl.create_default_context(cafile=os.fspath(public))


async def test_tls_is_checked_against_the_name_though_the_connection_goes_to_the_address(tmp_path: Path) -> None:
    served, trust = certificate_for("calendar.example", tmp_path)
    asked_for: list[str | None] = []
    served.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    with calendar_server(served) as server:
        server.serves(CONTENT)
        names = Names(calendar_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
        fetcher = CalendarFetcher(PretendsPublic(), resolve=names, trust=trust)
        url = server.url(host="calendar.example", scheme="https")
        assert (await fetcher.fetch(httpx.URL(url))).content == CONTENT
        assert asked_for == ["calendar.example"]
        assert server.asked[0][1]["host"] == f"calendar.example:{server.port}"
        other = server.url(host="other.example", scheme="https")
        assert await fails(fetcher, other) is ReadFailure.UNREACHABLE
        assert await fails(CalendarFetcher(PretendsPublic(), resolve=names), url) is ReadFailure.UNREACHABLE
        assert len(server.asked) == 1
