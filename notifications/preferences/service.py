"""Which topics an account gets: reading, changing, and asking when a mail is about to be sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from notifications.catalogue import MailKind, Topic, kinds_for, optional_topics
from notifications.preferences.models import ChangedBy, MailPreference
from tenants.accounts.models import AccountKind
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ProblemError


@dataclass(frozen=True, slots=True)
class Account:
    """Whose preferences."""

    kind: AccountKind
    id: UUID

    @property
    def is_staff(self) -> bool:
        """Whether it is a member of staff's."""
        return self.kind is AccountKind.STAFF


@dataclass(frozen=True, slots=True)
class TopicChoice:
    """One topic as an account has it. ``optional``: what is switched by it; ``always``: what comes all the same."""

    topic: Topic
    is_on: bool
    optional: Sequence[MailKind]
    always: Sequence[MailKind]


class TopicNotOptionalError(ProblemError):
    """No such topic, or one of which nothing may be switched off."""

    status = 422
    code = "topic_not_optional"
    title = "Not to be switched off"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is no such topic, or its mails can't be switched off.",
        "es": "No hay tal tema, o sus correos no se pueden desactivar.",
    }


class ReaderChoseError(ProblemError):
    """The reader switched the topic off, so nobody else switches it on (GDPR, art. 21)."""

    status = 409
    code = "reader_chose"
    title = "The reader's own choice"
    messages: ClassVar[dict[str, str]] = {
        "en": "The client switched these mails off. Only they can switch them on again.",
        "es": "Quien los recibe desactivó estos correos. Solo esa persona puede volver a activarlos.",
    }


async def is_switched_off(session: TenantSession, account: Account, topic: Topic) -> bool:
    """Whether the account does not want a topic's optional mails."""
    row = await session.get(MailPreference, (account.kind, account.id, topic), populate_existing=True)
    return row is not None and not row.is_on


async def read_choices(session: TenantSession, account: Account) -> list[TopicChoice]:
    """Every topic of which the account may switch something off, as it has it now."""
    statement = select(MailPreference.topic).where(
        MailPreference.account_kind == account.kind,
        MailPreference.account_id == account.id,
        MailPreference.is_on.is_(False),
    )
    off = set((await session.scalars(statement)).all())
    rows = kinds_for(is_staff=account.is_staff)
    return [
        TopicChoice(
            topic,
            topic not in off,
            [row for row in rows if row.topic is topic and row.is_optional],
            [row for row in rows if row.topic is topic and not row.is_optional],
        )
        for topic in optional_topics(is_staff=account.is_staff)
    ]


async def change_for_reader(session: TenantSession, account: Account, choices: Mapping[str, bool]) -> None:
    """The same by staff whom the reader asked. What the reader switched off stays off.

    Raises :class:`TopicNotOptionalError` and :class:`ReaderChoseError`.
    """
    statement = select(MailPreference.topic).where(
        MailPreference.account_kind == account.kind,
        MailPreference.account_id == account.id,
        MailPreference.is_on.is_(False),
        MailPreference.changed_by != ChangedBy.STAFF,
        MailPreference.topic.in_([topic for topic, is_on in choices.items() if is_on]),
    )
    if (await session.scalars(statement.with_for_update())).first() is not None:
        raise ReaderChoseError
    await change_choices(session, account, choices, ChangedBy.STAFF)


async def change_choices(
    session: TenantSession, account: Account, choices: Mapping[str, bool], changed_by: ChangedBy
) -> None:
    """Switch the named topics on or off; the others stay. What is so already keeps its time and way, but what staff
    switched off becomes the reader's choice when they do it themselves.

    Raises :class:`TopicNotOptionalError`.
    """
    allowed = set(optional_topics(is_staff=account.is_staff))
    for topic in choices:
        if topic not in allowed:
            raise TopicNotOptionalError
    for topic, is_on in sorted(choices.items()):
        values: dict[str, Any] = {"is_on": is_on, "changed_at": clock.now(), "changed_by": changed_by}
        statement = insert(MailPreference).values(
            account_kind=account.kind, account_id=account.id, topic=topic, **values
        )
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=[MailPreference.account_kind, MailPreference.account_id, MailPreference.topic],
                set_=values,
                where=(MailPreference.is_on != is_on)
                | ((MailPreference.changed_by == ChangedBy.STAFF) & (changed_by != ChangedBy.STAFF)),
            )
        )
