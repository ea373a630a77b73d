"""With a mail server that the operator arranged: records by the settings, and what really arrives."""

from dataclasses import replace

from notifications.sender.records import RecordState
from notifications.sender.service import SenderStatus
from tests.notifications.sender.conftest import ADDRESS, DOMAIN, PLATFORM, Desk, asking
from tests.support.events import run_due_events
from tests.support.mail_server import MailServer, mail_server
from tests.support.practices import make_client
from todoenbalance.kit.settings import SmtpSecurity, SmtpSettings

ARRANGED = {"dkim_selector": "teb", "dkim_target": "teb.dkim.relay.example", "spf_include": "_spf.relay.example"}


def by_smtp(desk: Desk, server: MailServer, **domains: str) -> Desk:
    settings = asking(desk.runtime.settings, desk.dns, **domains)
    smtp = SmtpSettings(host="127.0.0.1", port=server.port, security=SmtpSecurity.NONE)
    mail = settings.mail.model_copy(update={"adapter": "smtp", "smtp": smtp})
    return replace(desk, runtime=replace(desk.runtime, settings=settings.model_copy(update={"mail": mail})))


async def test_records_come_from_the_settings_and_mails_from_the_address(desk: Desk) -> None:
    async with mail_server() as server:
        desk = by_smtp(desk, server, **ARRANGED)
        desk.dns.zone["TXT", DOMAIN] = ["v=spf1 include:_spf.google.com ~all"]
        desk.dns.zone["TXT", "_dmarc.example"] = ["v=DMARC1; p=reject"]
        await desk.choose(name="Clínica «Núñez», Madrid")
        state = await desk.work()
        assert [(one.type, one.name, one.value) for one in state.records[1:3]] == [
            ("CNAME", f"teb._domainkey.{DOMAIN}", "teb.dkim.relay.example"),
            ("TXT", DOMAIN, "v=spf1 include:_spf.relay.example include:_spf.google.com ~all"),
        ]
        assert state.records[3].state is RecordState.MISSING  # nobody sets a policy for all of .example
        desk.dns.zone["TXT", DOMAIN].clear()  # an SPF record is replaced, not added
        await desk.enter_records()
        assert (await desk.check()).status is SenderStatus.VERIFIED
        client = await make_client(desk.runtime, desk.practice, f"carla@{desk.practice.slug}.example.com")
        await _ask_for_mail(replace(desk, client_id=client.id))
        [arrived] = [one for one in server.messages if one["To"] == client.email]
        [envelope] = [one for one in server.envelopes if one.rcpt_tos == [client.email]]
        assert envelope.mail_from == ADDRESS
        assert arrived["From"].addresses[0].addr_spec == ADDRESS
        assert arrived["From"].addresses[0].display_name == "Clínica «Núñez», Madrid"
        assert arrived["Message-ID"].endswith(f"@{DOMAIN}>")

        # A record fewer, and the next mail is the platform's again, name included.
        desk.dns.zone["TXT", DOMAIN] = ["v=spf1 include:_spf.google.com ~all"]
        assert (await desk.check()).status is SenderStatus.BROKEN
        await _ask_for_mail(replace(desk, client_id=client.id))
        last = [one for one in server.messages if one["To"] == client.email][-1]
        assert last["From"].addresses[0].addr_spec == PLATFORM
        assert last["Message-ID"].endswith("@todoenbalance.example>")
        assert server.envelopes[-1].mail_from == PLATFORM


async def _ask_for_mail(desk: Desk) -> None:
    await desk.announce()
    await run_due_events(desk.runtime, desk.practice)


async def test_what_the_operator_has_not_arranged_is_not_offered(desk: Desk) -> None:
    async with mail_server() as server:
        arranged = by_smtp(desk, server, **ARRANGED)
        await arranged.verified()
        # The operator takes it back: mails go on, from the platform's address.
        without = by_smtp(desk, server, dkim_selector="", dkim_target="", spf_include="")
        assert (await without.state()).current.address == PLATFORM  # at once
        state = await without.check()
        assert (state.status, state.trouble, state.is_offered) == (SenderStatus.BROKEN, "not_offered", False)
        assert state.current.address == PLATFORM
        state = await without.choose(None, name="Nuria")
        assert (state.status, state.current.name) == (SenderStatus.PLATFORM, "Nuria")
