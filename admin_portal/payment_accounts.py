"""The practice's accounts at payment providers: ``/admin/payment-accounts``. For owners; no secret is answered."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends

from billing.accounts import connecting, disconnecting, overview, own_keys, paypal
from billing.accounts.authors import Author
from billing.accounts.errors import (
    AccountProviderUnavailableError,
    AccountStillNeededError,
    AccountTakenError,
    AnotherAccountConnectedError,
    ConnectionEndedError,
    ConnectNotOfferedError,
)
from billing.accounts.following import check_now
from billing.accounts.port import PAYPAL, STRIPE, OnboardingLink
from billing.accounts.schemas import (
    OnboardingLinkRead,
    PaymentProviderList,
    PaymentProviderRead,
    PayPalPut,
    StripeKeysPut,
)
from tenants.accounts.auth import staff_who_may
from tenants.accounts.models import Staff
from tenants.accounts.permissions import Permission
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.dependencies import ContextDep, LocaleDep, RuntimeDep, TenantDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/payment-accounts", tags=["staff: settings"])
Owner = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_PAYMENT_ACCOUNTS))]
FreshOwner = Annotated[Staff, Depends(staff_who_may(Permission.MANAGE_PAYMENT_ACCOUNTS, fresh=True))]
Provider = Literal["stripe", "paypal"]


@router.get("")
async def read_payment_accounts(
    _owner: Owner, session: TenantSessionDep, runtime: RuntimeDep, locale: LocaleDep
) -> PaymentProviderList:
    """Each provider: its account, whether clients can pay by it, what the provider still asks for and until when."""
    views = await overview.list_providers(session, runtime.settings, locale)
    return PaymentProviderList(items=[PaymentProviderRead.model_validate(view) for view in views])


@router.post(
    "/stripe/connect",
    responses=responses(
        ConnectNotOfferedError, AnotherAccountConnectedError, ConnectionEndedError, AccountProviderUnavailableError
    ),
)
async def connect_stripe(
    owner: FreshOwner, session: TenantSessionDep, runtime: RuntimeDep, tenant: TenantDep, context: ContextDep
) -> OnboardingLinkRead:
    """Have Stripe make the practice an account, unless it has one, and answer where its owner fills it in.

    Repeating makes a new link to the same account.
    """
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    author = Author(owner.id, context.request_id)
    link = await connecting.begin_connection(runtime, tenant, author, context.hostname)
    return _read_link(link)


@router.post(
    "/stripe/onboarding-link",
    responses=responses(
        NotFoundError,
        ConnectNotOfferedError,
        AnotherAccountConnectedError,
        ConnectionEndedError,
        AccountProviderUnavailableError,
    ),
)
async def make_onboarding_link(
    owner: FreshOwner, session: TenantSessionDep, runtime: RuntimeDep, tenant: TenantDep, context: ContextDep
) -> OnboardingLinkRead:
    """A new link for the connection that was begun: each works once, for a few minutes."""
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    author = Author(owner.id, context.request_id)
    link = await connecting.continue_connection(runtime, tenant, author, context.hostname)
    return _read_link(link)


@router.put(
    "/stripe/keys",
    responses=responses(
        InvalidInputError, AccountTakenError, AnotherAccountConnectedError, AccountProviderUnavailableError
    ),
)
async def put_stripe_keys(
    body: StripeKeysPut,
    owner: FreshOwner,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    tenant: TenantDep,
    context: ContextDep,
    locale: LocaleDep,
) -> PaymentProviderRead:
    """Be paid into the practice's own Stripe account: its keys are tried and sealed, its webhook is set up."""
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    await own_keys.connect_own_keys(
        runtime,
        tenant,
        Author(owner.id, context.request_id),
        secret_key=body.secret_key.get_secret_value().strip(),
        publishable_key=body.publishable_key,
    )
    return await _read(runtime, tenant, STRIPE, locale)


@router.put(
    "/paypal",
    responses=responses(
        InvalidInputError, AccountTakenError, AnotherAccountConnectedError, AccountProviderUnavailableError
    ),
)
async def put_paypal(
    body: PayPalPut,
    owner: FreshOwner,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    tenant: TenantDep,
    context: ContextDep,
    locale: LocaleDep,
) -> PaymentProviderRead:
    """Be paid by PayPal: the credentials are tried at the host of their mode and sealed, a webhook is set up."""
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    await paypal.connect_paypal(
        runtime,
        tenant,
        Author(owner.id, context.request_id),
        client_id=body.client_id,
        client_secret=body.client_secret.get_secret_value().strip(),
        mode=body.mode,
    )
    return await _read(runtime, tenant, PAYPAL, locale)


@router.post("/{provider}/check", responses=responses(NotFoundError, AccountProviderUnavailableError))
async def check_payment_account(
    provider: Provider,
    _owner: FreshOwner,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    tenant: TenantDep,
    locale: LocaleDep,
) -> PaymentProviderRead:
    """Look at the account at the provider now; otherwise it is looked at each day and when the provider says so."""
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    await check_now(runtime, tenant, provider)
    return await _read(runtime, tenant, provider, locale)


@router.delete("/{provider}", responses=responses(NotFoundError))
async def disconnect_payment_account(
    provider: Provider,
    owner: FreshOwner,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    locale: LocaleDep,
) -> PaymentProviderRead:
    """Offer it to clients no more. What was paid stays refundable as long as the provider lets us.

    Open orders are cancelled, our access or webhook is taken back at the provider soon after, and the credentials
    are forgotten once no refund can need them.
    """
    await disconnecting.disconnect(session, Author(owner.id, context.request_id), provider)
    view = await overview.get_account_view(session, runtime.settings, provider, locale)
    return PaymentProviderRead.model_validate(view)


@router.post("/{provider}/forget", status_code=204, responses=responses(NotFoundError, AccountStillNeededError))
async def forget_payment_account(
    provider: Provider,
    owner: FreshOwner,
    session: TenantSessionDep,
    runtime: RuntimeDep,
    tenant: TenantDep,
    context: ContextDep,
) -> None:
    """Forget disconnected accounts' credentials now: what was paid through them can't be refunded from here then."""
    await runtime.database.commit(session)  # it authenticated; the provider is not called inside a transaction
    await disconnecting.forget_credentials(runtime, tenant, Author(owner.id, context.request_id), provider)


def _read_link(link: OnboardingLink) -> OnboardingLinkRead:
    return OnboardingLinkRead.model_validate(link)


async def _read(runtime: Runtime, tenant: TenantContext, provider: str, locale: str) -> PaymentProviderRead:
    async with runtime.database.tenant(tenant) as session:
        view = await overview.get_account_view(session, runtime.settings, provider, locale)
    return PaymentProviderRead.model_validate(view)
