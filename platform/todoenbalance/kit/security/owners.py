"""Whose second factors they are, and who asks for them."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class FactorOwner:
    """An account. ``issuer``: what its apps list it under. ``vault_key``: what its secrets are sealed for."""

    account_id: UUID
    email: str
    display_name: str
    issuer: str
    vault_key: str


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """A host that asks for passkeys (WebAuthn, 4): ``id`` is its host name, ``origin`` what browsers call it."""

    id: str
    name: str
    origin: str
