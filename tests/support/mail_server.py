"""A mail server on a port of this machine, with real SMTP and, where a test wants it, real TLS."""

import asyncio
import ipaddress
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TAKEN = "250 2.0.0 taken"


@dataclass(slots=True)
class MailServer:
    """What it answers, and what it was given. An answer of None: it says nothing for ``silent_seconds``.

    ``before_answering`` is awaited with the name of each step: ``sender``, ``recipient``, ``content``. ``refusals``: by
    a sender's address the step at which it is refused, and the answer.
    """

    at_sender: str | None = "250 OK"
    at_recipient: str | None = "250 OK"
    at_content: str | None = TAKEN
    silent_seconds: float = 5.0
    hangs_up_after_content: bool = False
    password: str = ""
    before_answering: Callable[[str], Awaitable[None]] | None = None
    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    @property
    def messages(self) -> list[EmailMessage]:
        """What arrived, read by the standard library."""
        reader: BytesParser[EmailMessage] = BytesParser(policy=SMTPUTF8)
        return [reader.parsebytes(content) for content in self.contents]

    @property
    def contents(self) -> list[bytes]:
        """What arrived, as it arrived."""
        return [it.content for it in self.envelopes if isinstance(it.content, bytes)]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name for it - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """The sender."""
        envelope.mail_from = address
        self.options = [it.upper() for it in options]
        return self._refusal(envelope, "sender") or await self._said(self.at_sender, "sender")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """The recipient."""
        refusal = self._refusal(envelope, "recipient")
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return await self._said(self.at_recipient, "recipient")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        """The content."""
        refusal = self._refusal(envelope, "content")
        if refusal is not None:
            return refusal
        if self.at_content == TAKEN:
            self.envelopes.append(envelope)
        if self.hangs_up_after_content:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return await self._said(self.at_content, "content")

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Who has the password may come in."""
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        return AuthResult(success=data.password.decode() == self.password, handled=False)

    def _refusal(self, envelope: Envelope, step: str) -> str | None:
        refused_at, answer = self.refusals.get(str(envelope.mail_from), ("", ""))
        return answer if refused_at == step else None

    async def _said(self, answer: str | None, step: str) -> str:
        if self.before_answering is not None:
            await self.before_answering(step)
        if answer is None:
            await asyncio.sleep(self.silent_seconds)
        return answer or TAKEN


@asynccontextmanager
async def mail_server(
    *,
    certificate: Path | None = None,
    tls_from_the_start: bool = False,
    utf8: bool = True,
    signs_in: bool = True,
    **values: Any,
) -> AsyncIterator[MailServer]:
    """Listens while the block runs. ``certificate``: it offers STARTTLS, or has TLS from the start.

    ``signs_in``: whether it offers to.
    """
    made = MailServer(**values)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def serve() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of passwords in the clear, which some tests want
            return SMTP(
                made,
                enable_SMTPUTF8=utf8,
                hostname="mail.test",
                tls_context=None if tls_from_the_start else context,
                require_starttls=context is not None and not tls_from_the_start,
                authenticator=made.authenticate,
                auth_required=bool(made.password),
                auth_require_tls=False,
                auth_exclude_mechanism=() if signs_in else ("LOGIN", "PLAIN"),
                loop=asyncio.get_running_loop(),
            )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(serve, "127.0.0.1", 0, ssl=context if tls_from_the_start else None)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def make_certificate(folder: Path) -> Path:
    """A key and a certificate for this machine that it signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "mail.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
