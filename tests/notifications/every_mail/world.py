"""A practice whose people all read one language, and which is written to in the other one.

So each mail shows that its reader's language decides and not the practice's; only its contact address, which has no
account, reads the practice's. Two such practices make every reader in both languages.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg import sql
from sqlalchemy import delete, select, update

from notifications.models import EmailLog, EmailStatus, MailboxMessage, PlatformMailboxMessage
from scheduling.appointments.history import Actor
from scheduling.appointments.models import Appointment
from scheduling.appointments.services.booking import book_appointment
from tenants.accounts.models import AccountKind, Dependant, Staff, StaffRole
from tenants.accounts.services.sign_ins import start_session
from tenants.registry.models import Tenant
from tenants.settings.service import set_waitlist_sweep
from tests.conftest import HttpFactory
from tests.support.checkout import Desk
from tests.support.events import run_platform_events
from tests.support.oauth_provider import OAuthProvider
from tests.support.platform_fees import served
from tests.support.practices import (
    SignedIn,
    hashed_password,
    make_client,
    make_practice,
    make_staff_member,
)
from tests.support.providers.stripe_server import StripeServer
from tests.support.scheduling import Offer, add_hours, make_practitioner, make_service, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
"""When every scenario begins: a Monday, nine in the morning in Madrid."""
WEDNESDAY = datetime(2026, 3, 4, 9, tzinfo=UTC)
"""Ten in Madrid, where practitioners work from nine to one on all days."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CANARY = "menopausia precoz"
"""What people write where they write of their health. It must be in no mail."""
PRACTICE = "Nuria Sol"
CONTACT = "contact@example.com"
CLIENT_ZONES = {"es": "Europe/Madrid", "en": "Europe/London"}
NAMES = (
    "Marta Pons",
    "Marta",
    PRACTICE,
    "Ana Gil",
    "Ana",
    "Leo Gil",
    "Olga Rey",
    "Olga",
    "Pilar Ruiz",
    "Pilar",
    "Rosa Font",
    "Rosa",
    "Nutri-60",
    "Nora Vidal",
)
"""What people and things are called here: in no language."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it arrived: of which kind, to whom. ``role`` is the beginning of the address."""

    kind: str
    role: str
    language: str
    mail: MailboxMessage | PlatformMailboxMessage

    @property
    def name(self) -> str:
        """For messages of tests."""
        return f"{self.kind} to {self.role} in {self.language}"


def other(language: str) -> str:
    """The one of our two languages that it is not."""
    return "en" if language == "es" else "es"


