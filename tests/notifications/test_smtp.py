"""Mail by SMTP, to a real server on this machine; what arrives is read by the standard library."""

import logging
import socket
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from notifications.models import EmailStatus
from notifications.port import Attachment, Mail, MailRejectedError, MailUnavailableError, SenderRefusedError
from notifications.service import send_notification
from notifications.smtp import Smtp, write
from tests.notifications.mails import CALENDAR, SUBJECT, TEXT, make_mail
from tests.notifications.test_service import context, payload
from tests.support.mail_server import MailServer, mail_server, make_certificate
from tests.support.mails import logs_of
from tests.support.practices import make_client
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import SmtpSecurity, SmtpSettings
from todoenbalance.kit.tenancy import TenantContext

PASSWORD = "correct horse battery"


def settings_for(server: MailServer, **values: Any) -> SmtpSettings:
    given = {"host": "127.0.0.1", "port": server.port, "security": SmtpSecurity.NONE, "timeout_seconds": 5}
    return SmtpSettings.model_validate(given | values)


def smtp(server: MailServer, **values: Any) -> Smtp:
    return Smtp(settings_for(server, **values), local_hostname="app.test")


async def refusal(port: Smtp, mail: Mail | None = None) -> tuple[type[Exception], str]:
    with pytest.raises((MailRejectedError, MailUnavailableError)) as caught:
        await port.send(mail or make_mail())
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return type(caught.value), str(caught.value)


