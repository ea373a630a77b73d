"""Clients pay for their appointments: ``/payments``."""

from uuid import UUID

from fastapi import APIRouter

from billing.payments.errors import AlreadyPaidError, MethodNotOfferedError, ProviderUnavailableError
from scheduling.checkout import service
from scheduling.checkout.errors import AppointmentNotPayableError, HoldExpiredError
from scheduling.checkout.schemas import PaymentCreate, PaymentRead
from tenants.accounts.auth import CurrentClient
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.idempotency.service import IdempotencyKeyReusedError
from todoenbalance.kit.web.dependencies import IdempotencyKeyHeader, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/payments", tags=["payments"])


@router.post(
    "",
    status_code=service.CREATED,
    responses=responses(
        NotFoundError,
        HoldExpiredError,
        AppointmentNotPayableError,
        AlreadyPaidError,
        MethodNotOfferedError,
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
    idempotency_key: IdempotencyKeyHeader = None,
) -> PaymentRead:
    """Begin to pay for an appointment; `next_action` says what to do next.

    A payment of the same method that is open already is answered again. `offline` confirms the appointment
    at once: the money is taken at the visit.
    """
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    return await service.start_checkout(runtime, tenant, client.id, body, key=idempotency_key)


@router.get("/{payment_id}", responses=responses(NotFoundError))
async def read_payment(payment_id: UUID, client: CurrentClient, session: TenantSessionDep) -> PaymentRead:
    """One of the caller's payments."""
    return await service.get_own_payment(session, client.id, payment_id)


@router.post("/{payment_id}/confirm", responses=responses(NotFoundError, ProviderUnavailableError))
async def confirm_payment(
    payment_id: UUID, client: CurrentClient, runtime: RuntimeDep, tenant: TenantDep, session: TenantSessionDep
) -> PaymentRead:
    """Settle what can be settled now, for the page that the client returns to. Safe to repeat."""
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    return await service.confirm_payment(runtime, tenant, client.id, payment_id)