@dataclass
class World:
    """One such practice. What a scenario makes of people is its own: addresses name the scenario."""

    runtime: Runtime
    http: HttpFactory
    practice: TenantContext
    language: str
    stripe: StripeServer
    provider: OAuthProvider
    admin_url: str
    """Of the database's superuser, who sees whether anything was changed."""
    owner: SignedIn
    scenario: str = ""
    recovery_codes: dict[str, list[str]] = field(default_factory=dict)
    """Second factors by address, of those who have any."""
    passwords: dict[str, str] = field(default_factory=dict)
    """By address, where it is not the usual one."""
    browsers: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    _seen: set[UUID] = field(default_factory=set)
    _time: ExitStack = field(default_factory=ExitStack)

    # ---- time

    @asynccontextmanager
    async def playing(self, scenario: str) -> AsyncIterator[None]:
        """A scenario begins, at :data:`NOW`; what earlier ones left in the queue for later does not come."""
        async with self.runtime.database.platform() as session:
            await session.execute(delete(OutboxEvent).where(OutboxEvent.tenant == self.practice.key))
        async with self.session() as session:
            await set_waitlist_sweep(session, None)  # its row was among them
        self.scenario = scenario
        with ExitStack() as self._time:
            self.travel(NOW)
            yield

    def travel(self, moment: datetime) -> None:
        """It is ``moment`` from now on, until the scenario ends or travels on."""
        self._time.enter_context(clock.at(moment))
        self.stripe.world.now = lambda: int(moment.timestamp())

    async def run(self, moment: datetime | None = None) -> None:
        """Deliver what is due (at ``moment``, to which we travel)."""
        if moment is not None:
            self.travel(moment)
        await run_platform_events(self.runtime, self.practice)

    # ---- people

    def address(self, role: str) -> str:
        """Of somebody who is in this scenario alone."""
        return f"{role}.{self.scenario}@example.com"

    async def client(self, role: str = "client", **fields: object) -> SignedIn:
        """A client who reads our language."""
        values: dict[str, object] = {
            "first_name": "Ana",
            "last_name": "Gil",
            "locale": self.language,
            "timezone": CLIENT_ZONES[self.language],
        }
        return await make_client(self.runtime, self.practice, self.address(role), **(values | fields))

    async def staff(
        self, role: str = "practitioner", of: StaffRole = StaffRole.PRACTITIONER, name: str = "Pilar Ruiz"
    ) -> SignedIn:
        """A member of staff who reads our language."""
        member = await make_staff_member(self.runtime, self.practice, of, self.address(role))
        first_name, last_name = name.split()
        values = {"locale": self.language, "first_name": first_name, "last_name": last_name}
        async with self.session() as session:
            await session.execute(update(Staff).where(Staff.id == member.id).values(**values))
        return member

    async def front_desk(self) -> None:
        """Those who hear of what is not their own, and may act on it."""
        await self.staff("reception", StaffRole.RECEPTION, "Rosa Font")
        await self.staff("manager", StaffRole.MANAGER, "Marta Pons")

    @property
    def by_owner(self) -> Actor:
        """What the owner does at the practice."""
        return Actor.staff(self.owner.id)

    # ---- the practice

    def session(self) -> Any:
        """A transaction of the practice."""
        return self.runtime.database.tenant(self.practice)

    async def practitioner(self, role: str = "practitioner", name: str = "Pilar Ruiz") -> tuple[UUID, SignedIn]:
        """Somebody who works, with an account."""
        member = await self.staff(role, name=name)
        async with self.session() as session:
            made = await make_practitioner(session, name=name, staff_id=member.id)
            await add_hours(session, made.id)
        return made.id, member

    async def offer(self, **service: Any) -> Offer:
        """A service of an hour by a practitioner of the scenario's own; at the practice and free, unless said."""
        practitioner_id, _ = await self.practitioner()
        values = {"name": "Nutri-60", "grid_minutes": 60, "location_kinds": ["practice"]} | service
        async with self.session() as session:
            made = await make_service(session, practitioner_id, **values)
        return Offer(practitioner_id, made.id)

    async def child(self, client: SignedIn) -> UUID:
        """Somebody for whom the client books."""
        async with self.session() as session:
            made = Dependant(
                id=new_id(),
                client_id=client.id,
                first_name="Leo",
                last_name="Gil",
                relationship="child",
                created_at=NOW,
            )
            session.add(made)
        return made.id

    async def book(
        self, offer: Offer, client: SignedIn, at: datetime = WEDNESDAY, by: Actor | None = None, **wish: Any
    ) -> Appointment:
        """The client (or ``by``) books, and writes what is nobody else's business."""
        async with self.session() as session:
            return await book_appointment(
                session,
                client_id=client.id,
                service_id=offer.service_id,
                starts_at=at,
                notes=CANARY,
                actor=by,
                **wish,
            )

    def desk(self, offer: Offer, client: SignedIn) -> Desk:
        """Where that client pays for it."""
        return Desk(self.runtime, self.practice, client, offer.service_id, offer.practitioner_id, WEDNESDAY)

    async def pay(self, appointment: Appointment, offer: Offer, client: SignedIn) -> Any:
        """In the sandbox, and everybody hears of it; answers the payment."""
        desk = self.desk(offer, client)
        payment = await desk.pay(appointment)
        await desk.confirm(payment)
        await self.run()
        return payment

    # ---- what came of it

    async def letters(self) -> list[Letter]:
        """What arrived since this was asked last, oldest first; nothing may be on its way still, or have failed."""
        async with self.session() as session:
            statement = select(EmailLog, MailboxMessage).outerjoin(MailboxMessage, MailboxMessage.id == EmailLog.id)
            rows = (await session.execute(statement.order_by(EmailLog.id))).all()
        fresh = [(log, mail) for log, mail in rows if log.id not in self._seen and not log.is_queued]
        self._seen.update(log.id for log, _ in fresh)
        assert not [log.kind for log, _ in fresh if log.status in (EmailStatus.SENDING, EmailStatus.FAILED)]
        return [self._letter(log.kind, mail) for log, mail in fresh if mail is not None]

    def is_mine(self, letter: Letter) -> bool:
        """Whether it is to somebody of this scenario, or to the practice's own."""
        return letter.mail.recipient in (CONTACT, self.owner.email, self.address(letter.role))

    def _letter(self, kind: str, mail: MailboxMessage) -> Letter:
        role = mail.recipient.partition("@")[0].partition(".")[0]
        # A reader without an account is written to in the practice's language.
        language = other(self.language) if mail.recipient == CONTACT else self.language
        return Letter(kind, role, language, mail)

    async def fingerprint(self) -> str:
        """Of all that the practice's tables hold."""
        async with await psycopg.AsyncConnection.connect(self.admin_url) as connection:
            tables = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename"
            names = [name for (name,) in await (await connection.execute(tables, [self.practice.key])).fetchall()]
            sums = sql.SQL(" UNION ALL ").join(
                sql.SQL("SELECT {}, sum(hashtextextended(t::text, 0)) FROM {} t").format(
                    sql.Literal(name), sql.Identifier(self.practice.key, name)
                )
                for name in names
            )
            return str(await (await connection.execute(sums)).fetchall())


async def make_world(
    runtime: Runtime,
    http: HttpFactory,
    language: str,
    *,
    stripe: StripeServer,
    provider: OAuthProvider,
    admin_url: str,
) -> World:
    """A practice that opened a moment ago, in whose name nobody has been written to yet."""
    with clock.at(NOW):
        practice = await _called(runtime, await make_practice(runtime, locale=other(language)))
        await set_practice(runtime, practice, contact_email=CONTACT)
        async with runtime.database.tenant(practice) as session:
            owner = await _settle_owner(session, language)
            pair = await start_session(session, runtime.signer, runtime.settings.auth, AccountKind.STAFF, owner.id)
        headers = {"Authorization": f"Bearer {pair.access_token}"}
        signed_in = SignedIn(owner.id, owner.email, headers, pair.refresh_token)
        world = World(runtime, http, practice, language, stripe, provider, admin_url, signed_in)
        await world.run()
        await world.letters()
    return world


async def _called(runtime: Runtime, practice: TenantContext) -> TenantContext:
    """By a name that is of no language."""
    async with runtime.database.platform() as session:
        await session.execute(update(Tenant).where(Tenant.id == practice.id).values(name=PRACTICE))
    return await served(runtime, practice)


async def _settle_owner(session: TenantSession, language: str) -> Staff:
    owner = (await session.scalars(select(Staff))).one()
    owner.first_name, owner.last_name, owner.locale = "Olga", "Rey", language
    owner.hashed_password, owner.accepted_at = await hashed_password(), NOW
    return owner
