"""Where a client's personal data lie: each feature that stores some registers a source of them.

Export and erasure go through the sources and know no feature, so a feature that is not registered would be
forgotten by both: a test walks every table of a practice and fails for one that no source claims.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from tenants.accounts.models import Client
from tenants.settings.models import PracticeSettings
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.money import Money

Json = dict[str, Any]


def facts(row: object, *names: str) -> Json:
    """Some columns of a row as JSON: ids, instants and dates as text."""
    values = {name: getattr(row, name) for name in names}
    return {
        name: value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, UUID) else value
        for name, value in values.items()
    }


def listed(rows: Iterable[object], *names: str) -> list[Json]:
    """The same of several rows."""
    return [facts(row, *names) for row in rows]


def years_after(day: date, years: int) -> date:
    """The same day so many years later; of 29 February the day after, where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


class Action(StrEnum):
    """What an erasure does with a class of data.

    ``delete``: gone. ``anonymise``: rows stay, for the practice's own figures, and name nobody any more.
    ``block``: sealed, out of daily sight until a date, because the law wants it kept (LOPDGDD, art. 32).
    """

    DELETE = "delete"
    ANONYMISE = "anonymise"
    BLOCK = "block"


class DataClass(StrEnum):
    """The classes of personal data; ``tenants.privacy.words`` says what each is, docs/privacy.md lists them."""

    PROFILE = "profile"
    SIGN_INS = "sign_ins"
    IDENTITIES = "identities"
    DEPENDANTS = "dependants"
    CONSENTS = "consents"
    AUDIT = "audit"
    VISITS = "visits"
    BOOKINGS = "bookings"
    PAYMENTS = "payments"
    PROVIDER_EVENTS = "provider_events"
    DOCUMENTS = "documents"
    BILLING_PROFILE = "billing_profile"
    MAILS = "mails"
    TEXTS = "texts"
    ANSWERS = "answers"
    CALENDAR_FEEDS = "calendar_feeds"
    WAITLIST = "waitlist"
    PACKAGES = "packages"
    CARDS = "cards"


class Reason(StrEnum):
    """Why it is done so; ``tenants.privacy.words`` says it in sentences."""

    NOT_NEEDED = "not_needed"
    CLINICAL_RECORD = "clinical_record"
    BOOKS = "books"
    BELONGS_TO_RECORD = "belongs_to_record"
    CALENDAR = "calendar"
    MONEY_ON_ITS_WAY = "money_on_its_way"
    ACCOUNTABILITY = "accountability"


@dataclass(frozen=True, slots=True)
class Treatment:
    """What becomes of one class: ``count`` rows, ``until`` when they are blocked (None: not at all), and why.

    ``keeps``: ids of other features' rows that what is kept speaks of, so that these must be kept with it.
    """

    data_class: DataClass
    action: Action
    count: int
    reason: Reason
    until: date | None = None
    keeps: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Cancellation:
    """An appointment to come that an erasure cancels; ``refund`` as by the same rule, None if nothing was paid."""

    appointment_id: UUID
    starts_at: datetime
    refund: Money | None


@dataclass(frozen=True, slots=True)
class Person:
    """Whose data it is about, and what of the practice's they are the subject of.

    ``subject_ids``: ids of rows of any feature that are theirs (appointments, payments, refunds); what refers to
    things by id only, such as the log of mails, finds the person by them. ``cancelled_ids``: the appointments that
    this erasure has just cancelled. ``kept_until``: the last date of what must be kept; None if nothing must, and
    then the identity need not be kept either. ``kept_ids``: what the treatments keep (see :class:`Treatment`).
    """

    client: Client
    settings: PracticeSettings
    today: date
    subject_ids: frozenset[UUID] = frozenset()
    cancelled_ids: frozenset[UUID] = frozenset()
    kept_until: date | None = None
    kept_ids: frozenset[UUID] = frozenset()

    @property
    def id(self) -> UUID:
        """The client's id."""
        return self.client.id


class PersonalData(Protocol):
    """One feature's personal data of clients.

    ``tables``: every table that it answers for. All methods work in the caller's transaction; in an erasure that
    is under the lock of the account's row, and ``erase`` does what ``plan`` said just before.
    """

    name: str
    tables: frozenset[str]
    classes: frozenset[DataClass]

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Ids of the feature's rows that are the client's and that other features may refer to."""

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Everything stored about the person: no hashes, no tokens, nothing of other people's."""

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """What an erasure would do; a class without rows is left out."""

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Do it; answers what must be kept, to be sealed, or nothing."""


class CancelsAppointments(Protocol):
    """The feature that holds a client's appointments to come."""

    async def preview(self, session: TenantSession, client_id: UUID) -> list[Cancellation]:
        """What :meth:`cancel` would do now."""

    async def cancel(self, session: TenantSession, client_id: UUID) -> list[Cancellation]:
        """Cancel everything to come, as the client would. Locks what it must; call it before any ``erase``."""


_sources: dict[str, PersonalData] = {}
_cancelling: list[CancelsAppointments] = []


def register_personal_data(source: PersonalData) -> None:
    """Have ``source`` answer for its feature; called once at start-up.

    Raises ``ValueError`` if another source has the name or one of the tables.
    """
    for other in _sources.values():
        if other is source:
            return
        if other.name == source.name:
            raise ValueError(f"two sources called {source.name!r}")
        if other.tables & source.tables:
            raise ValueError(f"{source.name!r} and {other.name!r} both claim {sorted(other.tables & source.tables)}")
    _sources[source.name] = source


def register_cancelling(feature: CancelsAppointments) -> None:
    """Have ``feature`` cancel appointments of those who are erased; called once at start-up."""
    if feature not in _cancelling:
        _cancelling.append(feature)


def personal_data_sources() -> tuple[PersonalData, ...]:
    """Every source, in the order of registration: erasing goes through them in this order."""
    return tuple(_sources.values())


def cancelling_features() -> tuple[CancelsAppointments, ...]:
    """Those that hold appointments."""
    return tuple(_cancelling)
