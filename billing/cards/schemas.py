"""Kept cards in the API."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from billing.cards.models import CardStatus, SavedCard
from billing.checkout.schemas import WayBack
from todoenbalance.kit import clock


class CardRead(BaseModel):
    """A kept card. `next_url`: where the client gives it, while it is `pending`.

    `is_expired`: the month that is printed on it is over. It is tried all the same; another should be asked for.
    """

    id: UUID
    status: CardStatus
    brand: str | None
    last_four: str | None
    expires_month: int | None
    expires_year: int | None
    is_expired: bool
    consent: str
    consented_at: datetime
    next_url: str | None

    @classmethod
    def of(cls, card: SavedCard) -> Self:
        """The row as the API shows it."""
        return cls(
            id=card.id,
            status=CardStatus(card.status),
            brand=card.brand,
            last_four=card.last_four,
            expires_month=card.expires_month,
            expires_year=card.expires_year,
            is_expired=card.is_expired(clock.now()),
            consent=card.consent_text,
            consented_at=card.consented_at,
            next_url=card.next_url,
        )


class CardsRead(BaseModel):
    """The client's card, if one is kept. `consent`: the sentence to agree to before another is given.

    `can_be_kept`: whether the practice's way of taking payments keeps cards now.
    """

    items: list[CardRead]
    consent: str
    can_be_kept: bool


class CardCreate(BaseModel):
    """A card is to be kept. `consent`: the client agreed to the sentence that `GET /users/me/cards` answers."""

    model_config = ConfigDict(extra="forbid")

    consent: bool = Field(description="Must be true.")
    return_url: WayBack = "/"
    cancel_url: WayBack = "/"
