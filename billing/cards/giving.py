"""A client gives a card without paying: the provider's page, the way back, and a look at it where nobody came back."""

from datetime import timedelta
from uuid import UUID

from billing.cards import service
from billing.cards.models import CardStatus, SavedCard
from billing.cards.repository import CardRepository
from billing.payments.errors import MethodNotOfferedError, ProviderUnavailableError
from billing.providers.port import (
    CardOnFile,
    CardRequest,
    DeclinedError,
    NotAuthorisedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ProviderError,
    ProviderMisconfiguredError,
)
from billing.providers.registry import card_keeper_for
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

GIVEN_UP_AFTER = timedelta(hours=25)
"""From then on the provider's page is closed for certain."""
_log = get_logger("billing.cards")


async def start_card(
    runtime: Runtime,
    tenant: TenantContext,
    client_id: UUID,
    locale: str,
    return_url: str,
    cancel_url: str,
    *,
    card_id: UUID | None = None,
) -> SavedCard:
    """Write the client's consent down and open the provider's page; ``next_url`` is its address.

    Both addresses are the practice's own, checked by the caller; ``card_id`` is a new id for the card, where they are
    to name it. Raises :class:`~billing.cards.errors.CardsNotKeptError`, :class:`ProviderUnavailableError`.
    """
    async with runtime.database.tenant(tenant) as session:
        card = await service.begin_alone(
            session, runtime.settings, client_id, locale, return_url, cancel_url, card_id=card_id
        )
    try:
        return await _ask(runtime, tenant, card)
    except (ProviderError, MethodNotOfferedError) as error:
        _log.warning("card_not_started", card_id=str(card.id), code=error.code)
        raise ProviderUnavailableError from error


async def _ask(runtime: Runtime, tenant: TenantContext, card: SavedCard) -> SavedCard:
    keeper = await card_keeper_for(runtime, tenant, card.account_id)
    request = CardRequest(
        card.id, str(card.return_url), str(card.cancel_url), card.consent_locale, made_at=card.created_at
    )
    started = await keeper.start_card(request)
    async with runtime.database.tenant(tenant) as session:
        row = await CardRepository(session).find(card.id, for_update=True)
        if row is None:  # the client's data were erased meanwhile
            return card
        row.setup_ref = started.setup_ref
        if row.status == CardStatus.PENDING:
            row.next_url = started.url
        row.updated_at = clock.now()
        return row


async def confirm_card(runtime: Runtime, tenant: TenantContext, client_id: UUID, card_id: UUID) -> SavedCard:
    """See what became of it, for the page to which the client returns. Safe to repeat.

    Raises ``NotFoundError``, :class:`ProviderUnavailableError`.
    """
    async with runtime.database.tenant(tenant) as session:
        card = await service.get_card(session, card_id, client_id=client_id)
    try:
        return await _read(runtime, tenant, card)
    except (ProviderError, MethodNotOfferedError) as error:
        _log.warning("card_not_read", card_id=str(card_id), code=error.code)
        raise ProviderUnavailableError from error


async def check_card(runtime: Runtime, tenant: TenantContext, card_id: UUID) -> timedelta | None:
    """The same where nobody came back; how long it has been waiting if it still is, None once it is decided.

    Raises :class:`OutcomeUnknownError`; what is beyond that ends it, as a card that is not there can't be charged.
    """
    async with runtime.database.tenant(tenant) as session:
        card = await CardRepository(session).find(card_id)
    if card is None or card.status != CardStatus.PENDING:
        return None
    age = clock.now() - card.created_at
    try:
        if age > GIVEN_UP_AFTER:
            card = await _read(runtime, tenant, card, is_over=True)
        else:
            card = await _read(runtime, tenant, card if card.setup_ref else await _ask(runtime, tenant, card))
    except (DeclinedError, NotAuthorisedError, ProviderMisconfiguredError, ObjectNotFoundError) as error:
        _log.warning("card_given_up", card_id=str(card_id), code=error.code)
        await _settle(runtime, tenant, card, is_over=True)
        return None
    return age if card.status == CardStatus.PENDING else None


async def _read(runtime: Runtime, tenant: TenantContext, card: SavedCard, *, is_over: bool = False) -> SavedCard:
    if card.setup_ref is None:
        return await _settle(runtime, tenant, card, is_over=is_over)
    keeper = await card_keeper_for(runtime, tenant, card.account_id)
    reading = await keeper.fetch_card(card.setup_ref)
    if reading.card_id != card.id:
        _log.error("card_mismatch", card_id=str(card.id))
        raise ProviderMisconfiguredError("card_mismatch")
    async with runtime.database.tenant(tenant) as session:
        return await service.settle_card(session, card.id, reading.seen, is_over=reading.is_over or is_over)


async def _settle(runtime: Runtime, tenant: TenantContext, card: SavedCard, *, is_over: bool) -> SavedCard:
    async with runtime.database.tenant(tenant) as session:
        return await service.settle_card(session, card.id, None, is_over=is_over)


async def forget_card(runtime: Runtime, tenant: TenantContext, account_id: UUID, card: CardOnFile) -> None:
    """Have the provider forget a card. Nothing where the account can't be reached any more.

    Raises :class:`OutcomeUnknownError`.
    """
    try:
        await (await card_keeper_for(runtime, tenant, account_id)).forget_card(card)
    except OutcomeUnknownError:
        raise
    except (ProviderError, MethodNotOfferedError) as error:
        _log.warning("card_not_forgotten", account_id=str(account_id), code=error.code)
