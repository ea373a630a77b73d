"""Kept cards as rows: given, active, replaced, removed. No provider is called here."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from billing.accounts.models import PaymentAccount
from billing.accounts.repository import AccountRepository
from billing.accounts.service import is_usable
from billing.cards.consent import consent_sentence
from billing.cards.errors import CardsNotKeptError
from billing.cards.events import CARD_CHECK, CARD_FORGET
from billing.cards.models import CardStatus, SavedCard
from billing.cards.repository import CardRepository
from billing.payments.models import Payment
from billing.payments.repository import PaymentRepository
from billing.providers.port import CardSeen
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.settings import Settings

METHOD = "stripe"
"""The only one that keeps cards."""
FIRST_CHECK = timedelta(minutes=5)
REPLACED, BY_CLIENT, ERASED = "replaced", "client", "erased"

_log = get_logger("billing.cards")


async def find_keeping_account(session: TenantSession, settings: Settings) -> PaymentAccount | None:
    """The practice's account that keeps cards now, or None."""
    account = await AccountRepository(session).find_present(METHOD)
    return account if account is not None and is_usable(settings, account) else None


async def list_cards(session: TenantSession, client_id: UUID) -> Sequence[SavedCard]:
    """The client's cards that may be charged: one at most."""
    card = await CardRepository(session).find_active(client_id)
    return [card] if card is not None else []


async def find_chargeable(session: TenantSession, settings: Settings, client_id: UUID) -> SavedCard | None:
    """The client's card, if the account that keeps it takes payments now; a card of another account is of no use."""
    account = await find_keeping_account(session, settings)
    card = await CardRepository(session).find_active(client_id) if account is not None else None
    return card if card is not None and account is not None and card.account_id == account.id else None


async def has_cards_page(session: TenantSession, settings: Settings, client_id: UUID) -> bool:
    """Whether there is anything to see or do about cards: the practice keeps them, or this client's is kept."""
    if await find_keeping_account(session, settings) is not None:
        return True
    return await CardRepository(session).find_active(client_id) is not None


async def get_card(session: TenantSession, card_id: UUID, *, client_id: UUID | None = None) -> SavedCard:
    """One card; with ``client_id`` of that client only. Raises :class:`NotFoundError`."""
    card = await CardRepository(session).find(card_id)
    if card is None or (client_id is not None and card.client_id != client_id):
        raise NotFoundError
    return card


async def find_card_charge(session: TenantSession, kind: str, payable_id: UUID) -> tuple[Payment, SavedCard] | None:
    """The payment of something that was charged to a kept card, with the card; None if there is none."""
    for payment in await PaymentRepository(session).list_of_payable(kind, payable_id):
        if payment.saved_card_id is not None and payment.captured_minor:
            return payment, await get_card(session, payment.saved_card_id)
    return None


async def begin_with_payment(
    session: TenantSession, client_id: UUID, account_id: UUID, payment_id: UUID, locale: str
) -> SavedCard:
    """Write down that the client agreed to have the card of a payment kept."""
    return await _begin(session, client_id, account_id, locale, id=new_id(), payment_id=payment_id)


async def begin_alone(
    session: TenantSession,
    settings: Settings,
    client_id: UUID,
    locale: str,
    return_url: str,
    cancel_url: str,
    *,
    card_id: UUID | None = None,
) -> SavedCard:
    """The same without a payment; whether it was given is looked at soon, however the client comes back.

    Raises :class:`CardsNotKeptError`.
    """
    account = await find_keeping_account(session, settings)
    if account is None:
        raise CardsNotKeptError
    ways_back = {"return_url": return_url, "cancel_url": cancel_url}
    card = await _begin(session, client_id, account.id, locale, id=card_id or new_id(), **ways_back)
    await publish(session, CARD_CHECK, {"card_id": str(card.id)}, run_at=clock.now() + FIRST_CHECK)
    return card


