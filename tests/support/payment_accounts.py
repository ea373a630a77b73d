"""An owner who connects accounts, and what the tests look at."""

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import select

from billing.accounts.models import PaymentAccount
from tenants.accounts.models import StaffAuditEntry
from tenants.settings.service import get_practice_settings, usable_methods
from tests.support.events import queued, run_due_events
from tests.support.practices import SignedIn
from tests.support.providers.paypal_server import PayPalServer
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

API = "/api/v1/admin/payment-accounts"
PUBLISHABLE = "pk_test_ours1234"


@dataclass
class Counter:
    """The owner's side of one practice."""

    runtime: Runtime
    practice: TenantContext
    api: httpx.AsyncClient
    owner: SignedIn
    stripe: StripeServer
    paypal: PayPalServer

    async def connect(self) -> dict[str, Any]:
        """Begin at Stripe; the answer."""
        answer = await self.api.post(f"{API}/stripe/connect")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def connected(self) -> str:
        """Connect and fill everything in; Stripe's name for the account."""
        await self.connect()
        account_ref = (await self.present("stripe")).account_ref
        assert account_ref is not None
        self.stripe.onboard(account_ref)
        await self.check("stripe")
        return account_ref

    def own_account(self) -> tuple[str, str]:
        """A Stripe account of the practice's own, which Stripe asks nothing of: its name and its secret key."""
        account_ref, key = self.stripe.add_own_account()
        self.stripe.onboard(account_ref)
        return account_ref, key

    async def put_keys(self, secret_key: str, publishable_key: str = PUBLISHABLE) -> httpx.Response:
        body = {"secret_key": secret_key, "publishable_key": publishable_key}
        return await self.api.put(f"{API}/stripe/keys", json=body)

    @property
    def client_id(self) -> str:
        """The practice's own at PayPal: an account is one practice's alone."""
        return f"client-{self.practice.key}"

    def webhooks_at_paypal(self) -> list[dict[str, Any]]:
        """What the practice's app at PayPal calls."""
        return list(self.paypal.world.app(self.client_id).webhooks.values())

    async def put_paypal(self, client_secret: str = "secret", mode: str = "test") -> httpx.Response:
        body = {"client_id": self.client_id, "client_secret": client_secret, "mode": mode}
        return await self.api.put(f"{API}/paypal", json=body)

    async def check(self, provider: str) -> dict[str, Any]:
        answer = await self.api.post(f"{API}/{provider}/check")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["account"] or {})

    async def disconnect(self, provider: str) -> dict[str, Any]:
        answer = await self.api.delete(f"{API}/{provider}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def accounts(self, provider: str) -> list[PaymentAccount]:
        """Every row, newest first."""
        async with self.runtime.database.tenant(self.practice) as session:
            statement = select(PaymentAccount).where(PaymentAccount.provider == provider)
            return list((await session.scalars(statement.order_by(PaymentAccount.id.desc()))).all())

    async def present(self, provider: str) -> PaymentAccount:
        """The newest row."""
        return (await self.accounts(provider))[0]

    async def methods(self) -> list[str]:
        """What clients are offered."""
        async with self.runtime.database.tenant(self.practice) as session:
            return usable_methods(self.runtime.settings, await get_practice_settings(session))

    async def audit(self) -> list[str]:
        """What the audit trail says of payment accounts, oldest first."""
        async with self.runtime.database.tenant(self.practice) as session:
            entries = (await session.scalars(select(StaffAuditEntry).order_by(StaffAuditEntry.id))).all()
        return [entry.action for entry in entries if entry.action.startswith("payment_account.")]

    async def run(self, **options: Any) -> int:
        """What the queue has due."""
        return await run_due_events(self.runtime, self.practice, **options)

    async def topics(self) -> list[str]:
        """What waits in the queue."""
        return [row.topic for row in await queued(self.runtime, self.practice)]
