"""Which topics an account gets: reading, changing, and asking when a mail is about to be sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from notifications.catalogue import MailKind, Topic, kinds_for, optional_topics
from notifications.preferences.models import ChangedBy, MailPreference
from notifications.watching import WATCHES, list_watches_of
from tenants.accounts.models import AccountKind
from tenants.accounts.services.staff_accounts import get_staff
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
    """One topic as an account has it. ``optional``: what is switched by it; ``always``: what comes all the same.

    ``is_watch``: it is not about the reader themselves, who is a member of staff. ``is_fixed``: it comes in any case.
    """

    topic: Topic
    is_on: bool
    optional: Sequence[MailKind]
    always: Sequence[MailKind]
    is_watch: bool = False
    is_fixed: bool = False


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
    """Every topic of which the account may switch something off, as it has it now; of staff, what they hear of others
    by their role besides. Raises ``NotFoundError`` for a member of staff whom there is not."""
    statement = select(MailPreference.topic, MailPreference.is_on).where(
        MailPreference.account_kind == account.kind, MailPreference.account_id == account.id
    )
    chosen = dict((await session.execute(statement)).tuples().all())
    rows = kinds_for(is_staff=account.is_staff)
    own = [
        TopicChoice(
            topic,
            chosen.get(topic, True),
            [row for row in rows if row.topic is topic and row.is_optional],
            [row for row in rows if row.topic is topic and not row.is_optional],
        )
        for topic in optional_topics(is_staff=account.is_staff)
        if not (account.is_staff and topic in WATCHES)
    ]
    return [*own, *(await _read_watches(session, account, chosen, rows) if account.is_staff else ())]


async def _read_watches(
    session: TenantSession, account: Account, chosen: Mapping[str, bool], rows: Sequence[MailKind]
) -> list[TopicChoice]:
    role = (await get_staff(session, account.id)).role
    return [
        TopicChoice(
            watch.topic,
            watch.is_wanted(role, chosen),
            [row for row in rows if row.watch is watch.topic],
            (),
            is_watch=True,
            is_fixed=role in watch.always,
        )
        for watch in await list_watches_of(session, role)
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

    What staff may not hear of is never switched on, and a link of a mail from before they lost the right still ends
    it. Raises :class:`TopicNotOptionalError`.
    """
    allowed = set(optional_topics(is_staff=account.is_staff))
    if account.is_staff and changed_by is not ChangedBy.ONE_CLICK:
        allowed = {one.topic for one in await read_choices(session, account) if not one.is_fixed}
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
