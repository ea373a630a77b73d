"""A practice that sends by a local SendGrid, and whose domain is in a DNS server of the test's own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import delete

from notifications.account_mails import CLIENT_PASSWORD_RESET
from notifications.announcing import announce
from notifications.recipients import Recipient
from notifications.sender import service
from notifications.sender.models import MailDomain
from notifications.sender.service import SenderChoices, SenderState
from tests.support.dns_server import DnsServer, dns_server
from tests.support.events import run_due_events, run_platform_events
from tests.support.practices import make_client
from tests.support.providers.sendgrid_domains import Domains
from tests.support.providers.sendgrid_server import SendGridServer
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext

SEND_KEY, DOMAINS_KEY = "SG.sends", "SG.domains"
PLATFORM = "no-reply@todoenbalance.example"
DOMAIN, ADDRESS = "nuria-nutricion.example", "citas@nuria-nutricion.example"


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    """A DNS server that knows nothing yet."""
    async with dns_server() as server:
        yield server


def asking(settings: Settings, dns: DnsServer, **domains: Any) -> Settings:
    """The settings with the test's DNS server, which is not waited for long."""
    chosen = {"resolvers": f"127.0.0.1:{dns.port}", "timeout_seconds": 0.5, **domains}
    mail = settings.mail.model_copy(update={"domains": settings.mail.domains.model_copy(update=chosen)})
    return settings.model_copy(update={"mail": mail})


@pytest.fixture
async def runtime(runtime: Runtime, dns: DnsServer, sendgrid_server: SendGridServer) -> Runtime:
    """Mail by SendGrid, which sees the same DNS. Domains that practices of other tests have taken are free."""
    async with runtime.database.platform() as session:
        await session.execute(delete(MailDomain))
    sendgrid_server.zone = dns.zone
    settings = asking(runtime.settings, dns)
    keys = {"api_key": SecretStr(SEND_KEY), "domains_api_key": SecretStr(DOMAINS_KEY), "api_base": sendgrid_server.url}
    providers = settings.providers.model_copy(update={"sendgrid": settings.providers.sendgrid.model_copy(update=keys)})
    mail = settings.mail.model_copy(update={"adapter": "sendgrid"})
    return replace(runtime, settings=settings.model_copy(update={"providers": providers, "mail": mail}))


@dataclass
class Desk:
    """What owners of a practice do, and what its mails look like then."""

    runtime: Runtime
    practice: TenantContext
    dns: DnsServer
    server: SendGridServer
    client_id: UUID

    @property
    def domains(self) -> Domains:
        """What SendGrid has."""
        return self.server.account(DOMAINS_KEY).domains

    async def choose(self, address: str | None = ADDRESS, **others: str | None) -> SenderState:
        """Save a sender; what follows from it is left to the queue."""
        async with self.runtime.database.tenant(self.practice) as session:
            wish = SenderChoices(others.get("name"), others.get("reply_to"), address)
            return await service.change_sender(session, self.runtime, wish)

    async def state(self) -> SenderState:
        """What the page would show."""
        async with self.runtime.database.tenant(self.practice) as session:
            return await service.get_sender(session, self.runtime)

    async def check(self) -> SenderState:
        """Press the button and wait for the queue."""
        async with self.runtime.database.tenant(self.practice) as session:
            await service.ask_for_check(session, self.runtime)
        return await self.work()

    async def work(self) -> SenderState:
        """Have the queue do what is due."""
        await run_platform_events(self.runtime, self.practice)
        return await self.state()

    async def enter_records(self, *purposes: str) -> None:
        """Enter what the page wants (only these, if any are named) in the domain's DNS."""
        for one in (await self.state()).records:
            if one.is_required and (not purposes or one.purpose in purposes):
                self.dns.zone.setdefault((one.type, one.name), [])
                if one.value not in self.dns.zone[one.type, one.name]:
                    self.dns.zone[one.type, one.name].append(one.value)

    async def verified(self, address: str = ADDRESS) -> SenderState:
        """All of it: the address is in use then."""
        await self.choose(address)
        await self.work()
        await self.enter_records()
        return await self.check()

    async def mail(self) -> dict[str, Any]:
        """A mail to a client, as SendGrid was asked to send it."""
        await self.announce()
        await run_due_events(self.runtime, self.practice)
        return self.sent()[-1]

    async def announce(self) -> None:
        """Queue a mail to the client."""
        async with self.runtime.database.tenant(self.practice) as session:
            recipients = [Recipient.client(self.client_id)]
            version = str(new_id())
            await announce(
                session, CLIENT_PASSWORD_RESET, subject_id=self.client_id, version=version, recipients=recipients
            )

    def sent(self, to: str | None = None) -> list[dict[str, Any]]:
        """Mails that SendGrid took, oldest first."""
        mails = self.server.account(SEND_KEY).sent
        return [one for one in mails if to is None or one["personalizations"][0]["to"][0]["email"] == to]


async def desk_of(runtime: Runtime, practice: TenantContext, dns: DnsServer, server: SendGridServer) -> Desk:
    """With a client to write to."""
    client = await make_client(runtime, practice)
    return Desk(runtime, practice, dns, server, client.id)


@pytest.fixture
async def desk(runtime: Runtime, practice: TenantContext, dns: DnsServer, sendgrid_server: SendGridServer) -> Desk:
    """The practice's."""
    return await desk_of(runtime, practice, dns, sendgrid_server)


@pytest.fixture
async def other_desk(
    runtime: Runtime, other_practice: TenantContext, dns: DnsServer, sendgrid_server: SendGridServer
) -> Desk:
    """Another practice's, at the same SendGrid account and the same DNS."""
    return await desk_of(runtime, other_practice, dns, sendgrid_server)
