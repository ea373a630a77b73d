"""A client pays for an appointment with a session of a package: ``/appointments/{id}/use-package``."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from billing.checkout.errors import AppointmentNotPayableError, HoldExpiredError
from billing.packages.errors import NoCreditLeftError, PackageExpiredError, PackageNotForServiceError
from billing.payments.errors import AlreadyPaidError
from scheduling.appointments.history import Actor
from scheduling.appointments.schemas import AppointmentRead
from scheduling.appointments.services.balances import find_standing
from scheduling.checkout.credit import pay_with_credit
from tenants.accounts.auth import CurrentClient
from todoenbalance.kit.errors import NotAuthenticatedError, NotFoundError
from todoenbalance.kit.web.dependencies import TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/appointments", tags=["appointments"], responses=responses(NotAuthenticatedError))

CREDIT_REFUSALS = (
    NotFoundError,
    HoldExpiredError,
    AppointmentNotPayableError,
    AlreadyPaidError,
    NoCreditLeftError,
    PackageExpiredError,
    PackageNotForServiceError,
)


class CreditPayment(BaseModel):
    """Of which package; default: of the one that runs out first."""

    model_config = ConfigDict(extra="forbid")

    package_purchase_id: UUID | None = Field(default=None)


@router.post("/{appointment_id}/use-package", responses=responses(*CREDIT_REFUSALS))
async def use_package(
    appointment_id: UUID, client: CurrentClient, session: TenantSessionDep, body: CreditPayment | None = None
) -> AppointmentRead:
    """Pay for one of the caller's appointments, held or confirmed, with a session of a package. Safe to repeat."""
    wanted = (body or CreditPayment()).package_purchase_id
    actor = Actor.client(client.id)
    row = await pay_with_credit(session, appointment_id, actor=actor, client_id=client.id, purchase_id=wanted)
    return AppointmentRead.of(row, await find_standing(session, row))
