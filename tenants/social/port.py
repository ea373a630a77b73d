"""What a provider of sign-ins does for us: it sends somebody back with a code, and says who that is."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Profile:
    """Somebody as their provider describes them.

    ``subject`` is the only thing that identifies them there (OpenID Connect Core, 5.7). ``is_email_vouched``: the
    provider says that the address was shown to be theirs. Names may be empty.
    """

    subject: str
    email: str | None
    is_email_vouched: bool
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class Registration:
    """How we are known at a provider: the practice's own registration, or the platform's."""

    provider: str
    client_id: str
    client_secret: str


class ProviderError(Exception):
    """The provider did not say who it is. The text is for logs and holds no secret."""


class ProviderDeclinedError(ProviderError):
    """The provider took back what it gave (a code that was used, or is too old), or its answer is not about us."""


class ProviderUnavailableError(ProviderError):
    """The provider did not answer, or not in the way it should; another attempt may work."""


class ProviderMisconfiguredError(ProviderError):
    """The provider does not know us as we are registered: somebody has to look at it."""


class SignInProvider(Protocol):
    """One provider, with one registration there. Neither call changes anything of ours."""

    @property
    def uses_pkce(self) -> bool:
        """Whether it checks a code challenge (RFC 7636)."""

    async def authorization_url(self, redirect_uri: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser. Calls nobody; an empty ``verifier`` is no PKCE."""

    async def fetch_profile(self, code: str, redirect_uri: str, *, nonce: str, verifier: str) -> Profile:
        """Exchange the code, once, and read the profile. Raises :class:`ProviderError`."""
