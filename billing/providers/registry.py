"""Which adapter serves a method: chosen here and nowhere else."""

from collections.abc import Sequence

from billing.payments.errors import MethodNotOfferedError
from billing.providers import offline, sandbox
from billing.providers.offline import OfflineProvider
from billing.providers.port import PaymentProvider
from billing.providers.sandbox import SandboxProvider, is_sandbox_available
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.tenancy import TenantContext


def usable_methods(settings: Settings, chosen: Sequence[str]) -> list[str]:
    """Of the methods that a practice chose, those that work in this deployment."""
    works = {offline.NAME: True, sandbox.NAME: is_sandbox_available(settings)}
    return [method for method in chosen if works.get(method, False)]


async def provider_for(runtime: Runtime, tenant: TenantContext, method: str) -> PaymentProvider:
    """The practice's account at the provider of ``method``.

    Call it outside a transaction: reading credentials may open one. Raises
    :class:`MethodNotOfferedError` for a method that does not work here.
    """
    if method == offline.NAME:
        return OfflineProvider()
    if method == sandbox.NAME and is_sandbox_available(runtime.settings):
        return SandboxProvider(runtime, tenant)
    raise MethodNotOfferedError(method=method)
