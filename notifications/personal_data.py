"""What mails leave behind about a client: lines of the log, and in development the mails themselves."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select

from notifications.bodies.models import MailBody
from notifications.mail_tasks.models import MailTask
from notifications.models import EmailLog, MailboxMessage
from notifications.preferences.models import MailPreference
from notifications.recipients import OLD_ADDRESS_PREFIX, PRACTICE_CONTACT, RecipientKind
from notifications.tracking.models import EmailEvent, MailSuppression
from notifications.tracking.repository import address_key
from tenants.accounts.models import AccountKind
from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, listed
from todoenbalance.kit.database import TenantSession


class MailData:
    """Mails to the person, and mails to the practice whose subject names them."""

    name = "mails"
    tables = frozenset(
        {
            "email_logs",
            "email_events",
            "mail_suppressions",
            "mailbox_messages",
            "mail_preferences",
            "mail_digest_entries",
            "mail_bodies",
            "mail_tasks",
        }
    )
    classes = frozenset({DataClass.MAILS})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Nothing refers to a mail."""
        del session, client_id
        return frozenset()

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Mails to the person; those to the practice, and to an address that is not theirs, are other people's."""
        rows = [row for row in await _logs_of(session, person) if _is_theirs(row, person)]
        events = await _events_of(session, rows)
        suppressions = await _suppressions_of(session, person, rows)
        mails = listed(
            rows,
            "id",
            "kind",
            "recipient",
            "locale",
            "subject",
            "status",
            "delivery",
            "delivery_reason",
            "created_at",
            "sent_at",
        )
        return {
            "mails": mails,
            "mail_events": listed(events, "email_log_id", "kind", "occurred_at", "reason"),
            "addresses_not_written_to": listed(suppressions, "address", "reason", "since", "lifted_at"),
            "mail_preferences": listed(await _preferences_of(session, person), *_PREFERENCE),
            "mail_bodies": listed(await _bodies_of(session, rows), "email_log_id", "subject", "text", "created_at"),
            "calls_because_mail_failed": listed(await _tasks_of(session, person), *_TASK),
        }

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """That a mail was sent stays; to whom and what it said does not."""
        rows = await _logs_of(session, person)
        count = len(rows) + len(await _suppressions_of(session, person, [row for row in rows if _is_to(row)]))
        count += len(await _preferences_of(session, person)) + len(await _tasks_of(session, person))
        count += len(await _bodies_of(session, rows))
        return [Treatment(DataClass.MAILS, Action.ANONYMISE, count, Reason.ACCOUNTABILITY)]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Nothing is kept."""
        # Locked: what is told of these mails from here on finds no address, and what was told before is seen below.
        rows = await _logs_of(session, person, is_locked=True)
        to_their_address = [row for row in rows if _is_to(row)]
        addresses = _addresses(person, to_their_address)
        for row in rows:
            row.subject = ""
        for row in to_their_address:
            row.recipient, row.failure, row.delivery_reason = "", None, None
        for event in await _events_of(session, to_their_address):
            event.reason = None
        of_them = or_(MailSuppression.client_id == person.id, MailSuppression.address.in_(addresses))
        await session.execute(delete(MailSuppression).where(of_them))
        await session.execute(delete(MailTask).where(MailTask.client_id == person.id))
        await session.execute(delete(MailBody).where(MailBody.email_log_id.in_([row.id for row in rows])))
        await session.execute(delete(MailPreference).where(*_is_preference_of(person)))
        in_mailbox = MailboxMessage.id.in_([row.id for row in rows])
        to_them = func.lower(MailboxMessage.recipient) == person.client.email.lower()
        await session.execute(delete(MailboxMessage).where(or_(in_mailbox, to_them)))
        return {}


_PREFERENCE = ("topic", "is_on", "changed_at", "changed_by")


_TASK = ("address", "reason", "opened_at", "closed_at", "closed_as")


async def _tasks_of(session: TenantSession, person: Person) -> Sequence[MailTask]:
    statement = select(MailTask).where(MailTask.client_id == person.id).order_by(MailTask.id)
    return (await session.scalars(statement)).all()


async def _bodies_of(session: TenantSession, rows: Sequence[EmailLog]) -> Sequence[MailBody]:
    statement = select(MailBody).where(MailBody.email_log_id.in_([row.id for row in rows]))
    return (await session.scalars(statement.order_by(MailBody.email_log_id))).all()


def _is_preference_of(person: Person) -> tuple[ColumnElement[bool], ...]:
    return MailPreference.account_kind == AccountKind.CLIENT, MailPreference.account_id == person.id


async def _preferences_of(session: TenantSession, person: Person) -> Sequence[MailPreference]:
    statement = select(MailPreference).where(*_is_preference_of(person)).order_by(MailPreference.topic)
    return (await session.scalars(statement)).all()


def _addresses(person: Person, rows: Sequence[EmailLog]) -> set[str]:
    """Their address, and those that mails of theirs went to."""
    return {address_key(person.client.email), *(address_key(row.recipient) for row in rows if row.recipient)}


async def _events_of(session: TenantSession, rows: Sequence[EmailLog]) -> Sequence[EmailEvent]:
    statement = select(EmailEvent).where(EmailEvent.email_log_id.in_([row.id for row in rows]))
    return (await session.scalars(statement.order_by(EmailEvent.occurred_at, EmailEvent.sg_event_id))).all()


async def _suppressions_of(
    session: TenantSession, person: Person, rows: Sequence[EmailLog]
) -> Sequence[MailSuppression]:
    """Those that mails of theirs led to, and those of the addresses that ``rows`` went to."""
    to_them = MailSuppression.address.in_({address_key(row.recipient) for row in rows})
    statement = select(MailSuppression).where(or_(MailSuppression.client_id == person.id, to_them))
    return (await session.scalars(statement.order_by(MailSuppression.id))).all()


def _ending_of(person: Person) -> str:
    """How the key of each mail to them ends, whatever their address was then."""
    return f":{RecipientKind.CLIENT}:{person.id}"


def _is_to(row: EmailLog) -> bool:
    """Whether a mail of theirs went to them, at whatever address, and not to the practice."""
    to_practice = f":{RecipientKind.ADDRESS}:{PRACTICE_CONTACT}"
    return f":{RecipientKind.STAFF}:" not in row.dedupe_key and not row.dedupe_key.endswith(to_practice)


def _is_theirs(row: EmailLog, person: Person) -> bool:
    """Whether a mail reached the person, so that they may read of it.

    The address that an account asks for is not its own yet, nor is one that was never verified: what that is told
    says whether somebody else has an account by it.
    """
    client, key = person.client, row.dedupe_key
    was_old = f":{RecipientKind.ADDRESS}:{OLD_ADDRESS_PREFIX}" in key and row.subject_id in person.subject_ids
    is_at_their_address = client.is_verified and row.recipient.lower() == client.email.lower()
    return key.endswith(_ending_of(person)) or (_is_to(row) and (was_old or is_at_their_address))


async def _logs_of(session: TenantSession, person: Person, *, is_locked: bool = False) -> Sequence[EmailLog]:
    # To their address, but for nobody's account: another client who had it before, or staff who have it, are others.
    to_address = and_(
        func.lower(EmailLog.recipient) == person.client.email.lower(),
        EmailLog.dedupe_key.contains(f":{RecipientKind.ADDRESS}:", autoescape=True),
        EmailLog.dedupe_key.not_like(f"%:{RecipientKind.ADDRESS}:{PRACTICE_CONTACT}"),
    )
    concerned: list[ColumnElement[bool]] = [
        EmailLog.dedupe_key.endswith(_ending_of(person), autoescape=True),
        to_address,
        EmailLog.subject_id.in_(person.subject_ids),
    ]
    statement = select(EmailLog).where(or_(*concerned)).order_by(EmailLog.id)
    if is_locked:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(statement)).all()
