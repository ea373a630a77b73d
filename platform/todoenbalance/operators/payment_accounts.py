"""For operators: how a practice's accounts at payment providers stand. Read only; credentials are not theirs to see."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from billing.accounts import overview
from billing.accounts.models import AccountKind, AccountStatus
from billing.accounts.schemas import ChecklistItemRead
from tenants.registry import service as registry
from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.settings import PaymentMode
from todoenbalance.kit.web.dependencies import LocaleDep, PlatformSessionDep, RuntimeDep
from todoenbalance.kit.web.problems import responses
from todoenbalance.operators.auth import CurrentOperator

router = APIRouter(tags=["operators"])


class PracticeAccountRead(BaseModel):
    """An account of a practice's, as much as support needs."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    kind: AccountKind
    mode: PaymentMode
    status: AccountStatus
    is_usable: bool
    account_ref: str | None
    charges_enabled: bool
    payouts_enabled: bool
    checklist: list[ChecklistItemRead]
    deadline: datetime | None
    reason: str | None
    problem: str | None
    has_webhook: bool
    checked_at: datetime | None
    connected_at: datetime | None
    disconnected_at: datetime | None


class PracticeAccountList(BaseModel):
    """All of them, those that are connected first."""

    items: list[PracticeAccountRead]


@router.get("/tenants/{tenant_id}/payment-accounts", responses=responses(NotFoundError))
async def list_payment_accounts(
    tenant_id: UUID, _operator: CurrentOperator, session: PlatformSessionDep, runtime: RuntimeDep, locale: LocaleDep
) -> PracticeAccountList:
    """A practice's accounts at payment providers, disconnected ones too: state, what is due, what is wrong."""
    tenant = await registry.get_tenant(session, tenant_id)
    await give_connection_back(session)
    async with runtime.database.tenant(registry.to_context(tenant)) as practice:
        providers = await overview.list_providers(practice, runtime.settings, locale)
    present = [one.account for one in providers if one.account is not None]
    former = [view for one in providers for view in one.former]
    return PracticeAccountList(items=[PracticeAccountRead.model_validate(view) for view in [*present, *former]])
