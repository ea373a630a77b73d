"""What a practice may do by its plan, and what it may not while it owes money. The one place that decides it.

Services call :func:`need`, so that the API, the pages and whatever comes are held by the same rule. What is not named
here can't be withheld: the booking page, paying, cancelling, refunding, reminders, the calendar, and what the law
gives to clients go on whatever a practice owes.
"""

from enum import StrEnum

from tenants.plans.errors import NotInPlanError, PracticePastDueError
from todoenbalance.kit import clock
from todoenbalance.kit.tenancy import TenantContext


class Capability(StrEnum):
    """Something that a plan may withhold."""

    INVITE_STAFF = "invite_staff"
    ADD_PRACTITIONERS = "add_practitioners"
    CHANGE_BRANDING = "change_branding"
    OWN_SIGN_IN_PROVIDERS = "own_sign_in_providers"
    ADD_PACKAGES = "add_packages"


WITHHELD_WHEN_PAST_DUE: frozenset[Capability] = frozenset(Capability)
"""What grows the practice or dresses it up; what is there already stays and goes on working."""


def is_restricted(tenant: TenantContext) -> bool:
    """Whether the practice owes money for longer than the days of grace."""
    return tenant.restricted_from is not None and tenant.restricted_from <= clock.now()


def may_use(tenant: TenantContext, capability: Capability) -> bool:
    """Whether the plan includes it and nothing that is owed stands in its way."""
    is_withheld = is_restricted(tenant) and capability in WITHHELD_WHEN_PAST_DUE
    return capability not in tenant.withheld and not is_withheld


def need(tenant: TenantContext, capability: Capability) -> None:
    """Raises :class:`PracticePastDueError` or :class:`NotInPlanError` (both 402) if it may not be used."""
    if is_restricted(tenant) and capability in WITHHELD_WHEN_PAST_DUE:
        raise PracticePastDueError
    if capability in tenant.withheld:
        raise NotInPlanError
