"""What kept cards store about a client."""

from uuid import UUID

from billing.cards.repository import CardRepository
from billing.cards.service import forget_client
from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, listed
from todoenbalance.kit.database import TenantSession

_CARD = (
    "id",
    "status",
    "brand",
    "last_four",
    "expires_month",
    "expires_year",
    "consent_text",
    "consented_at",
    "removed_at",
    "removed_because",
    "created_at",
)


class CardData:
    """Brand, last digits and date go, here and with the provider; that there was consent stays, and names nobody."""

    name = "cards"
    tables = frozenset({"saved_cards"})
    classes = frozenset({DataClass.CARDS})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """No mail is about a card."""
        return frozenset()

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Every card that was ever given."""
        return {"cards": listed(await CardRepository(session).list_of_client(person.id), *_CARD)}

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """All of them."""
        count = len(await CardRepository(session).list_of_client(person.id))
        return [Treatment(DataClass.CARDS, Action.ANONYMISE, count, Reason.ACCOUNTABILITY)]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """Have them forgotten."""
        await forget_client(session, person.id)
        return {}
