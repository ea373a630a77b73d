"""SendGrid's own package against a local SendGrid that holds every request against the contract."""

import asyncio
import base64
import logging
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar
from pydantic import SecretStr

from notifications.adapters import mail_port
from notifications.events import NOTIFICATION_SEND
from notifications.models import EmailStatus
from notifications.port import Attachment, Mail, MailPort, MailRejectedError, MailUnavailableError
from notifications.sendgrid import SendGrid
from notifications.service import deliver
from scheduling.appointments.mails import CONFIRMED
from scheduling.appointments.services.booking import book_appointment
from tests.notifications.mails import CALENDAR, SUBJECT, TEXT, make_mail
from tests.support.events import queued, run_due_events
from tests.support.mails import logs_of, mails_of
from tests.support.practices import SignedIn, make_client
from tests.support.providers.sendgrid_server import SendGridServer
from tests.support.scheduling import make_offer
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import SendGridSettings
from todoenbalance.kit.tenancy import TenantContext

KEY, OTHER_KEY = "SG.first-key", "SG.second-key"
SEND = "/v3/mail/send"
NOTES = "diabetes tipo 2"


def sendgrid(server: SendGridServer, key: str = KEY, *, timeout_seconds: float = 10.0) -> SendGrid:
    settings = SendGridSettings(api_key=SecretStr(key), api_base=server.url)
    return SendGrid(settings, None, timeout_seconds=timeout_seconds)


async def refusal(port: MailPort, mail: Mail | None = None) -> tuple[type[Exception], str]:
    with pytest.raises((MailRejectedError, MailUnavailableError)) as caught:
        await port.send(mail or make_mail())
    # Neither the package's error, which holds the answer, nor its text goes on with ours.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return type(caught.value), str(caught.value)