async def _begin(
    session: TenantSession, client_id: UUID, account_id: UUID, locale: str, **values: str | UUID
) -> SavedCard:
    now = clock.now()
    card = SavedCard(
        client_id=client_id,
        account_id=account_id,
        status=CardStatus.PENDING,
        consent_text=consent_sentence(session.tenant.name, locale),
        consent_locale=locale,
        consented_at=now,
        created_at=now,
        updated_at=now,
        **values,
    )
    cards = CardRepository(session)
    cards.add(card)
    await cards.flush()
    return card


async def keep_of_payment(session: TenantSession, payment_id: UUID, seen: CardSeen | None) -> None:
    """A payment that was to keep its card is paid: the card may be charged, or was none that can be kept."""
    card = await CardRepository(session).find_of_payment(payment_id)
    if card is not None:
        await settle_card(session, card.id, seen, is_over=True)


async def settle_card(session: TenantSession, card_id: UUID, seen: CardSeen | None, *, is_over: bool) -> SavedCard:
    """Let what the provider says of a card that is being given move it; a newer card replaces the one before.

    One that was removed meanwhile is forgotten again. Raises :class:`NotFoundError`.
    """
    cards = CardRepository(session)
    await cards.lock_client((await get_card(session, card_id)).client_id)
    card = await cards.find(card_id, for_update=True)
    if card is None:
        raise NotFoundError
    if card.status == CardStatus.PENDING and seen is not None:
        before = await cards.find_active(card.client_id)
        if before is not None:
            await _end(session, before, REPLACED)
            await cards.flush()  # one is active at a time
        _describe(card, seen)
        card.status = CardStatus.ACTIVE
        _log.info("card_kept", card_id=str(card.id))
    elif card.status == CardStatus.PENDING and is_over:
        card.status, card.next_url = CardStatus.FAILED, None
    elif card.status == CardStatus.REMOVED and seen is not None and card.customer_ref is None:
        card.customer_ref, card.method_ref = seen.card.customer_ref, seen.card.method_ref
        await _forget(session, card)
    card.updated_at = clock.now()
    return card


def _describe(card: SavedCard, seen: CardSeen) -> None:
    card.customer_ref, card.method_ref = seen.card.customer_ref, seen.card.method_ref
    card.brand, card.last_four = seen.brand, seen.last_four
    card.expires_month, card.expires_year = seen.expires_month, seen.expires_year
    card.next_url = None


async def remove_card(session: TenantSession, client_id: UUID, card_id: UUID) -> None:
    """The client takes a card back; the provider forgets it after the commit. Raises :class:`NotFoundError`."""
    cards = CardRepository(session)
    await cards.lock_client(client_id)
    card = await get_card(session, card_id, client_id=client_id)
    if card.status not in (CardStatus.ACTIVE, CardStatus.PENDING):
        raise NotFoundError
    await _end(session, card, BY_CLIENT)


async def forget_client(session: TenantSession, client_id: UUID) -> int:
    """Have every card of a client's forgotten, here and at the provider; answers how many there were."""
    cards = CardRepository(session)
    await cards.lock_client(client_id)
    found = await cards.list_of_client(client_id)
    for card in found:
        if card.status in (CardStatus.ACTIVE, CardStatus.PENDING):
            await _end(session, card, ERASED)
        card.brand = card.last_four = card.expires_month = card.expires_year = None
    return len(found)


async def _end(session: TenantSession, card: SavedCard, because: str) -> None:
    card.status, card.next_url = CardStatus.REMOVED, None
    card.removed_at = card.updated_at = clock.now()
    card.removed_because = because
    if card.customer_ref is not None:
        await _forget(session, card)


async def _forget(session: TenantSession, card: SavedCard) -> None:
    payload = {
        "account_id": str(card.account_id),
        "customer_ref": str(card.customer_ref),
        "method_ref": str(card.method_ref),
    }
    await publish(session, CARD_FORGET, payload)
