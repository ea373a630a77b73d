"""How long to wait for a provider that did not answer."""

import random

_FIRST_SECONDS, _GROWS, _LONGEST_SECONDS = 30.0, 4.0, 7200.0


def wait_after(attempts: int) -> float:
    """How many seconds to wait after so many attempts that were not answered: half a minute, two, eight, …

    A provider that takes messages and is too slow to say so would be handed the same one again and again; so a day has
    some sixteen attempts. With jitter, so that what failed together does not come back together.
    """
    wait = min(_FIRST_SECONDS * _GROWS ** min(max(attempts - 1, 0), 10), _LONGEST_SECONDS)
    return wait * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, guards nothing
