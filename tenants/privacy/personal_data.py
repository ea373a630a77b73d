"""What privacy and the kit store about a client: consents, receipts, answers kept for repetitions."""

from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, delete, func, or_, select

from tenants.privacy.models import Consent
from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, listed
from tenants.privacy.service import list_consents
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.idempotency.models import IdempotencyKey

_CONSENT = ("document", "version", "locale", "accepted_at")


class ConsentData:
    """What they agreed to. Receipts of erasures name nobody."""

    name = "privacy"
    tables = frozenset({"consents", "erasures"})
    classes = frozenset({DataClass.CONSENTS})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Nothing refers to a consent."""
        del session, client_id
        return frozenset()

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Version and time of each."""
        return {"consents": listed(await list_consents(session, person.id), *_CONSENT)}

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """That the person agreed must be shown as long as something of theirs is kept (GDPR, art. 7.1)."""
        count = len(await list_consents(session, person.id))
        if person.kept_until is None:
            return [Treatment(DataClass.CONSENTS, Action.DELETE, count, Reason.NOT_NEEDED)]
        return [Treatment(DataClass.CONSENTS, Action.BLOCK, count, Reason.BELONGS_TO_RECORD, person.kept_until)]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """The rows go; their content is kept with the record that they belong to."""
        kept = listed(await list_consents(session, person.id), *_CONSENT)
        await session.execute(delete(Consent).where(Consent.client_id == person.id))
        return {"consents": kept} if person.kept_until is not None and kept else {}


class AnswerData:
    """Answers kept under idempotency keys: the client's own, and staff's that speak of them."""

    name = "answers"
    tables = frozenset({"idempotency_keys"})
    classes = frozenset({DataClass.ANSWERS})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Nothing refers to an answer."""
        del session, client_id
        return frozenset()

    async def export(self, session: TenantSession, person: Person) -> Json:
        """When which operation was done; what it answered is in the other parts."""
        statement = select(IdempotencyKey).where(IdempotencyKey.account_id == person.id)
        rows = await session.scalars(statement.order_by(IdempotencyKey.created_at))
        return {"operations": listed(rows, "operation", "created_at")}

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """All of it goes."""
        statement = select(func.count()).select_from(IdempotencyKey).where(_speaks_of(person))
        count = await session.scalar(statement) or 0
        return [Treatment(DataClass.ANSWERS, Action.DELETE, count, Reason.NOT_NEEDED)]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Nothing is kept."""
        statement = delete(IdempotencyKey).where(_speaks_of(person))
        await session.execute(statement.execution_options(synchronize_session=False))
        return {}


def _speaks_of(person: Person) -> ColumnElement[bool]:
    ids = "|".join(str(one) for one in sorted(person.subject_ids | {person.id}))
    return or_(IdempotencyKey.account_id == person.id, cast(IdempotencyKey.response, String).regexp_match(ids))
