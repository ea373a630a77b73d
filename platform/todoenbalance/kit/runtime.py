"""What a process holds for its life: settings, connections, keys. Made at the edge, handed down, never global."""

from dataclasses import dataclass

from todoenbalance.kit.database import Database
from todoenbalance.kit.encryption import Vault
from todoenbalance.kit.ratelimit import RateLimiter
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.kit.settings import Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """The tools of services that need more than a session: two short transactions, links, signatures."""

    settings: Settings
    database: Database
    signer: TokenSigner
    vault: Vault
    limiter: RateLimiter

    @classmethod
    def from_settings(cls, settings: Settings) -> "Runtime":
        """Connections open lazily, on first use."""
        keys = settings.signing_keys
        signer = TokenSigner(keys)
        limiter = RateLimiter(settings.rate_limits, settings.redis_url.get_secret_value(), signer)
        return cls(settings, Database.from_settings(settings), signer, Vault(keys), limiter)

    async def close(self) -> None:
        """Close every connection."""
        await self.limiter.close()
        await self.database.close()
