"""The buttons of Google and Facebook on the pages for signing in and registering."""

from typing import Any

from client_portal.page import VisitorPage
from tenants.privacy.service import get_policy
from tenants.social.flows import DENIED, UNAVAILABLE
from tenants.social.models import SocialProvider
from tenants.social.registrations import list_offered


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


PROVIDER_NAMES = {SocialProvider.GOOGLE: "Google", SocialProvider.FACEBOOK: "Facebook"}
_OUTCOMES = {
    DENIED: _("You did not allow it there, so nothing has changed here."),
    UNAVAILABLE: _("That did not work just now. Try again, or choose another way."),
}


async def social_choices(page: VisitorPage, outcome: str = "") -> dict[str, Any]:
    """What ``social_buttons.html`` needs; ``outcome`` is why a browser came back from a provider without a sign-in."""
    offered = await list_offered(page.session, page.runtime)
    policy = await get_policy(page.session) if offered else None
    return {
        "social_offered": [(provider, PROVIDER_NAMES[provider]) for provider in offered],
        "social_outcome": outcome_words(page, outcome),
        "policy_url": policy.url if policy else None,
    }


def outcome_words(page: VisitorPage, outcome: str) -> str | None:
    """A sentence for someone whom the provider sent back without a sign-in; None for anything else."""
    return page.t(_OUTCOMES[outcome]) if outcome in _OUTCOMES else None
