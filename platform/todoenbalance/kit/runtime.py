"""What a process holds for its life: settings, connections, keys. Made at the edge, handed down, never global."""

from dataclasses import dataclass

from todoenbalance.kit.database import Database
from todoenbalance.kit.encryption import Vault
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.kit.settings import Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """The tools of services that need more than a session: two short transactions, links, signatures."""

    settings: Settings
    database: Database
    signer: TokenSigner
    vault: Vault

    @classmethod
    def from_settings(cls, settings: Settings) -> "Runtime":
        """Connections open lazily, on first use."""
        keys = settings.signing_keys
        return cls(settings, Database.from_settings(settings), TokenSigner(keys), Vault(keys))
