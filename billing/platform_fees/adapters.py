"""Which adapter charges practices: chosen here and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from billing.platform_fees.errors import ChargingNotSetUpError, ChargingRefusedError
from billing.platform_fees.port import PlatformBilling
from billing.platform_fees.stripe_billing import StripePlatformBilling
from billing.providers.port import OutcomeUnknownError, ProviderError
from todoenbalance.kit.errors import ServiceUnavailableError
from todoenbalance.kit.settings import Settings


def is_charging_set_up(settings: Settings) -> bool:
    """Whether the platform has an account by which it can be paid."""
    return settings.providers.stripe.is_set


def platform_billing(settings: Settings) -> PlatformBilling:
    """The platform's account. Raises :class:`ChargingNotSetUpError`."""
    if not is_charging_set_up(settings):
        raise ChargingNotSetUpError
    return StripePlatformBilling(settings)


@contextmanager
def told_to_people() -> Iterator[None]:
    """Turn the port's errors into ones for whoever waits for the answer: again in a moment, or a definite no."""
    try:
        yield
    except OutcomeUnknownError as error:
        raise ServiceUnavailableError from error
    except ProviderError as error:
        raise ChargingRefusedError from error
