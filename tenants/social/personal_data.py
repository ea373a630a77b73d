"""What signing in by Google or Facebook stores about a client."""

from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select

from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, listed
from tenants.social.models import SocialHandoff, SocialIdentity, SocialSignUp
from todoenbalance.kit.database import TenantSession


class SocialData:
    """Identities at providers, and steps of a sign-in under way."""

    name = "social"
    tables = frozenset({"social_identities", "social_handoffs", "social_sign_ups"})
    classes = frozenset({DataClass.IDENTITIES})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Nothing refers to an identity."""
        del session, client_id
        return frozenset()

    async def export(self, session: TenantSession, person: Person) -> Json:
        """With the number by which the provider knows the person."""
        rows = await self._identities(session, person)
        return {"identities": listed(rows, "provider", "subject", "email", "created_at", "last_used_at")}

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """All of it goes."""
        count = len(await self._identities(session, person))
        for model in (SocialHandoff, SocialSignUp):
            which = await self._under_way(session, person, model)
            count += await session.scalar(select(func.count()).select_from(model).where(which)) or 0
        return [Treatment(DataClass.IDENTITIES, Action.DELETE, count, Reason.NOT_NEEDED)]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Nothing is kept."""
        for model in (SocialHandoff, SocialSignUp):
            await session.execute(delete(model).where(await self._under_way(session, person, model)))
        await session.execute(delete(SocialIdentity).where(SocialIdentity.client_id == person.id))
        return {}

    async def _identities(self, session: TenantSession, person: Person) -> list[SocialIdentity]:
        statement = select(SocialIdentity).where(SocialIdentity.client_id == person.id).order_by(SocialIdentity.id)
        return list((await session.scalars(statement)).all())

    async def _under_way(
        self, session: TenantSession, person: Person, model: type[SocialHandoff | SocialSignUp]
    ) -> ColumnElement[bool]:
        known = [
            and_(model.provider == one.provider, model.subject == one.subject)
            for one in await self._identities(session, person)
        ]
        linking = [SocialHandoff.link_client_id == person.id] if model is SocialHandoff else []
        return or_(func.lower(model.email) == person.client.email.lower(), *known, *linking)
