"""A practice that is paid through the local PayPal."""

from collections.abc import Iterator

import pytest

from billing.accounts.models import PaymentAccount
from billing.accounts.service import load_access
from billing.providers.paypal.adapter import PayPalProvider
from billing.providers.paypal.transport import forget_transports
from billing.providers.paypal.verification import forget_certificates
from tests.billing.providers.paypal.till import CLIENT_ID, Till
from tests.support.checkout import Desk, make_desk
from tests.support.connected_accounts import connect_paypal, paypal_runtime
from tests.support.providers.fixtures import paypal_server
from tests.support.providers.paypal_server import PayPalServer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

__all__ = ["paypal_server"]


@pytest.fixture
def paypal_side(runtime: Runtime, paypal_server: PayPalServer) -> Iterator[Runtime]:
    """The process's tools, with the local PayPal in PayPal's place."""
    forget_certificates()
    yield paypal_runtime(runtime, paypal_server)
    forget_transports()
    forget_certificates()


@pytest.fixture
async def account(paypal_side: Runtime, practice: TenantContext, paypal_server: PayPalServer) -> PaymentAccount:
    """The practice's app at PayPal, whose webhooks a test carries itself."""
    return await connect_paypal(paypal_side, practice, paypal_server, CLIENT_ID)


@pytest.fixture
async def provider(paypal_side: Runtime, practice: TenantContext, account: PaymentAccount) -> PayPalProvider:
    """The adapter for the practice's account."""
    return PayPalProvider(paypal_side, await load_access(paypal_side, practice, "paypal", account.id))


@pytest.fixture
async def desk(paypal_side: Runtime, practice: TenantContext, account: PaymentAccount) -> Desk:
    """A practice that can be booked, and paid by PayPal."""
    return await make_desk(paypal_side, practice)


@pytest.fixture
def till(desk: Desk, paypal_server: PayPalServer, account: PaymentAccount) -> Till:
    """The same, with both sides' moves."""
    return Till(desk, paypal_server, str(account.webhook_ref))
