"""Clients pay: ``/payments``."""

from uuid import UUID

from fastapi import APIRouter, Depends

from billing.cards.errors import CardsNotKeptError
from billing.checkout import service
from billing.checkout.errors import AppointmentNotPayableError, HoldExpiredError
from billing.checkout.schemas import PaymentCreate, PaymentRead
from billing.payments.errors import (
    AlreadyPaidError,
    AmountNotAcceptedError,
    FlowNotOfferedError,
    MethodNotOfferedError,
    ProviderUnavailableError,
)
from tenants.accounts.auth import CurrentClient, client_limited
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.ratelimit import PAYMENT
from todoenbalance.kit.web.dependencies import IdempotencyKeyHeader, LocaleDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/payments", tags=["payments"])


@router.post(
    "",
    status_code=service.CREATED,
    dependencies=[Depends(client_limited(PAYMENT))],
    responses=responses(
        NotFoundError,
        HoldExpiredError,
        AppointmentNotPayableError,
        AlreadyPaidError,
        MethodNotOfferedError,
        AmountNotAcceptedError,
        FlowNotOfferedError,
        CardsNotKeptError,
        InvalidInputError,
        IdempotencyKeyReusedError,
        ProviderUnavailableError,
    ),
)
async def start_payment(
    body: PaymentCreate,
    client: CurrentClient,
    runtime: RuntimeDep,
    tenant: TenantDep,
    session: TenantSessionDep,
    locale: LocaleDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> PaymentRead:
    """Begin to pay for an appointment or a package; `next_action` says what to do next.

    A payment of the same method that is open already is answered again. `offline` confirms an appointment
    at once: the money is taken at the visit.
    """
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    return await service.start_checkout(runtime, tenant, client.id, body, key=idempotency_key, locale=locale)


@router.get("/{payment_id}", responses=responses(NotFoundError))
async def read_payment(payment_id: UUID, client: CurrentClient, session: TenantSessionDep) -> PaymentRead:
    """One of the caller's payments."""
    return await service.get_own_payment(session, client.id, payment_id)


@router.post(
    "/{payment_id}/confirm",
    responses=responses(NotFoundError, ProviderUnavailableError),
    dependencies=[Depends(client_limited(PAYMENT))],
)
async def confirm_payment(
    payment_id: UUID, client: CurrentClient, runtime: RuntimeDep, tenant: TenantDep, session: TenantSessionDep
) -> PaymentRead:
    """Settle what can be settled now, for the page that the client returns to. Safe to repeat."""
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    return await service.confirm_payment(runtime, tenant, client.id, payment_id)
