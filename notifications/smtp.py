"""Mail by SMTP, to any server that takes it.

``Message-ID`` is made from the message's own id, so that a repeat is recognisable: SMTP itself has no means against
one, and a server whose answer to the content was lost may have taken the mail. Such a mail may arrive twice.
Texts of the server's go nowhere, which may quote the message and addresses.
"""

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as PLAIN
from email.policy import SMTPUTF8 as INTERNATIONAL
from email.utils import format_datetime
from typing import Final

import aiosmtplib

from notifications.port import Attachment, Mail, MailRejectedError, MailUnavailableError, SenderRefusedError
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.settings import SmtpSecurity, SmtpSettings

QUIT_SECONDS: Final = 2.0
_TOO_BIG: Final = 552
_AUTHENTICATION: Final = frozenset({530, 534, 535, 538})
"""Replies that ask for (other) credentials, to whichever command (RFC 4954, 6)."""
_REFUSALS: Final = frozenset({550, 551, 553, 554})
_OF_SENDER: Final = frozenset({"5.1.7", "5.1.8", "5.7.60", *(f"5.7.{number}" for number in range(20, 28))})
"""About a sender by themselves (RFC 3463, 3.2; RFC 7372, 3; 5.7.60 is Exchange's), whichever command they answer."""
_WORDS_OF_SENDER: Final = re.compile(r"sender|send as|from address|not verified", re.IGNORECASE)
"""What servers say with 5.7.1, or no such code, when it is the sender that they mind. Looked for, and not kept."""
_ENHANCED: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}\b")
_HEADER_NAME: Final = re.compile(r"[!-9;-~]{1,70}")
_LOCAL: Final = re.compile(r"""[^\s\x00-\x1f\x7f()<>\[\]:;@\\,"]{1,64}""")
_ONE_LINE: Final = re.compile(r"[\x20-\x7e]{1,900}")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_log = get_logger("notifications.smtp")


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it goes on the wire. ``international``: an address needs SMTPUTF8."""

    sender: str
    recipient: str
    message_id: str
    content: bytes
    international: bool


class Smtp:
    """A mail server. One connection for each mail, closed after it."""

    def __init__(self, settings: SmtpSettings, *, local_hostname: str) -> None:
        """``local_hostname``: who we say we are (EHLO)."""
        self._settings = settings
        self._local_hostname = local_hostname

    async def send(self, mail: Mail) -> str:
        """Hand ``mail`` over, and answer its ``Message-ID``. See the module about repeats.

        Raises :class:`MailRejectedError`, :class:`MailUnavailableError` or :class:`SenderRefusedError`.
        """
        letter = write(mail)
        client = self._client()
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                await client.connect()
                await client.sendmail(
                    letter.sender,
                    [letter.recipient],
                    letter.content,
                    mail_options=["SMTPUTF8"] if letter.international else [],
                )
        except (aiosmtplib.SMTPException, OSError) as error:
            refusal = _refusal_of_sender(error) if mail.is_own_sender else None
            known = refusal or _translate(error)
        else:
            # The mail was taken: whatever goes wrong from here on changes nothing about that.
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=QUIT_SECONDS)
            return letter.message_id
        finally:
            client.close()
        raise known  # the server's words stay here

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.effective_port,
            username=settings.username or None,
            password=settings.password.get_secret_value() or None,
            local_hostname=self._local_hostname,
            timeout=settings.timeout_seconds,
            use_tls=settings.security is SmtpSecurity.TLS,
            start_tls=settings.security is SmtpSecurity.STARTTLS,
        )


def write(mail: Mail) -> Letter:
    """``mail`` in the form of RFC 5322: text and HTML as alternatives, attachments beside them, 7 bits throughout.

    Raises :class:`MailRejectedError` for what can't be written so, a line break in a header among it.
    """
    try:
        return _write(mail)
    except (ValueError, LookupError, AttributeError) as error:  # what email's parsers raise for odd input
        name = type(error).__name__
    raise MailRejectedError(f"an address or a header can't be written ({name})")


def _write(mail: Mail) -> Letter:
    sender, recipient = _address(mail.sender_address, mail.sender_name), _address(mail.to)
    reply_to = _address(mail.reply_to) if mail.reply_to else None
    written = [it.addr_spec for it in (sender, recipient, reply_to) if it is not None]
    international = not "".join(written).isascii()
    message = EmailMessage(INTERNATIONAL if international else PLAIN)
    message.set_content(mail.text, cte="quoted-printable")
    if mail.html:
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    for item in mail.attachments:
        _attach(message, item)
    # The headers last: what begins with "Content-" would move into the first part.
    message["From"], message["To"], message["Subject"] = sender, recipient, mail.subject
    if reply_to is not None:
        message["Reply-To"] = reply_to
    message["Date"] = format_datetime(clock.now())
    # One that names the message stays, whoever the mail is from: a copy of before may have it.
    given = mail.headers.get("Message-ID", "")
    message_id = given if given.startswith(f"<{mail.id}@") else f"<{mail.id}@{sender.domain}>"
    message["Message-ID"] = message_id
    as_they_are = b""
    for name, value in mail.headers.items():
        if name.lower() == "message-id":
            continue
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("a header's name")
        if name.lower().startswith("list-"):
            as_they_are += _as_it_is(name, value)
        else:
            message[name] = value
    content = as_they_are + message.as_bytes()
    return Letter(sender.addr_spec, recipient.addr_spec, message_id, content, international)


def _as_it_is(name: str, value: str) -> bytes:
    """A line of its own for what programs read (RFC 2369): ``email`` would hide an address that is longer than a line
    in encoded words, which mean nothing there (RFC 2047, 5). A line may have 998 characters (RFC 5322, 2.1.1)."""
    if not _ONE_LINE.fullmatch(value):
        raise ValueError("a header that is no line of ASCII")
    return f"{name}: {value}\r\n".encode("ascii")


def _address(given: str, name: str = "") -> Address:
    local, _, domain = given.strip().rpartition("@")
    if not domain.isascii():  # a domain has an ASCII form, which every server takes; the part before the @ has none
        domain = domain.encode("idna").decode("ascii")
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise ValueError("no address")
    return Address(name, local, domain)


def _attach(message: EmailMessage, item: Attachment) -> None:
    kind = PLAIN.header_factory("Content-Type", item.content_type)
    message.add_attachment(
        item.content, maintype=kind.maintype, subtype=kind.subtype, filename=item.filename, params=dict(kind.params)
    )


def _refusal_of_sender(error: BaseException) -> SenderRefusedError | None:
    """If that is what the server minds: at ``MAIL FROM``, or later, as servers like to say all that they mind then."""
    match error:
        case aiosmtplib.SMTPSenderRefused():
            is_meant = error.code >= 500 and error.code != _TOO_BIG and error.code not in _AUTHENTICATION
            return SenderRefusedError(f"the mail server refuses the sender ({_said(error)})") if is_meant else None
        case aiosmtplib.SMTPRecipientsRefused():
            told: aiosmtplib.SMTPResponseException = error.recipients[0]
        case aiosmtplib.SMTPDataError():
            told = error
        case _:
            return None
    enhanced = _ENHANCED.match(told.message)
    by_words = (enhanced is None or enhanced[0].startswith("5.7.")) and _WORDS_OF_SENDER.search(told.message)
    is_meant = told.code in _REFUSALS and bool(by_words or (enhanced and enhanced[0] in _OF_SENDER))
    return SenderRefusedError(f"the mail server refuses the sender ({_said(told)})") if is_meant else None


def _translate(error: BaseException) -> MailRejectedError | MailUnavailableError:
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return _judge(error.recipients[0], "recipient")
        case aiosmtplib.SMTPDataError():
            return _judge(error, "content")
        case aiosmtplib.SMTPSenderRefused(code=code) if code == _TOO_BIG:
            return _judge(error, "size")
        case aiosmtplib.SMTPAuthenticationError() | aiosmtplib.SMTPSenderRefused():
            return _ours(error) if error.code >= 500 else _later(error)
        case aiosmtplib.SMTPNotSupported():
            return MailRejectedError("the mail server takes no addresses with such letters")
        case aiosmtplib.SMTPResponseException():
            return _later(error)
        case OSError() if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
            return _ours(error.__cause__ or error)
        case OSError():  # lost connections and timeouts of the package's too
            return MailUnavailableError(f"no answer from the mail server ({type(error).__name__})")
        case _:  # no STARTTLS, no authentication where the settings ask for it
            return _ours(error)


def _judge(error: aiosmtplib.SMTPResponseException, what: str) -> MailRejectedError | MailUnavailableError:
    if error.code in _AUTHENTICATION:
        return _ours(error)
    if error.code >= 500:
        return MailRejectedError(f"refused by the mail server ({what}: {_said(error)})")
    return _later(error)


def _later(error: aiosmtplib.SMTPResponseException) -> MailUnavailableError:
    return MailUnavailableError(f"the mail server said later ({_said(error)})")


def _ours(error: BaseException) -> MailUnavailableError:
    said = _said(error) if isinstance(error, aiosmtplib.SMTPResponseException) else type(error).__name__
    _log.error("mail_provider_refuses_us", provider="smtp", status=said)
    return MailUnavailableError(f"the mail server refuses us ({said})")


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    """The reply's numbers, without its words."""
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)
