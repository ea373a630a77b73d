"""A person with traces in every feature, and a look for them in every table of a practice."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
from sqlalchemy import select, text, update

from billing.payments.models import PaymentAttempt
from billing.refunds.service import request_refund
from scheduling.appointments.history import SYSTEM
from scheduling.appointments.models import Appointment, AppointmentStatus
from scheduling.appointments.services.outcomes import record_outcome
from tenants.accounts.events import EMAIL_CHANGE_REQUESTED
from tenants.accounts.models import AccountKind, EmailChange
from tenants.accounts.services.links import PASSWORD_RESET, RESET_LIFETIME, renew_one_time_token
from tenants.social.models import SocialIdentity
from tests.support.checkout import Desk, make_desk
from tests.support.practices import SignedIn, make_client
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantBase, TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.inbox.models import ProviderEvent
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

FIRST, LAST = "Xiomarazul", "Qwertezcanary"
EMAIL, PHONE = "xiomarazul.canary@example.com", "+34 611 222 999"
NOTE, OLD_NOTE = "canarynote: alergia al cacahuete", "canaryold: celiaquía"
CHILD = "Zoecanarychild"
REASON, NEW_EMAIL, SUBJECT = "canaryreason me encuentro mal", "canary.new@example.com", "canary-google-subject-1"
PAYER = "canary.payer@example.com"
CANARIES = (FIRST, LAST, EMAIL, PHONE, NOTE, OLD_NOTE, CHILD, NEW_EMAIL, SUBJECT, PAYER)


@dataclass
class Trail:
    """The person, and where they have left traces."""

    desk: Desk
    client: SignedIn
    child_id: str
    visit_id: UUID
    paid_id: UUID
    cancelled_id: UUID


async def make_trail(runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient) -> Trail:
    """A visit that took place with a child, a paid one to come, one that was cancelled; mails, links, identities."""
    client = await make_client(
        runtime, practice, EMAIL, first_name=FIRST, last_name=LAST, phone=PHONE, birth_date=clock.now().date()
    )
    here.headers.update(client.headers)
    desk = await make_desk(runtime, practice, client)
    child = await here.post(
        "/api/v1/users/me/dependants", json={"first_name": CHILD, "last_name": LAST, "relationship": "child"}
    )
    assert child.status_code == 201, child.text
    visit = await _book(here, desk, 0, notes=OLD_NOTE, dependant_id=child.json()["id"])
    paid = await _book(here, desk, 30, notes=NOTE)
    cancelled = await _book(here, desk, 3)
    answer = await here.post(
        f"/api/v1/appointments/{cancelled}/cancel", json={"reason": REASON}, headers={"Idempotency-Key": "k-cancel"}
    )
    assert answer.status_code == 200, answer.text
    for appointment_id in (visit, paid):
        payment = await desk.pay(await desk.appointment(appointment_id))
        await desk.confirm(payment)
    await desk.run()
    async with runtime.database.tenant(practice) as session:
        begun = clock.now() - timedelta(days=10)
        await session.execute(
            update(Appointment)
            .where(Appointment.id == visit)
            .values(
                starts_at=begun,
                ends_at=begun + timedelta(hours=1),
                occupied=text("tstzrange(CAST(:a AS timestamptz), CAST(:b AS timestamptz))").bindparams(
                    a=begun, b=begun + timedelta(hours=1)
                ),
            )
        )
        await record_outcome(session, visit, AppointmentStatus.COMPLETED, actor=SYSTEM)
        await _add_loose_ends(session, client)
    await desk.run()
    return Trail(desk, client, child.json()["id"], visit, paid, cancelled)


async def _book(here: httpx.AsyncClient, desk: Desk, hours: int, **more: object) -> UUID:
    starts_at = desk.opens_at + timedelta(hours=hours)
    body = {"service_id": str(desk.service_id), "starts_at": starts_at.isoformat(), **more}
    answer = await here.post("/api/v1/appointments", json=body, headers={"Idempotency-Key": f"k-{hours}"})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def _add_loose_ends(session: TenantSession, client: SignedIn) -> None:
    now, client_id = clock.now(), client.id
    await renew_one_time_token(session, PASSWORD_RESET, AccountKind.CLIENT, client_id, RESET_LIFETIME)
    change_id = new_id()
    await publish(session, EMAIL_CHANGE_REQUESTED, {"change_id": str(change_id)})
    session.add(
        EmailChange(
            id=change_id,
            account_kind=AccountKind.CLIENT,
            account_id=client_id,
            old_email=EMAIL,
            new_email=NEW_EMAIL,
            sign_in_id=new_id(),
            created_at=now,
            expires_at=now + timedelta(days=1),
        )
    )
    session.add(
        SocialIdentity(
            id=new_id(),
            client_id=client_id,
            provider="google",
            subject=SUBJECT,
            email=EMAIL,
            created_at=now,
            last_used_at=now,
        )
    )
    attempt = (
        await session.scalars(
            select(PaymentAttempt).where(PaymentAttempt.provider_ref.is_not(None)).order_by(PaymentAttempt.id).limit(1)
        )
    ).one()
    session.add(
        ProviderEvent(
            id=new_id(),
            provider=attempt.provider,
            event_id="evt-canary",
            event_type="x",
            object_ref=attempt.provider_ref,
            body={"payer": PAYER},
            status="handled",
            received_at=now,
        )
    )
    await request_refund(session, attempt.payment_id, 100, REASON)


async def dump(runtime: Runtime, practice: TenantContext) -> str:
    """Every column of every table of the practice, as text."""
    lines = []
    async with runtime.database.tenant(practice) as session:
        for table in TenantBase.metadata.sorted_tables:
            for row in await session.scalars(text(f"SELECT t::text FROM {table.name} t")):
                lines.append(f"{table.name}: {row}")
    return "\n".join(lines)
