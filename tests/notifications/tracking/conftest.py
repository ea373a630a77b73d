"""A SendGrid of the test's own, whose real key the application knows, and mails that it was given."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from notifications.account_mails import CLIENT_PASSWORD_RESET
from notifications.events import NOTIFICATION_SEND
from notifications.models import EmailLog
from notifications.service import send_notification
from notifications.tracking.models import EmailEvent, MailSuppression
from tests.conftest import HttpFactory
from tests.contract.places import sendgrid_documents
from tests.support.practices import SignedIn
from tests.support.providers.sendgrid_server import SendGridServer
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.tasks import TenantEventContext
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

KEY = "SG.test"


@pytest.fixture
def sendgrid() -> Iterator[SendGridServer]:
    """Held against SendGrid's description, or ours."""
    with SendGridServer(documents=sendgrid_documents()) as server:
        yield server
    server.assert_clean()


@pytest.fixture
async def runtime(runtime: Runtime, sendgrid: SendGridServer) -> Runtime:
    """With the public key of this SendGrid."""
    settings = runtime.settings.providers
    known = settings.sendgrid.model_copy(update={"webhook_key": sendgrid.account(KEY).public_key})
    providers = settings.model_copy(update={"sendgrid": known})
    return replace(runtime, settings=runtime.settings.model_copy(update={"providers": providers}))


@dataclass
class Post:
    """Mails of the practice, and what SendGrid tells of them."""

    runtime: Runtime
    practice: TenantContext
    server: SendGridServer
    http: HttpFactory

    async def notify(self, client: SignedIn, kind: str = CLIENT_PASSWORD_RESET, **given: object) -> EmailLog:
        """Have the queue send a mail to a client; answers its line of the log."""
        payload: dict[str, Any] = {
            "kind": kind,
            "subject_id": str(client.id),
            "version": str(new_id()),
            "recipient_kind": "client",
            "recipient_id": str(client.id),
            **given,
        }
        context = TenantEventContext(
            runtime=self.runtime, event_id=new_id(), topic=NOTIFICATION_SEND, attempt=1, tenant=self.practice
        )
        await send_notification(context, payload)
        async with self.runtime.database.tenant(self.practice) as session:
            return (await session.scalars(select(EmailLog).order_by(EmailLog.id.desc()).limit(1))).one()

    def event(self, log: EmailLog, event: str, *, practice: str | None = None, **fields: object) -> dict[str, Any]:
        """What SendGrid says of a mail that it was given with our two arguments."""
        to = {"to": [{"email": log.recipient}]}
        mail = {
            "personalizations": [
                to | {"custom_args": {"message": str(log.id), "practice": practice or self.practice.key}}
            ],
            "from": {"email": "mail@practice.test"},
            "subject": "Hola",
            "content": [{"type": "text/plain", "value": "Hola"}],
        }
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=self.server.url, headers=headers, trust_env=False) as caller:
            assert caller.post("/v3/mail/send", json=mail).status_code == 202
        return self.server.event_of(KEY, len(self.server.account(KEY).sent) - 1, event, **fields)

    async def tell(self, *events: dict[str, Any], path: str = "", timestamp: int | None = None) -> httpx.Response:
        """SendGrid posts a signed batch."""
        body, headers = self.server.webhook(KEY, list(events), timestamp=timestamp)
        return await self.post(body, headers, path)

    async def post(self, body: bytes, headers: Any, path: str = "") -> httpx.Response:
        """Somebody posts something."""
        return await self.http().post(f"/webhooks/sendgrid{path}", content=body, headers=headers)

    async def log(self, log_id: UUID) -> EmailLog:
        """The line as it is now."""
        async with self.runtime.database.tenant(self.practice) as session:
            return await session.get_one(EmailLog, log_id)

    async def events(self, practice: TenantContext | None = None) -> list[EmailEvent]:
        """Everything that was recorded."""
        async with self.runtime.database.tenant(practice or self.practice) as session:
            return list(await session.scalars(select(EmailEvent).order_by(EmailEvent.occurred_at, EmailEvent.id)))

    async def suppressions(self) -> list[MailSuppression]:
        """Every one, lifted or not."""
        async with self.runtime.database.tenant(self.practice) as session:
            return list(await session.scalars(select(MailSuppression).order_by(MailSuppression.id)))


@pytest.fixture
def post(runtime: Runtime, practice: TenantContext, sendgrid: SendGridServer, http: HttpFactory) -> Post:
    """The practice's post office."""
    return Post(runtime, practice, sendgrid, http)