class TestWhatIsSent:
    async def test_a_mail_with_everything(self, sendgrid_server: SendGridServer) -> None:
        mail = make_mail()
        reference = await sendgrid(sendgrid_server).send(mail)
        [sent] = sendgrid_server.account(KEY).sent
        assert reference == sent.pop("_id")
        off = {"enable": False}
        assert sent == {
            "personalizations": [
                {"to": [{"email": mail.to}], "custom_args": {"message": str(mail.id), "practice": "platform"}}
            ],
            "from": {"email": mail.sender_address, "name": "Clínica «Núñez», Madrid"},
            "reply_to": {"email": "hola@nunez.example"},
            "subject": SUBJECT,
            "content": [{"type": "text/plain", "value": TEXT}, {"type": "text/html", "value": mail.html}],
            "headers": {"Auto-Submitted": "auto-generated", "Content-Language": "es"},
            "attachments": [
                {
                    "content": base64.b64encode(CALENDAR).decode(),
                    "type": "text/calendar; method=REQUEST; charset=utf-8",
                    "filename": "cita.ics",
                    "disposition": "attachment",
                }
            ],
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": off,
                "subscription_tracking": off,
                "ganalytics": off,
            },
        }

    async def test_how_to_switch_it_off_goes_through_as_it_is(self, sendgrid_server: SendGridServer) -> None:
        headers = {
            "List-Unsubscribe": f"<https://nuria.example/mail-preferences/c.{'a' * 22}.reminders.{'0' * 32}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        await sendgrid(sendgrid_server).send(make_mail(headers=headers))
        assert sendgrid_server.account(KEY).sent[0]["headers"] == headers

    async def test_a_mail_with_the_least(self, sendgrid_server: SendGridServer) -> None:
        await sendgrid(sendgrid_server).send(make_mail(html="", reply_to=None, headers={}, attachments=()))
        [sent] = sendgrid_server.account(KEY).sent
        assert [it["type"] for it in sent["content"]] == ["text/plain"]
        assert not {"reply_to", "headers", "attachments"} & set(sent)

    async def test_events_come_back_with_our_ids_and_the_practices_key(
        self, sendgrid_server: SendGridServer, practice: TenantContext
    ) -> None:
        settings = SendGridSettings(api_key=SecretStr(KEY), api_base=sendgrid_server.url)
        mail = make_mail()
        await SendGrid(settings, practice).send(mail)
        event = sendgrid_server.event_of(KEY, 0, "delivered")
        assert (event["message"], event["practice"]) == (str(mail.id), practice.key)

    async def test_keys_do_not_mix(self, sendgrid_server: SendGridServer) -> None:
        ports = {key: sendgrid(sendgrid_server, key) for key in (KEY, OTHER_KEY)}
        mails = {key: [make_mail() for _ in range(5)] for key in ports}
        pairs = [(key, mails[key][n]) for n in range(5) for key in ports]
        await asyncio.gather(*(ports[key].send(mail) for key, mail in pairs))
        for key in ports:
            sent = [it["personalizations"][0]["custom_args"]["message"] for it in sendgrid_server.account(key).sent]
            assert sorted(sent) == sorted(str(mail.id) for mail in mails[key])
        assert {it.headers["authorization"] for it in sendgrid_server.requests(SEND)} == {
            f"Bearer {KEY}",
            f"Bearer {OTHER_KEY}",
        }
        assert not [it for it in sendgrid_server.requests() if "on-behalf-of" in it.headers]


class TestWhatGoesWrong:
    @pytest.mark.parametrize("status", [400, 413, 415, 422])
    async def test_a_refused_message_is_final_and_is_not_quoted(
        self, sendgrid_server: SendGridServer, status: int
    ) -> None:
        said = {"errors": [{"message": f"odd: {TEXT}", "field": "personalizations.0.to.0.email", "help": None}]}
        sendgrid_server.faults.answer(status, SEND, body=said)
        assert await refusal(sendgrid(sendgrid_server)) == (
            MailRejectedError,
            f"refused by sendgrid ({status}, personalizations.0.to.0.email)",
        )

    @pytest.mark.parametrize(
        "body", [b"<html>", [], {"errors": []}, {"errors": [{"field": None}]}, {"errors": [{"field": TEXT}]}, "x"]
    )
    async def test_an_odd_answer_is_a_refusal_all_the_same(self, sendgrid_server: SendGridServer, body: Any) -> None:
        sendgrid_server.faults.answer(400, SEND, body=body)
        assert await refusal(sendgrid(sendgrid_server)) == (MailRejectedError, "refused by sendgrid (400)")

    async def test_what_sendgrid_itself_refuses(self, sendgrid_server: SendGridServer) -> None:
        assert await refusal(sendgrid(sendgrid_server), make_mail(text="", html="")) == (
            MailRejectedError,
            "refused by sendgrid (400, content)",
        )

    @pytest.mark.parametrize("status", [401, 403, 404])
    async def test_our_own_fault_is_retried_and_somebody_is_told(
        self, sendgrid_server: SendGridServer, caplog: pytest.LogCaptureFixture, status: int
    ) -> None:
        sendgrid_server.faults.answer(status, SEND)
        assert await refusal(sendgrid(sendgrid_server)) == (
            MailUnavailableError,
            f"sendgrid refuses our account ({status})",
        )
        [told] = [it for it in caplog.records if it.levelno >= logging.ERROR]
        assert "mail_provider_refuses_us" in told.getMessage()

    async def test_a_withdrawn_key_and_an_unknown_sender(self, sendgrid_server: SendGridServer) -> None:
        sendgrid_server.account(KEY).senders.add("other@example.com")
        assert (await refusal(sendgrid(sendgrid_server)))[0] is MailUnavailableError
        sendgrid_server.withdraw(KEY)
        assert (await refusal(sendgrid(sendgrid_server)))[0] is MailUnavailableError

    @pytest.mark.parametrize("status", [200, 408, 429, 500, 502, 503, 504])
    async def test_later(self, sendgrid_server: SendGridServer, status: int) -> None:
        sendgrid_server.faults.answer(status, SEND)
        kind, reason = await refusal(sendgrid(sendgrid_server))
        assert kind is MailUnavailableError
        assert str(status) in reason
        assert sendgrid_server.account(KEY).sent == []

    @pytest.mark.parametrize(
        ("reset", "delay"),
        [
            (90, 90.0),
            (-5, 1.0),
            (0.25, 1.0),
            (86_400, 3600.0),
            ("soon", None),
            ("nan", None),
            ("inf", None),
            (None, None),
        ],
    )
    async def test_when_it_takes_mails_again_is_believed_within_bounds(
        self, sendgrid_server: SendGridServer, reset: float | str | None, delay: float | None
    ) -> None:
        now = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
        said = str(now.timestamp() + reset) if isinstance(reset, int | float) else reset
        headers = {"X-RateLimit-Reset": said} if said is not None else {}
        sendgrid_server.faults.answer(429, SEND, headers=headers)
        with clock.at(now), pytest.raises(MailUnavailableError) as caught:
            await sendgrid(sendgrid_server).send(make_mail())
        assert caught.value.delay_seconds == delay

    async def test_a_dropped_connection(self, sendgrid_server: SendGridServer) -> None:
        sendgrid_server.faults.drop(SEND)
        assert (await refusal(sendgrid(sendgrid_server)))[0] is MailUnavailableError
        assert sendgrid_server.account(KEY).sent == []

    async def test_silence_ends(self, sendgrid_server: SendGridServer) -> None:
        sendgrid_server.faults.delay(2, SEND)
        assert await refusal(sendgrid(sendgrid_server, timeout_seconds=0.2)) == (
            MailUnavailableError,
            "no answer from sendgrid (TimeoutError)",
        )

    async def test_nobody_listens(self) -> None:
        with socket.socket() as taken:  # bound, and not listening
            taken.bind(("127.0.0.1", 0))
            base = f"http://127.0.0.1:{taken.getsockname()[1]}"
            settings = SendGridSettings(api_key=SecretStr(KEY), api_base=base)
            assert await refusal(SendGrid(settings, None)) == (
                MailUnavailableError,
                "no answer from sendgrid (ConnectionRefusedError)",
            )

    async def test_a_lost_answer_is_the_window_that_stays_open(self, sendgrid_server: SendGridServer) -> None:
        sendgrid_server.faults.lose_answer(SEND)
        port, mail = sendgrid(sendgrid_server), make_mail()
        assert (await refusal(port, mail))[0] is MailUnavailableError
        await port.send(mail)
        ids = [it["personalizations"][0]["custom_args"]["message"] for it in sendgrid_server.account(KEY).sent]
        assert ids == [str(mail.id)] * 2

    async def test_nothing_of_it_is_logged(
        self, sendgrid_server: SendGridServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        port = sendgrid(sendgrid_server)
        await port.send(make_mail())
        for status in (400, 401, 403, 429, 500):
            sendgrid_server.faults.answer(status, SEND)
            await refusal(port)
        sendgrid_server.faults.drop(SEND)
        await refusal(port)
        printed = "".join(capfd.readouterr())
        for secret in (KEY, "carla@example.com", SUBJECT, "tu cita", "VCALENDAR"):
            assert secret not in caplog.text
            assert secret not in printed
            assert secret not in repr(port)


class TestAnAppointmentsMail:
    @pytest.fixture
    def mailing(self, runtime: Runtime, sendgrid_server: SendGridServer) -> Runtime:
        """The same process, with SendGrid as its channel."""
        given = runtime.settings
        base, key = sendgrid_server.url, SecretStr(KEY)
        changes = {
            "mail": given.mail.model_copy(update={"adapter": "sendgrid"}),
            "providers": given.providers.model_copy(update={"sendgrid": SendGridSettings(api_key=key, api_base=base)}),
        }
        return replace(runtime, settings=given.model_copy(update=changes))

    async def _book(self, runtime: Runtime, practice: TenantContext) -> SignedIn:
        offer, client = await make_offer(runtime, practice), await make_client(runtime, practice)
        starts_at = (clock.now() + timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)
        async with runtime.database.tenant(practice) as session:
            client_id = client.id
            await book_appointment(
                session, client_id=client_id, service_id=offer.service_id, starts_at=starts_at, notes=NOTES
            )
        return client

    def _sent_to(self, server: SendGridServer, address: str) -> list[dict[str, Any]]:
        return [it for it in server.account(KEY).sent if it["personalizations"][0]["to"] == [{"email": address}]]

    async def test_goes_out_once_and_is_recorded(
        self, mailing: Runtime, practice: TenantContext, sendgrid_server: SendGridServer
    ) -> None:
        client = await self._book(mailing, practice)
        await run_due_events(mailing, practice)
        await run_due_events(mailing, practice)
        [sent] = self._sent_to(sendgrid_server, client.email)
        [log] = await logs_of(mailing, practice, CONFIRMED)
        assert (log.status, log.provider, log.provider_ref) == (EmailStatus.SENT, "sendgrid", sent["_id"])
        assert sent["personalizations"][0]["custom_args"] == {"message": str(log.id), "practice": practice.key}
        assert sent["headers"]["Message-ID"] == f"<{log.id}@todoenbalance.example>"
        [attached] = sent["attachments"]
        assert attached["type"] == "text/calendar; method=REQUEST; charset=utf-8"
        assert Calendar.from_ical(base64.b64decode(attached["content"]))["METHOD"] == "REQUEST"
        assert not [it for it in sendgrid_server.requests(SEND) if NOTES.encode() in it.raw]
        assert await mails_of(mailing, practice) == []

    async def _sending(self, runtime: Runtime, practice: TenantContext, client: SignedIn) -> dict[str, Any]:
        """The payload of the client's mail, which waits."""
        await run_due_events(runtime, practice, rounds=1)
        waiting = [row.payload for row in await queued(runtime, practice) if row.topic == NOTIFICATION_SEND]
        [payload] = [it for it in waiting if it["recipient_id"] == str(client.id)]
        return payload

    async def test_killed_after_the_call_it_goes_out_again_under_the_same_id(
        self, mailing: Runtime, practice: TenantContext, sendgrid_server: SendGridServer
    ) -> None:
        class Killed:
            async def send(self, mail: Mail) -> str:
                await mail_port(mailing, practice).send(mail)
                raise KeyboardInterrupt

        client = await self._book(mailing, practice)
        payload = await self._sending(mailing, practice, client)
        context = TenantEventContext(
            runtime=mailing, event_id=new_id(), topic=NOTIFICATION_SEND, attempt=1, tenant=practice
        )
        with pytest.raises(KeyboardInterrupt):
            await deliver(context, payload, Killed())
        [log] = await logs_of(mailing, practice, CONFIRMED)
        assert (log.status, log.provider_ref) == (EmailStatus.SENDING, None)
        await run_due_events(mailing, practice)
        first, second = self._sent_to(sendgrid_server, client.email)
        assert first["personalizations"] == second["personalizations"]
        assert first["headers"] == second["headers"]
        [log] = await logs_of(mailing, practice, CONFIRMED)
        assert (log.status, log.attempts, log.provider_ref) == (EmailStatus.SENT, 2, second["_id"])

    @pytest.mark.parametrize(
        ("status", "becomes"), [(400, EmailStatus.FAILED), (429, EmailStatus.SENDING), (401, EmailStatus.SENDING)]
    )
    async def test_what_is_recorded_of_a_refusal(
        self,
        mailing: Runtime,
        practice: TenantContext,
        sendgrid_server: SendGridServer,
        status: int,
        becomes: EmailStatus,
    ) -> None:
        client = await self._book(mailing, practice)
        payload = await self._sending(mailing, practice, client)
        context = TenantEventContext(
            runtime=mailing, event_id=new_id(), topic=NOTIFICATION_SEND, attempt=1, tenant=practice
        )
        sendgrid_server.faults.answer(status, SEND)
        if becomes is EmailStatus.FAILED:
            await deliver(context, payload, mail_port(mailing, practice))
        else:
            with pytest.raises(RetryLaterError):
                await deliver(context, payload, mail_port(mailing, practice))
        [log] = await logs_of(mailing, practice, CONFIRMED)
        assert log.status == becomes
        assert str(status) in str(log.failure)


async def test_an_attachments_type_keeps_its_parameters(sendgrid_server: SendGridServer) -> None:
    kind = 'application/pdf; name="receipt 1.pdf"'
    await sendgrid(sendgrid_server).send(make_mail(attachments=(Attachment("receipt 1.pdf", kind, b"%PDF"),)))
    assert sendgrid_server.account(KEY).sent[0]["attachments"][0]["type"] == kind
