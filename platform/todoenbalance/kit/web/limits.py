"""Rate limits where requests come in: a dependency for the address, a call for the account."""

from collections.abc import Awaitable, Callable

from todoenbalance.kit.ratelimit import Policy
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.web.context import RequestContext
from todoenbalance.kit.web.dependencies import ContextDep, RuntimeDep


def limited(policy: Policy) -> Callable[..., Awaitable[None]]:
    """A dependency: count the request by the address it comes from, before anything else is done for it.

    One count for all practices: whoever guesses at many of them has no more tries for it.
    """

    async def check(runtime: RuntimeDep, context: ContextDep) -> None:
        await runtime.limiter.hit(policy, address=context.device.address)

    check.rate_limit = policy  # type: ignore[attr-defined]  # read by kit.web.contract
    return check


async def limit_account(
    runtime: Runtime, context: RequestContext, policy: Policy, account: str, *, purpose: str = ""
) -> None:
    """Count the request by the account that it names, known or not. Raises ``TooManyRequestsError``.

    ``purpose``: what is counted by itself under the same policy. Of mailed links each kind is: otherwise whoever uses
    up the limit by asking for those that nobody is mailed would shut the ways in that the others open.
    Asks Redis: not while a transaction is open.
    """
    where = context.tenant.key if context.tenant else "platform"
    who = f"{purpose}:{account.lower()}" if purpose else account.lower()
    await runtime.limiter.hit(policy, account=f"{where}:{who}")