class TestWhatArrives:
    async def test_a_mail_with_everything(self) -> None:
        mail = make_mail()
        with clock.at(datetime(2026, 3, 1, 9, 30, tzinfo=UTC)):
            async with mail_server() as server:
                reference = await smtp(server).send(mail)
        [envelope], [message] = server.envelopes, server.messages
        assert (envelope.mail_from, envelope.rcpt_tos) == (mail.sender_address, [mail.to])
        assert "SMTPUTF8" not in server.options
        assert server.contents[0].isascii()
        assert message["From"].addresses[0].display_name == "Clínica «Núñez», Madrid"
        assert message["From"].addresses[0].addr_spec == mail.sender_address
        assert (message["To"], message["Reply-To"], message["Subject"]) == (mail.to, mail.reply_to, SUBJECT)
        assert message["Date"].datetime == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
        assert message["Message-ID"] == f"<{mail.id}@todoenbalance.example>" == reference
        assert (message["Auto-Submitted"], message["Content-Language"]) == ("auto-generated", "es")
        assert not message.defects
        body, attached = message.iter_parts()
        text, html = body.iter_parts()
        assert body.get_content_type() == "multipart/alternative"
        assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
        assert text.get_content().replace("\r\n", "\n") == TEXT
        assert html.get_content().replace("\r\n", "\n") == mail.html
        assert attached.get_payload(decode=True) == CALENDAR
        assert (attached.get_content_type(), attached.get_filename()) == ("text/calendar", "cita.ics")
        assert dict(attached["Content-Type"].params) == {"method": "REQUEST", "charset": "utf-8"}
        assert attached.get_content_disposition() == "attachment"

    async def test_how_to_switch_it_off_is_one_line_that_programs_can_read(self) -> None:
        value = f"<https://nuria.example/mail-preferences/c.{'a' * 22}.reminders.{'0' * 32}>"
        headers = {"List-Unsubscribe": value, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        async with mail_server() as server:
            await smtp(server).send(make_mail(headers=headers))
            for wrong in ("<https://a>\r\nBcc: eve@example.com", "<https://ñ>", ""):
                kind, _reason = await refusal(smtp(server), make_mail(headers={"List-Unsubscribe": wrong}))
                assert kind is MailRejectedError
        [content], [message] = server.contents, server.messages
        for name, given in headers.items():
            assert f"{name}: {given}".encode() in content.splitlines()
            assert message[name] == given
        assert not message.defects

    async def test_a_mail_with_the_least(self) -> None:
        async with mail_server() as server:
            await smtp(server).send(make_mail(html="", reply_to=None, headers={}, attachments=(), sender_name=""))
        [message] = server.messages
        assert message.get_content_type() == "text/plain"
        assert message["From"] == "no-reply@todoenbalance.example"

    async def test_a_repeat_is_recognisable(self) -> None:
        mail = make_mail(headers={"Message-ID": "<another@todoenbalance.example>"})
        async with mail_server() as server:
            assert await smtp(server).send(mail) == await smtp(server).send(mail)
        first, second = server.messages
        assert first.get_all("Message-ID") == second.get_all("Message-ID") == [f"<{mail.id}@todoenbalance.example>"]

    async def test_lines_of_dots_and_long_lines_arrive_as_they_were(self) -> None:
        text = ".\n..\nFrom here\n" + "ñ" * 2000 + "\n"
        async with mail_server() as server:
            await smtp(server).send(make_mail(text=text, html="", attachments=()))
        [message] = server.messages
        assert message.get_content().replace("\r\n", "\n") == text
        assert max(len(line) for line in server.contents[0].split(b"\r\n")) <= 998

    async def test_a_domain_with_other_letters_needs_nothing_special(self) -> None:
        async with mail_server(utf8=False) as server:
            await smtp(server).send(make_mail(to="carla@españa.example"))
        assert server.envelopes[0].rcpt_tos == ["carla@xn--espaa-rta.example"]

    async def test_an_address_with_other_letters_needs_smtputf8(self) -> None:
        async with mail_server() as server:
            await smtp(server).send(make_mail(to="peñalba@example.com"))
        assert server.envelopes[0].rcpt_tos == ["peñalba@example.com"]
        assert server.messages[0]["To"] == "peñalba@example.com"
        assert "SMTPUTF8" in server.options

    async def test_where_the_server_has_no_smtputf8_that_is_final(self) -> None:
        async with mail_server(utf8=False) as server:
            kind, _ = await refusal(smtp(server), make_mail(to="peñalba@example.com"))
        assert kind is MailRejectedError

    async def test_by_the_settings_from_an_event_to_the_log(self, runtime: Runtime, practice: TenantContext) -> None:
        client = await make_client(runtime, practice)
        async with mail_server() as server:
            given = runtime.settings
            changed = given.mail.model_copy(update={"adapter": "smtp", "smtp": settings_for(server)})
            mailing = replace(runtime, settings=given.model_copy(update={"mail": changed}))
            for _ in range(2):
                await send_notification(context(mailing, practice), payload(client))
        [message] = server.messages
        [log] = await logs_of(runtime, practice, "client_password_reset")
        assert (log.status, log.provider, log.provider_ref) == (EmailStatus.SENT, "smtp", message["Message-ID"])
        assert message["To"] == client.email


class TestHeadersCannotBeInjected:
    @pytest.mark.parametrize(
        "changes",
        [
            {"subject": "Hola\r\nBcc: eve@example.com"},
            {"subject": "Hola\nBcc: eve@example.com"},
            {"to": "carla@example.com\r\nBcc: eve@example.com"},
            {"to": "carla@example.com, eve@example.com"},
            {"to": "carla@example.com> <eve@example.com"},
            {"to": "carla@example.com\r\nRCPT TO:<eve@example.com>"},
            {"to": "carla@example.com\x00"},
            {"to": "nobody"},
            {"to": ""},
            {"reply_to": "a@example.com\nBcc: eve@example.com"},
            {"sender_name": "Clínica\nBcc: eve@example.com"},
            {"sender_address": "a@example.com\nBcc: eve@example.com"},
            {"headers": {"X-One": "1\r\nBcc: eve@example.com"}},
            {"headers": {"X-One: 1\r\nBcc": "eve@example.com"}},
            {"headers": {"To": "eve@example.com"}},
            {"attachments": (Attachment("a\r\nBcc: eve@example.com", "text/plain", b""),)},
        ],
    )
    def test_what_holds_a_line_break_or_two_addresses_is_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(MailRejectedError) as caught:
            write(make_mail(**changes))
        assert "eve" not in str(caught.value)

    @pytest.mark.parametrize("kind", ["text/plain\r\nBcc: eve@example.com", "odd", "text/plain; a=b\nBcc: x"])
    def test_an_odd_type_of_an_attachment_makes_no_header(self, kind: str) -> None:
        mail = make_mail(attachments=(Attachment("a.txt", kind, b"x"),))
        try:
            letter = write(mail)
        except MailRejectedError:
            return
        reader: BytesParser[EmailMessage] = BytesParser(policy=SMTP)
        message = reader.parsebytes(letter.content)
        assert not [part for part in message.walk() if part["Bcc"]]


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("answers", "kind", "reason"),
        [
            (
                {"at_recipient": "550 5.1.1 <carla@example.com>: no such mailbox"},
                MailRejectedError,
                "refused by the mail server (recipient: 550 5.1.1)",
            ),
            ({"at_recipient": "450 4.2.1 later"}, MailUnavailableError, "the mail server said later (450 4.2.1)"),
            ({"at_recipient": "530 log in first"}, MailUnavailableError, "the mail server refuses us (530)"),
            (
                {"at_content": "554 5.7.1 tu cita is spam"},
                MailRejectedError,
                "refused by the mail server (content: 554 5.7.1)",
            ),
            ({"at_content": "451 4.3.0 later"}, MailUnavailableError, "the mail server said later (451 4.3.0)"),
            ({"at_sender": "552 5.3.4 too big"}, MailRejectedError, "refused by the mail server (size: 552 5.3.4)"),
            ({"at_sender": "550 5.7.1 not you"}, MailUnavailableError, "the mail server refuses us (550 5.7.1)"),
            ({"at_sender": "421 busy"}, MailUnavailableError, "the mail server said later (421)"),
        ],
    )
    async def test_replies(self, answers: dict[str, Any], kind: type[Exception], reason: str) -> None:
        async with mail_server(**answers) as server:
            assert await refusal(smtp(server)) == (kind, reason)
        assert server.envelopes == []

    @pytest.mark.parametrize(
        ("answers", "is_of_sender"),
        [
            ({"at_sender": "550 5.7.1 not you"}, True),
            ({"at_sender": "552 5.3.4 too big"}, False),
            ({"at_sender": "530 5.7.0 log in first"}, False),
            ({"at_sender": "451 4.7.1 later"}, False),
            ({"at_recipient": "553 5.7.1 <a@b.example>: Sender address rejected: not owned by user relay"}, True),
            ({"at_recipient": "550 5.1.8 no such domain"}, True),
            ({"at_recipient": "550 5.7.1 relaying denied"}, False),
            ({"at_recipient": "550 5.1.1 the sender mistyped it"}, False),
            ({"at_recipient": "450 4.7.1 sender unknown"}, False),
            ({"at_content": "550 5.7.26 unauthenticated"}, True),
            ({"at_content": "554 Message rejected: Email address is not verified"}, True),
            ({"at_content": "554 5.7.1 tu cita is spam"}, False),
        ],
    )
    async def test_a_refusal_of_the_practices_own_sender_is_told_apart(
        self, answers: dict[str, Any], *, is_of_sender: bool
    ) -> None:
        async with mail_server(**answers) as server:
            own, _ = await refusal(smtp(server), make_mail(is_own_sender=True))
            platforms, _ = await refusal(smtp(server))
        assert (own is SenderRefusedError) is is_of_sender
        assert platforms is not SenderRefusedError

    @pytest.mark.parametrize("where", ["at_sender", "at_recipient", "at_content"])
    async def test_silence_ends(self, where: str) -> None:
        silence: dict[str, Any] = {where: None}
        async with mail_server(**silence, silent_seconds=1.0) as server:
            kind, reason = await refusal(smtp(server, timeout_seconds=0.3))
        assert kind is MailUnavailableError
        assert reason.startswith("no answer from the mail server")

    async def test_nobody_listens(self) -> None:
        with socket.socket() as taken:  # bound, and not listening
            taken.bind(("127.0.0.1", 0))
            settings = SmtpSettings(host="127.0.0.1", port=taken.getsockname()[1], security=SmtpSecurity.NONE)
            kind, _ = await refusal(Smtp(settings, local_hostname="app.test"))
        assert kind is MailUnavailableError

    async def test_a_lost_answer_is_the_window_that_stays_open(self) -> None:
        mail = make_mail()
        async with mail_server(hangs_up_after_content=True) as server:
            assert (await refusal(smtp(server), mail))[0] is MailUnavailableError
            server.hangs_up_after_content = False
            reference = await smtp(server).send(mail)
        assert [message["Message-ID"] for message in server.messages] == [reference] * 2

    async def test_what_happens_after_the_mail_was_taken_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def mute(*_arguments: object) -> None:
            raise ConnectionResetError

        monkeypatch.setattr("aiosmtpd.smtp.SMTP.smtp_QUIT", mute)
        async with mail_server() as server:
            await smtp(server).send(make_mail())
        assert len(server.messages) == 1

    async def test_nothing_of_it_is_logged(
        self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        ours = logging.getLogger("mail.log")
        ours.setLevel(logging.ERROR)  # the server's own
        caplog.set_level(logging.DEBUG)
        async with mail_server(password=PASSWORD) as server:
            port = smtp(server, username="app", password=PASSWORD)
            await port.send(make_mail())
            server.at_recipient = "550 <carla@example.com>: unknown"
            await refusal(port)
            server.at_recipient = None
            await refusal(smtp(server, username="app", password=PASSWORD, timeout_seconds=0.2))
            await refusal(smtp(server, username="app", password="wrong horse battery"))
        printed = "".join(capfd.readouterr())
        for secret in ("horse battery", "carla@example.com", SUBJECT, "tu cita", "VCALENDAR"):
            assert secret not in caplog.text
            assert secret not in printed


class TestSigningInAndEncryption:
    async def test_a_password_opens_the_door(self) -> None:
        async with mail_server(password=PASSWORD) as server:
            await smtp(server, username="app", password=PASSWORD).send(make_mail())
        assert set(server.users) == {"app"}
        assert len(server.messages) == 1

    async def test_a_wrong_or_missing_password_is_our_fault(self, caplog: pytest.LogCaptureFixture) -> None:
        async with mail_server(password=PASSWORD) as server:
            wrong = await refusal(smtp(server, username="app", password="wrong"))
            missing = await refusal(smtp(server))
        assert wrong == (MailUnavailableError, "the mail server refuses us (535 5.7.8)")
        assert missing[0] is MailUnavailableError
        assert len([it for it in caplog.records if "mail_provider_refuses_us" in it.getMessage()]) == 2

    async def test_a_server_that_asks_for_no_password_is_our_fault_where_we_have_one(self) -> None:
        async with mail_server(signs_in=False) as server:
            kind, reason = await refusal(smtp(server, username="app", password=PASSWORD))
        assert (kind, reason) == (MailUnavailableError, "the mail server refuses us (SMTPException)")
        assert (server.users, server.envelopes) == ([], [])

    def test_the_password_is_not_shown(self) -> None:
        assert PASSWORD not in repr(SmtpSettings(host="127.0.0.1", username="app", password=SecretStr(PASSWORD)))

    @pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
    async def test_encrypted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: SmtpSecurity) -> None:
        certificate = make_certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        from_the_start = security is SmtpSecurity.TLS
        async with mail_server(certificate=certificate, tls_from_the_start=from_the_start, password=PASSWORD) as server:
            await smtp(server, security=security, username="app", password=PASSWORD).send(make_mail())
        assert len(server.messages) == 1

    @pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
    async def test_a_certificate_of_nobodys_gets_neither_password_nor_mail(
        self, tmp_path: Path, security: SmtpSecurity
    ) -> None:
        from_the_start = security is SmtpSecurity.TLS
        async with mail_server(
            certificate=make_certificate(tmp_path), tls_from_the_start=from_the_start, password=PASSWORD
        ) as server:
            refused = await refusal(smtp(server, security=security, username="app", password=PASSWORD))
        assert refused == (MailUnavailableError, "the mail server refuses us (SSLCertVerificationError)")
        assert (server.users, server.envelopes) == ([], [])

    async def test_a_server_without_starttls_gets_neither_password_nor_mail(self) -> None:
        async with mail_server(password=PASSWORD) as server:
            port = smtp(server, security=SmtpSecurity.STARTTLS, username="app", password=PASSWORD)
            kind, reason = await refusal(port)
        assert (kind, reason.startswith("the mail server refuses us")) == (MailUnavailableError, True)
        assert (server.users, server.envelopes) == ([], [])
