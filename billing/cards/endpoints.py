"""Clients have a card kept, see it and take it back: ``/users/me/cards``."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from billing.cards import giving, service
from billing.cards.consent import consent_sentence
from billing.cards.errors import CardsNotKeptError, ConsentNeededError
from billing.cards.schemas import CardCreate, CardRead, CardsRead
from billing.checkout.return_urls import resolve_way_back
from billing.payments.errors import ProviderUnavailableError
from tenants.accounts.auth import CurrentClient, client_limited
from todoenbalance.kit.errors import InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.ratelimit import PAYMENT
from todoenbalance.kit.web.dependencies import LocaleDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/users/me/cards", tags=["cards"], responses=responses(NotAuthenticatedError))


@router.get("")
async def list_cards(
    client: CurrentClient, runtime: RuntimeDep, session: TenantSessionDep, locale: LocaleDep
) -> CardsRead:
    """The caller's kept card, and what somebody agrees to who has one kept."""
    return CardsRead(
        items=[CardRead.of(card) for card in await service.list_cards(session, client.id)],
        consent=consent_sentence(session.tenant.name, locale),
        can_be_kept=await service.find_keeping_account(session, runtime.settings) is not None,
    )


@router.post(
    "",
    status_code=201,
    responses=responses(ConsentNeededError, CardsNotKeptError, InvalidInputError, ProviderUnavailableError),
    dependencies=[Depends(client_limited(PAYMENT))],
)
async def add_card(
    body: CardCreate,
    client: CurrentClient,
    runtime: RuntimeDep,
    tenant: TenantDep,
    session: TenantSessionDep,
    locale: LocaleDep,
) -> CardRead:
    """Begin to give a card, for fees for not coming: send the client to `next_url`. Nothing is paid."""
    if not body.consent:
        raise ConsentNeededError
    return_url, cancel_url = (
        resolve_way_back(getattr(body, field), field, runtime.settings, tenant)
        for field in ("return_url", "cancel_url")
    )
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    return CardRead.of(await giving.start_card(runtime, tenant, client.id, locale, return_url, cancel_url))


@router.post(
    "/{card_id}/confirm",
    responses=responses(NotFoundError, ProviderUnavailableError),
    dependencies=[Depends(client_limited(PAYMENT))],
)
async def confirm_card(
    card_id: UUID, client: CurrentClient, runtime: RuntimeDep, tenant: TenantDep, session: TenantSessionDep
) -> CardRead:
    """See whether the card was given, for the page that the client returns to. Safe to repeat."""
    await runtime.database.commit(session)  # as above
    return CardRead.of(await giving.confirm_card(runtime, tenant, client.id, card_id))


@router.delete("/{card_id}", status_code=204, responses=responses(NotFoundError))
async def remove_card(card_id: UUID, client: CurrentClient, session: TenantSessionDep) -> Response:
    """Take a card back: it can't be charged any more, and the provider forgets it."""
    await service.remove_card(session, client.id, card_id)
    return Response(status_code=204)
